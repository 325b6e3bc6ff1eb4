/* The virtual board: the portable core, the same protocol and the same listener as on a board, as a process of this
 * machine. What it lacks, the nets and the microphone, the process that started it lends; see parent.h.
 *
 *   virtual_board SERVICE LINE LINE RPC true|wrong
 *
 * The first four are sockets that are open already: to the parent, two serial lines, and requests that came by RPC.
 * With `wrong` it says that it was built from another bundle. It ends when a socket closes. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "golden_data.h"
#include "listener.h"
#include "parent.h"
#include "protocol.h"
#include "record_ring.h"
#include "segment.h"
#include "system_data.h"

enum {
  WAYS = 3,
  LINES = 2, /* the first ways are serial lines, which records go out on */
  AT_ONCE = 4096,
  CHUNK = 16 * ESER_SYSTEM_STEP_SAMPLES, /* samples taken from the microphone between two looks at the lines */
  NO_SOUND_MS = 5,
  CLOCK_HIGH = 2, /* the SDK's default */
  VIRTUAL = 1,
  SEGMENT_SAMPLES = sizeof eser_golden_samples / sizeof eser_golden_samples[0],
  FUSED = ESER_SYSTEM_ACOUSTIC_EMBEDDING + ESER_SYSTEM_KEYWORD_EMBEDDING
};

typedef struct {
  int socket;
  EserFrameReader reader;
  EserProtocol protocol;
} Way;

static Way ways[WAYS];
static EserSystem system_here;
static uint8_t build_id[ESER_FULL_BUILD_ID_BYTES];

/* Listening. */
static EserListener listener;
static EserRecordRing records;
static int listening, listened;

/* What protocol requests work on. */
static uint8_t keyword_input[ESER_SYSTEM_KEYWORD_FRAMES * ESER_SYSTEM_CHANNELS];
static uint8_t keyword_output[ESER_SYSTEM_KEYWORD_EMBEDDING];
static uint8_t acoustic_input[ESER_SYSTEM_SEGMENT_FRAMES * ESER_SYSTEM_CHANNELS];
static uint8_t acoustic_output[ESER_SYSTEM_ACOUSTIC_EMBEDDING];
static uint8_t audio_input[2 * SEGMENT_SAMPLES];
static uint8_t score_output[4 * ESER_SYSTEM_CLASSES];
static uint8_t clock_mode = CLOCK_HIGH;

static void put_u32(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; ++i) {
    bytes[i] = (uint8_t)(value >> 8 * i);
  }
}

static void send_frame(const Way *way, const EserFrame *frame) {
  static uint8_t coded[ESER_FRAME_MAX_CODED];
  parent_write(way->socket, coded, eser_frame_encode(frame, coded, sizeof coded));
}

static int run_net(void *context, uint8_t net, const uint8_t *input, uint8_t *embedding) {
  (void)context;
  return net == ESER_TARGET_KEYWORD
             ? parent_run_net(net, input, sizeof keyword_input, embedding, sizeof keyword_output)
             : parent_run_net(net, input, sizeof acoustic_input, embedding, sizeof acoustic_output);
}

static uint32_t microseconds_now(void *context) {
  (void)context;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)now.tv_sec * 1000000u + (uint32_t)(now.tv_nsec / 1000);
}

static const EserMachine machine = {NULL, run_net, microseconds_now};

static const EserSegmentMemory *segment_memory(void) {
  static EserFrontend frontend;
  static uint16_t frame[ESER_SYSTEM_CHANNELS];
  static uint8_t features[sizeof acoustic_input], centred[sizeof acoustic_input];
  static uint8_t fused[FUSED], window[sizeof keyword_output];
  static int32_t scores[ESER_SYSTEM_CLASSES];
  static const EserSegmentMemory memory = {&frontend, frame, features, centred, fused, window, scores};
  return &memory;
}

