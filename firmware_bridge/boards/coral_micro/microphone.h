// The board's microphone: 16 kHz, as int16.
#ifndef EDGE_SER_MICROPHONE_H_
#define EDGE_SER_MICROPHONE_H_

#include <cstddef>
#include <cstdint>

namespace edge_ser {

// Powers the microphone and collects from now on. False where the driver refuses.
bool MicrophoneStart();

// Powers it down and forgets what was collected.
void MicrophoneStop();

// Takes up to `room` samples, oldest first; returns how many. Sets `*lost` where samples were lost before them: then
// everything that was collected is dropped, and what comes next is new sound.
size_t MicrophoneRead(int16_t *samples, size_t room, bool *lost);

}  // namespace edge_ser

#endif  // EDGE_SER_MICROPHONE_H_
