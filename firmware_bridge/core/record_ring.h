/* The last records as they were sent, so that one that was lost on the way can be had once more. */
#ifndef EDGE_SER_RECORD_RING_H_
#define EDGE_SER_RECORD_RING_H_

#include <stddef.h>
#include <stdint.h>

#include "record.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ESER_KEPT_RECORDS = 16 };

typedef struct {
  uint8_t bytes[ESER_KEPT_RECORDS][ESER_RECORD_MAX_BYTES];
  uint16_t lengths[ESER_KEPT_RECORDS]; /* 0: nothing is kept there */
  uint32_t next;                       /* sequence of the record that comes next */
} EserRecordRing;

/* Empty; record 0 comes next. */
void eser_record_ring_init(EserRecordRing *ring);

/* Encodes a record into the place of the oldest. Returns its bytes, which stay where they are until ESER_KEPT_RECORDS
 * more have come, and their number in `length`. */
const uint8_t *eser_record_ring_keep(EserRecordRing *ring, const EserRecord *record, uint16_t *length);

/* The bytes of a record that is still kept, or a null pointer. */
const uint8_t *eser_record_ring_find(const EserRecordRing *ring, uint32_t sequence, uint16_t *length);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_RECORD_RING_H_ */