static EserError run_decision(uint32_t microseconds[ESER_STAGES]) {
  static int16_t samples[SEGMENT_SAMPLES];
  for (size_t i = 0; i < SEGMENT_SAMPLES; ++i) {
    samples[i] = (int16_t)(uint16_t)(audio_input[2 * i] | audio_input[2 * i + 1] << 8);
  }
  memset(microseconds, 0, ESER_STAGES * sizeof *microseconds);
  const EserSegmentMemory *memory = segment_memory();
  if (!eser_segment_decide(&system_here, &machine, memory, samples, SEGMENT_SAMPLES, microseconds)) {
    return ESER_ERROR_FAILED;
  }
  for (int c = 0; c < ESER_SYSTEM_CLASSES; ++c) {
    put_u32(score_output + 4 * c, (uint32_t)memory->scores[c]);
  }
  return ESER_ERROR_NONE;
}

static EserError run(void *context, uint8_t target, uint32_t microseconds[ESER_STAGES]) {
  if (target == ESER_TARGET_DECISION) {
    return run_decision(microseconds);
  }
  const uint32_t start = microseconds_now(context);
  const int is_keyword = target == ESER_TARGET_KEYWORD;
  if (!run_net(context, target, is_keyword ? keyword_input : acoustic_input,
               is_keyword ? keyword_output : acoustic_output)) {
    return ESER_ERROR_FAILED;
  }
  microseconds[is_keyword ? ESER_STAGE_KEYWORD : ESER_STAGE_ACOUSTIC] = microseconds_now(context) - start;
  return ESER_ERROR_NONE;
}

static EserError self_test(void *context, uint8_t *failed, uint32_t differences[ESER_STAGES]) {
  (void)context;
  static const EserGolden golden = {eser_golden_samples,
                                    SEGMENT_SAMPLES,
                                    eser_golden_features,
                                    eser_golden_acoustic_embedding,
                                    eser_golden_keyword_windows,
                                    eser_golden_scores,
                                    {ESER_ALLOWED_FEATURES, ESER_ALLOWED_KEYWORD, ESER_ALLOWED_ACOUSTIC, 0}};
  *failed = eser_segment_self_test(&system_here, &machine, segment_memory(), &golden, differences);
  return ESER_ERROR_NONE;
}

static EserError stream(void *context, uint8_t *on, uint32_t *next_record) {
  (void)context;
  if (*on == 1 && !listening && listened) {
    eser_listener_reset(&listener); /* what sounded meanwhile was not heard */
  }
  if (*on != ESER_STREAM_ASK) {
    listening = *on;
  }
  *on = (uint8_t)listening;
  *next_record = records.next;
  return ESER_ERROR_NONE;
}

static EserError kept_record(void *context, uint32_t sequence, uint8_t *bytes, uint16_t *length) {
  (void)context;
  const uint8_t *kept = eser_record_ring_find(&records, sequence, length);
  if (kept == NULL) {
    return ESER_ERROR_RANGE;
  }
  memcpy(bytes, kept, *length);
  return ESER_ERROR_NONE;
}

/* There is no Edge TPU whose clock could be set: the mode is kept, and changes nothing. */
static EserError clock_of_edge_tpu(void *context, uint8_t *mode) {
  (void)context;
  if (*mode != ESER_CLOCK_ASK) {
    clock_mode = *mode;
  }
  *mode = clock_mode;
  return ESER_ERROR_NONE;
}

static const EserBoard board = {NULL,
                                VIRTUAL,
                                "virtual board: a process of this computer",
                                build_id,
                                {{keyword_input, sizeof keyword_input, keyword_output, sizeof keyword_output},
                                 {acoustic_input, sizeof acoustic_input, acoustic_output, sizeof acoustic_output},
                                 {audio_input, sizeof audio_input, score_output, sizeof score_output}},
                                run,
                                self_test,
                                stream,
                                kept_record,
                                clock_of_edge_tpu,
                                NULL};

static void send_record(const EserRecord *record) {
  uint16_t length = 0;
  const uint8_t *bytes = eser_record_ring_keep(&records, record, &length);
  const EserFrame frame = {ESER_MESSAGE_RECORD, 0, length, record->sequence, bytes};
  parent_made(bytes, length);
  for (int way = 0; way < LINES; ++way) {
    send_frame(&ways[way], &frame);
  }
}

