// The application: start, then listen and answer for ever. The orange light is on while all is well and blinks where
// the start failed; the green one is on while somebody speaks.
#include <cstdint>
#include <cstdio>

#include "board.h"
#include "console.h"
#include "libs/base/led.h"
#include "libs/base/timer.h"
#include "rpc.h"

namespace edge_ser {
namespace {

// How long a turn of the loop waits for a request: the microphone's ring holds two seconds.
constexpr uint32_t kWaitMs = 5;
constexpr uint64_t kBlinkMs = 250;

void Answer() {
  EserFrame request;
  while (ConsoleReceive(&request)) {
    const EserFrame *answer = BoardAnswer(request);
    if (answer != nullptr) {
      ConsoleSend(*answer);
    }
  }
  if (RpcReceive(&request, kWaitMs)) {
    RpcAnswer(BoardAnswer(request));
  }
}

[[noreturn]] void Run() {
  coralmicro::LedSet(coralmicro::Led::kStatus, true);
  const bool well = BoardStart();
  RpcStart();
  for (;;) {
    coralmicro::LedSet(coralmicro::Led::kUser, BoardListen());
    coralmicro::LedSet(coralmicro::Led::kStatus, well || coralmicro::TimerMillis() / kBlinkMs % 2 == 0);
    Answer();
  }
}

}  // namespace
}  // namespace edge_ser

extern "C" [[noreturn]] void app_main(void *) { edge_ser::Run(); }
