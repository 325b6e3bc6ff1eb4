/* How loops over lanes become vector instructions, without leaving C99. */
#ifndef EDGE_SER_LANES_H_
#define EDGE_SER_LANES_H_

#include <stdint.h>

/* Lanes never overlap, which a compiler cannot see. */
#if defined(__GNUC__) && !defined(__clang__)
#define ESER_EACH_LANE(lane) _Pragma("GCC ivdep") for (int lane = 0; lane < ESER_LANES; ++lane)
#else
#define ESER_EACH_LANE(lane) for (int lane = 0; lane < ESER_LANES; ++lane)
#endif

/* A second build of a function for processors with AVX2, chosen when the program starts. */
#if ESER_LANES > 1 && defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define ESER_KERNEL __attribute__((target_clones("avx2", "default")))
#else
#define ESER_KERNEL
#endif

#endif /* EDGE_SER_LANES_H_ */
