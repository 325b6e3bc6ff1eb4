/* The engine that this project is about: the core. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "frontend.h"

struct Engine {
  EserFrontend frontend;
};

Engine *engine_open(const Job *job, int own_tables, JobTables *used) {
  if (own_tables) {
    job_fail("the core makes no tables of its own");
  }
  Engine *engine = malloc(sizeof *engine);
  if (engine == NULL) {
    job_fail("not enough memory for the core's state");
  }
  /* What the core does not set itself shall not look as if it did. */
  memset(engine, 0xA5, sizeof *engine);
  switch (eser_frontend_init(&engine->frontend, &job->given.tables)) {
    case ESER_OK:
      break;
    case ESER_TOO_LARGE:
      job_fail("the tables need more room than the core was built with");
      break;
    default:
      job_fail("the core refuses the tables");
  }
  used->sample_rate_hz = job->given.sample_rate_hz;
  used->tables = *engine->frontend.tables;
  return engine;
}

void engine_close(Engine *engine) { free(engine); }

void engine_reset(Engine *engine) { eser_frontend_reset(&engine->frontend); }

size_t engine_frames(const Engine *engine, size_t count) { return eser_frontend_frames(&engine->frontend, count); }

size_t engine_feed(Engine *engine, const int16_t *samples, size_t count, uint16_t *features) {
  return eser_frontend_feed(&engine->frontend, samples, count, features);
}

size_t engine_state_bytes(void) { return sizeof(EserFrontend); }
