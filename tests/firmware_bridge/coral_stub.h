/* As much of coralmicro's interfaces as the application uses, for this machine: see coral_stub.cc. Written for these
 * tests from the interfaces' documentation; nothing of the SDK is in it. */
#ifndef CORAL_STUB_H_
#define CORAL_STUB_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

using BaseType_t = int;
using TickType_t = uint32_t;
constexpr BaseType_t pdTRUE = 1;
constexpr TickType_t portMAX_DELAY = 0xFFFFFFFFu;
inline TickType_t pdMS_TO_TICKS(uint32_t ms) { return ms; }

struct StubQueue;
struct StubSemaphore;
struct StubStream;
using QueueHandle_t = StubQueue *;
using SemaphoreHandle_t = StubSemaphore *;
using StreamBufferHandle_t = StubStream *;
struct StaticStreamBuffer_t {
  int unused;
};
QueueHandle_t xQueueCreate(size_t items, size_t item_bytes);
BaseType_t xQueueSend(QueueHandle_t queue, const void *item, TickType_t wait);
BaseType_t xQueueReceive(QueueHandle_t queue, void *item, TickType_t wait);
SemaphoreHandle_t xSemaphoreCreateBinary();
BaseType_t xSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t wait);
BaseType_t xSemaphoreGive(SemaphoreHandle_t semaphore);
StreamBufferHandle_t xStreamBufferCreateStatic(size_t bytes, size_t trigger, uint8_t *storage, StaticStreamBuffer_t *);
size_t xStreamBufferSend(StreamBufferHandle_t stream, const void *bytes, size_t count, TickType_t wait);
size_t xStreamBufferReceive(StreamBufferHandle_t stream, void *bytes, size_t room, TickType_t wait);
void vTaskDelay(TickType_t ticks);

struct jsonrpc_request {
  const char *params;
  int params_len;
};
void jsonrpc_init(void *, void *);
void jsonrpc_export(const char *method, void (*callback)(jsonrpc_request *));
void jsonrpc_return_error(jsonrpc_request *, int code, const char *message, const char *format, ...);
void jsonrpc_return_success(jsonrpc_request *, const char *format, ...);
int mjson_get_base64(const char *text, int length, const char *path, char *to, int room);
constexpr int JSONRPC_ERROR_BAD_PARAMS = -32602;

namespace coralmicro {

enum class AudioSampleRate : int32_t { k16000_Hz = 16000 };
struct AudioDriverConfig {
  AudioDriverConfig(AudioSampleRate rate, size_t buffers, size_t ms) : sample_rate(rate), count(buffers), length(ms) {}
  AudioSampleRate sample_rate;
  size_t count;
  size_t length;
};
template <size_t Buffers, size_t Samples>
struct AudioDriverBuffers {};
class AudioDriver {
 public:
  using Callback = void (*)(void *, const int32_t *, size_t);
  template <size_t Buffers, size_t Samples>
  explicit AudioDriver(AudioDriverBuffers<Buffers, Samples> &) {}
  bool Enable(const AudioDriverConfig &config, void *context, Callback callback);
  void Disable();
};

class ConsoleM7 {
 public:
  static ConsoleM7 *GetSingleton();
  void Write(char *bytes, int count);
};
class CdcAcm {
 public:
  using RxHandler = std::function<void(const uint8_t *, uint32_t)>;
};

ssize_t LfsSize(const char *path);
size_t LfsReadFile(const char *path, uint8_t *bytes, size_t room);

enum class Led { kStatus, kUser };
bool LedSet(Led led, bool on);
enum class TempSensor { kCpu };
float TempSensorRead(TempSensor);
uint64_t TimerMicros();
uint64_t TimerMillis();

class HttpServer {};
class JsonRpcHttpServer : public HttpServer {};
void UseHttpServer(HttpServer *server);

enum class PerformanceMode { kLow, kMedium, kHigh, kMax };
struct EdgeTpuContext {};
class EdgeTpuManager {
 public:
  static EdgeTpuManager *GetSingleton();
  std::shared_ptr<EdgeTpuContext> OpenDevice(PerformanceMode mode);
  std::optional<float> GetTemperature();
};
inline constexpr char kCustomOp[] = "edgetpu-custom-op";
int *RegisterCustomOp();

}  // namespace coralmicro

enum TfLiteStatus { kTfLiteOk, kTfLiteError };
enum TfLiteType { kTfLiteUInt8 = 3 };
struct TfLiteTensor {
  TfLiteType type;
  size_t bytes;
  struct {
    uint8_t *uint8;
  } data;
};
constexpr uint32_t TFLITE_SCHEMA_VERSION = 3;

namespace tflite {

struct Model {
  uint32_t version() const { return TFLITE_SCHEMA_VERSION; }
};
const Model *GetModel(const void *bytes);
class ErrorReporter {};
class MicroErrorReporter : public ErrorReporter {};
class MicroOpResolver {};
template <unsigned Room>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  TfLiteStatus AddCustom(const char *, int *) { return Add(); }
  TfLiteStatus AddAdd() { return Add(); }
  TfLiteStatus AddConv2D() { return Add(); }
  TfLiteStatus AddDepthwiseConv2D() { return Add(); }
  TfLiteStatus AddLogistic() { return Add(); }
  TfLiteStatus AddMaxPool2D() { return Add(); }
  TfLiteStatus AddMean() { return Add(); }
  TfLiteStatus AddMul() { return Add(); }
  TfLiteStatus AddQuantize() { return Add(); }

 private:
  TfLiteStatus Add() { return ++count_ <= Room ? kTfLiteOk : kTfLiteError; }
  unsigned count_ = 0;
};
class MicroInterpreter {
 public:
  MicroInterpreter(const Model *, const MicroOpResolver &, uint8_t *arena, size_t arena_bytes, ErrorReporter *);
  TfLiteStatus AllocateTensors() { return kTfLiteOk; }
  TfLiteStatus Invoke();
  TfLiteTensor *input_tensor(size_t) { return &input_; }
  TfLiteTensor *output_tensor(size_t) { return &output_; }
  size_t inputs_size() const { return 1; }
  size_t outputs_size() const { return 1; }
  size_t arena_used_bytes() const { return input_.bytes + output_.bytes; }

 private:
  TfLiteTensor input_;
  TfLiteTensor output_;
};

}  // namespace tflite

#endif  // CORAL_STUB_H_
