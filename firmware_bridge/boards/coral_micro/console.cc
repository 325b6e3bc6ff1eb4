#include "console.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "libs/base/console_m7.h"
#include "libs/cdc_acm/cdc_acm.h"
#include "sdram.h"
#include "third_party/freertos_kernel/include/FreeRTOS.h"
#include "third_party/freertos_kernel/include/stream_buffer.h"

namespace edge_ser {
namespace {

// CdcAcm::Transmit throws away whatever is longer than its buffer of 512 bytes, and sends an empty packet after one
// that is just as long.
constexpr size_t kPieceBytes = 256;
// One frame and some of the next.
constexpr size_t kInputBytes = 2 * ESER_FRAME_MAX_CODED;

ESER_IN_SDRAM uint8_t coded[ESER_FRAME_MAX_CODED];
ESER_IN_SDRAM uint8_t input_storage[kInputBytes + 1];
ESER_IN_SDRAM EserFrameReader reader;
StaticStreamBuffer_t input_buffer;
StreamBufferHandle_t input = nullptr;

// In the USB task. What there is no room for is dropped: the frame is then damaged and the host sends it again.
void OnBytes(const uint8_t *bytes, uint32_t count) { xStreamBufferSend(input, bytes, count, 0); }

}  // namespace

void ConsoleSend(const EserFrame &frame) {
  const size_t count = eser_frame_encode(&frame, coded, sizeof coded);
  for (size_t at = 0; at < count; at += kPieceBytes) {
    const size_t piece = std::min(kPieceBytes, count - at);
    coralmicro::ConsoleM7::GetSingleton()->Write(reinterpret_cast<char *>(coded + at), static_cast<int>(piece));
  }
}

bool ConsoleReceive(EserFrame *frame) {
  uint8_t byte;
  while (input != nullptr && xStreamBufferReceive(input, &byte, 1, 0) == 1) {
    if (eser_frame_read(&reader, byte, frame) == ESER_FRAME_GOOD) {
      return true;
    }
  }
  return false;
}

}  // namespace edge_ser

// The SDK's console sends over USB and takes nothing from there: ConsoleM7::Init gives its CdcAcm an empty handler. The
// linker (--wrap, see CMakeLists.txt) sends that call here, and the handler becomes ours. ConsoleM7 owns the only
// CdcAcm of the image.
extern "C" void __real__ZN10coralmicro6CdcAcm4InitEhhhhhSt8functionIFvPKhmEE(coralmicro::CdcAcm *self,
                                                                             uint8_t interrupt_in, uint8_t bulk_in,
                                                                             uint8_t bulk_out, uint8_t comm,
                                                                             uint8_t data,
                                                                             coralmicro::CdcAcm::RxHandler handler);

extern "C" void __wrap__ZN10coralmicro6CdcAcm4InitEhhhhhSt8functionIFvPKhmEE(coralmicro::CdcAcm *self,
                                                                             uint8_t interrupt_in, uint8_t bulk_in,
                                                                             uint8_t bulk_out, uint8_t comm,
                                                                             uint8_t data,
                                                                             coralmicro::CdcAcm::RxHandler) {
  eser_frame_reader_init(&edge_ser::reader);
  edge_ser::input =
      xStreamBufferCreateStatic(edge_ser::kInputBytes, 1, edge_ser::input_storage, &edge_ser::input_buffer);
  __real__ZN10coralmicro6CdcAcm4InitEhhhhhSt8functionIFvPKhmEE(self, interrupt_in, bulk_in, bulk_out, comm, data,
                                                               edge_ser::OnBytes);
}
