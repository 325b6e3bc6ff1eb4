#include "record_ring.h"

#include <string.h>

void eser_record_ring_init(EserRecordRing *ring) { memset(ring, 0, sizeof *ring); }

const uint8_t *eser_record_ring_keep(EserRecordRing *ring, const EserRecord *record, uint16_t *length) {
  const uint32_t place = record->sequence % ESER_KEPT_RECORDS;
  *length = (uint16_t)eser_record_encode(record, ring->bytes[place]);
  ring->lengths[place] = *length;
  ring->next = record->sequence + 1;
  return ring->bytes[place];
}

const uint8_t *eser_record_ring_find(const EserRecordRing *ring, uint32_t sequence, uint16_t *length) {
  const uint32_t age = ring->next - sequence; /* 1 for the newest; sequences wrap, and so does this */
  const uint32_t place = sequence % ESER_KEPT_RECORDS;
  if (age < 1 || age > ESER_KEPT_RECORDS || ring->lengths[place] == 0) {
    return NULL;
  }
  *length = ring->lengths[place];
  return ring->bytes[place];
}
