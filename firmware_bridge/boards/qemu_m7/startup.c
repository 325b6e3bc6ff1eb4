/* From reset to main on QEMU's mps2-an500, with the C library's semihosting for files and the exit status.
 *
 * The program finds job.bin in QEMU's working directory and leaves result.bin there. A fault ends it with a line on
 * QEMU's standard error and exit status FAULT_STATUS, never in an endless loop. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum {
  FAULT_STATUS = 70,
  /* Arm's semihosting specification: operations, and the reason that carries an exit status. */
  SYS_WRITE0 = 0x04,
  SYS_EXIT_EXTENDED = 0x20,
  STOPPED_APPLICATION_EXIT = 0x20026
};

/* Configuration and Control Register of the Armv7-M architecture; its bit 4 makes a division by zero a fault. */
#define CCR (*(volatile uint32_t *)0xE000ED14u)
#define CCR_DIV_0_TRP (1u << 4)
/* Coprocessor Access Control Register; these bits switch the floating-point unit on. The core needs none, the stock
 * library makes its tables with it. */
#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CPACR_FPU (0xFu << 20)
/* Status of HardFault and the configurable faults. */
#define CFSR (*(volatile uint32_t *)0xE000ED28u)

/* From the linker script. */
extern uint32_t data_image[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern char heap_start[], heap_end[];

int main(int argc, char **argv);
void initialise_monitor_handles(void);
void __libc_init_array(void);
void *_sbrk(ptrdiff_t increment);
void _init(void);
void _fini(void);
void reset_handler(void);
void report_fault(const uint32_t *frame);

/* Called by the C library around constructors; nothing is left to do for them. */
void _init(void) {}
void _fini(void) {}

void *_sbrk(ptrdiff_t increment) {
  static char *top = heap_start;
  if (increment > heap_end - top || increment < heap_start - top) {
    errno = ENOMEM;
    return (void *)-1;
  }
  char *const old = top;
  top += increment;
  return old;
}

static void semihost(uint32_t operation, const void *argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static char *hexadecimal(char *text, uint32_t value) {
  for (int shift = 28; shift >= 0; shift -= 4) {
    *text++ = "0123456789abcdef"[(value >> shift) & 15];
  }
  return text;
}

static char *appended(char *text, const char *words) {
  while (*words != '\0') {
    *text++ = *words++;
  }
  return text;
}

/* `frame`: what the processor stacked: r0 to r3, r12, lr, pc, xPSR. */
__attribute__((used)) void report_fault(const uint32_t *frame) {
  char line[80];
  char *text = hexadecimal(appended(line, "fault: status "), CFSR);
  text = hexadecimal(appended(text, ", at "), frame[6]);
  text = hexadecimal(appended(text, ", called from "), frame[5]);
  *appended(text, "\n") = '\0';
  semihost(SYS_WRITE0, line);
  const uint32_t exit_block[2] = {STOPPED_APPLICATION_EXIT, FAULT_STATUS};
  semihost(SYS_EXIT_EXTENDED, exit_block);
}

__attribute__((naked)) static void fault_handler(void) {
  __asm__ volatile(
      "mrs r0, msp\n"
      "b report_fault\n");
}

void reset_handler(void) {
  for (uint32_t *to = data_start, *from = data_image; to < data_end;) {
    *to++ = *from++;
  }
  for (uint32_t *to = bss_start; to < bss_end;) {
    *to++ = 0;
  }
  CCR |= CCR_DIV_0_TRP;
  CPACR |= CPACR_FPU;
  __asm__ volatile("dsb\nisb");
  initialise_monitor_handles();
  __libc_init_array();
  static char *arguments[] = {(char *)"frontend_job", (char *)"job.bin", (char *)"result.bin", NULL};
  exit(main(3, arguments));
}

typedef struct {
  uint32_t *stack;
  void (*handlers[15])(void);
} Vectors;

/* Armv7-M: the stack's top, reset, then NMI, HardFault and everything else up to SysTick. No interrupt is enabled. */
__attribute__((section(".vectors"), used)) static const Vectors vectors = {
    stack_top,
    {reset_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler,
     fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler,
     fault_handler}};
