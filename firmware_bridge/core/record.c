#include "record.h"

#include <string.h>

#include "crc32.h"

static uint8_t *put_u16(uint8_t *to, uint32_t value) {
  to[0] = (uint8_t)value;
  to[1] = (uint8_t)(value >> 8);
  return to + 2;
}

static uint8_t *put_u32(uint8_t *to, uint32_t value) { return put_u16(put_u16(to, value & 0xFFFF), value >> 16); }

static uint32_t in_16_bits(uint32_t share) { return share < UINT16_MAX ? share : UINT16_MAX; }

size_t eser_record_encode(const EserRecord *record, uint8_t *bytes) {
  const size_t classes = record->classes < ESER_MAX_CLASSES ? record->classes : ESER_MAX_CLASSES;
  uint8_t *to = bytes;
  *to++ = ESER_RECORD_VERSION;
  *to++ = record->flags;
  *to++ = (uint8_t)classes;
  *to++ = record->emotion;
  *to++ = record->shown;
  *to++ = record->keyword;
  to = put_u16(to, in_16_bits(record->keyword_share));
  to = put_u32(to, record->sequence);
  memcpy(to, record->build_id, ESER_BUILD_ID_BYTES);
  to = put_u32(to + ESER_BUILD_ID_BYTES, record->first_frame);
  to = put_u32(to, record->level);
  for (size_t c = 0; c < classes; ++c) {
    to = put_u32(to, (uint32_t)record->scores[c]);
  }
  for (size_t c = 0; c < classes; ++c) {
    to = put_u16(to, in_16_bits(record->shares[c]));
  }
  to = put_u32(to, eser_crc32(0, bytes, (size_t)(to - bytes)));
  return (size_t)(to - bytes);
}
