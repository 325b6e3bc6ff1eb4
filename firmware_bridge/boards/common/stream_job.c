/* The program: recordings through the listener of system_data.h, from one file; all that it does, to another. The nets
 * do not run here: what they gave elsewhere comes with the recordings. firmware_bridge/stream_job.py writes the one
 * file and reads the other; both are little-endian and packed.
 *
 *   job file     "ESERSTJ1", u32 chunk_samples (0: each recording at once), u32 recordings, and each recording:
 *     u32 bytes, u8[bytes] embeddings in the order in which they are asked for, u32 samples, i16[samples]
 *
 *   result file  "ESERSTR1", u32 bytes of memory, u32 recordings, and each recording: events, each a u8 EserDue:
 *     KEYWORD or ACOUSTIC: u32 first frame, u32 bytes, u8[bytes] net input; RECORD: u32 bytes, u8[bytes] record;
 *     NOTHING ends the recording, and four u64 follow, instructions spent on: samples, net inputs, taking embeddings,
 *     records (0 where the machine cannot count them) */
#include <stdlib.h>
#include <string.h>

#include "counter.h"
#include "job.h"
#include "system_memory.h"

enum { MAX_EMBEDDINGS = 1 << 24, STAGES = 4 };
typedef enum { SAMPLES, NET_INPUTS, EMBEDDINGS, RECORDS } Stage;

static uint64_t instructions[STAGES];
static int counted;

static void add_count(Stage stage) {
  const uint32_t spent = counter_stop();
  counted = counted && spent != COUNTER_UNKNOWN;
  instructions[stage] += spent;
}

/* The embeddings of a recording, and how many bytes of them were taken. */
typedef struct {
  uint8_t *bytes;
  size_t count;
  size_t taken;
} Embeddings;

static void run_net(FILE *out, EserListener *listener, EserDue due, Embeddings *embeddings) {
  const EserSystem *system = listener->system;
  const size_t keyword = system->schedule.keyword_embedding;
  const size_t size = due == ESER_KEYWORD ? keyword : system->fusion.inputs - keyword;
  const size_t bytes = eser_listener_input_bytes(listener);
  /* Just what is due, so that a memory checker sees what is written beyond it. */
  uint8_t *input = job_allocated(bytes);
  counter_start();
  eser_listener_fill(listener, input);
  add_count(NET_INPUTS);
  job_write_u32(out, eser_listener_frame(listener));
  job_write_u32(out, (uint32_t)bytes);
  job_write_bytes(out, input, bytes);
  free(input);
  if (size > embeddings->count - embeddings->taken) {
    job_fail("more embeddings are asked for than the job file holds");
  }
  uint8_t *embedding = job_allocated(size);
  memcpy(embedding, embeddings->bytes + embeddings->taken, size);
  embeddings->taken += size;
  counter_start();
  eser_listener_embedding(listener, embedding);
  add_count(EMBEDDINGS);
  free(embedding);
}

static void take_record(FILE *out, EserListener *listener) {
  EserRecord record;
  uint8_t bytes[ESER_RECORD_MAX_BYTES];
  counter_start();
  eser_listener_record(listener, &record);
  const size_t count = eser_record_encode(&record, bytes);
  add_count(RECORDS);
  job_write_u32(out, (uint32_t)count);
  job_write_bytes(out, bytes, count);
}

static void run_chunk(FILE *out, EserListener *listener, const int16_t *samples, size_t count, Embeddings *embeddings) {
  while (count > 0) {
    counter_start();
    const size_t used = eser_listener_feed(listener, samples, count);
    add_count(SAMPLES);
    samples += used;
    count -= used;
    for (EserDue due; (due = eser_listener_due(listener)) != ESER_NOTHING;) {
      const uint8_t kind = (uint8_t)due;
      job_write_bytes(out, &kind, 1);
      if (due == ESER_RECORD) {
        take_record(out, listener);
      } else {
        run_net(out, listener, due, embeddings);
      }
    }
  }
}

static void run_recording(FILE *in, FILE *out, uint32_t chunk_samples) {
  EserListener *listener = system_listener();
  if (listener == NULL) {
    job_fail("the core refuses the system");
  }
  Embeddings embeddings = {NULL, job_read_u32(in), 0};
  if (embeddings.count > MAX_EMBEDDINGS) {
    job_fail("a recording has too many embeddings");
  }
  embeddings.bytes = job_allocated(embeddings.count);
  job_read_u8s(in, embeddings.bytes, embeddings.count);
  const size_t samples = job_read_u32(in);
  if (samples > JOB_MAX_SAMPLES) {
    job_fail("a recording is too long");
  }
  const size_t chunk = chunk_samples == 0 || chunk_samples > samples ? samples : chunk_samples;
  int16_t *pending = job_allocated(chunk * sizeof *pending);
  memset(instructions, 0, sizeof instructions);
  counted = 1;
  for (size_t left = samples; left > 0;) {
    const size_t count = left < chunk ? left : chunk;
    job_read_i16s(in, pending, count);
    run_chunk(out, listener, pending, count, &embeddings);
    left -= count;
  }
  if (embeddings.taken != embeddings.count) {
    job_fail("the job file holds more embeddings than are asked for");
  }
  const uint8_t end = ESER_NOTHING;
  job_write_bytes(out, &end, 1);
  for (size_t stage = 0; stage < STAGES; ++stage) {
    job_write_u64(out, counted ? instructions[stage] : 0);
  }
  free(pending);
  free(embeddings.bytes);
}

int main(int argc, char **argv) {
  JobFiles files = job_open(argc, argv, "ESERSTJ1");
  FILE *in = files.in, *out = files.out;
  const uint32_t chunk_samples = job_read_u32(in), recordings = job_read_u32(in);
  job_write_bytes(out, "ESERSTR1", 8);
  job_write_u32(out, (uint32_t)system_memory_bytes());
  job_write_u32(out, recordings);
  counter_init();
  for (uint32_t recording = 0; recording < recordings; ++recording) {
    run_recording(in, out, chunk_samples);
  }
  job_close(&files);
  return 0;
}
