/* A fuzz target for what comes from outside: the frame reader, and the protocol behind it. For libFuzzer, or with
 * FUZZ_ALONE as a program that makes inputs by itself: `fuzz_frame ROUNDS`. What must hold, holds by abort(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "frame.h"
#include "protocol.h"

enum { INPUT_BYTES = 5000, OUTPUT_BYTES = 3000, KEPT = 200 };

static void must(int holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "fuzz_frame: %s\n", what);
    abort();
  }
}

/* A board whose functions do what the protocol may rely on, and no more. */
static EserError run(void *context, uint8_t target, uint32_t microseconds[ESER_STAGES]) {
  (void)context;
  microseconds[target] = target;
  return target == ESER_TARGET_DECISION ? ESER_ERROR_FAILED : ESER_ERROR_NONE;
}

static EserError self_test(void *context, uint8_t *failed, uint32_t differences[ESER_STAGES]) {
  (void)context;
  *failed = ESER_STAGE_ACOUSTIC;
  differences[ESER_STAGE_ACOUSTIC] = 9;
  return ESER_ERROR_NONE;
}

static EserError stream(void *context, uint8_t *on, uint32_t *next_record) {
  (void)context;
  *on = *on == ESER_STREAM_ASK ? 0 : *on;
  *next_record = KEPT;
  return ESER_ERROR_NONE;
}

static EserError record(void *context, uint32_t sequence, uint8_t *bytes, uint16_t *length) {
  (void)context;
  if (sequence >= KEPT) {
    return ESER_ERROR_RANGE;
  }
  *length = (uint16_t)sequence;
  memset(bytes, 1, *length);
  return ESER_ERROR_NONE;
}

static EserError clock_mode(void *context, uint8_t *mode) {
  (void)context;
  *mode = 1;
  return ESER_ERROR_NONE;
}

static int same(const EserFrame *a, const EserFrame *b) {
  return a->type == b->type && a->flags == b->flags && a->sequence == b->sequence && a->length == b->length &&
         (a->length == 0 || memcmp(a->payload, b->payload, a->length) == 0);
}

/* A frame on the line, behind whatever was read before, is read as it was written. */
static void comes_through(EserFrameReader *reader, const EserFrame *frame) {
  uint8_t coded[ESER_FRAME_MAX_CODED], packed[ESER_FRAME_MAX_BYTES];
  const size_t count = eser_frame_encode(frame, coded, sizeof coded);
  must(count >= 2 && count <= sizeof coded && coded[0] == 0 && coded[count - 1] == 0, "a frame was not encoded");
  must(memchr(coded + 1, 0, count - 2) == NULL, "a coded frame holds a zero");
  EserFrame read;
  int good = 0;
  for (size_t i = 0; i < count; ++i) {
    good = eser_frame_read(reader, coded[i], &read) == ESER_FRAME_GOOD;
  }
  must(good && same(frame, &read), "a frame did not come through");
  const size_t bytes = eser_frame_pack(frame, packed, sizeof packed);
  must(bytes > 0 && eser_frame_unpack(packed, bytes, &read) && same(frame, &read), "a packed frame is another");
}

static void answered(const EserBoard *board, const EserFrame *request) {
  static EserProtocol protocol;
  eser_protocol_init(&protocol, board);
  const EserFrame *answer = eser_protocol_answer(&protocol, request);
  must((answer == NULL) == ((request->flags & ESER_FRAME_ANSWER) != 0),
       "a request has no answer, or an answer has one");
  if (answer != NULL) {
    must(answer->length <= ESER_FRAME_MAX_PAYLOAD && answer->sequence == request->sequence, "an answer is no answer");
    EserFrameReader reader;
    eser_frame_reader_init(&reader);
    comes_through(&reader, answer);
  }
}

/* Bytes behind which the right CRC stands, which chance would hardly find: length and flags may say anything. */
static void sealed(const EserBoard *board, const uint8_t *data, size_t size) {
  uint8_t *bytes = malloc(size + 4); /* no more than that, so that a sanitizer sees what is read beyond it */
  must(bytes != NULL, "no memory");
  if (size > 0) {
    memcpy(bytes, data, size);
  }
  const uint32_t crc = eser_crc32(0, bytes, size);
  for (int i = 0; i < 4; ++i) {
    bytes[size + i] = (uint8_t)(crc >> 8 * i);
  }
  EserFrame frame;
  if (eser_frame_unpack(bytes, size + 4, &frame)) {
    answered(board, &frame);
  }
  free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t input[INPUT_BYTES], output[OUTPUT_BYTES], build_id[ESER_FULL_BUILD_ID_BYTES];
  const EserBoard board = {NULL,
                           1,
                           "fuzzed",
                           build_id,
                           {{input, INPUT_BYTES, output, OUTPUT_BYTES}, {input, 1, output, 0}, {input, 7, output, 40}},
                           run,
                           self_test,
                           stream,
                           record,
                           clock_mode,
                           NULL};
  EserFrameReader reader;
  EserFrame frame;
  eser_frame_reader_init(&reader);
  for (size_t i = 0; i < size; ++i) {
    if (eser_frame_read(&reader, data[i], &frame) == ESER_FRAME_GOOD) {
      answered(&board, &frame);
    }
  }
  if (eser_frame_unpack(data, size, &frame)) {
    answered(&board, &frame);
  }
  sealed(&board, data, size);
  /* The same bytes as payload of a frame that is whole, of any type. */
  enum { HEAD = 4 };
  if (size >= HEAD && size - HEAD <= ESER_FRAME_MAX_PAYLOAD) {
    const EserFrame made = {data[0], data[1], (uint16_t)(size - HEAD), data[2] * 0x01010101u + data[3], data + HEAD};
    comes_through(&reader, &made);
    answered(&board, &made);
  }
  return 0;
}

#ifdef FUZZ_ALONE
int main(int argc, char **argv) {
  static uint8_t data[2 * ESER_FRAME_MAX_CODED];
  const long rounds = argc == 2 ? atol(argv[1]) : 0;
  uint32_t random = 2463534242u; /* Marsaglia, Xorshift RNGs, 2003 */
  for (long round = 0; round < rounds; ++round) {
    random ^= random << 13, random ^= random >> 17, random ^= random << 5;
    const size_t size = (random >> 8) % (round % 4 == 0 ? sizeof data : 40);
    const uint32_t mask = round % 3 == 0 ? 0xFF : 0x0F; /* few values: many zeros, and messages that there are */
    for (size_t i = 0; i < size; ++i) {
      random ^= random << 13, random ^= random >> 17, random ^= random << 5;
      data[i] = (uint8_t)(random >> 8 & mask);
    }
    LLVMFuzzerTestOneInput(data, size);
  }
  printf("%ld inputs\n", rounds);
  return rounds > 0 ? 0 : 2;
}
#endif
