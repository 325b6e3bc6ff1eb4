#include "segment.h"

#include <string.h>

#include "integer_head.h"
#include "net_input.h"

static size_t acoustic_size(const EserSystem *system) {
  return system->fusion.inputs - system->schedule.keyword_embedding;
}

/* Features of a segment from the reset state; 0 where the samples do not give one. */
static int make_features(const EserSystem *system, const EserSegmentMemory *memory, const int16_t *samples,
                         size_t count) {
  const EserFrontendTables *tables = system->tables;
  if (eser_frontend_init(memory->frontend, tables) != ESER_OK) {
    return 0;
  }
  size_t frames = 0;
  while (count > 0) {
    /* Of a step's samples no more than one frame can come. */
    const size_t step = count < tables->step_samples ? count : tables->step_samples;
    if (eser_frontend_feed(memory->frontend, samples, step, memory->frame) > 0) {
      if (frames == system->schedule.segment_frames) {
        return 0;
      }
      eser_quantize_features(memory->frame, memory->features + frames * tables->channels, tables->channels,
                             tables->feature_low, tables->feature_high);
      ++frames;
    }
    samples += step;
    count -= step;
  }
  return frames == system->schedule.segment_frames;
}

/* Runs the acoustic net on features; its embedding goes to the front of `memory->fused`. */
static int run_acoustic(const EserSystem *system, const EserMachine *machine, const EserSegmentMemory *memory,
                        const uint8_t *features) {
  const size_t frames = system->schedule.segment_frames, channels = system->tables->channels;
  memcpy(memory->centred, features, frames * channels);
  if (system->centre_channels) {
    eser_centre_channels(memory->centred, frames, channels);
  }
  return machine->run_net(machine->context, ESER_TARGET_ACOUSTIC, memory->centred, memory->fused);
}

static int run_keyword(const EserSystem *system, const EserMachine *machine, const EserSegmentMemory *memory,
                       const uint8_t *features, size_t window) {
  const size_t first = (size_t)system->schedule.keyword_starts[window] * system->tables->channels;
  return machine->run_net(machine->context, ESER_TARGET_KEYWORD, features + first, memory->window);
}

static void pool(const EserSystem *system, const EserSegmentMemory *memory, const uint8_t *window, int first) {
  uint8_t *pooled = memory->fused + acoustic_size(system);
  if (first) {
    memcpy(pooled, window, system->schedule.keyword_embedding);
  } else {
    eser_embedding_max(pooled, window, system->schedule.keyword_embedding);
  }
}

static uint32_t now(const EserMachine *machine) { return machine->microseconds(machine->context); }

int eser_segment_decide(const EserSystem *system, const EserMachine *machine, const EserSegmentMemory *memory,
                        const int16_t *samples, size_t count, uint32_t microseconds[ESER_STAGES]) {
  uint32_t start = now(machine);
  if (!make_features(system, memory, samples, count)) {
    return 0;
  }
  microseconds[ESER_STAGE_FRONTEND] += now(machine) - start;
  start = now(machine);
  for (size_t window = 0; window < system->schedule.keyword_windows; ++window) {
    if (!run_keyword(system, machine, memory, memory->features, window)) {
      return 0;
    }
    pool(system, memory, memory->window, window == 0);
  }
  microseconds[ESER_STAGE_KEYWORD] += now(machine) - start;
  start = now(machine);
  if (!run_acoustic(system, machine, memory, memory->features)) {
    return 0;
  }
  microseconds[ESER_STAGE_ACOUSTIC] += now(machine) - start;
  start = now(machine);
  eser_integer_head_scores(&system->fusion, memory->fused, memory->scores);
  microseconds[ESER_STAGE_FUSION] += now(machine) - start;
  return 1;
}

static void keep_largest(uint32_t *largest, uint32_t difference) {
  if (difference > *largest) {
    *largest = difference;
  }
}

static uint32_t byte_difference(const uint8_t *found, const uint8_t *expected, size_t count) {
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    keep_largest(&largest,
                 found[i] > expected[i] ? (uint32_t)found[i] - expected[i] : (uint32_t)expected[i] - found[i]);
  }
  return largest;
}

uint8_t eser_segment_self_test(const EserSystem *system, const EserMachine *machine, const EserSegmentMemory *memory,
                               const EserGolden *golden, uint32_t differences[ESER_STAGES]) {
  const size_t values = (size_t)system->schedule.segment_frames * system->tables->channels;
  const size_t embedding = system->schedule.keyword_embedding;
  for (int stage = 0; stage < ESER_STAGES; ++stage) {
    differences[stage] = ESER_NOT_RUN;
  }
  if (make_features(system, memory, golden->samples, golden->sample_count)) {
    differences[ESER_STAGE_FRONTEND] = byte_difference(memory->features, golden->features, values);
  }
  uint32_t largest = 0;
  for (size_t window = 0; window < system->schedule.keyword_windows; ++window) {
    const uint8_t *expected = golden->keyword_windows + window * embedding;
    if (run_keyword(system, machine, memory, golden->features, window)) {
      keep_largest(&largest, byte_difference(memory->window, expected, embedding));
    } else {
      largest = ESER_NOT_RUN;
    }
  }
  differences[ESER_STAGE_KEYWORD] = largest;
  if (run_acoustic(system, machine, memory, golden->features)) {
    differences[ESER_STAGE_ACOUSTIC] =
        byte_difference(memory->fused, golden->acoustic_embedding, acoustic_size(system));
  }
  memcpy(memory->fused, golden->acoustic_embedding, acoustic_size(system));
  for (size_t window = 0; window < system->schedule.keyword_windows; ++window) {
    pool(system, memory, golden->keyword_windows + window * embedding, window == 0);
  }
  eser_integer_head_scores(&system->fusion, memory->fused, memory->scores);
  largest = 0;
  for (size_t c = 0; c < system->fusion.classes; ++c) {
    const uint32_t found = (uint32_t)memory->scores[c], expected = (uint32_t)golden->scores[c];
    keep_largest(&largest, memory->scores[c] > golden->scores[c] ? found - expected : expected - found);
  }
  differences[ESER_STAGE_FUSION] = largest;
  for (uint8_t stage = 0; stage < ESER_STAGES; ++stage) {
    if (differences[stage] > golden->allowed[stage]) {
      return stage;
    }
  }
  return ESER_NO_STAGE;
}
