// Where large things lie: the M7's own memories are nearly full with the SDK alone, SDRAM has 32 MB.
#ifndef EDGE_SER_SDRAM_H_
#define EDGE_SER_SDRAM_H_

// An array or a plain struct in SDRAM, aligned as TensorFlow Lite Micro wants it. The start-up code does not clear this
// memory: whoever uses it writes first. (The comment sign keeps the compiler from adding flags of its own to the
// section; libs/tensorflow/utils.h of the SDK does the same.)
#ifdef __arm__
#define ESER_IN_SDRAM __attribute__((aligned(16), section(".sdram_bss,\"aw\",%nobits @")))
#else
#define ESER_IN_SDRAM __attribute__((aligned(16)))
#endif

#endif  // EDGE_SER_SDRAM_H_
