/* The MicroFrontend: int16 samples in any chunks in, uint16 features out. Integers only, no allocation, no global
 * state; edge_ser/frontend/reference.py is the same algorithm in NumPy, bit for bit. */
#ifndef EDGE_SER_FRONTEND_H_
#define EDGE_SER_FRONTEND_H_

#include <stddef.h>
#include <stdint.h>

#include "frontend_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the caller's struct has room for. The defaults hold every spec that edge-ser accepts; firmware for one spec
 * defines its own numbers and saves the rest. */
#ifndef ESER_MAX_FFT_SIZE
#define ESER_MAX_FFT_SIZE 1024
#endif
#ifndef ESER_MAX_WINDOW_SAMPLES
#define ESER_MAX_WINDOW_SAMPLES ESER_MAX_FFT_SIZE
#endif
#ifndef ESER_MAX_CHANNELS
#define ESER_MAX_CHANNELS 80
#endif
/* Frames that go through a stage together, side by side. 1 on a microcontroller; where the compiler turns loops over
 * them into vector instructions, a vector's worth of int16. The results are the same. */
#ifndef ESER_LANES
#define ESER_LANES 1
#endif

typedef enum {
  ESER_OK = 0,
  ESER_TOO_LARGE = 1,     /* the tables need more room than this build has (ESER_MAX_...) */
  ESER_INVALID_TABLES = 2 /* sizes contradict each other */
} EserStatus;

/* One bin of the spectrum: complex first, its energy after. */
typedef union {
  struct {
    int16_t real[ESER_LANES];
    int16_t imag[ESER_LANES];
  } spectrum;
  uint32_t energy[ESER_LANES];
} EserBin;

/* Everything that a running front end remembers and works in; the caller owns it. */
typedef struct {
  const EserFrontendTables *tables;
  uint16_t pending_samples; /* samples kept for the next frame, fewer than a window */
  int16_t pending[ESER_MAX_WINDOW_SAMPLES];
  uint32_t noise[ESER_MAX_CHANNELS]; /* noise estimate of each channel */
  uint8_t shifts[ESER_LANES];        /* how many bits each frame was scaled up by */
  int16_t scales[ESER_LANES];        /* 1 << shift, as the FFT applies it */
  int16_t windowed[ESER_MAX_FFT_SIZE][ESER_LANES];
  EserBin bins[ESER_MAX_FFT_SIZE / 2];
  uint32_t signal[ESER_LANES][ESER_MAX_CHANNELS];
} EserFrontend;

/* Takes the tables (kept by reference) and starts in the reset state. */
EserStatus eser_frontend_init(EserFrontend *frontend, const EserFrontendTables *tables);

/* Forgets all samples and the noise estimate. */
void eser_frontend_reset(EserFrontend *frontend);

/* How many frames `count` more samples will complete. */
size_t eser_frontend_frames(const EserFrontend *frontend, size_t count);

/* Takes `count` samples and writes the frames that they complete, row-major (frames, channels); `features` has room
 * for eser_frontend_frames(frontend, count) of them. Returns the number of frames written. */
size_t eser_frontend_feed(EserFrontend *frontend, const int16_t *samples, size_t count, uint16_t *features);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_FRONTEND_H_ */
