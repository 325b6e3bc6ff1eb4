/* From features to what a net reads: the fixed affine rule to uint8, and a window over the newest frames. */
#ifndef EDGE_SER_NET_INPUT_H_
#define EDGE_SER_NET_INPUT_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Maps `low` to 0 and `high` to 255, rounded to nearest, halves up; beyond them it saturates. One rule for all
 * sound, never a clip's own minimum and maximum: loudness stays in. */
void eser_quantize_features(const uint16_t *features, uint8_t *values, size_t count, uint16_t low, uint16_t high);

/* Moves the mean over time of every channel of a segment (frames, channels) to 128, in place: level and microphone are
 * constants that are added to log features. The mean is rounded to nearest, halves up; beyond 0 and 255 it saturates.
 * frames at least 1, at most 2^24. */
void eser_centre_channels(uint8_t *segment, size_t frames, size_t channels);

/* The newest `capacity` quantised frames in a ring, so that a new frame costs one frame and not the whole window. */
typedef struct {
  uint8_t *frames; /* (capacity, channels), the caller's */
  size_t capacity;
  size_t channels;
  size_t next;   /* row that the next frame goes to */
  size_t filled; /* rows that hold a frame, at most capacity */
} EserFeatureWindow;

/* Takes the caller's buffer of capacity * channels bytes; empty. */
void eser_feature_window_init(EserFeatureWindow *window, uint8_t *frames, size_t capacity, size_t channels);

/* Forgets all frames. */
void eser_feature_window_reset(EserFeatureWindow *window);

/* Quantises one frame and puts it in the place of the oldest. */
void eser_feature_window_push(EserFeatureWindow *window, const uint16_t *features, uint16_t low, uint16_t high);

/* Copies the newest `count` frames, oldest first, to `input` (count, channels). Returns 0 and copies nothing while
 * fewer are there, else 1. */
int eser_feature_window_copy(const EserFeatureWindow *window, uint8_t *input, size_t count);

/* The same, with the newest `newer` frames left out. */
int eser_feature_window_copy_before(const EserFeatureWindow *window, uint8_t *input, size_t count, size_t newer);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_NET_INPUT_H_ */
