// The serial console: words and frames out, frames in.
#ifndef EDGE_SER_CONSOLE_H_
#define EDGE_SER_CONSOLE_H_

#include "frame.h"

namespace edge_ser {

// Sends a frame; what the host does not take in time is lost, and the frame's CRC or the record's sequence shows it.
void ConsoleSend(const EserFrame &frame);

// Reads what has come from the host up to the end of a frame. True where a good one ended; its payload is good until
// the next call.
bool ConsoleReceive(EserFrame *frame);

}  // namespace edge_ser

#endif  // EDGE_SER_CONSOLE_H_
