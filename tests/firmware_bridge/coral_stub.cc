/* A stand-in for the board, so that the application runs as a process: program FOLDER SOUND REQUESTS RPC ANSWER.
 *
 * FOLDER is the file system, SOUND what the microphone hears (int16), REQUESTS what comes on the serial line, RPC the
 * frame that one JSON-RPC request carries (empty: none), and ANSWER where its answer goes; standard output is what the
 * board writes on the serial line. A "net" gives, for each output i, the sum of its inputs j with j % outputs == i,
 * modulo 256, and spoils its input, as the Edge TPU's driver may. Time passes when the application waits.
 *
 * Environment: STUB_BURST=n lets n blocks of sound come at the first wait; STUB_WRONG=keyword or acoustic lets that net
 * give another first output. */
#include "coral_stub.h"

#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app_data.h"

extern "C" void app_main(void *);
extern "C" void __wrap__ZN10coralmicro6CdcAcm4InitEhhhhhSt8functionIFvPKhmEE(coralmicro::CdcAcm *, uint8_t, uint8_t,
                                                                             uint8_t, uint8_t, uint8_t,
                                                                             coralmicro::CdcAcm::RxHandler);

namespace {

std::string folder;
std::vector<int16_t> sound;
std::string requests;
std::string rpc;
std::string answer_path;
coralmicro::CdcAcm::RxHandler on_bytes;
coralmicro::AudioDriver::Callback on_samples = nullptr;
size_t heard = 0;
int waits_left = 4;
void (*rpc_callback)(jsonrpc_request *) = nullptr;
std::thread network;
std::mutex mutex;
std::condition_variable changed;

std::string FileBytes(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void HearBlock() {
  int32_t block[320];
  size_t count = 0;
  for (; count < 320 && heard < sound.size(); ++count, ++heard) {
    block[count] = sound[heard] * 65536;
  }
  on_samples(nullptr, block, count);
}

/* One block of sound, the requests at the first wait, the end when all was heard. */
void LetTimePass() {
  if (!requests.empty()) {
    on_bytes(reinterpret_cast<const uint8_t *>(requests.data()), static_cast<uint32_t>(requests.size()));
    requests.clear();
  }
  if (!rpc.empty() && rpc_callback != nullptr) {
    static std::string params = rpc;
    rpc.clear();
    network = std::thread([] {
      jsonrpc_request request = {params.data(), static_cast<int>(params.size())};
      rpc_callback(&request);
    });
  }
  if (on_samples != nullptr && heard < sound.size()) {
    static int blocks = getenv("STUB_BURST") == nullptr ? 1 : atoi(getenv("STUB_BURST"));
    for (; blocks > 0; --blocks) {
      HearBlock();
    }
    blocks = 1;
  } else if (--waits_left <= 0) {
    if (network.joinable()) {
      network.join();
    }
    fflush(stdout);
    _Exit(0);
  }
}

}  // namespace

struct StubQueue {
  std::deque<std::vector<uint8_t>> items;
  size_t item_bytes;
};
struct StubSemaphore {
  bool given = false;
};
struct StubStream {
  std::deque<uint8_t> bytes;
  size_t room;
};

QueueHandle_t xQueueCreate(size_t, size_t item_bytes) { return new StubQueue{{}, item_bytes}; }

BaseType_t xQueueSend(QueueHandle_t queue, const void *item, TickType_t) {
  const auto *bytes = static_cast<const uint8_t *>(item);
  std::lock_guard<std::mutex> lock(mutex);
  queue->items.emplace_back(bytes, bytes + queue->item_bytes);
  changed.notify_all();
  return pdTRUE;
}

BaseType_t xQueueReceive(QueueHandle_t queue, void *item, TickType_t) {
  const bool was_asked = !rpc.empty();
  LetTimePass();
  std::unique_lock<std::mutex> lock(mutex);
  if (was_asked) {
    changed.wait(lock, [queue] { return !queue->items.empty(); });
  }
  if (queue->items.empty()) {
    return 0;
  }
  std::memcpy(item, queue->items.front().data(), queue->item_bytes);
  queue->items.pop_front();
  return pdTRUE;
}

SemaphoreHandle_t xSemaphoreCreateBinary() { return new StubSemaphore; }

BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t) {
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [semaphore] { return semaphore->given; });
  semaphore->given = false;
  return pdTRUE;
}

BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore) {
  std::lock_guard<std::mutex> lock(mutex);
  semaphore->given = true;
  changed.notify_all();
  return pdTRUE;
}

StreamBufferHandle_t xStreamBufferCreateStatic(size_t bytes, size_t, uint8_t *, StaticStreamBuffer_t *) {
  return new StubStream{{}, bytes};
}

size_t xStreamBufferSend(StreamBufferHandle_t stream, const void *bytes, size_t count, TickType_t) {
  const auto *from = static_cast<const uint8_t *>(bytes);
  size_t sent = 0;
  for (; sent < count && stream->bytes.size() < stream->room; ++sent) {
    stream->bytes.push_back(from[sent]);
  }
  return sent;
}

size_t xStreamBufferReceive(StreamBufferHandle_t stream, void *bytes, size_t room, TickType_t) {
  size_t count = 0;
  for (; count < room && !stream->bytes.empty(); ++count) {
    static_cast<uint8_t *>(bytes)[count] = stream->bytes.front();
    stream->bytes.pop_front();
  }
  return count;
}

