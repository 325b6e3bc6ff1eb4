#include "system_memory.h"

#include "system_data.h"

static struct {
  EserListener listener;
  uint32_t slot_windows[ESER_SYSTEM_KEYWORD_SLOTS];
  int32_t word_scores[ESER_SYSTEM_WORDS + 2];
  uint32_t word_shares[ESER_SYSTEM_WORDS + 2];
  uint32_t history[ESER_SYSTEM_SMOOTHING * ESER_SYSTEM_CLASSES];
  uint16_t features[ESER_SYSTEM_CHANNELS];
  uint8_t ring[ESER_SYSTEM_SEGMENT_FRAMES * ESER_SYSTEM_CHANNELS];
  uint8_t windows[ESER_SYSTEM_KEYWORD_SLOTS * ESER_SYSTEM_KEYWORD_EMBEDDING];
  uint8_t fused[ESER_SYSTEM_ACOUSTIC_EMBEDDING + ESER_SYSTEM_KEYWORD_EMBEDDING];
} memory;

EserListener *system_listener(void) {
  const EserListenerMemory given = {memory.ring,        memory.windows,     memory.slot_windows, memory.fused,
                                    memory.word_scores, memory.word_shares, memory.history,      memory.features};
  return eser_listener_init(&memory.listener, &eser_system, &given) == ESER_OK ? &memory.listener : NULL;
}

size_t system_memory_bytes(void) { return sizeof memory; }
