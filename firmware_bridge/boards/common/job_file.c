#include <stdlib.h>
#include <string.h>

#include "job.h"

enum {
  WEIGHT_ONE = 1 << 12, /* 1 of window coefficients and filter-bank weights */
  SHARE_ONE = 1 << 14   /* 1 of the noise reduction's constants */
};

void job_fail(const char *problem) {
  fprintf(stderr, "front-end job: %s\n", problem);
  exit(2);
}

JobFiles job_open(int argc, char **argv, const char *magic) {
  if (argc != 3) {
    job_fail("expected two arguments: the job file and the result file");
  }
  const JobFiles files = {fopen(argv[1], "rb"), fopen(argv[2], "wb")};
  if (files.in == NULL || files.out == NULL) {
    job_fail("the job file cannot be read, or the result file cannot be written");
  }
  /* Each call out of an emulated machine is slow. */
  setvbuf(files.in, NULL, _IOFBF, 1 << 15);
  setvbuf(files.out, NULL, _IOFBF, 1 << 15);
  char found[8];
  if (fread(found, 1, sizeof found, files.in) != sizeof found || memcmp(found, magic, sizeof found) != 0) {
    job_fail("this is no job file of version 1");
  }
  return files;
}

void job_close(JobFiles *files) {
  if (fgetc(files->in) != EOF) {
    job_fail("the job file goes on after its end");
  }
  if (fclose(files->out) != 0) {
    job_fail("the result file cannot be written");
  }
  fclose(files->in);
}

void *job_allocated(size_t bytes) {
  void *memory = malloc(bytes > 0 ? bytes : 1);
  if (memory == NULL) {
    job_fail("not enough memory; feed the recording in chunks");
  }
  return memory;
}

void job_read_u8s(FILE *file, uint8_t *bytes, size_t count) {
  if (fread(bytes, 1, count, file) != count) {
    job_fail("the job file ends before its last job does");
  }
}

