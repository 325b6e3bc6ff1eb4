#include "frontend.h"

#include <string.h>

#include "fft.h"
#include "lanes.h"

enum {
  WINDOW_BITS = 12,        /* fraction bits of a window coefficient */
  NOISE_BITS = 14,         /* of the noise reduction's constants */
  SNR_BITS = 12,           /* of PCAN's signal-to-noise ratio */
  PCAN_OUTPUT_BITS = 6,    /* that PCAN leaves */
  GAIN_POSITION_BITS = 10, /* of the place inside an interval of the gain curve */
  LOG_BITS = 16,           /* of the logarithm */
  LOG_SEGMENT_BITS = 9,    /* LOG_BITS - log2(ESER_LOG_SEGMENTS) */
  LN2 = 45426              /* ln(2) with LOG_BITS fraction bits */
};

/* Number of significant bits; 0 for 0. */
static inline uint32_t bit_length(uint32_t value) {
#if defined(__GNUC__)
  return value == 0 ? 0 : 32 - (uint32_t)__builtin_clz(value);
#else
  uint32_t bits = 0;
  for (; value != 0; value >>= 1) {
    ++bits;
  }
  return bits;
#endif
}

EserStatus eser_frontend_init(EserFrontend *frontend, const EserFrontendTables *tables) {
  if (tables->fft_size > ESER_MAX_FFT_SIZE || tables->window_samples > ESER_MAX_WINDOW_SAMPLES ||
      tables->channels > ESER_MAX_CHANNELS) {
    return ESER_TOO_LARGE;
  }
  if (tables->fft_size < 128 || (tables->fft_size & (tables->fft_size - 1)) != 0 ||
      tables->window_samples > tables->fft_size || tables->channels == 0 || tables->step_samples == 0 ||
      tables->step_samples > tables->window_samples || tables->feature_low >= tables->feature_high) {
    return ESER_INVALID_TABLES;
  }
  memset(frontend, 0, sizeof *frontend);
  frontend->tables = tables;
  return ESER_OK;
}

void eser_frontend_reset(EserFrontend *frontend) {
  frontend->pending_samples = 0;
  memset(frontend->noise, 0, sizeof frontend->noise);
}

size_t eser_frontend_frames(const EserFrontend *frontend, size_t count) {
  const size_t available = frontend->pending_samples + count;
  const size_t window = frontend->tables->window_samples;
  return available < window ? 0 : (available - window) / frontend->tables->step_samples + 1;
}

/* Weights `count` samples; returns all their magnitudes, or-ed together. */
static uint32_t apply_window(const int16_t *coefficients, const int16_t *samples, size_t count,
                             int16_t (*windowed)[ESER_LANES], int lane) {
  uint32_t magnitudes = 0;
  for (size_t i = 0; i < count; ++i) {
    const int32_t value = ((int32_t)samples[i] * coefficients[i]) >> WINDOW_BITS;
    windowed[i][lane] = (int16_t)value;
    magnitudes |= (uint32_t)(value < 0 ? -value : value);
  }
  return magnitudes;
}

/* Weights the frame that begins `start` samples into what is pending and what is new, and finds its scale. */
static void window_frame(EserFrontend *frontend, const int16_t *samples, size_t start, int lane) {
  const EserFrontendTables *tables = frontend->tables;
  const size_t pending = frontend->pending_samples, window = tables->window_samples;
  size_t old = start < pending ? pending - start : 0;
  if (old > window) {
    old = window;
  }
  uint32_t magnitudes = 0;
  if (old > 0) {
    magnitudes = apply_window(tables->window, frontend->pending + start, old, frontend->windowed, lane);
  }
  if (old < window) {
    magnitudes |= apply_window(tables->window + old, samples + (start + old - pending), window - old,
                               frontend->windowed + old, lane);
  }
  /* In the original's 16 bits the magnitude of -32768 is negative and never the largest: its bit does not count. */
  const uint32_t shift = 15 - bit_length(magnitudes & 0x7FFF);
  frontend->shifts[lane] = (uint8_t)shift;
  frontend->scales[lane] = (int16_t)(1u << shift);
}

/* Whole part of the square root of 2**30 to 2**32 - 1. The tangent of the square root in the middle of the range is
 * 6 % too high at its ends, and two of Newton's steps leave it at most one too high. */
static uint32_t root_of_normalized(uint32_t value) {
  uint32_t root = (((value >> 16) * 46341u) >> 16) + 23171u;
  root = (root + value / root) >> 1;
  root = (root + value / root) >> 1;
  return root - ((uint64_t)root * root > value);
}

