/* What no recording reaches: the end of the count of frames. Prints the records that follow, one line each. */
#include <stdio.h>

#include "system_data.h"
#include "system_memory.h"

int main(void) {
  EserListener *listener = system_listener();
  if (listener == NULL) {
    return 1;
  }
  static int16_t noise[16000];
  uint32_t state = 1;
  for (size_t i = 0; i < sizeof noise / sizeof *noise; ++i) {
    state = state * 1664525u + 1013904223u;
    noise[i] = (int16_t)(state >> 16);
  }
  static const uint8_t embedding[ESER_SYSTEM_ACOUSTIC_EMBEDDING + ESER_SYSTEM_KEYWORD_EMBEDDING];
  /* A hop before the end, and on the grid of the segments. */
  const uint32_t last = 0xFFFF0000u, hop = ESER_SYSTEM_HOP_FRAMES;
  for (int second = 0; second < 12; ++second) {
    if (second == 4) {
      listener->scheduler.frames = last - last % hop - hop + listener->scheduler.frames % hop;
      listener->scheduler.opened = listener->scheduler.frames;
    }
    const int16_t *samples = noise;
    for (size_t left = sizeof noise / sizeof *noise; left > 0;) {
      const size_t used = eser_listener_feed(listener, samples, left);
      samples += used;
      left -= used;
      for (EserDue due; (due = eser_listener_due(listener)) != ESER_NOTHING;) {
        if (due == ESER_RECORD) {
          EserRecord record;
          eser_listener_record(listener, &record);
          printf("%u %u %u\n", record.sequence, record.first_frame, record.flags & ESER_RECORD_GAP);
        } else {
          eser_listener_embedding(listener, embedding);
        }
      }
    }
  }
  return 0;
}
