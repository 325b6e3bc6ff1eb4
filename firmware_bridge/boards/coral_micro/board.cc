#include "board.h"

#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "app_data.h"
#include "console.h"
#include "crc32.h"
#include "golden_file.h"
#include "libs/base/filesystem.h"
#include "libs/base/timer.h"
#include "listener.h"
#include "microphone.h"
#include "nets.h"
#include "protocol.h"
#include "record_ring.h"
#include "sdram.h"
#include "segment.h"
#include "system_data.h"

namespace edge_ser {
namespace {

constexpr const char *kStages[ESER_STAGES] = {"front end", "keyword net", "acoustic net", "fusion"};
constexpr uint8_t kBoardCoralMicro = 0;
constexpr size_t kSegmentBytes = ESER_SYSTEM_SEGMENT_FRAMES * ESER_SYSTEM_CHANNELS;
constexpr size_t kFusedBytes = ESER_SYSTEM_ACOUSTIC_EMBEDDING + ESER_SYSTEM_KEYWORD_EMBEDDING;
// Besides the words, unknown and silence.
constexpr size_t kWordClasses = ESER_SYSTEM_WORDS + 2;
// As many samples as are taken from the microphone at once.
constexpr size_t kChunkSamples = 320;

// What the listener works in.
ESER_IN_SDRAM EserListener listener;
ESER_IN_SDRAM uint8_t ring[kSegmentBytes];
ESER_IN_SDRAM uint8_t windows[ESER_SYSTEM_KEYWORD_SLOTS * ESER_SYSTEM_KEYWORD_EMBEDDING];
ESER_IN_SDRAM uint32_t slot_windows[ESER_SYSTEM_KEYWORD_SLOTS];
ESER_IN_SDRAM uint8_t fused[kFusedBytes];
ESER_IN_SDRAM int32_t word_scores[kWordClasses];
ESER_IN_SDRAM uint32_t word_shares[kWordClasses];
ESER_IN_SDRAM uint32_t history[ESER_SYSTEM_SMOOTHING * ESER_SYSTEM_CLASSES];
ESER_IN_SDRAM uint16_t frame[ESER_SYSTEM_CHANNELS];
ESER_IN_SDRAM EserRecordRing records;
ESER_IN_SDRAM EserRecord record;

// What a whole segment from outside is worked on in, apart from the listener's own.
ESER_IN_SDRAM EserFrontend segment_frontend;
ESER_IN_SDRAM uint16_t segment_frame[ESER_SYSTEM_CHANNELS];
ESER_IN_SDRAM uint8_t segment_features[kSegmentBytes];
ESER_IN_SDRAM uint8_t segment_centred[kSegmentBytes];
ESER_IN_SDRAM uint8_t segment_fused[kFusedBytes];
ESER_IN_SDRAM uint8_t segment_window[ESER_SYSTEM_KEYWORD_EMBEDDING];
ESER_IN_SDRAM int32_t segment_scores[ESER_SYSTEM_CLASSES];

// Inputs and outputs of the protocol's targets.
ESER_IN_SDRAM uint8_t keyword_input[kKeywordModel.input_bytes];
ESER_IN_SDRAM uint8_t keyword_output[kKeywordModel.output_bytes];
ESER_IN_SDRAM uint8_t acoustic_input[kAcousticModel.input_bytes];
ESER_IN_SDRAM uint8_t acoustic_output[kAcousticModel.output_bytes];
ESER_IN_SDRAM int16_t decision_input[kSegmentSamples];

ESER_IN_SDRAM GoldenFile golden;
ESER_IN_SDRAM EserProtocol protocol;

static_assert(sizeof kBuildId == ESER_FULL_BUILD_ID_BYTES, "the build id is a SHA-256");
static_assert(kKeywordModel.output_bytes == ESER_SYSTEM_KEYWORD_EMBEDDING &&
                  kAcousticModel.output_bytes == ESER_SYSTEM_ACOUSTIC_EMBEDDING,
              "the nets give what the fusion head reads");

bool usable = false;  // every step of the start went well
bool on = false;      // records are made and sent
bool open = false;    // the newest record was of a segment with sound
bool listened = false;

int RunNet(void *, uint8_t net, const uint8_t *input, uint8_t *embedding) { return NetRun(net, input, embedding); }

uint32_t Microseconds(void *) { return static_cast<uint32_t>(coralmicro::TimerMicros()); }

constexpr EserMachine kMachine = {nullptr, RunNet, Microseconds};
const EserSegmentMemory kSegmentMemory = {&segment_frontend, segment_frame,  segment_features, segment_centred,
                                          segment_fused,     segment_window, segment_scores};

EserError Run(void *, uint8_t target, uint32_t microseconds[ESER_STAGES]) {
  if (target == ESER_TARGET_DECISION) {
    for (int stage = 0; stage < ESER_STAGES; ++stage) {
      microseconds[stage] = 0;
    }
    const int done =
        eser_segment_decide(&eser_system, &kMachine, &kSegmentMemory, decision_input, kSegmentSamples, microseconds);
    return done ? ESER_ERROR_NONE : ESER_ERROR_FAILED;
  }
  const bool keyword = target == ESER_TARGET_KEYWORD;
  const uint32_t start = Microseconds(nullptr);
  const bool done =
      NetRun(target, keyword ? keyword_input : acoustic_input, keyword ? keyword_output : acoustic_output);
  microseconds[keyword ? ESER_STAGE_KEYWORD : ESER_STAGE_ACOUSTIC] = Microseconds(nullptr) - start;
  return done ? ESER_ERROR_NONE : ESER_ERROR_FAILED;
}

EserError SelfTest(void *, uint8_t *failed, uint32_t differences[ESER_STAGES]) {
  // The file may be of an older build, and the self-test is what has to find that out.
  const auto size = static_cast<ssize_t>(sizeof golden);
  if (coralmicro::LfsSize(kGoldenPath) != size ||
      coralmicro::LfsReadFile(kGoldenPath, reinterpret_cast<uint8_t *>(&golden), sizeof golden) != sizeof golden ||
      eser_crc32(0, &golden, sizeof golden) != kGoldenCrc32) {
    return ESER_ERROR_FAILED;
  }
  const EserGolden vectors = {
      golden.samples,
      kSegmentSamples,
      golden.features,
      golden.acoustic_embedding,
      golden.keyword_windows,
      golden.scores,
      {kAllowedFrontend, kAllowedKeyword, kAllowedAcoustic, 0},
  };
  *failed = eser_segment_self_test(&eser_system, &kMachine, &kSegmentMemory, &vectors, differences);
  return ESER_ERROR_NONE;
}

void Reset() {
  eser_listener_reset(&listener);
  open = false;
}

EserError Stream(void *, uint8_t *wanted, uint32_t *next_record) {
  *next_record = records.next;
  if (*wanted != ESER_STREAM_ASK) {
    if (*wanted && !usable) {
      return ESER_ERROR_FAILED;
    }
    if (*wanted && !on) {
      // What comes next does not follow what came before; a first time there is nothing to forget.
      if (listened) {
        Reset();
      }
      listened = true;
      if (!MicrophoneStart()) {
        return ESER_ERROR_FAILED;
      }
    } else if (!*wanted) {
      MicrophoneStop();
      open = false;
    }
    on = *wanted != 0;
  }
  *wanted = on;
  return ESER_ERROR_NONE;
}

EserError Record(void *, uint32_t sequence, uint8_t *bytes, uint16_t *length) {
  const uint8_t *kept = eser_record_ring_find(&records, sequence, length);
  if (kept == nullptr) {
    return ESER_ERROR_RANGE;
  }
  std::memcpy(bytes, kept, *length);
  return ESER_ERROR_NONE;
}

EserError Clock(void *, uint8_t *mode) {
  uint8_t now = 0;
  if (!NetsGetClock(&now)) {
    return ESER_ERROR_UNAVAILABLE;
  }
  if (*mode != ESER_CLOCK_ASK) {
    return NetsSetClock(*mode) ? ESER_ERROR_NONE : ESER_ERROR_FAILED;
  }
  *mode = now;
  return ESER_ERROR_NONE;
}

EserError Temperature(void *, int32_t *millidegrees) {
  return NetsTemperature(millidegrees) ? ESER_ERROR_NONE : ESER_ERROR_UNAVAILABLE;
}

const EserBoard kBoard = {
    nullptr,
    kBoardCoralMicro,
    kBoardName,
    kBuildId,
    {{keyword_input, sizeof keyword_input, keyword_output, sizeof keyword_output},
     {acoustic_input, sizeof acoustic_input, acoustic_output, sizeof acoustic_output},
     {reinterpret_cast<uint8_t *>(decision_input), sizeof decision_input,
      reinterpret_cast<const uint8_t *>(segment_scores), sizeof segment_scores}},
    Run,
    SelfTest,
    Stream,
    Record,
    Clock,
    Temperature,
};

void SendRecord() {
  eser_listener_record(&listener, &record);
  open = (record.flags & ESER_RECORD_SILENT) == 0;
  EserFrame sent = {ESER_MESSAGE_RECORD, 0, 0, record.sequence, nullptr};
  sent.payload = eser_record_ring_keep(&records, &record, &sent.length);
  ConsoleSend(sent);
}

void RunDue(EserDue due) {
  const uint8_t net = due == ESER_KEYWORD ? ESER_TARGET_KEYWORD : ESER_TARGET_ACOUSTIC;
  eser_listener_fill(&listener, NetInput(net));
  const uint8_t *embedding = NetInvoke(net);
  if (embedding != nullptr) {
    eser_listener_embedding(&listener, embedding);
  } else {
    eser_listener_fail(&listener);
  }
}

}  // namespace

bool BoardStart() {
  printf("edge-ser: %s, build %s\r\n", kBoardName, kBuildIdText);
  eser_protocol_init(&protocol, &kBoard);
  eser_record_ring_init(&records);
  const EserListenerMemory memory = {ring, windows, slot_windows, fused, word_scores, word_shares, history, frame};
  if (eser_listener_init(&listener, &eser_system, &memory) != ESER_OK) {
    printf("edge-ser: the front end refuses its tables\r\n");
    return false;
  }
  printf("edge-ser: loading both nets\r\n");
  const Problem problem = NetsOpen();
  if (problem != nullptr) {
    printf("edge-ser: %s\r\n", problem);
    return false;
  }
  printf("edge-ser: arena bytes: keyword %u, acoustic %u of %u each\r\n",
         static_cast<unsigned>(NetArenaBytes(ESER_TARGET_KEYWORD)),
         static_cast<unsigned>(NetArenaBytes(ESER_TARGET_ACOUSTIC)), static_cast<unsigned>(kArenaBytes));
  uint8_t failed = ESER_NO_STAGE;
  uint32_t differences[ESER_STAGES];
  if (SelfTest(nullptr, &failed, differences) != ESER_ERROR_NONE) {
    printf("edge-ser: self-test: %s is missing or of another build: flash again, with data\r\n", kGoldenPath);
    return false;
  }
  if (failed != ESER_NO_STAGE) {
    printf("edge-ser: self-test: %s differs first, by %" PRIu32 "; it does not listen\r\n", kStages[failed],
           differences[failed]);
    return false;
  }
  printf("edge-ser: self-test: all stages agree\r\n");
  usable = true;
  uint8_t wanted = 1;
  uint32_t next_record;
  if (Stream(nullptr, &wanted, &next_record) != ESER_ERROR_NONE) {
    printf("edge-ser: the microphone does not start\r\n");
    return false;
  }
  printf("edge-ser: listening\r\n");
  return true;
}

bool BoardListen() {
  static int16_t samples[kChunkSamples];
  while (on) {
    bool lost = false;
    const size_t count = MicrophoneRead(samples, kChunkSamples, &lost);
    if (lost) {
      Reset();
    }
    if (count == 0) {
      break;
    }
    for (size_t at = 0; at < count;) {
      at += eser_listener_feed(&listener, samples + at, count - at);
      for (EserDue due = eser_listener_due(&listener); due != ESER_NOTHING; due = eser_listener_due(&listener)) {
        if (due == ESER_RECORD) {
          SendRecord();
        } else {
          RunDue(due);
        }
      }
    }
  }
  return open;
}

const EserFrame *BoardAnswer(const EserFrame &request) { return eser_protocol_answer(&protocol, &request); }

}  // namespace edge_ser
