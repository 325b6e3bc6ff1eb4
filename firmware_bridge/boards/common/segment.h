/* One whole segment at once: the decision on it, stage by stage and timed, and the self-test on the golden vectors.
 * For boards; what listens all the time is core/listener.h. Integers only, no allocation. */
#ifndef EDGE_SER_SEGMENT_H_
#define EDGE_SER_SEGMENT_H_

#include <stddef.h>
#include <stdint.h>

#include "frontend.h"
#include "listener.h"
#include "protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a board lends: its nets and its clock. */
typedef struct {
  void *context;
  /* Runs a net (ESER_TARGET_KEYWORD or ESER_TARGET_ACOUSTIC) on uint8 (frames, channels); 0 where that failed. */
  int (*run_net)(void *context, uint8_t net, const uint8_t *input, uint8_t *embedding);
  uint32_t (*microseconds)(void *context); /* of a clock that runs; wraps */
} EserMachine;

/* The caller's memory. */
typedef struct {
  EserFrontend *frontend;
  uint16_t *frame;   /* channels */
  uint8_t *features; /* segment_frames * channels */
  uint8_t *centred;  /* the same size */
  uint8_t *fused;    /* fusion.inputs */
  uint8_t *window;   /* keyword_embedding */
  int32_t *scores;   /* fusion.classes */
} EserSegmentMemory;

/* One segment and what the bundle's maker computed from it. */
typedef struct {
  const int16_t *samples; /* (sample_count,) */
  size_t sample_count;
  const uint8_t *features;           /* (segment_frames, channels) */
  const uint8_t *acoustic_embedding; /* (fusion.inputs - keyword_embedding,) */
  const uint8_t *keyword_windows;    /* (keyword_windows, keyword_embedding) */
  const int32_t *scores;             /* (fusion.classes,) */
  uint32_t allowed[ESER_STAGES];     /* largest difference of each stage that is no failure */
} EserGolden;

/* The scores of one segment, int32 (fusion.classes,) in `memory->scores`. Adds to each stage's microseconds what it
 * took, the keyword net's over all windows. Returns 0 where the samples are not a segment's, the tables are refused or
 * a net failed. */
int eser_segment_decide(const EserSystem *system, const EserMachine *machine, const EserSegmentMemory *memory,
                        const int16_t *samples, size_t count, uint32_t microseconds[ESER_STAGES]);

/* Holds every stage against the golden vectors, each on the golden values that it reads, so that one that is wrong does
 * not look like the next. Writes the largest difference of each stage, ESER_NOT_RUN where it could not be run. Returns
 * the first stage that differs by more than is allowed, or ESER_NO_STAGE. */
uint8_t eser_segment_self_test(const EserSystem *system, const EserMachine *machine, const EserSegmentMemory *memory,
                               const EserGolden *golden, uint32_t differences[ESER_STAGES]);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_SEGMENT_H_ */
