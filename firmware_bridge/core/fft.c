#include "fft.h"

#include "lanes.h"

enum {
  FRACTION_BITS = 15,
  ROUND = 1 << (FRACTION_BITS - 1),
  QUARTER = 32767 / 4, /* kissfft divides by multiplying with 32767 / divisor */
  HALF = 32767 / 2
};

/* Conversions to int16 wrap, here and below, as they do in the original. */
typedef struct {
  int16_t real;
  int16_t imag;
} Complex;

/* value * factor with 15 fraction bits less, rounded to nearest, halves up. Both ways give the same; each is the one
 * that compilers turn into the fewest instructions, for vectors and for one value. */
static inline int16_t scaled(int16_t value, int16_t factor) {
#if ESER_LANES > 1
  return (int16_t)(((((int32_t)value * factor) >> (FRACTION_BITS - 1)) + 1) >> 1);
#else
  return (int16_t)(((int32_t)value * factor + ROUND) >> FRACTION_BITS);
#endif
}

static inline Complex divided(const EserBin *bin, int lane, int16_t share) {
  const Complex value = {scaled(bin->spectrum.real[lane], share), scaled(bin->spectrum.imag[lane], share)};
  return value;
}

static inline Complex turned(Complex value, const int16_t *twiddle) {
  const int32_t cosine = twiddle[0], sine = twiddle[1];
  const Complex product = {(int16_t)((value.real * cosine - value.imag * sine + ROUND) >> FRACTION_BITS),
                           (int16_t)((value.real * sine + value.imag * cosine + ROUND) >> FRACTION_BITS)};
  return product;
}

static inline void store(EserBin *bin, int lane, int32_t real, int32_t imag) {
  bin->spectrum.real[lane] = (int16_t)real;
  bin->spectrum.imag[lane] = (int16_t)imag;
}

/* Four divided and turned values to four neighbours of one group, `step` bins apart. */
static inline void butterfly_4(EserBin *bins, size_t step, int lane, Complex a, Complex b, Complex c, Complex d) {
  const int32_t plus_real = a.real + c.real, minus_real = a.real - c.real;
  const int32_t plus_imag = a.imag + c.imag, minus_imag = a.imag - c.imag;
  const int32_t side_plus_real = b.real + d.real, side_minus_real = b.real - d.real;
  const int32_t side_plus_imag = b.imag + d.imag, side_minus_imag = b.imag - d.imag;
  store(bins, lane, plus_real + side_plus_real, plus_imag + side_plus_imag);
  store(bins + step, lane, minus_real + side_minus_imag, minus_imag - side_minus_real);
  store(bins + 2 * step, lane, plus_real - side_plus_real, plus_imag - side_plus_imag);
  store(bins + 3 * step, lane, minus_real - side_minus_imag, minus_imag + side_minus_real);
}

/* The place after `place` in digit-reversed order; `stride` is worth one in the fastest digit, digits have base 4. */
static inline size_t next_reversed(size_t place, size_t stride) {
  while (stride > 0 && (place & (3 * stride)) == 3 * stride) {
    place &= ~(3 * stride);
    stride >>= 2;
  }
  return place + stride;
}

/* A sample pair as a complex value: scaled up, then divided. */
static inline Complex loaded(EserFrontend *frontend, size_t pair, int lane, int16_t share) {
  const int16_t scale = frontend->scales[lane];
  const int16_t real = (int16_t)(frontend->windowed[2 * pair][lane] * scale);
  const int16_t imag = (int16_t)(frontend->windowed[2 * pair + 1][lane] * scale);
  const Complex value = {scaled(real, share), scaled(imag, share)};
  return value;
}

/* The innermost stage takes the samples in digit-reversed order. Its twiddles are 1, and so are those of the first
 * butterfly of every later group: kissfft multiplies them by 32767 / 32768, which leaves divided values as they
 * are. */
ESER_KERNEL static void first_stage_4(EserFrontend *frontend, size_t points) {
  const size_t quarter = points / 4;
  size_t place = 0;
  for (size_t group = 0; group < points; group += 4, place = next_reversed(place, quarter / 4)) {
    ESER_EACH_LANE(lane) {
      butterfly_4(&frontend->bins[group], 1, lane, loaded(frontend, place, lane, QUARTER),
                  loaded(frontend, place + quarter, lane, QUARTER),
                  loaded(frontend, place + 2 * quarter, lane, QUARTER),
                  loaded(frontend, place + 3 * quarter, lane, QUARTER));
    }
  }
}

