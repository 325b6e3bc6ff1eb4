/* Which net is due on which frames: keyword windows and acoustic segments over one stream of frames.
 *
 * Segment j covers the frames from j * hop_frames on. Its keyword windows begin keyword_starts after its first frame;
 * a window that several segments share is run once and its embedding kept. A window is due when its last frame is
 * there, unless the gate was closed throughout it: then it is due with the first segment that needs it. */
#ifndef EDGE_SER_SCHEDULER_H_
#define EDGE_SER_SCHEDULER_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint16_t segment_frames; /* at least keyword_frames */
  uint16_t hop_frames;     /* at least 1 */
  uint16_t keyword_frames; /* at least 1 */
  uint16_t keyword_embedding;
  uint16_t keyword_windows;       /* how many a segment has, at least 1 */
  const uint16_t *keyword_starts; /* (keyword_windows,), ascending; the last window ends with the segment or before */
  uint16_t slots; /* the most windows that begin within any segment_frames - keyword_frames + 1 frames */
} EserSchedule;

typedef enum {
  ESER_NOTHING = 0,  /* more samples are wanted */
  ESER_KEYWORD = 1,  /* the keyword net, on a window */
  ESER_ACOUSTIC = 2, /* the acoustic net, on a segment */
  ESER_RECORD = 3    /* a record is there to be taken */
} EserDue;

typedef struct {
  const EserSchedule *schedule;
  uint8_t *embeddings;    /* (slots, keyword_embedding), the caller's */
  uint32_t *slot_windows; /* (slots,), first frame of each kept window plus 1, 0 where a slot is empty; the caller's */
  uint32_t frames;        /* that were pushed */
  uint32_t opened;        /* frames up to the newest at which the gate was open, that one counted; 0: none */
  uint32_t due_frame;     /* first frame of what is due */
  uint8_t due;            /* an EserDue */
  uint8_t window_asked;   /* whether a window ends with the newest frame was looked at */
  uint8_t in_segment;     /* a segment ends with the newest frame and its record has not been taken */
  uint8_t acoustic_done;
  uint8_t failed;
} EserScheduler;

/* Takes the schedule (kept by reference) and the caller's memory; empty. */
void eser_scheduler_init(EserScheduler *scheduler, const EserSchedule *schedule, uint8_t *embeddings,
                         uint32_t *slot_windows);

/* Forgets all frames and embeddings. */
void eser_scheduler_reset(EserScheduler *scheduler);

/* One more frame, and whether the gate is open in it; nothing may be due. */
void eser_scheduler_push(EserScheduler *scheduler, int open);

/* What is due was done; `embedding` is the keyword net's where that was due. The record of a segment is due once
 * nothing else is. */
void eser_scheduler_done(EserScheduler *scheduler, const uint8_t *embedding);

/* The net that is due cannot be run. The record of the segment that is complete becomes due at once; a window before
 * the end of a segment is due again then. */
void eser_scheduler_fail(EserScheduler *scheduler);

/* The kept embedding of a window, or a null pointer. */
const uint8_t *eser_scheduler_window(const EserScheduler *scheduler, uint32_t first_frame);

/* First frame of the segment that is complete. */
uint32_t eser_scheduler_segment(const EserScheduler *scheduler);

/* Whether the gate was closed throughout it. */
int eser_scheduler_silent(const EserScheduler *scheduler);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_SCHEDULER_H_ */
