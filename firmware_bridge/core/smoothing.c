#include "smoothing.h"

#include <string.h>

#include "record.h"

void eser_smoothing_init(EserSmoothing *smoothing, const EserSmoothingRule *rule, uint32_t *history) {
  smoothing->rule = rule;
  smoothing->history = history;
  eser_smoothing_reset(smoothing);
}

void eser_smoothing_reset(EserSmoothing *smoothing) {
  smoothing->next = 0;
  smoothing->filled = 0;
  smoothing->shown = ESER_NONE;
}

void eser_smoothing_add(EserSmoothing *smoothing, const uint32_t *shares, uint8_t best, uint32_t *mean) {
  const EserSmoothingRule *rule = smoothing->rule;
  const size_t classes = rule->classes;
  memcpy(smoothing->history + smoothing->next * classes, shares, classes * sizeof *shares);
  smoothing->next = (uint8_t)(smoothing->next + 1 == rule->decisions ? 0 : smoothing->next + 1);
  if (smoothing->filled < rule->decisions) {
    ++smoothing->filled;
  }
  const uint32_t filled = smoothing->filled;
  for (size_t c = 0; c < classes; ++c) {
    uint32_t sum = filled / 2;
    for (size_t row = 0; row < filled; ++row) {
      sum += smoothing->history[row * classes + c];
    }
    mean[c] = sum / filled;
  }
  uint8_t largest = best;
  for (size_t c = 0; c < classes; ++c) {
    if (mean[c] > mean[largest] || (mean[c] == mean[largest] && largest != best && c < largest)) {
      largest = (uint8_t)c;
    }
  }
  const uint32_t below = smoothing->shown == ESER_NONE ? 0 : mean[smoothing->shown] + rule->hysteresis;
  if (mean[largest] >= rule->least && mean[largest] >= below) {
    smoothing->shown = largest;
  }
}
