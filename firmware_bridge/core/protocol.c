#include "protocol.h"

#include <string.h>

#include "crc32.h"

/* The payload of an answer as it grows; the longest answers are just as long as a payload may be. */
typedef struct {
  uint8_t *bytes;
  uint16_t length;
} Writer;

static uint32_t u32_at(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void put_u8(Writer *writer, uint8_t value) { writer->bytes[writer->length++] = value; }

static void put_u16(Writer *writer, uint16_t value) {
  put_u8(writer, (uint8_t)value);
  put_u8(writer, (uint8_t)(value >> 8));
}

static void put_u32(Writer *writer, uint32_t value) {
  put_u16(writer, (uint16_t)value);
  put_u16(writer, (uint16_t)(value >> 16));
}

static void put_bytes(Writer *writer, const void *bytes, size_t count) {
  memcpy(writer->bytes + writer->length, bytes, count);
  writer->length = (uint16_t)(writer->length + count);
}

/* The text cut to what a payload has room for. */
static void put_text(Writer *writer, const char *text) {
  const size_t room = ESER_FRAME_MAX_PAYLOAD - (size_t)writer->length;
  size_t length = 0;
  while (length < room && text[length] != '\0') {
    ++length;
  }
  put_bytes(writer, text, length);
}

/* The target that a request names in its first byte, or NULL where the board has none of that number. */
static const EserTarget *target_of(const EserBoard *board, const EserFrame *request) {
  const uint8_t index = request->payload[0];
  return index < ESER_TARGETS && board->targets[index].input_bytes > 0 ? &board->targets[index] : NULL;
}

static EserError info(const EserBoard *board, Writer *answer) {
  uint8_t on = ESER_STREAM_ASK;
  uint32_t next_record = 0;
  if (board->stream != NULL) {
    const EserError error = board->stream(board->context, &on, &next_record);
    if (error != ESER_ERROR_NONE) {
      return error;
    }
  }
  put_u16(answer, ESER_PROTOCOL_VERSION);
  put_u8(answer, board->kind);
  put_u8(answer, ESER_TARGETS);
  put_u32(answer, next_record);
  put_bytes(answer, board->build_id, ESER_FULL_BUILD_ID_BYTES);
  for (int target = 0; target < ESER_TARGETS; ++target) {
    put_u32(answer, board->targets[target].input_bytes);
    put_u32(answer, board->targets[target].output_bytes);
  }
  put_text(answer, board->name);
  return ESER_ERROR_NONE;
}

static EserError self_test(const EserBoard *board, Writer *answer) {
  if (board->self_test == NULL) {
    return ESER_ERROR_UNAVAILABLE;
  }
  uint8_t failed = ESER_NO_STAGE;
  uint32_t differences[ESER_STAGES];
  for (int stage = 0; stage < ESER_STAGES; ++stage) {
    differences[stage] = ESER_NOT_RUN;
  }
  const EserError error = board->self_test(board->context, &failed, differences);
  put_u8(answer, failed);
  put_u8(answer, ESER_STAGES);
  put_u16(answer, 0);
  for (int stage = 0; stage < ESER_STAGES; ++stage) {
    put_u32(answer, differences[stage]);
  }
  return error;
}

static EserError write_input(const EserBoard *board, const EserFrame *request) {
  enum { HEAD = 12 };
  if (request->length <= HEAD) {
    return ESER_ERROR_MALFORMED;
  }
  const EserTarget *target = target_of(board, request);
  if (target == NULL) {
    return ESER_ERROR_UNAVAILABLE;
  }
  const uint32_t offset = u32_at(request->payload + 4), total = u32_at(request->payload + 8);
  const uint32_t count = (uint32_t)request->length - HEAD;
  if (total != target->input_bytes || count > total || offset > total - count) {
    return ESER_ERROR_RANGE;
  }
  memcpy(target->input + offset, request->payload + HEAD, count);
  return ESER_ERROR_NONE;
}

static EserError run_raw(const EserBoard *board, const EserFrame *request, Writer *answer) {
  if (request->length != 4) {
    return ESER_ERROR_MALFORMED;
  }
  const EserTarget *target = target_of(board, request);
  if (target == NULL || board->run == NULL) {
    return ESER_ERROR_UNAVAILABLE;
  }
  const uint16_t runs = (uint16_t)(request->payload[2] | request->payload[3] << 8);
  if (runs < 1 || runs > ESER_MAX_RUNS) {
    return ESER_ERROR_RANGE;
  }
  put_u32(answer, target->output_bytes);
  put_u16(answer, runs);
  put_u16(answer, ESER_STAGES);
  for (uint16_t run = 0; run < runs; ++run) {
    uint32_t microseconds[ESER_STAGES] = {ESER_NOT_RUN, ESER_NOT_RUN, ESER_NOT_RUN, ESER_NOT_RUN};
    const EserError error = board->run(board->context, request->payload[0], microseconds);
    if (error != ESER_ERROR_NONE) {
      return error;
    }
    for (int stage = 0; stage < ESER_STAGES; ++stage) {
      put_u32(answer, microseconds[stage]);
    }
  }
  return ESER_ERROR_NONE;
}

static EserError read_output(const EserBoard *board, const EserFrame *request, Writer *answer) {
  if (request->length != 12) {
    return ESER_ERROR_MALFORMED;
  }
  const EserTarget *target = target_of(board, request);
  if (target == NULL) {
    return ESER_ERROR_UNAVAILABLE;
  }
  const uint32_t offset = u32_at(request->payload + 4), count = u32_at(request->payload + 8);
  if (count > ESER_FRAME_MAX_PAYLOAD - 4 || count > target->output_bytes || offset > target->output_bytes - count) {
    return ESER_ERROR_RANGE;
  }
  put_u32(answer, target->output_bytes);
  put_bytes(answer, target->output + offset, count);
  return ESER_ERROR_NONE;
}

static EserError stream(const EserBoard *board, const EserFrame *request, Writer *answer) {
  if (request->length != 1) {
    return ESER_ERROR_MALFORMED;
  }
  if (board->stream == NULL) {
    return ESER_ERROR_UNAVAILABLE;
  }
  uint8_t on = request->payload[0];
  uint32_t next_record = 0;
  if (on > ESER_STREAM_ASK) {
    return ESER_ERROR_RANGE;
  }
  const EserError error = board->stream(board->context, &on, &next_record);
  put_u32(answer, on);
  put_u32(answer, next_record);
  return error;
}

static EserError record(const EserBoard *board, const EserFrame *request, Writer *answer) {
  if (request->length != 4) {
    return ESER_ERROR_MALFORMED;
  }
  if (board->record == NULL) {
    return ESER_ERROR_UNAVAILABLE;
  }
  return board->record(board->context, u32_at(request->payload), answer->bytes, &answer->length);
}

static EserError clock(const EserBoard *board, const EserFrame *request, Writer *answer) {
  enum { FASTEST = 3 };
  if (request->length != 1) {
    return ESER_ERROR_MALFORMED;
  }
  if (board->clock == NULL) {
    return ESER_ERROR_UNAVAILABLE;
  }
  uint8_t mode = request->payload[0];
  if (mode > FASTEST && mode != ESER_CLOCK_ASK) {
    return ESER_ERROR_RANGE;
  }
  const EserError error = board->clock(board->context, &mode);
  put_u8(answer, mode);
  return error;
}

static EserError temperature(const EserBoard *board, Writer *answer) {
  if (board->temperature == NULL) {
    return ESER_ERROR_UNAVAILABLE;
  }
  int32_t millidegrees = 0;
  const EserError error = board->temperature(board->context, &millidegrees);
  put_u32(answer, (uint32_t)millidegrees);
  return error;
}

static EserError done(const EserBoard *board, const EserFrame *request, Writer *answer) {
  switch (request->type) {
    case ESER_MESSAGE_INFO:
      return request->length == 0 ? info(board, answer) : ESER_ERROR_MALFORMED;
    case ESER_MESSAGE_SELF_TEST:
      return request->length == 0 ? self_test(board, answer) : ESER_ERROR_MALFORMED;
    case ESER_MESSAGE_WRITE:
      return write_input(board, request);
    case ESER_MESSAGE_RUN_RAW:
      return run_raw(board, request, answer);
    case ESER_MESSAGE_READ:
      return read_output(board, request, answer);
    case ESER_MESSAGE_STREAM:
      return stream(board, request, answer);
    case ESER_MESSAGE_RECORD:
      return record(board, request, answer);
    case ESER_MESSAGE_CLOCK:
      return clock(board, request, answer);
    case ESER_MESSAGE_TEMPERATURE:
      return request->length == 0 ? temperature(board, answer) : ESER_ERROR_MALFORMED;
    default:
      return ESER_ERROR_UNKNOWN;
  }
}

static const char *words(EserError error) {
  switch (error) {
    case ESER_ERROR_UNKNOWN:
      return "this firmware has no such message";
    case ESER_ERROR_MALFORMED:
      return "the payload has not the form of this message";
    case ESER_ERROR_RANGE:
      return "a number in the request is out of range";
    case ESER_ERROR_UNAVAILABLE:
      return "this board has no such thing";
    default:
      return "the board tried and failed";
  }
}

static uint32_t hash_of(const EserFrame *request) {
  uint8_t head[6] = {request->type, request->flags};
  for (int i = 0; i < 4; ++i) {
    head[2 + i] = (uint8_t)(request->sequence >> 8 * i);
  }
  return eser_crc32(eser_crc32(0, head, sizeof head), request->payload, request->length);
}

void eser_protocol_init(EserProtocol *protocol, const EserBoard *board) {
  memset(protocol, 0, sizeof *protocol);
  protocol->board = board;
}

const EserFrame *eser_protocol_answer(EserProtocol *protocol, const EserFrame *request) {
  if ((request->flags & ESER_FRAME_ANSWER) != 0) {
    return NULL;
  }
  EserFrame *answer = &protocol->answer;
  const uint32_t hash = hash_of(request);
  if (protocol->answered && answer->sequence == request->sequence && protocol->request_hash == hash) {
    return answer;
  }
  Writer writer = {protocol->payload, 0};
  const EserError error = done(protocol->board, request, &writer);
  answer->flags = ESER_FRAME_ANSWER;
  if (error != ESER_ERROR_NONE) {
    answer->flags |= ESER_FRAME_ERROR;
    writer.length = 0;
    put_u8(&writer, (uint8_t)error);
    put_text(&writer, words(error));
  }
  answer->type = request->type;
  answer->sequence = request->sequence;
  answer->length = writer.length;
  answer->payload = protocol->payload;
  protocol->request_hash = hash;
  protocol->answered = 1;
  return answer;
}