/* Square root of a value below 2**54, rounded to nearest; of 32-bit values at most 65535, as in the original. */
static uint32_t rounded_sqrt(uint64_t value) {
  const uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value;
  if (high == 0) {
    if (low == 0) {
      return 0;
    }
    const uint32_t shift = (32 - bit_length(low)) & ~1u;
    const uint32_t root = root_of_normalized(low << shift) >> (shift / 2);
    return root + (low - root * root > root && root != 0xFFFF);
  }
  /* The root of the top 32 bits, then `more` bits of it by one step of long division, at most one too high. */
  const uint32_t more = (bit_length(high) + 1) / 2;
  const uint32_t top = (uint32_t)(value >> (2 * more));
  const uint32_t top_root = root_of_normalized(top);
  const uint32_t next_bits = (uint32_t)(value >> more) & ((1u << more) - 1);
  const uint32_t rest = ((top - top_root * top_root) << more) | next_bits;
  uint32_t root = (top_root << more) + rest / (2 * top_root);
  root -= (uint64_t)root * root > value;
  return root + (value - (uint64_t)root * root > root);
}

/* The energies of each channel's bins, weighted; their square root; the frame's scaling taken back. A band gives to
 * its own triangle, which falls over it, and to the next, which rises. */
ESER_KERNEL static void apply_filter_bank(EserFrontend *frontend) {
  const EserFrontendTables *tables = frontend->tables;
  const int16_t *weights = tables->band_weights, *unweights = tables->band_unweights;
  const EserBin *bin = &frontend->bins[tables->band_edges[0]];
  uint64_t rising[ESER_LANES] = {0};
  for (size_t band = 0; band <= tables->channels; ++band) {
    uint64_t falling[ESER_LANES];
    memcpy(falling, rising, sizeof falling);
    memset(rising, 0, sizeof rising);
    for (const EserBin *end = &frontend->bins[tables->band_edges[band + 1]]; bin < end; ++bin) {
      const uint32_t weight = (uint32_t)*weights++, unweight = (uint32_t)*unweights++;
      ESER_EACH_LANE(lane) {
        falling[lane] += (uint64_t)weight * bin->energy[lane];
        rising[lane] += (uint64_t)unweight * bin->energy[lane];
      }
    }
    if (band > 0) { /* the triangle before the first channel only falls, and is not one */
      for (int lane = 0; lane < ESER_LANES; ++lane) {
        frontend->signal[lane][band - 1] = rounded_sqrt(falling[lane]) >> frontend->shifts[lane];
      }
    }
  }
}

/* PCAN's gain for a noise estimate: the quadratic curve of the interval that it falls into. */
static inline int16_t gain_for(const int16_t *gain_table, uint32_t noise) {
  const uint32_t bits = bit_length(noise);
  const int16_t *row = &gain_table[3 * bits];
  const uint32_t aligned =
      bits > GAIN_POSITION_BITS ? noise >> (bits - GAIN_POSITION_BITS - 1) : noise << (GAIN_POSITION_BITS + 1 - bits);
  const int32_t position = (int32_t)(aligned & ((1u << GAIN_POSITION_BITS) - 1));
  const int32_t slope = ((row[2] * position) >> 5) + row[1] * 32;
  /* Unsigned, because the product of an extreme table wraps in the original. */
  const int32_t rise = (int32_t)((uint32_t)slope * (uint32_t)position + (1u << 14)) >> 15;
  return (int16_t)(row[0] + rise);
}

/* PCAN: divides by a power of the noise and compresses small values. */
static inline uint32_t control_gain(const EserFrontendTables *tables, uint32_t signal, uint32_t noise) {
  const uint32_t gain = (uint32_t)gain_for(tables->gain_table, noise);
  const uint32_t snr = (uint32_t)(((uint64_t)signal * gain) >> tables->snr_shift);
  if (snr < (2u << SNR_BITS)) {
    return (snr * snr) >> (2 + 2 * SNR_BITS - PCAN_OUTPUT_BITS);
  }
  return (snr >> (SNR_BITS - PCAN_OUTPUT_BITS)) - (1u << PCAN_OUTPUT_BITS);
}

/* 2**log_shift * ln(signal) by table, after the FFT's scaling is taken back; 0 for 0 and 1. */
static inline uint32_t take_log(const uint16_t *log_table, uint32_t correction_bits, uint32_t log_shift,
                                uint32_t signal) {
  const uint32_t value = signal << correction_bits;
  if (value <= 1) {
    return 0;
  }
  const uint32_t whole = bit_length(value) - 1;
  const uint32_t mantissa = whole < LOG_BITS ? value << (LOG_BITS - whole) : value >> (whole - LOG_BITS);
  const uint32_t fraction = mantissa & ((1u << LOG_BITS) - 1);
  /* The fraction of log2 is that of the mantissa plus a correction, interpolated in the table. */
  const uint32_t segment = fraction >> LOG_SEGMENT_BITS;
  const int32_t place = (int32_t)(fraction & ((1u << LOG_SEGMENT_BITS) - 1));
  const int32_t start = log_table[segment], rise = (int32_t)log_table[segment + 1] - start;
  const uint32_t log2 = (whole << LOG_BITS) + fraction + (uint32_t)(start + ((rise * place) >> LOG_BITS));
  const uint32_t half = 1u << (LOG_BITS - 1);
  const uint32_t natural = (uint32_t)(((uint64_t)LN2 * log2 + half) >> LOG_BITS);
  return ((natural << log_shift) + half) >> LOG_BITS;
}

