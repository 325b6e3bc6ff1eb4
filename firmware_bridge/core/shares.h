/* Probabilities in integers: how edge_ser/averaging.py (steps 1 to 3) turns the scores of a head into shares. */
#ifndef EDGE_SER_SHARES_H_
#define EDGE_SER_SHARES_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  ESER_SHARE_ONE = 65536, /* the share that is certain */
  ESER_POWERS = 256       /* entries of the table of powers */
};

/* How many steps of 1/256 octave a score unit is: multiplier / 2**shift, shift 1 to 62. */
typedef struct {
  uint32_t multiplier;
  uint8_t shift;
} EserSteps;

/* shares[c] of scores[c], 65536 is one. `powers[i]` is 65536 * 2**(-i / 256) - 1, rounded. 1 to 255 classes. */
void eser_shares(const int32_t *scores, size_t classes, EserSteps steps, const uint16_t *powers, uint32_t *shares);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_SHARES_H_ */