uint32_t job_read_u32(FILE *file) {
  uint8_t bytes[4];
  job_read_u8s(file, bytes, sizeof bytes);
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void job_read_i16s(FILE *file, int16_t *values, size_t count) {
  uint8_t bytes[512];
  while (count > 0) {
    const size_t piece = count < sizeof bytes / 2 ? count : sizeof bytes / 2;
    job_read_u8s(file, bytes, 2 * piece);
    for (size_t i = 0; i < piece; ++i) {
      values[i] = (int16_t)(uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
    }
    values += piece;
    count -= piece;
  }
}

static float read_f32(FILE *file) {
  const uint32_t bits = job_read_u32(file);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static int32_t read_in(FILE *file, int32_t low, int32_t high, const char *problem) {
  const int32_t value = (int32_t)job_read_u32(file);
  if (value < low || value > high) {
    job_fail(problem);
  }
  return value;
}

/* The same ranges as edge_ser/frontend/tables.py: outside them the core's arithmetic has no meaning. */
static uint16_t read_u16(FILE *file, int32_t high) {
  return (uint16_t)read_in(file, 0, high, "a number of the tables is out of range");
}

static uint8_t read_u8(FILE *file, int32_t high) { return (uint8_t)read_u16(file, high); }

static void read_array(FILE *file, int16_t *values, size_t count, int16_t low, int16_t high) {
  job_read_i16s(file, values, count);
  for (size_t i = 0; i < count; ++i) {
    if (values[i] < low || values[i] > high) {
      job_fail("an array of the tables holds a value out of range");
    }
  }
}

static void read_tables(FILE *file, JobTables *read) {
  EserFrontendTables *tables = &read->tables;
  read->sample_rate_hz = (int32_t)job_read_u32(file);
  tables->window_samples = (uint16_t)read_in(file, 65, JOB_MAX_FFT_SIZE, "a window of such a length has no tables");
  tables->step_samples = (uint16_t)read_in(file, 1, tables->window_samples, "a step is not within its window");
  tables->channels = (uint16_t)read_in(file, 1, JOB_MAX_CHANNELS, "so many channels have no tables");
  tables->noise_reduction = read_u8(file, 1);
  tables->smoothing_bits = read_u8(file, 14);
  tables->even_smoothing = read_u16(file, SHARE_ONE);
  tables->odd_smoothing = read_u16(file, SHARE_ONE);
  tables->min_signal_remaining = read_u16(file, SHARE_ONE);
  tables->pcan = read_u8(file, 1);
  tables->snr_shift = read_u8(file, 31);
  tables->log = read_u8(file, 1);
  tables->log_shift = read_u8(file, 8);
  tables->feature_low = read_u16(file, UINT16_MAX);
  tables->feature_high = read_u16(file, UINT16_MAX);
  tables->fft_size = 128;
  while (tables->fft_size < tables->window_samples) {
    tables->fft_size = (uint16_t)(2 * tables->fft_size);
  }
  const size_t points = tables->fft_size / 2, last = tables->channels + 1u;
  read_array(file, read->window, tables->window_samples, 0, WEIGHT_ONE);
  read_array(file, read->twiddles, 2 * points, -INT16_MAX, INT16_MAX);
  read_array(file, read->real_twiddles, points, -INT16_MAX, INT16_MAX);
  read_array(file, read->band_edges, last + 1, 1, (int16_t)points);
  for (size_t band = 0; band < last; ++band) {
    if (read->band_edges[band] > read->band_edges[band + 1]) {
      job_fail("the edges of the bands do not ascend");
    }
  }
  const size_t bins = (size_t)(read->band_edges[last] - read->band_edges[0]);
  read_array(file, read->band_weights, bins, 0, WEIGHT_ONE);
  read_array(file, read->band_unweights, bins, 0, WEIGHT_ONE);
  read_array(file, read->gain_table, 3 * ESER_GAIN_ROWS, -INT16_MAX, INT16_MAX);
  for (size_t i = 0; i <= ESER_LOG_SEGMENTS; ++i) {
    int16_t value;
    job_read_i16s(file, &value, 1);
    read->log_table[i] = (uint16_t)value;
  }
  tables->window = read->window;
  tables->twiddles = read->twiddles;
  tables->real_twiddles = read->real_twiddles;
  tables->band_edges = read->band_edges;
  tables->band_weights = read->band_weights;
  tables->band_unweights = read->band_unweights;
  tables->gain_table = read->gain_table;
  tables->log_table = read->log_table;
}

void job_read(FILE *file, Job *job) {
  job->spec.window_ms = job_read_u32(file);
  job->spec.step_ms = job_read_u32(file);
  job->spec.lower_hz = read_f32(file);
  job->spec.upper_hz = read_f32(file);
  job->spec.even_smoothing = read_f32(file);
  job->spec.odd_smoothing = read_f32(file);
  job->spec.min_signal_remaining = read_f32(file);
  job->spec.pcan_strength = read_f32(file);
  job->spec.pcan_offset = read_f32(file);
  job->spec.gain_bits = job_read_u32(file);
  read_tables(file, &job->given);
  job->chunk_samples = job_read_u32(file);
  job->net_input_frames = (uint32_t)read_in(file, 0, 65535, "a net input of so many frames is none");
  job->recordings = job_read_u32(file);
}

void job_write_bytes(FILE *file, const void *bytes, size_t count) {
  if (fwrite(bytes, 1, count, file) != count) {
    job_fail("the result file cannot be written");
  }
}

void job_write_u32(FILE *file, uint32_t value) {
  const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
  job_write_bytes(file, bytes, sizeof bytes);
}

void job_write_u64(FILE *file, uint64_t value) {
  job_write_u32(file, (uint32_t)value);
  job_write_u32(file, (uint32_t)(value >> 32));
}

void job_write_u16s(FILE *file, const uint16_t *values, size_t count) {
  uint8_t bytes[512];
  while (count > 0) {
    const size_t piece = count < sizeof bytes / 2 ? count : sizeof bytes / 2;
    for (size_t i = 0; i < piece; ++i) {
      bytes[2 * i] = (uint8_t)values[i];
      bytes[2 * i + 1] = (uint8_t)(values[i] >> 8);
    }
    job_write_bytes(file, bytes, 2 * piece);
    values += piece;
    count -= piece;
  }
}

static void write_i16s(FILE *file, const int16_t *values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const uint16_t bits = (uint16_t)values[i];
    job_write_u16s(file, &bits, 1);
  }
}

void job_write_tables(FILE *file, const JobTables *written) {
  const EserFrontendTables *tables = &written->tables;
  const int32_t numbers[] = {written->sample_rate_hz,
                             tables->window_samples,
                             tables->step_samples,
                             tables->channels,
                             tables->noise_reduction,
                             tables->smoothing_bits,
                             tables->even_smoothing,
                             tables->odd_smoothing,
                             tables->min_signal_remaining,
                             tables->pcan,
                             tables->snr_shift,
                             tables->log,
                             tables->log_shift,
                             tables->feature_low,
                             tables->feature_high};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i) {
    job_write_u32(file, (uint32_t)numbers[i]);
  }
  const size_t points = tables->fft_size / 2, last = tables->channels + 1u;
  const size_t bins = (size_t)(tables->band_edges[last] - tables->band_edges[0]);
  write_i16s(file, tables->window, tables->window_samples);
  write_i16s(file, tables->twiddles, 2 * points);
  write_i16s(file, tables->real_twiddles, points);
  write_i16s(file, tables->band_edges, last + 1);
  write_i16s(file, tables->band_weights, bins);
  write_i16s(file, tables->band_unweights, bins);
  write_i16s(file, tables->gain_table, 3 * ESER_GAIN_ROWS);
  job_write_u16s(file, tables->log_table, ESER_LOG_SEGMENTS + 1);
}
