#include "rpc.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include "libs/base/http_server.h"
#include "libs/rpc/rpc_http_server.h"
#include "protocol.h"
#include "sdram.h"
#include "third_party/freertos_kernel/include/FreeRTOS.h"
#include "third_party/freertos_kernel/include/queue.h"
#include "third_party/freertos_kernel/include/semphr.h"
#include "third_party/freertos_kernel/include/task.h"
#include "third_party/mjson/src/mjson.h"

namespace edge_ser {
namespace {

constexpr int kFailed = -32000;

// The network's task alone works in these; its stack is 4 kB.
ESER_IN_SDRAM uint8_t bytes[ESER_FRAME_MAX_BYTES + 3];
EserFrame request_frame;
QueueHandle_t requests = nullptr;
SemaphoreHandle_t answered = nullptr;
// Written by the application's task between the queue and the semaphore.
size_t answer_bytes = 0;

int FrameBytes(const jsonrpc_request *request, const char *path) {
  // mjson writes what has room, and a zero.
  const int count =
      mjson_get_base64(request->params, request->params_len, path, reinterpret_cast<char *>(bytes), sizeof bytes);
  return count > 0 ? count : 0;
}

// In the network's task: nets need a larger stack and must not be run by two at once, so the application's task works.
void OnRequest(jsonrpc_request *request) {
  int count = FrameBytes(request, "$.frame");
  if (count == 0) {
    count = FrameBytes(request, "$[0].frame");
  }
  if (eser_frame_unpack(bytes, static_cast<size_t>(count), &request_frame) == 0) {
    jsonrpc_return_error(request, JSONRPC_ERROR_BAD_PARAMS, "no frame that is whole", "{%Q:%Q}", "param", "frame");
    return;
  }
  const EserFrame *posted = &request_frame;
  if (xQueueSend(requests, &posted, portMAX_DELAY) != pdTRUE || xSemaphoreTake(answered, portMAX_DELAY) != pdTRUE ||
      answer_bytes == 0) {
    jsonrpc_return_error(request, kFailed, "no answer", "{%Q:%Q}", "param", "frame");
    return;
  }
  jsonrpc_return_success(request, "{%Q:%V}", "frame", static_cast<int>(answer_bytes),
                         reinterpret_cast<const char *>(bytes));
}

}  // namespace

void RpcStart() {
  requests = xQueueCreate(1, sizeof(const EserFrame *));
  answered = xSemaphoreCreateBinary();
  if (requests == nullptr || answered == nullptr) {
    printf("no memory for the RPC server\r\n");
    return;
  }
  jsonrpc_init(nullptr, nullptr);
  // The names of the messages; records are asked for here, never sent. The macro keeps its entry in a static variable
  // of the place where it stands, so there is one place each.
  jsonrpc_export("info", OnRequest);
  jsonrpc_export("self_test", OnRequest);
  jsonrpc_export("write", OnRequest);
  jsonrpc_export("run_raw", OnRequest);
  jsonrpc_export("read", OnRequest);
  jsonrpc_export("stream", OnRequest);
  jsonrpc_export("record", OnRequest);
  jsonrpc_export("clock", OnRequest);
  jsonrpc_export("temperature", OnRequest);
  static coralmicro::JsonRpcHttpServer server;
  coralmicro::UseHttpServer(&server);
}

bool RpcReceive(EserFrame *request, uint32_t wait_ms) {
  const EserFrame *posted = nullptr;
  if (requests == nullptr) {
    vTaskDelay(pdMS_TO_TICKS(wait_ms));
    return false;
  }
  if (xQueueReceive(requests, &posted, pdMS_TO_TICKS(wait_ms)) != pdTRUE) {
    return false;
  }
  *request = *posted;
  return true;
}

void RpcAnswer(const EserFrame *answer) {
  answer_bytes = answer == nullptr ? 0 : eser_frame_pack(answer, bytes, sizeof bytes);
  xSemaphoreGive(answered);
}

}  // namespace edge_ser
