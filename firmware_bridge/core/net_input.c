#include "net_input.h"

#include <string.h>

void eser_quantize_features(const uint16_t *features, uint8_t *values, size_t count, uint16_t low, uint16_t high) {
  const uint32_t span = (uint32_t)(high - low);
  for (size_t i = 0; i < count; ++i) {
    const uint16_t feature = features[i];
    const uint32_t above = feature <= low ? 0 : feature >= high ? span : (uint32_t)(feature - low);
    values[i] = (uint8_t)((above * 255 + span / 2) / span);
  }
}

void eser_centre_channels(uint8_t *segment, size_t frames, size_t channels) {
  const size_t count = frames * channels;
  for (size_t channel = 0; channel < channels; ++channel) {
    uint32_t sum = (uint32_t)(frames / 2);
    for (size_t i = channel; i < count; i += channels) {
      sum += segment[i];
    }
    const int32_t shift = 128 - (int32_t)(sum / (uint32_t)frames);
    for (size_t i = channel; i < count; i += channels) {
      const int32_t value = segment[i] + shift;
      segment[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
}

void eser_feature_window_init(EserFeatureWindow *window, uint8_t *frames, size_t capacity, size_t channels) {
  window->frames = frames;
  window->capacity = capacity;
  window->channels = channels;
  eser_feature_window_reset(window);
}

void eser_feature_window_reset(EserFeatureWindow *window) {
  window->next = 0;
  window->filled = 0;
}

void eser_feature_window_push(EserFeatureWindow *window, const uint16_t *features, uint16_t low, uint16_t high) {
  eser_quantize_features(features, window->frames + window->next * window->channels, window->channels, low, high);
  window->next = window->next + 1 == window->capacity ? 0 : window->next + 1;
  if (window->filled < window->capacity) {
    ++window->filled;
  }
}

int eser_feature_window_copy(const EserFeatureWindow *window, uint8_t *input, size_t count) {
  return eser_feature_window_copy_before(window, input, count, 0);
}

int eser_feature_window_copy_before(const EserFeatureWindow *window, uint8_t *input, size_t count, size_t newer) {
  if (newer > window->filled || count > window->filled - newer) {
    return 0;
  }
  /* The newest frames end at `next`; those that do not fit before it are at the end of the ring. */
  const size_t end = window->next < newer ? window->next + window->capacity - newer : window->next - newer;
  const size_t newest = count < end ? count : end, older = count - newest;
  const size_t row = window->channels;
  memcpy(input, window->frames + (window->capacity - older) * row, older * row);
  memcpy(input + older * row, window->frames + (end - newest) * row, newest * row);
  return 1;
}
