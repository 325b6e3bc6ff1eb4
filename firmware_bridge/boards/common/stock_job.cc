// The engine that judges: the stock MicroFrontend, from its own sources, with the tables that it makes or with given
// ones. Only what its parts remember is set from outside; every stage runs as it is.
#include <cstdlib>
#include <cstring>

#include "engine.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend_util.h"
#include "tensorflow/lite/experimental/microfrontend/lib/kiss_fft_common.h"
#include "tensorflow/lite/experimental/microfrontend/lib/log_lut.h"

#define FIXED_POINT 16
namespace kissfft_fixed16 {
#include "_kiss_fft_guts.h"
// kissfft keeps this struct to itself (tools/kiss_fftr.cc).
struct kiss_fftr_state {
  kiss_fft_cfg substate;
  kiss_fft_cpx *tmpbuf;
  kiss_fft_cpx *super_twiddles;
};
}  // namespace kissfft_fixed16
#undef FIXED_POINT

namespace {

constexpr int kBlock = 4;      // kFilterbankChannelBlockSize: weights come in blocks of so many
constexpr int kAlignment = 2;  // kFilterbankIndexAlignment in int16: bands start at even bins

// Rows of the gain table as the stock library packs them: intervals 0 and 1 have one entry, later ones four.
int GainPlace(int row) { return row < 2 ? row : 4 * row - 6; }

kissfft_fixed16::kiss_fftr_state *Fft(const FrontendState &state) {
  return static_cast<kissfft_fixed16::kiss_fftr_state *>(state.fft.scratch);
}

void SetComplex(kissfft_fixed16::kiss_fft_cpx *to, const int16_t *from, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    to[i].r = from[2 * i];
    to[i].i = from[2 * i + 1];
  }
}

void GetComplex(int16_t *to, const kissfft_fixed16::kiss_fft_cpx *from, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    to[2 * i] = from[i].r;
    to[2 * i + 1] = from[i].i;
  }
}

// The layout of FilterbankPopulateState: padded to blocks, an empty band points at a block of zeros.
void SetBank(FilterbankState *bank, const EserFrontendTables &tables) {
  const int bands = tables.channels + 1;
  int weights = kBlock;
  for (int band = 0; band < bands; ++band) {
    const int begin = tables.band_edges[band], end = tables.band_edges[band + 1];
    const int aligned = begin / kAlignment * kAlignment;
    const int padded = (end - aligned + kBlock - 1) / kBlock * kBlock;
    bank->channel_frequency_starts[band] = static_cast<int16_t>(begin == end ? 0 : aligned);
    bank->channel_weight_starts[band] = static_cast<int16_t>(begin == end ? 0 : weights);
    bank->channel_widths[band] = static_cast<int16_t>(begin == end ? kBlock : padded);
    weights += begin == end ? 0 : padded;
  }
  free(bank->weights);
  free(bank->unweights);
  bank->weights = static_cast<int16_t *>(calloc(weights, sizeof(int16_t)));
  bank->unweights = static_cast<int16_t *>(calloc(weights, sizeof(int16_t)));
  if (bank->weights == nullptr || bank->unweights == nullptr) {
    job_fail("not enough memory for the stock library's filter bank");
  }
  for (int band = 0; band < bands; ++band) {
    for (int bin = tables.band_edges[band]; bin < tables.band_edges[band + 1]; ++bin) {
      const int place = bank->channel_weight_starts[band] + bin - bank->channel_frequency_starts[band];
      bank->weights[place] = tables.band_weights[bin - tables.band_edges[0]];
      bank->unweights[place] = tables.band_unweights[bin - tables.band_edges[0]];
    }
  }
  bank->start_index = tables.band_edges[0];
  bank->end_index = tables.band_edges[bands];
}

