#define _POSIX_C_SOURCE 200809L
#include "parent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int service = -1;

void parent_open(int socket) { service = socket; }

void parent_read(int socket, void *bytes, size_t count) {
  uint8_t *to = bytes;
  while (count > 0) {
    const ssize_t got = read(socket, to, count);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      exit(0); /* the parent has gone */
    }
    to += got;
    count -= (size_t)got;
  }
}

void parent_write(int socket, const void *bytes, size_t count) {
  const uint8_t *from = bytes;
  while (count > 0) {
    const ssize_t gone = write(socket, from, count);
    if (gone < 0 && errno == EINTR) {
      continue;
    }
    if (gone <= 0) {
      exit(0);
    }
    from += gone;
    count -= (size_t)gone;
  }
}

static void put_u32(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; ++i) {
    bytes[i] = (uint8_t)(value >> 8 * i);
  }
}

static void say(char letter, uint8_t number, uint32_t count) {
  uint8_t head[6] = {(uint8_t)letter, number};
  put_u32(head + 2, count);
  parent_write(service, head, sizeof head);
}

static uint32_t told(void) {
  uint8_t bytes[4];
  parent_read(service, bytes, sizeof bytes);
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void broken(const char *problem) {
  fprintf(stderr, "virtual board: %s\n", problem);
  exit(1);
}

int parent_run_net(uint8_t net, const uint8_t *input, size_t input_bytes, uint8_t *embedding, size_t embedding_bytes) {
  say('N', net, (uint32_t)input_bytes);
  parent_write(service, input, input_bytes);
  const uint32_t count = told();
  if (count == 0) {
    return 0;
  }
  if (count != embedding_bytes) {
    broken("the parent's net gives an embedding of another size");
  }
  parent_read(service, embedding, embedding_bytes);
  return 1;
}

size_t parent_samples(int16_t *samples, size_t room) {
  say('A', 0, (uint32_t)room);
  const uint32_t count = told();
  if (count > room) {
    broken("the parent's microphone gives more than was asked for");
  }
  parent_read(service, samples, count * sizeof *samples);
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t *bytes = (const uint8_t *)&samples[i];
    samples[i] = (int16_t)(uint16_t)(bytes[0] | bytes[1] << 8);
  }
  return count;
}

void parent_made(const uint8_t *record, size_t count) {
  say('R', 0, (uint32_t)count);
  parent_write(service, record, count);
}
