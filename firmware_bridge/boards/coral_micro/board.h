// What the board does: it listens, and it answers the protocol. One task calls all of this.
#ifndef EDGE_SER_BOARD_H_
#define EDGE_SER_BOARD_H_

#include "frame.h"

namespace edge_ser {

// Loads everything and tests itself on the golden vectors, saying each step on the console. False where a step failed:
// the board then answers, and does not listen.
bool BoardStart();

// Listens to what the microphone has collected; sends the records on the console. Returns whether somebody speaks.
bool BoardListen();

// Answers a request, or nullptr where there is none to it.
const EserFrame *BoardAnswer(const EserFrame &request);

}  // namespace edge_ser

#endif  // EDGE_SER_BOARD_H_
