#include "microphone.h"

#include <atomic>
#include <cstdint>
#include <cstdio>

#include "libs/audio/audio_driver.h"
#include "sdram.h"

namespace edge_ser {
namespace {

constexpr size_t kDmaBuffers = 2;
constexpr size_t kDmaMs = 20;
constexpr size_t kSampleRateHz = 16000;
// The microphone settles first (examples/classify_speech of the SDK drops as much).
constexpr uint32_t kSettleSamples = kSampleRateHz * 150 / 1000;
// A power of two, and longer than both nets take, so that a decision costs no sound: the Edge TPU needs milliseconds,
// the M7 may need over a second.
#ifdef CPU_FALLBACK
constexpr uint32_t kRingSamples = 32768;
#else
constexpr uint32_t kRingSamples = 16384;
#endif

// The driver's interrupt writes these by DMA past the data cache, so they stay in the M7's tightly coupled memory.
coralmicro::AudioDriverBuffers<kDmaBuffers, kDmaBuffers * kDmaMs * kSampleRateHz / 1000> dma_buffers;
coralmicro::AudioDriver driver(dma_buffers);

ESER_IN_SDRAM int16_t ring[kRingSamples];
// Samples written and read since the start; they wrap, their difference does not care.
std::atomic<uint32_t> written{0};
std::atomic<uint32_t> taken{0};
std::atomic<bool> overflowed{false};
std::atomic<uint32_t> to_settle{0};
bool running = false;

// In the interrupt: one writer, one reader, no locks.
void OnSamples(void *, const int32_t *samples, size_t count) {
  uint32_t settling = to_settle.load(std::memory_order_relaxed);
  if (settling > 0) {
    to_settle.store(settling > count ? settling - count : 0, std::memory_order_relaxed);
    return;
  }
  uint32_t at = written.load(std::memory_order_relaxed);
  if (kRingSamples - (at - taken.load(std::memory_order_acquire)) < count) {
    overflowed.store(true, std::memory_order_release);
    return;
  }
  for (size_t i = 0; i < count; ++i, ++at) {
    ring[at % kRingSamples] = static_cast<int16_t>(samples[i] >> 16);
  }
  written.store(at, std::memory_order_release);
}

}  // namespace

bool MicrophoneStart() {
  if (running) {
    return true;
  }
  written = 0;
  taken = 0;
  overflowed = false;
  to_settle = kSettleSamples;
  const coralmicro::AudioDriverConfig config{coralmicro::AudioSampleRate::k16000_Hz, kDmaBuffers, kDmaMs};
  running = driver.Enable(config, nullptr, OnSamples);
  return running;
}

void MicrophoneStop() {
  if (running) {
    driver.Disable();
    running = false;
  }
}

size_t MicrophoneRead(int16_t *samples, size_t room, bool *lost) {
  *lost = overflowed.exchange(false, std::memory_order_acquire);
  uint32_t at = taken.load(std::memory_order_relaxed);
  const uint32_t end = written.load(std::memory_order_acquire);
  if (*lost) {
    taken.store(end, std::memory_order_release);
    return 0;
  }
  size_t count = 0;
  for (; count < room && at != end; ++count, ++at) {
    samples[count] = ring[at % kRingSamples];
  }
  taken.store(at, std::memory_order_release);
  return count;
}

}  // namespace edge_ser
