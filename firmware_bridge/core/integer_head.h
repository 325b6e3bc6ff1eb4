/* Integer dense layer: embeddings in, scores out. The same integers as edge_ser/integer_head.py. */
#ifndef EDGE_SER_INTEGER_HEAD_H_
#define EDGE_SER_INTEGER_HEAD_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A dense layer; weights are row-major (classes, inputs). The arrays belong to the caller. */
typedef struct {
  const int16_t *weights;
  const int32_t *bias;
  size_t classes;
  size_t inputs;
} EserIntegerHead;

/* scores[c] = bias[c] + sum over i of weights[c][i] * embedding[i]. The maker of the head has checked that no
 * sum leaves int32. */
void eser_integer_head_scores(const EserIntegerHead *head, const uint8_t *embedding, int32_t *scores);

/* Index of the largest score; the lower index where two are equal. */
size_t eser_integer_head_best(const int32_t *scores, size_t classes);

/* Element-wise maximum of two embeddings into the first: how keyword windows are pooled over a segment. */
void eser_embedding_max(uint8_t *pooled, const uint8_t *embedding, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_INTEGER_HEAD_H_ */
