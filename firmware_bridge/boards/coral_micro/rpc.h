// JSON-RPC over HTTP, as the SDK serves it on the board's USB network: the same frames as on the console, in base64.
#ifndef EDGE_SER_RPC_H_
#define EDGE_SER_RPC_H_

#include "frame.h"

namespace edge_ser {

// Exports one method per message and starts the server.
void RpcStart();

// Waits up to `wait_ms` for a request. True where one came; its payload is good until it is answered.
bool RpcReceive(EserFrame *request, uint32_t wait_ms);

// Answers the request that RpcReceive gave; nullptr where there is no answer.
void RpcAnswer(const EserFrame *answer);

}  // namespace edge_ser

#endif  // EDGE_SER_RPC_H_
