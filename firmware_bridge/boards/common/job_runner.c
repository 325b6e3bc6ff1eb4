/* The program: runs the jobs of one file through an engine and writes the results to another.
 *
 * Recordings that are fed in chunks are read in chunks, so that a long one needs no more memory than a short one. */
#include <stdlib.h>
#include <string.h>

#include "counter.h"
#include "engine.h"
#include "job.h"
#include "net_input.h"

static size_t frames_in(const EserFrontendTables *tables, size_t samples) {
  return samples < tables->window_samples ? 0 : (samples - tables->window_samples) / tables->step_samples + 1;
}

/* A ring that is half as long again as what is read from it, so that reading has to find the newest frames. */
static void open_window(EserFeatureWindow *window, const Job *job) {
  const size_t capacity = job->net_input_frames + job->net_input_frames / 2u;
  const size_t channels = job->given.tables.channels;
  eser_feature_window_init(window, job_allocated(capacity * channels), capacity, channels);
}

static void write_net_input(FILE *out, const Job *job, const EserFeatureWindow *window) {
  const size_t size = (size_t)job->net_input_frames * window->channels;
  uint8_t *input = job_allocated(size);
  if (job->net_input_frames > 0 && eser_feature_window_copy(window, input, job->net_input_frames)) {
    job_write_u32(out, job->net_input_frames);
    job_write_bytes(out, input, size);
  } else {
    job_write_u32(out, 0);
  }
  free(input);
}

static void run_recording(FILE *in, FILE *out, const Job *job, Engine *engine) {
  const EserFrontendTables *tables = &job->given.tables;
  const size_t samples = job_read_u32(in), frames = frames_in(tables, samples);
  if (samples > JOB_MAX_SAMPLES) {
    job_fail("a recording is too long");
  }
  const size_t chunk = job->chunk_samples == 0 || job->chunk_samples > samples ? samples : job->chunk_samples;
  int16_t *pending = job_allocated(chunk * sizeof *pending);
  EserFeatureWindow window;
  open_window(&window, job);
  engine_reset(engine);
  job_write_u32(out, (uint32_t)frames);

  uint64_t instructions = 0;
  int counted = 1;
  size_t done = 0;
  for (size_t left = samples; left > 0;) {
    const size_t count = left < chunk ? left : chunk;
    job_read_i16s(in, pending, count);
    const size_t due = engine_frames(engine, count);
    /* Just what is due, so that a memory checker sees what is written beyond it. */
    uint16_t *features = job_allocated(due * tables->channels * sizeof *features);
    counter_start();
    const size_t given = engine_feed(engine, pending, count, features);
    const uint32_t spent = counter_stop();
    counted = counted && spent != COUNTER_UNKNOWN;
    instructions += spent;
    if (given != due || given > frames - done) {
      job_fail("the engine gave another number of frames than it said");
    }
    job_write_u16s(out, features, given * tables->channels);
    for (size_t frame = 0; job->net_input_frames > 0 && frame < given; ++frame) {
      eser_feature_window_push(&window, features + frame * tables->channels, tables->feature_low, tables->feature_high);
    }
    free(features);
    done += given;
    left -= count;
  }
  if (done != frames) {
    job_fail("the engine gave fewer frames than the recording holds");
  }
  job_write_u64(out, counted ? instructions : 0);
  write_net_input(out, job, &window);
  free(window.frames);
  free(pending);
}

static void run_job(FILE *in, FILE *out, Job *job, int own_tables) {
  static JobTables used;
  job_read(in, job);
  Engine *engine = engine_open(job, own_tables, &used);
  job_write_tables(out, &used);
  for (uint32_t recording = 0; recording < job->recordings; ++recording) {
    run_recording(in, out, job, engine);
  }
  engine_close(engine);
}

int main(int argc, char **argv) {
  static Job job;
  JobFiles files = job_open(argc, argv, "ESERJOB1");
  FILE *in = files.in, *out = files.out;
  const uint32_t flags = job_read_u32(in), jobs = job_read_u32(in);
  if (flags > JOB_OWN_TABLES) {
    job_fail("the job file has flags that this program does not know");
  }
  job_write_bytes(out, "ESERRES1", 8);
  job_write_u32(out, (uint32_t)engine_state_bytes());
  job_write_u32(out, jobs);
  counter_init();
  for (uint32_t i = 0; i < jobs; ++i) {
    run_job(in, out, &job, (flags & JOB_OWN_TABLES) != 0);
  }
  job_close(&files);
  return 0;
}