static void do_what_is_due(void) {
  static uint8_t input[sizeof acoustic_input];
  static uint8_t embedding[FUSED];
  for (EserDue due; (due = eser_listener_due(&listener)) != ESER_NOTHING;) {
    if (due == ESER_RECORD) {
      EserRecord record;
      eser_listener_record(&listener, &record);
      send_record(&record);
      continue;
    }
    eser_listener_fill(&listener, input);
    if (run_net(NULL, due == ESER_KEYWORD ? ESER_TARGET_KEYWORD : ESER_TARGET_ACOUSTIC, input, embedding)) {
      eser_listener_embedding(&listener, embedding);
    } else {
      eser_listener_fail(&listener);
    }
  }
}

/* Takes some sound; 0 where there is none now. */
static int listen_on(void) {
  static int16_t samples[CHUNK];
  const size_t count = parent_samples(samples, CHUNK);
  for (size_t used = 0; used < count;) {
    used += eser_listener_feed(&listener, samples + used, count - used);
    do_what_is_due();
  }
  listened = listened || count > 0;
  return count > 0;
}

static void take_bytes(Way *way) {
  static uint8_t bytes[AT_ONCE];
  const ssize_t count = read(way->socket, bytes, sizeof bytes);
  if (count <= 0) {
    exit(0); /* the parent has gone */
  }
  EserFrame request;
  for (ssize_t i = 0; i < count; ++i) {
    if (eser_frame_read(&way->reader, bytes[i], &request) == ESER_FRAME_GOOD) {
      const EserFrame *answer = eser_protocol_answer(&way->protocol, &request);
      if (answer != NULL) {
        send_frame(way, answer);
      }
    }
  }
}

static void fail(const char *problem) {
  fprintf(stderr, "virtual_board: %s\n", problem);
  exit(1);
}

static void open_system(int wrong) {
  static uint8_t ring[sizeof acoustic_input], fused[FUSED];
  static uint8_t windows[ESER_SYSTEM_KEYWORD_SLOTS * ESER_SYSTEM_KEYWORD_EMBEDDING];
  static uint32_t slot_windows[ESER_SYSTEM_KEYWORD_SLOTS], history[ESER_SYSTEM_SMOOTHING * ESER_SYSTEM_CLASSES];
  static int32_t word_scores[ESER_SYSTEM_WORDS + 2];
  static uint32_t word_shares[ESER_SYSTEM_WORDS + 2];
  static uint16_t features[ESER_SYSTEM_CHANNELS];
  const EserListenerMemory memory = {.ring = ring,
                                     .windows = windows,
                                     .slot_windows = slot_windows,
                                     .fused = fused,
                                     .word_scores = word_scores,
                                     .word_shares = word_shares,
                                     .history = history,
                                     .features = features};
  for (size_t i = 0; i < sizeof build_id; ++i) {
    const char digits[3] = {eser_build_id[2 * i], eser_build_id[2 * i + 1], 0};
    build_id[i] = (uint8_t)(strtoul(digits, NULL, 16) ^ (wrong ? 0xFF : 0));
  }
  system_here = eser_system;
  memcpy(system_here.build_id, build_id, sizeof system_here.build_id);
  if (eser_listener_init(&listener, &system_here, &memory) != ESER_OK) {
    fail("the core refuses the system");
  }
  eser_record_ring_init(&records);
}

int main(int argc, char **argv) {
  if (argc != 3 + WAYS) {
    fail("expected SERVICE LINE LINE RPC true|wrong");
  }
  parent_open(atoi(argv[1]));
  struct pollfd polled[WAYS];
  for (int way = 0; way < WAYS; ++way) {
    ways[way].socket = polled[way].fd = atoi(argv[2 + way]);
    polled[way].events = POLLIN;
    eser_frame_reader_init(&ways[way].reader);
    eser_protocol_init(&ways[way].protocol, &board);
  }
  open_system(strcmp(argv[2 + WAYS], "wrong") == 0);
  for (int silent = 0;;) {
    const int wait_ms = !listening ? -1 : silent ? NO_SOUND_MS : 0;
    if (poll(polled, WAYS, wait_ms) < 0) {
      continue; /* a signal */
    }
    for (int way = 0; way < WAYS; ++way) {
      if (polled[way].revents != 0) {
        take_bytes(&ways[way]);
      }
    }
    silent = !listening || !listen_on();
  }
}
