/* Reads a line from standard input; writes the frames in it, encoded anew, to standard output, and how many pieces were
 * no frame to standard error. */
#include <stdio.h>

#include "frame.h"

int main(void) {
  static EserFrameReader reader;
  static uint8_t coded[ESER_FRAME_MAX_CODED];
  unsigned long bad = 0;
  eser_frame_reader_init(&reader);
  for (int byte; (byte = getchar()) != EOF;) {
    EserFrame frame;
    const EserFrameResult result = eser_frame_read(&reader, (uint8_t)byte, &frame);
    bad += result == ESER_FRAME_BAD;
    if (result == ESER_FRAME_GOOD) {
      fwrite(coded, 1, eser_frame_encode(&frame, coded, sizeof coded), stdout);
    }
  }
  fprintf(stderr, "%lu\n", bad);
  return 0;
}
