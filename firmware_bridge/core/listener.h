/* From samples to records: front end, gate, scheduler, fusion, smoothing. The caller runs the nets.
 *
 *   eser_listener_init(&listener, &system, &memory);
 *   for (;;) {
 *     ... `count` samples from the microphone ...
 *     while (count > 0) {
 *       const size_t used = eser_listener_feed(&listener, samples, count);
 *       samples += used, count -= used;
 *       for (EserDue due; (due = eser_listener_due(&listener)) != ESER_NOTHING;) {
 *         if (due == ESER_RECORD) {
 *           eser_listener_record(&listener, &record);
 *         } else {
 *           eser_listener_fill(&listener, input tensor of the net that is due);
 *           ... run it ...
 *           eser_listener_embedding(&listener, its output tensor);
 *         }
 *       }
 *     }
 *   }
 *
 * No threads, no callbacks, no allocation: one task calls all of this; another, or an interrupt, collects samples.
 * Integers only. edge_ser/runtime/stream.py is the same in Python, byte for byte. */
#ifndef EDGE_SER_LISTENER_H_
#define EDGE_SER_LISTENER_H_

#include <stddef.h>
#include <stdint.h>

#include "frontend.h"
#include "gate.h"
#include "integer_head.h"
#include "net_input.h"
#include "record.h"
#include "scheduler.h"
#include "shares.h"
#include "smoothing.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All that a bundle says about a running system. firmware_bridge/system_data.py writes one as a C file; the arrays
 * outlive the listener. */
typedef struct {
  const EserFrontendTables *tables;
  EserSchedule schedule;
  EserGateRule gate;
  EserSmoothingRule smoothing;
  EserIntegerHead fusion; /* reads the acoustic embedding, then the largest of the keyword windows */
  EserSteps fusion_steps;
  EserIntegerHead words; /* reads one window's keyword embedding; the last two classes are no words */
  EserSteps words_steps;
  const uint16_t *powers;  /* (ESER_POWERS,), of shares.h */
  uint32_t abstain;        /* share that the best class must have, or the record says that it abstains */
  uint32_t keyword_share;  /* share from which on a word is named */
  uint8_t centre_channels; /* 1: the acoustic net reads the segment with its channels' means taken off */
  uint8_t build_id[ESER_BUILD_ID_BYTES];
} EserSystem;

/* The caller's memory; how much of each, a generated system_data.h says in constants. */
typedef struct {
  uint8_t *ring;          /* segment_frames * channels */
  uint8_t *windows;       /* slots * keyword_embedding */
  uint32_t *slot_windows; /* slots */
  uint8_t *fused;         /* fusion.inputs */
  int32_t *word_scores;   /* words.classes */
  uint32_t *word_shares;  /* words.classes */
  uint32_t *history;      /* smoothing.decisions * smoothing.classes */
  uint16_t *features;     /* channels */
} EserListenerMemory;

typedef struct {
  const EserSystem *system;
  EserListenerMemory memory;
  EserFrontend frontend;
  EserFeatureWindow ring;
  EserGate gate;
  EserScheduler scheduler;
  EserSmoothing smoothing;
  uint32_t sequence;
  uint32_t opens;       /* whether the gate was open, the newest step in the lowest bit */
  uint8_t steps_ahead;  /* complete steps whose frame is not complete */
  uint8_t gap;          /* audio was lost since the last record */
  uint8_t shown_before; /* what the record before showed */
} EserListener;

/* Takes system and memory (kept by reference) and starts in the reset state, with record 0. */
EserStatus eser_listener_init(EserListener *listener, const EserSystem *system, const EserListenerMemory *memory);

/* Forgets all audio and all decisions, as after a loss of samples: the next record says that there was a gap, and
 * frames are counted from 0 again. The sequence of records goes on. */
void eser_listener_reset(EserListener *listener);

/* Takes samples until something is due; returns how many. Takes none while something is due. */
size_t eser_listener_feed(EserListener *listener, const int16_t *samples, size_t count);

/* What the caller has to do before more samples are taken. */
EserDue eser_listener_due(const EserListener *listener);

/* First frame of the window or segment that is due. */
uint32_t eser_listener_frame(const EserListener *listener);

/* Bytes that eser_listener_fill writes: frames * channels of the net that is due, else 0. */
size_t eser_listener_input_bytes(const EserListener *listener);

/* Writes the input of the net that is due, uint8 (frames, channels); as often as asked, always the same. */
void eser_listener_fill(const EserListener *listener, uint8_t *input);

/* Gives the embedding of the net that is due: keyword_embedding bytes, or fusion.inputs - keyword_embedding. */
void eser_listener_embedding(EserListener *listener, const uint8_t *embedding);

/* The net that is due cannot be run: the record of its segment will say so. */
void eser_listener_fail(EserListener *listener);

/* Takes the record that is due. */
void eser_listener_record(EserListener *listener, EserRecord *record);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_LISTENER_H_ */
