#include "frame.h"

#include <string.h>

#include "crc32.h"

enum { CRC_BYTES = 4, FULL_BLOCK = 0xFF };

static uint32_t u32_at(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void put_u32(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; ++i) {
    bytes[i] = (uint8_t)(value >> 8 * i);
  }
}

static void put_header(const EserFrame *frame, uint8_t *bytes) {
  bytes[0] = (uint8_t)frame->length;
  bytes[1] = (uint8_t)(frame->length >> 8);
  bytes[2] = frame->type;
  bytes[3] = frame->flags;
  put_u32(bytes + 4, frame->sequence);
}

void eser_frame_reader_init(EserFrameReader *reader) {
  reader->count = 0;
  reader->block = 0;
  reader->left = 0;
  reader->too_long = 0;
}

static void keep(EserFrameReader *reader, uint8_t byte) {
  if (reader->count < sizeof reader->bytes) {
    reader->bytes[reader->count++] = byte;
  } else {
    reader->too_long = 1;
  }
}

EserFrameResult eser_frame_read(EserFrameReader *reader, uint8_t byte, EserFrame *frame) {
  if (byte == 0) {
    const int empty = reader->block == 0;
    const int whole = reader->left == 0 && !reader->too_long;
    const size_t count = reader->count;
    eser_frame_reader_init(reader);
    if (empty) {
      return ESER_FRAME_NONE;
    }
    return whole && eser_frame_unpack(reader->bytes, count, frame) ? ESER_FRAME_GOOD : ESER_FRAME_BAD;
  }
  if (reader->left > 0) {
    keep(reader, byte);
    --reader->left;
    return ESER_FRAME_NONE;
  }
  /* A block stands for its bytes and a zero after them, unless it is full or the last. */
  if (reader->block != 0 && reader->block != FULL_BLOCK) {
    keep(reader, 0);
  }
  reader->block = byte;
  reader->left = (uint8_t)(byte - 1);
  return ESER_FRAME_NONE;
}

int eser_frame_unpack(const uint8_t *bytes, size_t count, EserFrame *frame) {
  if (count < ESER_FRAME_HEADER_BYTES + CRC_BYTES || count > ESER_FRAME_MAX_BYTES) {
    return 0;
  }
  const size_t length = (size_t)bytes[0] | (size_t)bytes[1] << 8;
  const size_t checked = count - CRC_BYTES;
  if (length != checked - ESER_FRAME_HEADER_BYTES || eser_crc32(0, bytes, checked) != u32_at(bytes + checked)) {
    return 0;
  }
  frame->length = (uint16_t)length;
  frame->type = bytes[2];
  frame->flags = bytes[3];
  frame->sequence = u32_at(bytes + 4);
  frame->payload = bytes + ESER_FRAME_HEADER_BYTES;
  return 1;
}

size_t eser_frame_pack(const EserFrame *frame, uint8_t *bytes, size_t room) {
  const size_t checked = ESER_FRAME_HEADER_BYTES + (size_t)frame->length;
  if (frame->length > ESER_FRAME_MAX_PAYLOAD || room < checked + CRC_BYTES) {
    return 0;
  }
  put_header(frame, bytes);
  if (frame->length > 0) {
    memcpy(bytes + ESER_FRAME_HEADER_BYTES, frame->payload, frame->length);
  }
  put_u32(bytes + checked, eser_crc32(0, bytes, checked));
  return checked + CRC_BYTES;
}

/* The coded bytes so far; `length_at` is where the length of the block that is being written will stand. */
typedef struct {
  uint8_t *coded;
  size_t at;
  size_t length_at;
} Coder;

static void end_block(Coder *coder) {
  coder->coded[coder->length_at] = (uint8_t)(coder->at - coder->length_at);
  coder->length_at = coder->at++;
}

static void code(Coder *coder, const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (bytes[i] != 0) {
      coder->coded[coder->at++] = bytes[i];
    }
    if (bytes[i] == 0 || coder->at - coder->length_at == FULL_BLOCK) {
      end_block(coder);
    }
  }
}

size_t eser_frame_encode(const EserFrame *frame, uint8_t *coded, size_t room) {
  const size_t bytes = ESER_FRAME_HEADER_BYTES + (size_t)frame->length + CRC_BYTES;
  if (frame->length > ESER_FRAME_MAX_PAYLOAD || room < bytes + bytes / 254 + 1 + 2) {
    return 0;
  }
  uint8_t header[ESER_FRAME_HEADER_BYTES], crc[CRC_BYTES];
  put_header(frame, header);
  put_u32(crc, eser_crc32(eser_crc32(0, header, sizeof header), frame->payload, frame->length));
  coded[0] = 0;
  Coder coder = {coded, 2, 1};
  code(&coder, header, sizeof header);
  code(&coder, frame->payload, frame->length);
  code(&coder, crc, sizeof crc);
  coded[coder.length_at] = (uint8_t)(coder.at - coder.length_at);
  coded[coder.at++] = 0;
  return coder.at;
}
