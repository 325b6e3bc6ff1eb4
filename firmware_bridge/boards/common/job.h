/* Jobs for a front end that runs as a program of its own: recordings in, features out, through two files. The same
 * program runs as a process and on an emulated Cortex-M7; firmware_bridge/frontend_job.py writes the one file and
 * reads the other.
 *
 * Both files are little-endian and packed. A string of bytes in quotes is written without an end mark.
 *
 *   job file     "ESERJOB1", u32 flags (bit 0: the engine computes tables of its own), u32 jobs, and each job:
 *     u32 window_ms, u32 step_ms, f32 lower_hz, f32 upper_hz, f32 even_smoothing, f32 odd_smoothing,
 *     f32 min_signal_remaining, f32 pcan_strength, f32 pcan_offset, u32 gain_bits
 *     tables (below), u32 chunk_samples (0: each recording at once), u32 net_input_frames (0: none),
 *     u32 recordings, and each recording: u32 samples, i16[samples]
 *
 *   result file  "ESERRES1", u32 bytes of the engine's state, u32 jobs, and each job:
 *     tables that the engine computed with, and for each recording: u32 frames, u16[frames][channels] features,
 *     u64 instructions (0 where the machine cannot count them), u32 rows, u8[rows][channels] net input: the newest
 *     net_input_frames frames, no rows while there are fewer
 *
 *   tables       i32 each: sample_rate_hz, window_samples, step_samples, channels, noise_reduction, smoothing_bits,
 *     even_smoothing, odd_smoothing, min_signal_remaining, pcan, snr_shift, log, log_shift, feature_low,
 *     feature_high; then the arrays of EserFrontendTables, whose lengths follow from these numbers:
 *     window, twiddles, real_twiddles, band_edges, band_weights, band_unweights, gain_table, log_table */
#ifndef EDGE_SER_JOB_H_
#define EDGE_SER_JOB_H_

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "frontend_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  JOB_OWN_TABLES = 1,        /* flag of the job file */
  JOB_MAX_SAMPLES = 1 << 28, /* of one recording: what a 32-bit machine can address */
  JOB_MAX_FFT_SIZE = 1024,
  JOB_MAX_CHANNELS = 255
};

/* Tables with their arrays; `tables` points into the struct, which therefore must not be copied. */
typedef struct {
  EserFrontendTables tables;
  int32_t sample_rate_hz;
  int16_t window[JOB_MAX_FFT_SIZE];
  int16_t twiddles[JOB_MAX_FFT_SIZE];
  int16_t real_twiddles[JOB_MAX_FFT_SIZE / 2];
  int16_t band_edges[JOB_MAX_CHANNELS + 2];
  int16_t band_weights[JOB_MAX_FFT_SIZE / 2];
  int16_t band_unweights[JOB_MAX_FFT_SIZE / 2];
  int16_t gain_table[3 * ESER_GAIN_ROWS];
  uint16_t log_table[ESER_LOG_SEGMENTS + 1];
} JobTables;

/* What the tables were made from, where it cannot be read off them. */
typedef struct {
  uint32_t window_ms;
  uint32_t step_ms;
  float lower_hz;
  float upper_hz;
  float even_smoothing;
  float odd_smoothing;
  float min_signal_remaining;
  float pcan_strength;
  float pcan_offset;
  uint32_t gain_bits;
} JobSpec;

typedef struct {
  JobSpec spec;
  JobTables given;
  uint32_t chunk_samples;
  uint32_t net_input_frames;
  uint32_t recordings;
} Job;

/* Both files of a program. */
typedef struct {
  FILE *in;
  FILE *out;
} JobFiles;

/* Everything below ends the program, with a line on standard error, where a file is not what it should be. */
void job_fail(const char *problem);

/* Opens the files that the two arguments name; the job file starts with a magic of eight bytes, which is read. */
JobFiles job_open(int argc, char **argv, const char *magic);
/* Closes them; nothing may be left in the job file. */
void job_close(JobFiles *files);

/* Memory, also for no bytes; to be freed. */
void *job_allocated(size_t bytes);

void job_read_u8s(FILE *file, uint8_t *bytes, size_t count);
uint32_t job_read_u32(FILE *file);
void job_read_i16s(FILE *file, int16_t *values, size_t count);
void job_read(FILE *file, Job *job);

void job_write_u32(FILE *file, uint32_t value);
void job_write_u64(FILE *file, uint64_t value);
void job_write_u16s(FILE *file, const uint16_t *values, size_t count);
void job_write_bytes(FILE *file, const void *bytes, size_t count);
void job_write_tables(FILE *file, const JobTables *tables);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_JOB_H_ */
