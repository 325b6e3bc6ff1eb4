#include "listener.h"

#include <string.h>

/* Windows, segments and kept embeddings are found by their frame: before the count wraps all of it is forgotten. */
#define LAST_FRAME 0xFFFF0000u

EserStatus eser_listener_init(EserListener *listener, const EserSystem *system, const EserListenerMemory *memory) {
  memset(listener, 0, sizeof *listener);
  const EserStatus status = eser_frontend_init(&listener->frontend, system->tables);
  if (status != ESER_OK) {
    return status;
  }
  const EserSchedule *schedule = &system->schedule;
  /* Less than 32 steps are complete before their frame is; embeddings go where fusion reads them. */
  if (system->tables->window_samples / system->tables->step_samples >= 32 || schedule->hop_frames == 0 ||
      schedule->keyword_windows == 0 || schedule->slots == 0 || schedule->segment_frames < schedule->keyword_frames ||
      system->gate.step_samples != system->tables->step_samples || system->fusion.classes > ESER_MAX_CLASSES ||
      system->fusion.classes != system->smoothing.classes || system->smoothing.decisions == 0 ||
      system->fusion.inputs <= schedule->keyword_embedding || system->words.inputs != schedule->keyword_embedding ||
      system->words.classes < 3 || system->words.classes > 255) {
    return ESER_INVALID_TABLES;
  }
  listener->system = system;
  listener->memory = *memory;
  eser_feature_window_init(&listener->ring, memory->ring, schedule->segment_frames, system->tables->channels);
  eser_gate_init(&listener->gate, &system->gate);
  eser_scheduler_init(&listener->scheduler, schedule, memory->windows, memory->slot_windows);
  eser_smoothing_init(&listener->smoothing, &system->smoothing, memory->history);
  listener->shown_before = ESER_NONE;
  return ESER_OK;
}

void eser_listener_reset(EserListener *listener) {
  eser_frontend_reset(&listener->frontend);
  eser_feature_window_reset(&listener->ring);
  eser_gate_reset(&listener->gate);
  eser_scheduler_reset(&listener->scheduler);
  eser_smoothing_reset(&listener->smoothing);
  listener->opens = 0;
  listener->steps_ahead = 0;
  listener->gap = 1;
}

static void watch(EserListener *listener, const int16_t *samples, size_t count) {
  while (count > 0) {
    int complete = 0, open = 0;
    const size_t taken = eser_gate_feed(&listener->gate, samples, count, &complete, &open);
    if (complete) {
      listener->opens = listener->opens << 1 | (uint32_t)open;
      ++listener->steps_ahead;
    }
    samples += taken;
    count -= taken;
  }
}

/* The step that a frame begins with is complete with the frame or before it. */
static void take_frame(EserListener *listener) {
  const EserFrontendTables *tables = listener->system->tables;
  eser_feature_window_push(&listener->ring, listener->memory.features, tables->feature_low, tables->feature_high);
  --listener->steps_ahead;
  eser_scheduler_push(&listener->scheduler, listener->opens >> listener->steps_ahead & 1);
}

size_t eser_listener_feed(EserListener *listener, const int16_t *samples, size_t count) {
  const size_t window = listener->system->tables->window_samples;
  size_t used = 0;
  while (used < count && listener->scheduler.due == ESER_NOTHING) {
    if (listener->scheduler.frames == LAST_FRAME) {
      eser_listener_reset(listener);
    }
    const size_t wanted = window - listener->frontend.pending_samples, left = count - used;
    const size_t taken = left < wanted ? left : wanted;
    watch(listener, samples + used, taken);
    if (eser_frontend_feed(&listener->frontend, samples + used, taken, listener->memory.features) == 1) {
      take_frame(listener);
    }
    used += taken;
  }
  return used;
}

EserDue eser_listener_due(const EserListener *listener) { return (EserDue)listener->scheduler.due; }

uint32_t eser_listener_frame(const EserListener *listener) { return listener->scheduler.due_frame; }

static size_t frames_due(const EserListener *listener) {
  switch (listener->scheduler.due) {
    case ESER_KEYWORD:
      return listener->system->schedule.keyword_frames;
    case ESER_ACOUSTIC:
      return listener->system->schedule.segment_frames;
    default:
      return 0;
  }
}

size_t eser_listener_input_bytes(const EserListener *listener) {
  return frames_due(listener) * listener->system->tables->channels;
}

