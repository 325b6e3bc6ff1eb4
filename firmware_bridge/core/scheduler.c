#include "scheduler.h"

#include <string.h>

void eser_scheduler_init(EserScheduler *scheduler, const EserSchedule *schedule, uint8_t *embeddings,
                         uint32_t *slot_windows) {
  scheduler->schedule = schedule;
  scheduler->embeddings = embeddings;
  scheduler->slot_windows = slot_windows;
  eser_scheduler_reset(scheduler);
}

void eser_scheduler_reset(EserScheduler *scheduler) {
  memset(scheduler->slot_windows, 0, scheduler->schedule->slots * sizeof *scheduler->slot_windows);
  scheduler->frames = 0;
  scheduler->opened = 0;
  scheduler->due_frame = 0;
  scheduler->due = ESER_NOTHING;
  scheduler->in_segment = 0;
  scheduler->window_asked = 0;
  scheduler->acoustic_done = 0;
  scheduler->failed = 0;
}

/* Whether a keyword window of any segment begins with this frame. */
static int window_begins(const EserSchedule *schedule, uint32_t frame) {
  for (size_t i = 0; i < schedule->keyword_windows; ++i) {
    const uint32_t start = schedule->keyword_starts[i];
    if (start > frame) {
      return 0;
    }
    if ((frame - start) % schedule->hop_frames == 0) {
      return 1;
    }
  }
  return 0;
}

static size_t slot_of(const EserScheduler *scheduler, uint32_t first_frame) {
  size_t slot = 0;
  while (slot < scheduler->schedule->slots && scheduler->slot_windows[slot] != first_frame + 1) {
    ++slot;
  }
  return slot;
}

/* In an empty slot, else in that of the oldest window, which no segment needs any more. */
static void keep(EserScheduler *scheduler, uint32_t first_frame, const uint8_t *embedding) {
  size_t oldest = 0;
  for (size_t slot = 1; slot < scheduler->schedule->slots; ++slot) {
    if (scheduler->slot_windows[slot] < scheduler->slot_windows[oldest]) {
      oldest = slot;
    }
  }
  const size_t size = scheduler->schedule->keyword_embedding;
  memcpy(scheduler->embeddings + oldest * size, embedding, size);
  scheduler->slot_windows[oldest] = first_frame + 1;
}

static void set_due(EserScheduler *scheduler, EserDue due, uint32_t first_frame) {
  scheduler->due = (uint8_t)due;
  scheduler->due_frame = first_frame;
}

static void choose(EserScheduler *scheduler) {
  const EserSchedule *schedule = scheduler->schedule;
  if (!scheduler->window_asked && scheduler->frames >= schedule->keyword_frames) {
    const uint32_t window = scheduler->frames - schedule->keyword_frames;
    scheduler->window_asked = 1;
    if (scheduler->opened > window && window_begins(schedule, window)) {
      set_due(scheduler, ESER_KEYWORD, window);
      return;
    }
  }
  if (!scheduler->in_segment) {
    set_due(scheduler, ESER_NOTHING, 0);
    return;
  }
  const uint32_t segment = eser_scheduler_segment(scheduler);
  if (scheduler->failed || eser_scheduler_silent(scheduler)) {
    set_due(scheduler, ESER_RECORD, segment);
    return;
  }
  for (size_t i = 0; i < schedule->keyword_windows; ++i) {
    const uint32_t window = segment + schedule->keyword_starts[i];
    if (slot_of(scheduler, window) == schedule->slots) {
      set_due(scheduler, ESER_KEYWORD, window);
      return;
    }
  }
  set_due(scheduler, scheduler->acoustic_done ? ESER_RECORD : ESER_ACOUSTIC, segment);
}

void eser_scheduler_push(EserScheduler *scheduler, int open) {
  const EserSchedule *schedule = scheduler->schedule;
  ++scheduler->frames;
  if (open) {
    scheduler->opened = scheduler->frames;
  }
  scheduler->window_asked = 0;
  scheduler->acoustic_done = 0;
  scheduler->failed = 0;
  scheduler->in_segment = scheduler->frames >= schedule->segment_frames &&
                          (scheduler->frames - schedule->segment_frames) % schedule->hop_frames == 0;
  choose(scheduler);
}

void eser_scheduler_done(EserScheduler *scheduler, const uint8_t *embedding) {
  switch (scheduler->due) {
    case ESER_KEYWORD:
      keep(scheduler, scheduler->due_frame, embedding);
      break;
    case ESER_ACOUSTIC:
      scheduler->acoustic_done = 1;
      break;
    default:
      scheduler->in_segment = 0;
      break;
  }
  choose(scheduler);
}

void eser_scheduler_fail(EserScheduler *scheduler) {
  scheduler->failed = 1;
  choose(scheduler);
}

const uint8_t *eser_scheduler_window(const EserScheduler *scheduler, uint32_t first_frame) {
  const size_t slot = slot_of(scheduler, first_frame);
  return slot == scheduler->schedule->slots ? NULL
                                            : scheduler->embeddings + slot * scheduler->schedule->keyword_embedding;
}

uint32_t eser_scheduler_segment(const EserScheduler *scheduler) {
  return scheduler->frames - scheduler->schedule->segment_frames;
}

int eser_scheduler_silent(const EserScheduler *scheduler) {
  return scheduler->opened <= eser_scheduler_segment(scheduler);
}
