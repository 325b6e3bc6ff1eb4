/* CRC-32 as zlib and Ethernet have it: polynomial 0xEDB88320, reflected, inverted before and after. */
#ifndef EDGE_SER_CRC32_H_
#define EDGE_SER_CRC32_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The checksum of what `crc` is of, followed by `count` more bytes; `crc` is 0 to begin with. `bytes` may be a null
 * pointer where there are none. */
uint32_t eser_crc32(uint32_t crc, const void *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif /* EDGE_SER_CRC32_H_ */
