/* From the shares of the last decisions to the emotion that is shown. */
#ifndef EDGE_SER_SMOOTHING_H_
#define EDGE_SER_SMOOTHING_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint8_t classes;
  uint8_t decisions;   /* how many are averaged, at least 1 */
  uint32_t hysteresis; /* share by which another emotion must lie above the shown one to take its place */
  uint32_t least;      /* share that an emotion must have to be shown */
} EserSmoothingRule;

typedef struct {
  const EserSmoothingRule *rule;
  uint32_t *history; /* (decisions, classes), the caller's */
  uint8_t next;      /* row that the next decision goes to */
  uint8_t filled;
  uint8_t shown; /* ESER_NONE while nothing is */
} EserSmoothing;

/* Takes the rule (kept by reference) and the caller's history of decisions * classes shares; empty. */
void eser_smoothing_init(EserSmoothing *smoothing, const EserSmoothingRule *rule, uint32_t *history);

/* Forgets all decisions and shows nothing. */
void eser_smoothing_reset(EserSmoothing *smoothing);

/* Takes one decision's shares and its best class; writes the mean over the last decisions, rounded to nearest, halves
 * up, to `mean`, which may be where `shares` is. The largest mean takes the place of what is shown where it lies above
 * that by the hysteresis at least; of equal ones `best` counts as the largest, else the lowest class. */
void eser_smoothing_add(EserSmoothing *smoothing, const uint32_t *shares, uint8_t best, uint32_t *mean);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_SMOOTHING_H_ */