/* Follows the noise of each channel; the one stage in which a frame depends on those before it. */
static void estimate_noise(EserFrontend *frontend, const uint32_t *signal) {
  const EserFrontendTables *tables = frontend->tables;
  const uint32_t shares[2] = {tables->even_smoothing, tables->odd_smoothing};
  for (size_t channel = 0; channel < tables->channels; ++channel) {
    const uint32_t share = shares[channel & 1];
    const uint64_t fresh = (uint64_t)(signal[channel] << tables->smoothing_bits) * share;
    const uint64_t kept = (uint64_t)frontend->noise[channel] * ((1u << NOISE_BITS) - share);
    frontend->noise[channel] = (uint32_t)((fresh + kept) >> NOISE_BITS);
  }
}

/* Subtracts the noise, but leaves a share of the signal. */
static void reduce_noise(const EserFrontend *frontend, uint32_t *signal) {
  const EserFrontendTables *tables = frontend->tables;
  for (size_t channel = 0; channel < tables->channels; ++channel) {
    const uint32_t scaled = signal[channel] << tables->smoothing_bits, noise = frontend->noise[channel];
    const uint32_t left = (scaled > noise ? scaled - noise : 0) >> tables->smoothing_bits;
    const uint32_t least = (uint32_t)(((uint64_t)signal[channel] * tables->min_signal_remaining) >> NOISE_BITS);
    signal[channel] = left > least ? left : least;
  }
}

/* From the filter bank's output of one frame to its features. */
static void finish_frame(EserFrontend *frontend, uint32_t *signal, uint16_t *features) {
  const EserFrontendTables *tables = frontend->tables;
  const size_t channels = tables->channels;
  if (tables->noise_reduction || tables->pcan) {
    estimate_noise(frontend, signal);
  }
  if (tables->noise_reduction) {
    reduce_noise(frontend, signal);
  }
  if (tables->pcan) {
    for (size_t channel = 0; channel < channels; ++channel) {
      signal[channel] = control_gain(tables, signal[channel], frontend->noise[channel]);
    }
  }
  if (tables->log) {
    const uint32_t correction_bits = bit_length(tables->fft_size) - 1 - WINDOW_BITS / 2;
    for (size_t channel = 0; channel < channels; ++channel) {
      signal[channel] = take_log(tables->log_table, correction_bits, tables->log_shift, signal[channel]);
    }
  }
  for (size_t channel = 0; channel < channels; ++channel) {
    features[channel] = (uint16_t)(signal[channel] < UINT16_MAX ? signal[channel] : UINT16_MAX);
  }
}

/* Keeps what follows the first `used` samples, of those that were pending and the new ones: less than a window. */
static void keep_rest(EserFrontend *frontend, const int16_t *samples, size_t count, size_t used) {
  const size_t pending = frontend->pending_samples;
  size_t kept = 0;
  if (used < pending) {
    kept = pending - used;
    if (used > 0) { /* while a window fills up, nothing has to move */
      memmove(frontend->pending, frontend->pending + used, kept * sizeof *samples);
    }
    used = pending;
  }
  const size_t fresh = count - (used - pending);
  if (fresh > 0) { /* `samples` may be a null pointer where there are none */
    memcpy(frontend->pending + kept, samples + (used - pending), fresh * sizeof *samples);
  }
  frontend->pending_samples = (uint16_t)(kept + fresh);
}

size_t eser_frontend_feed(EserFrontend *frontend, const int16_t *samples, size_t count, uint16_t *features) {
  const size_t step = frontend->tables->step_samples, channels = frontend->tables->channels;
  const size_t frames = eser_frontend_frames(frontend, count);
  for (size_t first = 0; first < frames; first += ESER_LANES) {
    const size_t left = frames - first;
    const int used_lanes = left < ESER_LANES ? (int)left : ESER_LANES;
    for (int lane = 0; lane < used_lanes; ++lane) {
      window_frame(frontend, samples, (first + (size_t)lane) * step, lane);
    }
    eser_fft_energies(frontend);
    apply_filter_bank(frontend);
    for (int lane = 0; lane < used_lanes; ++lane) {
      finish_frame(frontend, frontend->signal[lane], features + (first + (size_t)lane) * channels);
    }
  }
  keep_rest(frontend, samples, count, frames * step);
  return frames;
}
