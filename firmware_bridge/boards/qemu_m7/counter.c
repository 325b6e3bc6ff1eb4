/* Counts instructions with a timer of the board: under QEMU's -icount shift=N one instruction takes 2**N ns of the
 * time that the timer shows. With N = 7 that is 3.2 ticks of 40 ns, so that rounding gives back the exact number. */
#include "counter.h"

#ifndef ICOUNT_SHIFT
#error "define ICOUNT_SHIFT as the number given to QEMU's -icount shift="
#endif

enum { NS_PER_TICK = 40 }; /* 25 MHz, QEMU's SYSCLK_FRQ of this board */

/* CMSDK APB timer 0 (Arm DDI 0479): counts down. */
typedef struct {
  volatile uint32_t control;
  volatile uint32_t value;
  volatile uint32_t reload;
  volatile uint32_t interrupt; /* reads 1 once zero was passed; writing 1 clears */
} Timer;
#define TIMER ((Timer *)0x40000000u)
enum { ENABLE = 1, INTERRUPT_ENABLE = 8 };

static uint32_t overhead;

/* Called and not inlined, here as everywhere, so that they take as long here. */
__attribute__((noinline)) void counter_start(void);
__attribute__((noinline)) uint32_t counter_stop(void);

void counter_init(void) {
  TIMER->reload = UINT32_MAX;
  TIMER->value = UINT32_MAX;
  /* The interrupt is not enabled in the processor: only its flag is of use. */
  TIMER->control = ENABLE | INTERRUPT_ENABLE;
  overhead = 0;
  counter_start();
  overhead = counter_stop();
}

void counter_start(void) {
  TIMER->interrupt = 1;
  TIMER->value = UINT32_MAX;
}

uint32_t counter_stop(void) {
  const uint32_t ticks = UINT32_MAX - TIMER->value;
  if (TIMER->interrupt != 0) {
    return COUNTER_UNKNOWN;
  }
  const uint64_t ns = (uint64_t)ticks * NS_PER_TICK;
  return (uint32_t)((ns + (1u << (ICOUNT_SHIFT - 1))) >> ICOUNT_SHIFT) - overhead;
}
