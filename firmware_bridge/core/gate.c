#include "gate.h"

void eser_gate_init(EserGate *gate, const EserGateRule *rule) {
  gate->rule = rule;
  gate->level = 0;
  eser_gate_reset(gate);
}

void eser_gate_reset(EserGate *gate) {
  gate->left_open = 0;
  gate->samples = 0;
  gate->sum = 0;
  gate->squares = 0;
}

static uint8_t bit_length(uint64_t value) {
  uint8_t bits = 0;
  for (; value != 0; value >>= 1) {
    ++bits;
  }
  return bits;
}

/* A whole step is there: is the gate open in it? */
static int judge(EserGate *gate) {
  const EserGateRule *rule = gate->rule;
  const uint64_t samples = gate->samples;
  /* A constant part, which microphones have, is no sound. Up to 512 samples: the terms stay below 2**48. */
  const uint64_t power = samples * gate->squares - (uint64_t)((int64_t)gate->sum * gate->sum);
  const uint8_t level = bit_length(power);
  gate->level = level > gate->level ? level : gate->level;
  if (power > samples * samples * rule->power) {
    gate->left_open = rule->hangover_frames;
    return 1;
  }
  if (gate->left_open > 0) {
    --gate->left_open;
    return 1;
  }
  return !rule->enabled;
}

size_t eser_gate_feed(EserGate *gate, const int16_t *samples, size_t count, int *complete, int *open) {
  const size_t left = (size_t)(gate->rule->step_samples - gate->samples), taken = count < left ? count : left;
  int32_t sum = gate->sum;
  uint64_t squares = gate->squares;
  for (size_t i = 0; i < taken; ++i) {
    sum += samples[i];
    squares += (uint32_t)(samples[i] * samples[i]);
  }
  gate->sum = sum;
  gate->squares = squares;
  gate->samples = (uint16_t)(gate->samples + taken);
  *complete = taken == left;
  if (*complete) {
    *open = judge(gate);
    gate->samples = 0;
    gate->sum = 0;
    gate->squares = 0;
  }
  return taken;
}

uint8_t eser_gate_take_level(EserGate *gate) {
  const uint8_t level = gate->level;
  gate->level = 0;
  return level;
}