// The reverse. Padding is what gives nothing to either side: the weight and the unweight of a bin add up to one.
void GetBank(JobTables *to, const FilterbankState &bank) {
  int edge = bank.start_index, bins = 0;
  for (int band = 0; band <= bank.num_channels; ++band) {
    to->band_edges[band] = static_cast<int16_t>(edge);
    const int first = bank.channel_weight_starts[band];
    for (int place = first; place < first + bank.channel_widths[band]; ++place) {
      if (bank.weights[place] == 0 && bank.unweights[place] == 0) {
        continue;
      }
      if (bins == JOB_MAX_FFT_SIZE / 2) {
        job_fail("the stock library's filter bank is wider than its spectrum");
      }
      to->band_weights[bins] = bank.weights[place];
      to->band_unweights[bins] = bank.unweights[place];
      ++bins;
      ++edge;
    }
  }
  to->band_edges[bank.num_channels + 1] = static_cast<int16_t>(edge);
}

void SetTables(FrontendState *state, const EserFrontendTables &tables) {
  std::memcpy(state->window.coefficients, tables.window, tables.window_samples * sizeof(int16_t));
  SetComplex(Fft(*state)->substate->twiddles, tables.twiddles, tables.fft_size / 2);
  SetComplex(Fft(*state)->super_twiddles, tables.real_twiddles, tables.fft_size / 4);
  SetBank(&state->filterbank, tables);
  state->noise_reduction.even_smoothing = tables.even_smoothing;
  state->noise_reduction.odd_smoothing = tables.odd_smoothing;
  state->noise_reduction.min_signal_remaining = tables.min_signal_remaining;
  if (tables.pcan) {
    for (int row = 0; row < ESER_GAIN_ROWS; ++row) {
      const int entries = row < 2 ? 1 : 3;
      std::memcpy(state->pcan_gain_control.gain_lut + GainPlace(row), tables.gain_table + 3 * row,
                  entries * sizeof(int16_t));
    }
    state->pcan_gain_control.snr_shift = tables.snr_shift;
  }
}

// What the library computes with, in our form. `given` fills in what it does not know.
void GetTables(JobTables *to, const FrontendState &state, const JobTables &given) {
  EserFrontendTables *tables = &to->tables;
  *tables = given.tables;
  to->sample_rate_hz = given.sample_rate_hz;
  tables->window_samples = static_cast<uint16_t>(state.window.size);
  tables->step_samples = static_cast<uint16_t>(state.window.step);
  tables->fft_size = static_cast<uint16_t>(state.fft.fft_size);
  tables->channels = static_cast<uint16_t>(state.filterbank.num_channels);
  tables->smoothing_bits = static_cast<uint8_t>(state.noise_reduction.smoothing_bits);
  tables->even_smoothing = state.noise_reduction.even_smoothing;
  tables->odd_smoothing = state.noise_reduction.odd_smoothing;
  tables->min_signal_remaining = state.noise_reduction.min_signal_remaining;
  tables->log_shift = static_cast<uint8_t>(state.log_scale.scale_shift);
  std::memcpy(to->window, state.window.coefficients, state.window.size * sizeof(int16_t));
  GetComplex(to->twiddles, Fft(state)->substate->twiddles, state.fft.fft_size / 2);
  GetComplex(to->real_twiddles, Fft(state)->super_twiddles, state.fft.fft_size / 4);
  GetBank(to, state.filterbank);
  std::memset(to->gain_table, 0, sizeof to->gain_table);
  if (state.pcan_gain_control.enable_pcan) {
    for (int row = 0; row < ESER_GAIN_ROWS; ++row) {
      const int entries = row < 2 ? 1 : 3;
      std::memcpy(to->gain_table + 3 * row, state.pcan_gain_control.gain_lut + GainPlace(row),
                  entries * sizeof(int16_t));
    }
    tables->snr_shift = static_cast<uint8_t>(state.pcan_gain_control.snr_shift);
  }
  std::memcpy(to->log_table, kLogLut, sizeof to->log_table);
  tables->window = to->window;
  tables->twiddles = to->twiddles;
  tables->real_twiddles = to->real_twiddles;
  tables->band_edges = to->band_edges;
  tables->band_weights = to->band_weights;
  tables->band_unweights = to->band_unweights;
  tables->gain_table = to->gain_table;
  tables->log_table = to->log_table;
}

