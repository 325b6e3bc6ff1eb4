#include "integer_head.h"

void eser_integer_head_scores(const EserIntegerHead *head, const uint8_t *embedding, int32_t *scores) {
  const int16_t *row = head->weights;
  for (size_t c = 0; c < head->classes; ++c, row += head->inputs) {
    int32_t sum = head->bias[c];
    for (size_t i = 0; i < head->inputs; ++i) {
      sum += (int32_t)row[i] * (int32_t)embedding[i];
    }
    scores[c] = sum;
  }
}

size_t eser_integer_head_best(const int32_t *scores, size_t classes) {
  size_t best = 0;
  for (size_t c = 1; c < classes; ++c) {
    if (scores[c] > scores[best]) {
      best = c;
    }
  }
  return best;
}

void eser_embedding_max(uint8_t *pooled, const uint8_t *embedding, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (embedding[i] > pooled[i]) {
      pooled[i] = embedding[i];
    }
  }
}
