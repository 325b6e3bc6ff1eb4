/* Counts stretches of code whose instructions are known, and writes the counts to the result file: u32 each, for as
 * many loops as the job file holds u32 numbers of rounds. */
#include "counter.h"
#include "job.h"

static uint32_t counted_loop(uint32_t rounds) {
  counter_start();
  /* Two instructions a round; three more around the rounds. */
  __asm__ volatile(
      "movs r3, #0\n"
      "mov r2, %0\n"
      "cbz r2, 2f\n"
      "1: subs r2, r2, #1\n"
      "bne 1b\n"
      "2:\n"
      :
      : "r"(rounds)
      : "r2", "r3", "cc");
  return counter_stop();
}

int main(int argc, char **argv) {
  FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL;
  FILE *out = argc == 3 ? fopen(argv[2], "wb") : NULL;
  if (in == NULL || out == NULL) {
    return 1;
  }
  counter_init();
  counter_start();
  job_write_u32(out, counter_stop());
  for (uint32_t loops = job_read_u32(in); loops > 0; --loops) {
    job_write_u32(out, counted_loop(job_read_u32(in)));
  }
  return fclose(out) == 0 ? 0 : 1;
}