FrontendConfig Config(const Job &job, bool own_tables) {
  const EserFrontendTables &tables = job.given.tables;
  FrontendConfig config = {};
  config.window.size_ms = job.spec.window_ms;
  config.window.step_size_ms = job.spec.step_ms;
  config.filterbank.num_channels = tables.channels;
  // The library refuses a band that takes in the Nyquist bin. Any other serves where its tables are replaced.
  config.filterbank.lower_band_limit = own_tables ? job.spec.lower_hz : 0.0f;
  config.filterbank.upper_band_limit = own_tables ? job.spec.upper_hz : 0.25f * job.given.sample_rate_hz;
  config.noise_reduction.smoothing_bits = tables.smoothing_bits;
  config.noise_reduction.even_smoothing = job.spec.even_smoothing;
  config.noise_reduction.odd_smoothing = job.spec.odd_smoothing;
  config.noise_reduction.min_signal_remaining = job.spec.min_signal_remaining;
  config.pcan_gain_control.enable_pcan = tables.pcan;
  config.pcan_gain_control.strength = job.spec.pcan_strength;
  config.pcan_gain_control.offset = job.spec.pcan_offset;
  config.pcan_gain_control.gain_bits = static_cast<int>(job.spec.gain_bits);
  config.log_scale.enable_log = tables.log;
  config.log_scale.scale_shift = tables.log_shift;
  return config;
}

}  // namespace

struct Engine {
  FrontendState state;
  size_t channels;
};

Engine *engine_open(const Job *job, int own_tables, JobTables *used) {
  auto *engine = static_cast<Engine *>(malloc(sizeof(Engine)));
  if (engine == nullptr) {
    job_fail("not enough memory for the stock library's state");
  }
  const FrontendConfig config = Config(*job, own_tables != 0);
  if (!FrontendPopulateState(&config, &engine->state, job->given.sample_rate_hz)) {
    job_fail("the stock library refuses the spec");
  }
  if (engine->state.window.size != job->given.tables.window_samples ||
      engine->state.window.step != job->given.tables.step_samples) {
    job_fail("the spec and the tables differ in the window or the step");
  }
  if (!own_tables) {
    SetTables(&engine->state, job->given.tables);
  }
  GetTables(used, engine->state, job->given);
  if (!job->given.tables.noise_reduction) {
    // The library always reduces noise; it takes nothing away where all of the signal remains.
    engine->state.noise_reduction.min_signal_remaining = 1 << kNoiseReductionBits;
  }
  engine->channels = job->given.tables.channels;
  return engine;
}

void engine_close(Engine *engine) {
  FrontendFreeStateContents(&engine->state);
  free(engine);
}

void engine_reset(Engine *engine) { FrontendReset(&engine->state); }

size_t engine_frames(const Engine *engine, size_t count) {
  const WindowState &window = engine->state.window;
  const size_t available = window.input_used + count;
  return available < window.size ? 0 : (available - window.size) / window.step + 1;
}

size_t engine_feed(Engine *engine, const int16_t *samples, size_t count, uint16_t *features) {
  size_t frames = 0;
  while (count > 0) {
    size_t taken = 0;
    const FrontendOutput output = FrontendProcessSamples(&engine->state, samples, count, &taken);
    samples += taken;
    count -= taken;
    if (output.values != nullptr) {
      std::memcpy(features + frames * engine->channels, output.values, engine->channels * sizeof(uint16_t));
      ++frames;
    }
  }
  return frames;
}

size_t engine_state_bytes() { return 0; }
