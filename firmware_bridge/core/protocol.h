/* The conversation with a board: what a frame asks for, and the answer. One source for every board and for both ways in
 * (frames on the serial line, frames inside JSON-RPC); firmware_bridge/messages.py packs and reads the same payloads.
 *
 * Little-endian. Targets: 0 keyword net, 1 acoustic net, 2 whole decision (one segment of int16 samples in, int32
 * scores out). Stages: 0 front end, 1 keyword net, 2 acoustic net, 3 fusion.
 *
 *   type           request                                     answer
 *   1 info         nothing                                     u16 protocol (1), u8 board (0 coral micro, 1 virtual,
 *                                                              2 emulated), u8 targets (3), u32 sequence of the next
 *                                                              record, u8[32] build id, targets times: u32 bytes in,
 *                                                              u32 bytes out (0, 0: the board has no such target);
 *                                                              the rest: the board's name, UTF-8
 *   2 self_test    nothing                                     u8 first stage that failed (255: none), u8 stages (4),
 *                                                              u16 0, stages times: u32 largest difference from the
 *                                                              golden vectors (2^32 - 1: was not run)
 *   3 write        u8 target, u8[3] 0, u32 offset, u32 total,  nothing
 *                  then bytes for the target's input
 *   4 run_raw      u8 target, u8 0, u16 runs (1 to 127)        u32 bytes out, u16 runs, u16 stages (4), runs times
 *                                                              stages times: u32 microseconds (2^32 - 1: was not run)
 *   5 read         u8 target, u8[3] 0, u32 offset, u32 count   u32 bytes out, then `count` bytes of the output
 *   6 stream       u8 on (0, 1; 2: only ask)                   u8 on, u8[3] 0, u32 sequence of the next record
 *   7 record       u32 sequence: a record once more            the record; unasked, without the answer flag: each new
 * one while the stream is on 8 clock        u8 mode (0 low, 1 medium, 2 high, 3 max;    u8 mode 255: only ask) 9
 * temperature  nothing                                     i32 thousandths of a degree Celsius
 *
 * An answer that is an error holds u8 code (EserError), then words, UTF-8. */
#ifndef EDGE_SER_PROTOCOL_H_
#define EDGE_SER_PROTOCOL_H_

#include <stddef.h>
#include <stdint.h>

#include "frame.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ESER_PROTOCOL_VERSION = 1, ESER_FULL_BUILD_ID_BYTES = 32 };

typedef enum {
  ESER_MESSAGE_INFO = 1,
  ESER_MESSAGE_SELF_TEST = 2,
  ESER_MESSAGE_WRITE = 3,
  ESER_MESSAGE_RUN_RAW = 4,
  ESER_MESSAGE_READ = 5,
  ESER_MESSAGE_STREAM = 6,
  ESER_MESSAGE_RECORD = 7,
  ESER_MESSAGE_CLOCK = 8,
  ESER_MESSAGE_TEMPERATURE = 9
} EserMessage;

typedef enum {
  ESER_ERROR_NONE = 0,
  ESER_ERROR_UNKNOWN = 1,     /* no such message */
  ESER_ERROR_MALFORMED = 2,   /* the payload has not the message's form */
  ESER_ERROR_RANGE = 3,       /* a number in it is out of range */
  ESER_ERROR_UNAVAILABLE = 4, /* this board has no such thing */
  ESER_ERROR_FAILED = 5       /* it was tried and failed */
} EserError;

enum { ESER_TARGET_KEYWORD = 0, ESER_TARGET_ACOUSTIC = 1, ESER_TARGET_DECISION = 2, ESER_TARGETS = 3 };
enum {
  ESER_STAGE_FRONTEND = 0,
  ESER_STAGE_KEYWORD = 1,
  ESER_STAGE_ACOUSTIC = 2,
  ESER_STAGE_FUSION = 3,
  ESER_STAGES = 4
};
enum { ESER_STREAM_ASK = 2, ESER_CLOCK_ASK = 255, ESER_NO_STAGE = 255 };
enum { ESER_MAX_RUNS = (ESER_FRAME_MAX_PAYLOAD - 8) / (4 * ESER_STAGES) };
#define ESER_NOT_RUN UINT32_MAX

/* What can be run on bytes from outside. `input` is not the net's own tensor, whose bytes a run may destroy: `run`
 * below copies it there before every run. Both buffers are the board's; 0 bytes in: the board has no such target. */
typedef struct {
  uint8_t *input;
  uint32_t input_bytes;
  const uint8_t *output;
  uint32_t output_bytes;
} EserTarget;

/* A board, as the protocol sees it. Every function gets `context` and returns an EserError; NULL where the board has no
 * such thing. They are called from eser_protocol_answer alone, and may take their time. */
typedef struct {
  void *context;
  uint8_t kind; /* 0 coral micro, 1 virtual, 2 emulated */
  const char *name;
  const uint8_t *build_id; /* (ESER_FULL_BUILD_ID_BYTES,) */
  EserTarget targets[ESER_TARGETS];
  /* Once on the target's input; microseconds come preset to ESER_NOT_RUN. */
  EserError (*run)(void *context, uint8_t target, uint32_t microseconds[ESER_STAGES]);
  /* On the golden vectors; differences come preset to ESER_NOT_RUN, failed to ESER_NO_STAGE. */
  EserError (*self_test)(void *context, uint8_t *failed, uint32_t differences[ESER_STAGES]);
  /* on: 0, 1, or ESER_STREAM_ASK, which becomes what is so now; the sequence of the record that comes next. */
  EserError (*stream)(void *context, uint8_t *on, uint32_t *next_record);
  /* Copies a record that is still kept, at most ESER_FRAME_MAX_PAYLOAD bytes; ESER_ERROR_RANGE where it is not. */
  EserError (*record)(void *context, uint32_t sequence, uint8_t *bytes, uint16_t *length);
  /* mode: 0 to 3, or ESER_CLOCK_ASK, which becomes what is so now. */
  EserError (*clock)(void *context, uint8_t *mode);
  EserError (*temperature)(void *context, int32_t *millidegrees);
} EserBoard;

/* What the protocol remembers; the caller owns it. */
typedef struct {
  const EserBoard *board;
  int answered;          /* whether anything was yet */
  uint32_t request_hash; /* CRC-32 of the last request: type, flags, sequence and payload */
  EserFrame answer;      /* the last answer; its payload is below */
  uint8_t payload[ESER_FRAME_MAX_PAYLOAD];
} EserProtocol;

/* Takes the board (kept by reference). */
void eser_protocol_init(EserProtocol *protocol, const EserBoard *board);

/* Does what a frame asks for and gives the answer, which stays in `protocol` and is good until the next call. A request
 * that comes twice in a row is done once and answered twice. NULL where the frame is itself an answer. */
const EserFrame *eser_protocol_answer(EserProtocol *protocol, const EserFrame *request);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_PROTOCOL_H_ */
