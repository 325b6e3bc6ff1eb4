"""Small TFLite files for tests, written with the schema that LiteRT ships; the package does not use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tflite

TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "int16": 7, "int8": 9}


@dataclass
class Builder:
    """Collects tensors and operators of one graph; every method returns an index."""

    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [tflite.BufferT()])
    codes: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)

    def tensor(
        self,
        shape: tuple[int, ...],
        dtype: str = "int8",
        data: np.ndarray | None = None,
        scales: int | None = None,
        signature: tuple[int, ...] | None = None,
        name: str | None = None,
    ) -> int:
        item = tflite.TensorT()
        item.shape = list(shape)
        item.type = TYPES[dtype]
        item.name = name or f"t{len(self.tensors)}"
        if signature is not None:
            item.shapeSignature = list(signature)
        count = scales if scales is not None else int(dtype in ("int8", "uint8", "int16"))
        if count:
            quantization = tflite.QuantizationParametersT()
            quantization.scale = [0.5] * count
            quantization.zeroPoint = [0] * count
            item.quantization = quantization
        if data is not None:
            buffer = tflite.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self.buffers.append(buffer)
            item.buffer = len(self.buffers) - 1
        self.tensors.append(item)
        return len(self.tensors) - 1

    def constant(self, values: Any, dtype: str = "int32", scales: int | None = None) -> int:
        data = np.asarray(values, dtype)
        return self.tensor(data.shape, dtype, data, scales)

    def op(
        self,
        name: str,
        inputs: list[int],
        outputs: list[int],
        options: Any = None,
        version: int = 1,
        custom: bytes | None = None,
    ) -> int:
        code = tflite.OperatorCodeT()
        number = getattr(tflite.BuiltinOperator, name)
        code.builtinCode = number
        code.deprecatedBuiltinCode = min(number, 127)
        code.version = version
        code.customCode = custom
        self.codes.append(code)
        item = tflite.OperatorT()
        item.opcodeIndex = len(self.codes) - 1
        item.inputs, item.outputs = inputs, outputs
        if options is not None:
            item.builtinOptions = options
            item.builtinOptionsType = getattr(tflite.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.operators.append(item)
        return len(self.operators) - 1

    def conv(
        self,
        source: int,
        outputs: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        version: int = 3,
        **options: int,
    ) -> int:
        """A SAME convolution with per-channel weights; returns the output tensor."""
        _, height, width, channels = self.tensors[source].shape
        weights = self.constant(np.ones((outputs, *kernel, channels)), "int8", scales=outputs)
        bias = self.constant(np.zeros(outputs), "int32", scales=outputs)
        result = self.tensor((1, -(-height // stride[0]), -(-width // stride[1]), outputs))
        settings = tflite.Conv2DOptionsT()
        settings.strideH, settings.strideW = stride
        settings.dilationHFactor = settings.dilationWFactor = 1
        for key, value in options.items():
            setattr(settings, key, value)
        self.op("CONV_2D", [source, weights, bias], [result], settings, version)
        return result

    def finish(self, inputs: list[int], outputs: list[int]) -> bytes:
        graph = tflite.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = inputs, outputs
        model = tflite.ModelT()
        model.version = 3
        model.operatorCodes, model.buffers, model.subgraphs = self.codes, self.buffers, [graph]
        model.description = "made by a test"
        writer = flatbuffers.Builder(1024)
        writer.Finish(model.Pack(writer), b"TFL3")
        return bytes(writer.Output())


def small_net(channels: int = 16, extra: str | None = None) -> bytes:
    """Two convolutions; ``extra`` puts that elementwise operator of one input between them."""
    builder = Builder()
    source = builder.tensor((1, 16, 16, 4), "int8", name="features")
    middle = builder.conv(source, channels)
    if extra is not None:
        after = builder.tensor((1, 16, 16, channels))
        builder.op(extra, [middle], [after])
        middle = after
    return builder.finish([source], [builder.conv(middle, channels)])
