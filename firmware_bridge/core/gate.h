/* The energy gate: says of every step of the front end whether anything sounds, so that nothing runs on silence. */
#ifndef EDGE_SER_GATE_H_
#define EDGE_SER_GATE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint16_t step_samples;
  uint32_t power;           /* mean square (without the constant part) above which a step sounds */
  uint32_t hangover_frames; /* for so many steps after one that sounds the gate stays open */
  uint8_t enabled;          /* 0: always open */
} EserGateRule;

typedef struct {
  const EserGateRule *rule;
  uint32_t left_open; /* steps that it stays open yet */
  uint16_t samples;   /* of the step that is under way */
  int32_t sum;
  uint64_t squares;
  uint8_t level; /* of the loudest step since the level was taken */
} EserGate;

/* Takes the rule (kept by reference) and starts in the reset state. */
void eser_gate_init(EserGate *gate, const EserGateRule *rule);

/* Closes it and forgets the step that is under way. */
void eser_gate_reset(EserGate *gate);

/* Takes samples up to the end of the step that is under way; returns how many. Where that completes the step,
 * `*complete` becomes 1 and `*open` says whether the gate is open in it, else `*complete` becomes 0. */
size_t eser_gate_feed(EserGate *gate, const int16_t *samples, size_t count, int *complete, int *open);

/* Level of the loudest step since the last call: the number of significant bits of n * sum(x * x) - sum(x) * sum(x),
 * n being the samples of a step; 3 dB each. */
uint8_t eser_gate_take_level(EserGate *gate);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_GATE_H_ */
