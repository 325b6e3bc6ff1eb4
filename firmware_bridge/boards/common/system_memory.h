/* Static memory for the listener of system_data.h: what a firmware spends. */
#ifndef EDGE_SER_SYSTEM_MEMORY_H_
#define EDGE_SER_SYSTEM_MEMORY_H_

#include "listener.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The one listener, in the reset state, with record 0; a null pointer where the generated constants contradict each
 * other. */
EserListener *system_listener(void);

/* What system_memory.c and the listener in it take, in bytes. */
size_t system_memory_bytes(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_SYSTEM_MEMORY_H_ */