void vTaskDelay(TickType_t) { LetTimePass(); }

void jsonrpc_init(void *, void *) {}
void jsonrpc_export(const char *, void (*callback)(jsonrpc_request *)) { rpc_callback = callback; }
void jsonrpc_return_error(jsonrpc_request *, int, const char *message, const char *, ...) {
  std::ofstream(answer_path, std::ios::binary) << "error: " << message;
}
void jsonrpc_return_success(jsonrpc_request *, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  va_arg(arguments, const char *); /* the key */
  const int count = va_arg(arguments, int);
  const char *bytes = va_arg(arguments, const char *);
  va_end(arguments);
  std::ofstream(answer_path, std::ios::binary).write(bytes, count);
}

/* The parameters are the frame itself: JSON and base64 are mjson's affair. */
int mjson_get_base64(const char *text, int length, const char *path, char *to, int room) {
  if (std::string(path) != "$.frame" || length > room) {
    return 0;
  }
  std::memcpy(to, text, static_cast<size_t>(length));
  return length;
}

extern "C" void __real__ZN10coralmicro6CdcAcm4InitEhhhhhSt8functionIFvPKhmEE(coralmicro::CdcAcm *, uint8_t, uint8_t,
                                                                             uint8_t, uint8_t, uint8_t,
                                                                             coralmicro::CdcAcm::RxHandler handler) {
  on_bytes = handler;
}

namespace coralmicro {

bool AudioDriver::Enable(const AudioDriverConfig &, void *, Callback callback) {
  on_samples = callback;
  return true;
}
void AudioDriver::Disable() { on_samples = nullptr; }

ConsoleM7 *ConsoleM7::GetSingleton() {
  static ConsoleM7 console;
  return &console;
}

/* As CdcAcm::Transmit: what is longer than its buffer is lost. */
void ConsoleM7::Write(char *bytes, int count) {
  if (count <= 512) {
    fwrite(bytes, 1, static_cast<size_t>(count), stdout);
  }
}

ssize_t LfsSize(const char *path) {
  std::ifstream file(folder + path, std::ios::binary | std::ios::ate);
  return file ? static_cast<ssize_t>(file.tellg()) : -1;
}

size_t LfsReadFile(const char *path, uint8_t *bytes, size_t room) {
  const std::string found = FileBytes(folder + path);
  const size_t count = found.size() < room ? found.size() : room;
  std::memcpy(bytes, found.data(), count);
  return count;
}

bool LedSet(Led, bool) { return true; }
float TempSensorRead(TempSensor) { return 41.5f; }
uint64_t TimerMicros() {
  static uint64_t now = 0;
  return now += 10;
}
uint64_t TimerMillis() { return TimerMicros() / 1000; }
void UseHttpServer(HttpServer *) {}
EdgeTpuManager *EdgeTpuManager::GetSingleton() {
  static EdgeTpuManager manager;
  return &manager;
}
std::shared_ptr<EdgeTpuContext> EdgeTpuManager::OpenDevice(PerformanceMode) {
  return std::make_shared<EdgeTpuContext>();
}
std::optional<float> EdgeTpuManager::GetTemperature() { return 50.25f; }
int *RegisterCustomOp() { return nullptr; }

}  // namespace coralmicro

namespace tflite {

const Model *GetModel(const void *bytes) { return static_cast<const Model *>(bytes); }

MicroInterpreter::MicroInterpreter(const Model *, const MicroOpResolver &, uint8_t *arena, size_t, ErrorReporter *) {
  static int made = 0;
  const edge_ser::ModelFile &file = made++ == 0 ? edge_ser::kKeywordModel : edge_ser::kAcousticModel;
  input_ = {kTfLiteUInt8, file.input_bytes, {arena}};
  output_ = {kTfLiteUInt8, file.output_bytes, {arena + file.input_bytes}};
}

TfLiteStatus MicroInterpreter::Invoke() {
  std::memset(output_.data.uint8, 0, output_.bytes);
  for (size_t j = 0; j < input_.bytes; ++j) {
    uint8_t &sum = output_.data.uint8[j % output_.bytes];
    sum = static_cast<uint8_t>(sum + input_.data.uint8[j]);
    input_.data.uint8[j] ^= 0x80;
  }
  const char *wrong = getenv("STUB_WRONG");
  if (wrong != nullptr &&
      (std::strcmp(wrong, "keyword") == 0) == (output_.bytes == edge_ser::kKeywordModel.output_bytes)) {
    output_.data.uint8[0] ^= 0x40;
  }
  return kTfLiteOk;
}

}  // namespace tflite

int main(int, char **arguments) {
  folder = arguments[1];
  const std::string bytes = FileBytes(arguments[2]);
  sound.resize(bytes.size() / 2);
  std::memcpy(sound.data(), bytes.data(), sound.size() * 2);
  requests = FileBytes(arguments[3]);
  rpc = FileBytes(arguments[4]);
  answer_path = arguments[5];
  coralmicro::CdcAcm console;
  __wrap__ZN10coralmicro6CdcAcm4InitEhhhhhSt8functionIFvPKhmEE(&console, 1, 2, 3, 0, 1, nullptr);
  app_main(nullptr);
}
