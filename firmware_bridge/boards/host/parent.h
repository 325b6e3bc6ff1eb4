/* What a virtual board has instead of an Edge TPU and a microphone: the process that started it, over a socket. Its
 * other end is firmware_bridge/virtual_service.py.
 *
 * The board writes a letter, a u8 and a u32, little-endian, and after them what the u32 counts in bytes. The letters:
 *   N  run net u8 on the bytes that follow; the answer is a u32 and as many bytes of embedding, none where it failed
 *   A  give at most so many samples (nothing follows); the answer is a u32 and as many int16 samples, none where there
 *      are none now
 *   R  a record was made: its bytes; without an answer */
#ifndef EDGE_SER_PARENT_H_
#define EDGE_SER_PARENT_H_

#include <stddef.h>
#include <stdint.h>

/* The socket to the parent; everything below ends the program where it breaks. */
void parent_open(int socket);

/* Reads and writes all of it. `parent_read` ends the program where the other side closed. */
void parent_read(int socket, void *bytes, size_t count);
void parent_write(int socket, const void *bytes, size_t count);

/* Runs a net; 0 where that failed or the embedding has another size. */
int parent_run_net(uint8_t net, const uint8_t *input, size_t input_bytes, uint8_t *embedding, size_t embedding_bytes);

/* Takes up to `room` samples from the parent's microphone; returns how many. */
size_t parent_samples(int16_t *samples, size_t room);

/* Says that a record was made, before it goes out on the line. */
void parent_made(const uint8_t *record, size_t count);

#endif /* EDGE_SER_PARENT_H_ */
