// Both nets, on the Edge TPU or (CPU_FALLBACK) on the M7, through TensorFlow Lite Micro.
#ifndef EDGE_SER_NETS_H_
#define EDGE_SER_NETS_H_

#include <cstddef>
#include <cstdint>

namespace edge_ser {

// What went wrong, in words for the console; nullptr where nothing did.
using Problem = const char *;

// Loads both models from the file system, opens the Edge TPU and prepares the interpreters.
Problem NetsOpen();

// Runs a net (ESER_TARGET_KEYWORD or ESER_TARGET_ACOUSTIC). The input is copied into the tensor before every run: the
// driver may change it there. Returns false where it failed.
bool NetRun(uint8_t net, const uint8_t *input, uint8_t *embedding);

// The input tensor of a net, for a caller who fills it anew before every NetInvoke.
uint8_t *NetInput(uint8_t net);

// Runs a net on what its input tensor holds and returns its output tensor, or nullptr where it failed.
const uint8_t *NetInvoke(uint8_t net);

// Bytes of the arena that a net uses.
size_t NetArenaBytes(uint8_t net);

// Clock of the Edge TPU: 0 low, 1 medium, 2 high, 3 max. Setting it switches the Edge TPU off and on again, because the
// driver takes a mode only then. Both return false where there is no Edge TPU in this build or it does not come up.
bool NetsGetClock(uint8_t *mode);
bool NetsSetClock(uint8_t mode);

// Thousandths of a degree Celsius, of the Edge TPU or (CPU_FALLBACK) of the M7.
bool NetsTemperature(int32_t *millidegrees);

}  // namespace edge_ser

#endif  // EDGE_SER_NETS_H_
