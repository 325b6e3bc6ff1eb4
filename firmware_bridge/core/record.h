/* What the listener says of one segment, and its bytes on the way to the host. edge_ser/runtime/record.py reads and
 * writes the same bytes.
 *
 *   u8 version (1), u8 flags, u8 classes, u8 emotion, u8 shown, u8 keyword, u16 keyword_share, u32 sequence,
 *   u8[8] build_id, u32 first_frame, u8 level, u8[3] zeros, i32[classes] scores, u16[classes] shares,
 *   u32 CRC-32 of all bytes before it; little-endian and packed, 32 + 6 * classes bytes. A share of 65536 is written
 *   as 65535. */
#ifndef EDGE_SER_RECORD_H_
#define EDGE_SER_RECORD_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  ESER_MAX_CLASSES = 16, /* emotions; EMOTIONS of edge_ser/spec.py are fewer */
  ESER_BUILD_ID_BYTES = 8,
  ESER_RECORD_VERSION = 1,
  ESER_RECORD_HEAD_BYTES = 28,
  ESER_RECORD_MAX_BYTES = ESER_RECORD_HEAD_BYTES + 6 * ESER_MAX_CLASSES + 4,
  ESER_NONE = 255 /* no emotion, no keyword */
};

/* Flags. */
enum {
  ESER_RECORD_SILENT = 1,    /* the gate was closed throughout: no net ran, nothing is said */
  ESER_RECORD_ABSTAINED = 2, /* the best class is less probable than the spec wants; `emotion` is a guess */
  ESER_RECORD_CHANGED = 4,   /* `shown` is another than in the record before */
  ESER_RECORD_GAP = 8,       /* audio was lost between the record before and this one */
  ESER_RECORD_FAILED = 16    /* a net could not be run: nothing is said */
};

typedef struct {
  uint8_t flags;
  uint8_t classes;                       /* of scores and shares */
  uint8_t emotion;                       /* best class of this segment alone; ESER_NONE where nothing is said */
  uint8_t shown;                         /* emotion after smoothing and hysteresis, or ESER_NONE */
  uint8_t keyword;                       /* index of the word that was heard, or ESER_NONE */
  uint8_t level;                         /* of the loudest step since the record before; see gate.h */
  uint32_t keyword_share;                /* its share in the window that heard it best, 65536 is one; 0 without one */
  uint32_t sequence;                     /* 0 for the first record, then one more each; wraps */
  uint32_t first_frame;                  /* of the segment, in the front end's steps since it was reset */
  uint8_t build_id[ESER_BUILD_ID_BYTES]; /* first bytes of the bundle's build id */
  int32_t scores[ESER_MAX_CLASSES];      /* of the fusion head; 0 where nothing is said */
  uint32_t shares[ESER_MAX_CLASSES];     /* smoothed probabilities, 65536 is one; 0 where nothing is said */
} EserRecord;

/* Writes a record to `bytes`, which has room for ESER_RECORD_MAX_BYTES. Returns how many were written. */
size_t eser_record_encode(const EserRecord *record, uint8_t *bytes);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_RECORD_H_ */
