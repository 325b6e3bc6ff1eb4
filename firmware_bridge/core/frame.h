/* Frames on the board's serial line: COBS-coded, between zero bytes, so that a reader finds the next frame whatever
 * was lost, flipped or printed in between. firmware_bridge/framing.py is the other end.
 *
 * A frame before the coding, little-endian: u16 payload bytes, u8 type, u8 flags, u32 sequence, payload, u32 CRC-32 of
 * all before it. On the line: 0, the coded bytes (none of them zero), 0. The first zero ends whatever text or broken
 * frame came before; nothing between two zeros is no frame.
 * COBS: Cheshire and Baker, Consistent Overhead Byte Stuffing, IEEE/ACM Transactions on Networking 7(2), 1999. */
#ifndef EDGE_SER_FRAME_H_
#define EDGE_SER_FRAME_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  ESER_FRAME_HEADER_BYTES = 8,
  ESER_FRAME_MAX_PAYLOAD = 2048,
  ESER_FRAME_MAX_BYTES = ESER_FRAME_HEADER_BYTES + ESER_FRAME_MAX_PAYLOAD + 4, /* before the coding */
  ESER_FRAME_MAX_CODED = ESER_FRAME_MAX_BYTES + ESER_FRAME_MAX_BYTES / 254 + 1 + 2,
  ESER_FRAME_ANSWER = 1, /* flag: repeats type and sequence of the request that it answers */
  ESER_FRAME_ERROR = 2   /* flag: the payload says why there is no answer */
};

typedef struct {
  uint8_t type;
  uint8_t flags;
  uint16_t length; /* bytes of payload */
  uint32_t sequence;
  const uint8_t *payload;
} EserFrame;

typedef enum {
  ESER_FRAME_NONE = 0, /* no frame ends here */
  ESER_FRAME_GOOD = 1, /* a frame ended here, and its CRC is right */
  ESER_FRAME_BAD = 2   /* something ended here that is no frame: text, or a frame that was damaged */
} EserFrameResult;

/* What a reader remembers between two bytes; the caller owns it. */
typedef struct {
  uint8_t bytes[ESER_FRAME_MAX_BYTES];
  uint16_t count;   /* decoded bytes that are there */
  uint8_t block;    /* length byte of the COBS block that is being read; 0 before the first */
  uint8_t left;     /* bytes of it that are still to come */
  uint8_t too_long; /* more came than a frame has: skipped up to the next zero */
} EserFrameReader;

/* Starts in the state after a zero byte. */
void eser_frame_reader_init(EserFrameReader *reader);

/* Takes one byte of the line. With ESER_FRAME_GOOD, `frame` holds the frame; its payload stays in the reader and is
 * good until the next byte is taken. */
EserFrameResult eser_frame_read(EserFrameReader *reader, uint8_t byte, EserFrame *frame);

/* Reads a frame that is not coded (JSON-RPC carries it so). Returns 1 and points into `bytes`, or 0 where the bytes
 * are no frame. */
int eser_frame_unpack(const uint8_t *bytes, size_t count, EserFrame *frame);

/* Writes a frame without the coding. Returns its bytes, or 0 and writes nothing where the payload is too long or
 * `room` is too small. */
size_t eser_frame_pack(const EserFrame *frame, uint8_t *bytes, size_t room);

/* Writes a frame as it goes on the line, both zeros included. Returns its bytes, or 0 where the payload is too long or
 * `room` is too small; ESER_FRAME_MAX_CODED is always enough. */
size_t eser_frame_encode(const EserFrame *frame, uint8_t *coded, size_t room);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_FRAME_H_ */