void eser_listener_fill(const EserListener *listener, uint8_t *input) {
  const size_t frames = frames_due(listener);
  if (frames == 0) {
    return;
  }
  const EserScheduler *scheduler = &listener->scheduler;
  const size_t newer = scheduler->frames - scheduler->due_frame - frames;
  eser_feature_window_copy_before(&listener->ring, input, frames, newer);
  if (scheduler->due == ESER_ACOUSTIC && listener->system->centre_channels) {
    eser_centre_channels(input, frames, listener->system->tables->channels);
  }
}

void eser_listener_embedding(EserListener *listener, const uint8_t *embedding) {
  const EserSystem *system = listener->system;
  if (listener->scheduler.due == ESER_ACOUSTIC) {
    memcpy(listener->memory.fused, embedding, system->fusion.inputs - system->schedule.keyword_embedding);
  }
  if (frames_due(listener) > 0) {
    eser_scheduler_done(&listener->scheduler, embedding);
  }
}

void eser_listener_fail(EserListener *listener) {
  if (frames_due(listener) > 0) {
    eser_scheduler_fail(&listener->scheduler);
  }
}

/* The word that one window heard best, and its share, where it is heard better than in the windows before. */
static void hear(const EserListener *listener, const uint8_t *embedding, EserRecord *record) {
  const EserSystem *system = listener->system;
  int32_t *scores = listener->memory.word_scores;
  uint32_t *shares = listener->memory.word_shares;
  eser_integer_head_scores(&system->words, embedding, scores);
  eser_shares(scores, system->words.classes, system->words_steps, system->powers, shares);
  for (size_t word = 0; word + 2 < system->words.classes; ++word) { /* the last two are unknown and silence */
    const uint32_t share = shares[word];
    if (share >= system->keyword_share &&
        (share > record->keyword_share || (share == record->keyword_share && word < record->keyword))) {
      record->keyword = (uint8_t)word;
      record->keyword_share = share;
    }
  }
}

/* Fusion: both embeddings to scores, shares, and what is shown. */
static void decide(EserListener *listener, EserRecord *record) {
  const EserSystem *system = listener->system;
  const EserSchedule *schedule = &system->schedule;
  uint8_t *pooled = listener->memory.fused + (system->fusion.inputs - schedule->keyword_embedding);
  memset(pooled, 0, schedule->keyword_embedding);
  for (size_t i = 0; i < schedule->keyword_windows; ++i) {
    const uint8_t *embedding =
        eser_scheduler_window(&listener->scheduler, record->first_frame + schedule->keyword_starts[i]);
    eser_embedding_max(pooled, embedding, schedule->keyword_embedding);
    hear(listener, embedding, record);
  }
  eser_integer_head_scores(&system->fusion, listener->memory.fused, record->scores);
  const size_t best = eser_integer_head_best(record->scores, system->fusion.classes);
  record->emotion = (uint8_t)best;
  eser_shares(record->scores, system->fusion.classes, system->fusion_steps, system->powers, record->shares);
  if (record->shares[best] < system->abstain) {
    record->flags |= ESER_RECORD_ABSTAINED;
  }
  eser_smoothing_add(&listener->smoothing, record->shares, record->emotion, record->shares);
}

void eser_listener_record(EserListener *listener, EserRecord *record) {
  if (listener->scheduler.due != ESER_RECORD) {
    return;
  }
  memset(record, 0, sizeof *record);
  record->classes = (uint8_t)listener->system->fusion.classes;
  record->emotion = ESER_NONE;
  record->keyword = ESER_NONE;
  record->sequence = listener->sequence++;
  record->first_frame = listener->scheduler.due_frame;
  record->level = eser_gate_take_level(&listener->gate);
  memcpy(record->build_id, listener->system->build_id, ESER_BUILD_ID_BYTES);
  record->flags = listener->gap ? ESER_RECORD_GAP : 0;
  if (listener->scheduler.failed) {
    record->flags |= ESER_RECORD_FAILED;
  } else if (eser_scheduler_silent(&listener->scheduler)) {
    record->flags |= ESER_RECORD_SILENT;
    eser_smoothing_reset(&listener->smoothing);
  } else {
    decide(listener, record);
  }
  record->shown = listener->smoothing.shown;
  if (record->shown != listener->shown_before) {
    record->flags |= ESER_RECORD_CHANGED;
  }
  listener->shown_before = record->shown;
  listener->gap = 0;
  eser_scheduler_done(&listener->scheduler, NULL);
}
