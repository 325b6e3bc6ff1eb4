#include "shares.h"

enum {
  OCTAVE_BITS = 8,
  OCTAVE = 1 << OCTAVE_BITS,
  FURTHEST = 17 * OCTAVE /* a class so far below the best one has a share that rounds to nothing */
};

/* How far a score is below the best one, in 1/256 octaves, FURTHEST at most. */
static uint32_t steps_below(uint32_t distance, EserSteps steps) {
  /* Below 2**62 + 2**61: the product has a factor below 2**30 and one below 2**32. */
  const uint64_t product = (uint64_t)steps.multiplier * distance + ((uint64_t)1 << (steps.shift - 1));
  const uint64_t whole = product >> steps.shift;
  return whole < FURTHEST ? (uint32_t)whole : FURTHEST;
}

/* (power * 65536 + total / 2) / total in two steps of 8 bits, without a 64-bit division; power at most 2**16, total
 * below 2**24. */
static uint32_t share_of(uint32_t power, uint32_t total) {
  const uint64_t dividend = ((uint64_t)power << 16) + total / 2;
  const uint32_t top = (uint32_t)(dividend >> 8), rest = top % total;
  return ((top / total) << 8) + ((rest << 8) | (uint32_t)(dividend & 0xFF)) / total;
}

void eser_shares(const int32_t *scores, size_t classes, EserSteps steps, const uint16_t *powers, uint32_t *shares) {
  int32_t best = scores[0];
  for (size_t c = 1; c < classes; ++c) {
    best = scores[c] > best ? scores[c] : best;
  }
  uint32_t total = 0;
  for (size_t c = 0; c < classes; ++c) {
    const uint32_t below = steps_below((uint32_t)best - (uint32_t)scores[c], steps);
    shares[c] = below < FURTHEST ? (powers[below & (OCTAVE - 1)] + 1u) >> (below >> OCTAVE_BITS) : 0;
    total += shares[c];
  }
  for (size_t c = 0; c < classes; ++c) {
    shares[c] = share_of(shares[c], total);
  }
}
