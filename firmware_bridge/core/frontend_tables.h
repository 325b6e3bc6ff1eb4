/* The integers of the front end. edge_ser/frontend/tables.py makes them, the firmware's generated headers and the
 * Python extension fill this struct with the same ones; nothing here is computed on the device. */
#ifndef EDGE_SER_FRONTEND_TABLES_H_
#define EDGE_SER_FRONTEND_TABLES_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  ESER_GAIN_ROWS = 33,    /* one interval of PCAN's gain curve per bit length of a uint32 */
  ESER_LOG_SEGMENTS = 128 /* segments of the logarithm's table */
};

/* The arrays belong to the caller and outlive whatever was initialised with them. */
typedef struct {
  uint16_t window_samples;
  uint16_t step_samples; /* 1 to window_samples */
  uint16_t fft_size;     /* smallest power of two that holds a window, 128 to 1024 */
  uint16_t channels;
  const int16_t *window;         /* (window_samples,), 1 is 1 << 12 */
  const int16_t *twiddles;       /* (fft_size / 2, 2), real and imaginary part */
  const int16_t *real_twiddles;  /* (fft_size / 4, 2) */
  const int16_t *band_edges;     /* (channels + 2,), first bin of each band, last entry: end of the last one */
  const int16_t *band_weights;   /* (edges[last] - edges[0],), a bin's share for its band's own triangle */
  const int16_t *band_unweights; /* the same shape, its share for the next triangle */
  const int16_t *gain_table;     /* (33, 3): start, linear, quadratic coefficient */
  const uint16_t *log_table;     /* (129,) */
  uint16_t even_smoothing;       /* share of a new frame in the noise estimate, 1 is 1 << 14 */
  uint16_t odd_smoothing;
  uint16_t min_signal_remaining; /* share of the signal that noise reduction leaves, 1 is 1 << 14 */
  uint8_t noise_reduction;       /* 0 or 1 */
  uint8_t pcan;                  /* 0 or 1 */
  uint8_t log;                   /* 0 or 1 */
  uint8_t smoothing_bits;        /* fraction bits of the noise estimate */
  uint8_t snr_shift;             /* right shift of signal times gain */
  uint8_t log_shift;             /* output is about 2**log_shift * ln(x) */
  uint16_t feature_low;          /* feature that becomes uint8 0 */
  uint16_t feature_high;         /* feature that becomes uint8 255 */
} EserFrontendTables;

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_FRONTEND_TABLES_H_ */