ESER_KERNEL static void first_stage_2(EserFrontend *frontend, size_t points) {
  const size_t half = points / 2;
  size_t place = 0;
  for (size_t group = 0; group < points; group += 2, place = next_reversed(place, half / 4)) {
    EserBin *bins = &frontend->bins[group];
    ESER_EACH_LANE(lane) {
      const Complex a = loaded(frontend, place, lane, HALF), b = loaded(frontend, place + half, lane, HALF);
      store(bins, lane, a.real + b.real, a.imag + b.imag);
      store(bins + 1, lane, a.real - b.real, a.imag - b.imag);
    }
  }
}

/* Joins four neighbouring transforms of `done` points each to one, throughout. */
ESER_KERNEL static void stage_4(EserBin *bins, size_t points, size_t done, const int16_t *twiddles) {
  const size_t stride = points / (4 * done);
  for (size_t group = 0; group < points; group += 4 * done) {
    ESER_EACH_LANE(lane) {
      EserBin *bin = &bins[group];
      butterfly_4(bin, done, lane, divided(bin, lane, QUARTER), divided(bin + done, lane, QUARTER),
                  divided(bin + 2 * done, lane, QUARTER), divided(bin + 3 * done, lane, QUARTER));
    }
  }
  for (size_t k = 1; k < done; ++k) {
    const int16_t *turn_b = &twiddles[2 * k * stride];
    const int16_t *turn_c = &twiddles[4 * k * stride];
    const int16_t *turn_d = &twiddles[6 * k * stride];
    for (EserBin *bin = &bins[k]; bin < bins + points; bin += 4 * done) {
      ESER_EACH_LANE(lane) {
        butterfly_4(bin, done, lane, divided(bin, lane, QUARTER), turned(divided(bin + done, lane, QUARTER), turn_b),
                    turned(divided(bin + 2 * done, lane, QUARTER), turn_c),
                    turned(divided(bin + 3 * done, lane, QUARTER), turn_d));
      }
    }
  }
}

static inline uint32_t energy_of(int32_t real, int32_t imag) {
  /* Each square is at most 2**30, their sum at most 2**31. */
  return (uint32_t)((int16_t)real * (int16_t)real) + (uint32_t)((int16_t)imag * (int16_t)imag);
}

/* Takes the spectra of even and odd samples apart, combines them to that of the real signal, and leaves energies.
 * The middle bin is its own partner; of its two values the second stays, as in the original. */
ESER_KERNEL static void split(EserBin *bins, size_t points, const int16_t *real_twiddles) {
  for (size_t k = 1; k <= points / 2; ++k) {
    EserBin *low = &bins[k], *high = &bins[points - k];
    const int16_t *twiddle = &real_twiddles[2 * (k - 1)];
    uint32_t low_energy[ESER_LANES], high_energy[ESER_LANES];
    ESER_EACH_LANE(lane) {
      const Complex a = divided(low, lane, HALF), b = divided(high, lane, HALF);
      const int32_t sum_real = a.real + b.real, sum_imag = a.imag - b.imag;
      const Complex difference = {(int16_t)(a.real - b.real), (int16_t)(a.imag + b.imag)};
      const Complex turn = turned(difference, twiddle);
      low_energy[lane] = energy_of((sum_real + turn.real) >> 1, (sum_imag + turn.imag) >> 1);
      high_energy[lane] = energy_of((sum_real - turn.real) >> 1, (turn.imag - sum_imag) >> 1);
    }
    /* Only now: the energy of one lane lies where other lanes have their spectrum. */
    ESER_EACH_LANE(lane) {
      low->energy[lane] = low_energy[lane];
    }
    ESER_EACH_LANE(lane) {
      high->energy[lane] = high_energy[lane];
    }
  }
}

void eser_fft_energies(EserFrontend *frontend) {
  const EserFrontendTables *tables = frontend->tables;
  const size_t points = tables->fft_size / 2;
  /* Radix 4 throughout, with radix 2 innermost where the size is no power of four. */
  size_t done = 4;
  if ((points & 0x155) != 0) {
    first_stage_4(frontend, points);
  } else {
    done = 2;
    first_stage_2(frontend, points);
  }
  for (; done < points; done *= 4) {
    stage_4(frontend->bins, points, done, tables->twiddles);
  }
  split(frontend->bins, points, tables->real_twiddles);
}
