/* What runs the jobs: the core, or the stock library that judges it. */
#ifndef EDGE_SER_ENGINE_H_
#define EDGE_SER_ENGINE_H_

#include <stddef.h>
#include <stdint.h>

#include "job.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Engine Engine;

/* An engine in the reset state, and in `used` the tables that it computes with: the given ones, or with
 * `own_tables` those that it makes from the spec. Ends the program where it cannot; `job` outlives the engine. */
Engine *engine_open(const Job *job, int own_tables, JobTables *used);

void engine_close(Engine *engine);

/* Forgets all samples and the noise estimate. */
void engine_reset(Engine *engine);

/* How many frames `count` more samples will complete. */
size_t engine_frames(const Engine *engine, size_t count);

/* Takes samples, writes the frames that they complete, returns their number. */
size_t engine_feed(Engine *engine, const int16_t *samples, size_t count, uint16_t *features);

/* What the caller of the front end gives it to work in; 0 where it takes its memory itself. */
size_t engine_state_bytes(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_ENGINE_H_ */
