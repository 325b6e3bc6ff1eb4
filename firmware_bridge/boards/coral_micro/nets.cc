#include "nets.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "app_data.h"
#include "crc32.h"
#include "libs/base/filesystem.h"
#include "libs/base/tempsense.h"
#include "op_resolver.h"
#include "protocol.h"
#include "sdram.h"
#include "third_party/tflite-micro/tensorflow/lite/micro/micro_error_reporter.h"
#include "third_party/tflite-micro/tensorflow/lite/micro/micro_interpreter.h"
#include "third_party/tflite-micro/tensorflow/lite/schema/schema_generated.h"
#ifndef CPU_FALLBACK
#include "libs/tpu/edgetpu_manager.h"
#endif

namespace edge_ser {
namespace {

// The Edge TPU driver knows a package by the address of the model's bytes: they stay where they are for ever.
ESER_IN_SDRAM uint8_t keyword_model[kKeywordModel.bytes];
ESER_IN_SDRAM uint8_t acoustic_model[kAcousticModel.bytes];
ESER_IN_SDRAM uint8_t keyword_arena[kArenaBytes];
ESER_IN_SDRAM uint8_t acoustic_arena[kArenaBytes];

struct Net {
  const ModelFile *file;
  uint8_t *model;
  uint8_t *arena;
  std::optional<tflite::MicroInterpreter> interpreter;
};

Net nets[] = {{&kKeywordModel, keyword_model, keyword_arena, {}},
              {&kAcousticModel, acoustic_model, acoustic_arena, {}}};

Problem Open(Net *net, const tflite::MicroOpResolver &resolver, tflite::ErrorReporter *reporter) {
  const ModelFile &file = *net->file;
  // A file of another length, or none, reads fewer bytes or more than were meant.
  if (coralmicro::LfsSize(file.path) != static_cast<ssize_t>(file.bytes) ||
      coralmicro::LfsReadFile(file.path, net->model, file.bytes) != file.bytes ||
      eser_crc32(0, net->model, file.bytes) != file.crc32) {
    return "a model in the board's file system is missing or of another build: flash again, with data";
  }
  const tflite::Model *model = tflite::GetModel(net->model);
  if (model->version() != TFLITE_SCHEMA_VERSION) {
    return "a model has another schema version than the SDK's TensorFlow Lite Micro";
  }
  net->interpreter.emplace(model, resolver, net->arena, kArenaBytes, reporter);
  if (net->interpreter->AllocateTensors() != kTfLiteOk) {
    return "tensors cannot be allocated: an operation is missing, or [budget] arena_bytes of the spec is too small";
  }
  const TfLiteTensor *input = net->interpreter->input_tensor(0);
  const TfLiteTensor *output = net->interpreter->output_tensor(0);
  if (net->interpreter->inputs_size() != 1 || net->interpreter->outputs_size() != 1 || input->type != kTfLiteUInt8 ||
      output->type != kTfLiteUInt8 || input->bytes != file.input_bytes || output->bytes != file.output_bytes) {
    return "a model has other inputs or outputs than this firmware was made for: flash again, with data";
  }
  return nullptr;
}

#ifndef CPU_FALLBACK
constexpr coralmicro::PerformanceMode kModes[] = {
    coralmicro::PerformanceMode::kLow, coralmicro::PerformanceMode::kMedium, coralmicro::PerformanceMode::kHigh,
    coralmicro::PerformanceMode::kMax};

// While this lives the Edge TPU has power.
std::shared_ptr<coralmicro::EdgeTpuContext> context;
uint8_t clock_mode = kClockMode;

bool OpenEdgeTpu() {
  context = coralmicro::EdgeTpuManager::GetSingleton()->OpenDevice(kModes[clock_mode]);
  return context != nullptr;
}
#endif

}  // namespace

Problem NetsOpen() {
#ifndef CPU_FALLBACK
  if (!OpenEdgeTpu()) {
    return "the Edge TPU does not come up: power the board with 5 V, 2 A";
  }
#endif
  static tflite::MicroErrorReporter reporter;
  static OpResolver resolver;
  if (!AddOps(&resolver)) {
    return "an operation cannot be registered";
  }
  for (Net &net : nets) {
    const Problem problem = Open(&net, resolver, &reporter);
    if (problem != nullptr) {
      printf("%s: %s\r\n", net.file->path, problem);
      return problem;
    }
  }
  return nullptr;
}

uint8_t *NetInput(uint8_t net) { return nets[net].interpreter->input_tensor(0)->data.uint8; }

const uint8_t *NetInvoke(uint8_t net) {
#ifndef CPU_FALLBACK
  if (context == nullptr) {
    return nullptr;
  }
#endif
  if (!nets[net].interpreter || nets[net].interpreter->Invoke() != kTfLiteOk) {
    return nullptr;
  }
  return nets[net].interpreter->output_tensor(0)->data.uint8;
}

bool NetRun(uint8_t net, const uint8_t *input, uint8_t *embedding) {
  if (!nets[net].interpreter) {
    return false;
  }
  std::memcpy(NetInput(net), input, nets[net].file->input_bytes);
  const uint8_t *output = NetInvoke(net);
  if (output == nullptr) {
    return false;
  }
  std::memcpy(embedding, output, nets[net].file->output_bytes);
  return true;
}

size_t NetArenaBytes(uint8_t net) { return nets[net].interpreter ? nets[net].interpreter->arena_used_bytes() : 0; }

#ifdef CPU_FALLBACK
bool NetsGetClock(uint8_t *) { return false; }

bool NetsSetClock(uint8_t) { return false; }

bool NetsTemperature(int32_t *millidegrees) {
  *millidegrees = static_cast<int32_t>(std::lround(coralmicro::TempSensorRead(coralmicro::TempSensor::kCpu) * 1000));
  return true;
}
#else
bool NetsGetClock(uint8_t *mode) {
  *mode = clock_mode;
  return context != nullptr;
}

bool NetsSetClock(uint8_t mode) {
  if (mode == clock_mode && context != nullptr) {
    return true;
  }
  clock_mode = mode;
  context.reset();
  return OpenEdgeTpu();
}

bool NetsTemperature(int32_t *millidegrees) {
  const std::optional<float> degrees = coralmicro::EdgeTpuManager::GetSingleton()->GetTemperature();
  if (!degrees) {
    return false;
  }
  *millidegrees = static_cast<int32_t>(std::lround(*degrees * 1000));
  return true;
}
#endif

}  // namespace edge_ser
