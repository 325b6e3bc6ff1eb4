/* A process cannot tell its own instructions from those of the rest of the machine. */
#include "counter.h"

void counter_init(void) {}

void counter_start(void) {}

uint32_t counter_stop(void) { return COUNTER_UNKNOWN; }
