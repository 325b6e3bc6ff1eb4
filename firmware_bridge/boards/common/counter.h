/* Counts the instructions between two places of a program, where the machine can. */
#ifndef EDGE_SER_COUNTER_H_
#define EDGE_SER_COUNTER_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What counter_stop returns where the machine cannot count, or not so far. */
#define COUNTER_UNKNOWN UINT32_MAX

/* Once, before the others. */
void counter_init(void);

void counter_start(void);

/* Instructions since counter_start, without those of the two functions themselves. */
uint32_t counter_stop(void);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_COUNTER_H_ */
