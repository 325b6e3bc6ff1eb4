// One segment of sound and what the bundle's maker computed from it, as the file of golden vectors holds it:
// little-endian, zeros up to a multiple of four. firmware_bridge/generate.py writes the same.
#ifndef EDGE_SER_GOLDEN_FILE_H_
#define EDGE_SER_GOLDEN_FILE_H_

#include <cstdint>

#include "app_data.h"
#include "system_data.h"

namespace edge_ser {

struct GoldenFile {
  int32_t scores[ESER_SYSTEM_CLASSES];
  int16_t samples[kSegmentSamples];
  uint8_t features[ESER_SYSTEM_SEGMENT_FRAMES * ESER_SYSTEM_CHANNELS];
  uint8_t acoustic_embedding[ESER_SYSTEM_ACOUSTIC_EMBEDDING];
  uint8_t keyword_windows[ESER_SYSTEM_KEYWORD_WINDOWS * ESER_SYSTEM_KEYWORD_EMBEDDING];
};

}  // namespace edge_ser

#endif  // EDGE_SER_GOLDEN_FILE_H_
