"""What a compiled file will hold, from the uncompiled one: padded parameters, instructions, container.

Read from real files: tcn and yamnet (compiler 16) gave the constants, MobileNet v1 0.25 (a compiler between
2.1 and 16) was kept to check them. Predictions are for compilers 14 and newer. An LSTM is unrolled by the
compiler and comes out several times larger than said here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_ser.edgetpu import limits
from edge_ser.edgetpu.model import Model, Operator
from edge_ser.edgetpu.notes import streams_parameters
from edge_ser.edgetpu.rules import CheckReport
from edge_ser.edgetpu.targets import Interval

_INPUT_PAD = 4
_ROW_PAD = 16
# Bias, multiplier and shift of each output row of a convolution; a dense layer keeps only its bias there.
_CONVOLUTION_ROW_BYTES = 12
_DENSE_ROW_BYTES = 4
# A depthwise kernel is stored as a block diagonal of 4 x 4 blocks, plus what makes up yamnet's 58 a channel.
_DEPTHWISE_CHANNEL_BYTES = 22

INSTRUCTION_BYTES = Interval(1500.0, 3500.0, 6000.0)
"""Bytes per operation: 1.8 kB (yamnet) to 5.5 kB (MobileNet v1 0.25) since compiler 14, 1.5 kB before."""

_PAGE = 4096
# A file holds two executables (inference, parameters) and the package around them, each rounded up to a page.
_EXECUTABLE_HEADERS = (5000, 3000)
_CONTAINER_BYTES = 4 * _PAGE + 800
_CACHING_INSTRUCTIONS = (800, 200)
_LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
_PARAMETER_OPS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", _LSTM)


@dataclass(frozen=True)
class CompiledPrediction:
    """What the compiler will probably make of a model; every number is predicted.

    Attributes:
        bytes: size of the compiled file.
        cached_bytes: parameters kept on the chip.
        streamed_bytes: parameters sent at every inference.
        instruction_bytes: instructions sent at every inference, as a range.
    """

    bytes: int
    cached_bytes: int
    streamed_bytes: int
    instruction_bytes: Interval


def predict_compiled(model: Model, report: CheckReport) -> CompiledPrediction:
    """Predict sizes from the padding rules.

    Args:
        model: the uncompiled model.
        report: what :func:`edge_ser.edgetpu.rules.check_model` says about it.
    """
    mapped, host = report.parts(model)
    cached, streamed = _place(mapped)
    instructions = Interval(
        INSTRUCTION_BYTES.low * len(mapped),
        INSTRUCTION_BYTES.mid * len(mapped),
        INSTRUCTION_BYTES.high * len(mapped),
    )
    host_bytes = sum(len(t.data) for op in host for t in op.inputs if t is not None and t.constant)
    fixed, each = _CACHING_INSTRUCTIONS
    caching = fixed + each * sum(op.name in _PARAMETER_OPS for op in mapped)
    inference = _pages(instructions.mid + streamed + _EXECUTABLE_HEADERS[0])
    parameters = _pages(caching + cached + _EXECUTABLE_HEADERS[1]) if cached else 0
    size = inference + parameters + _CONTAINER_BYTES + host_bytes if mapped else model.size_bytes
    return CompiledPrediction(size, cached, streamed, instructions)


def _pages(size: float) -> int:
    return math.ceil(size / _PAGE) * _PAGE


def padded(size: int, multiple: int) -> int:
    """``size`` rounded up to a multiple."""
    return -(-size // multiple) * multiple


def parameter_bytes(op: Operator) -> int:
    """Bytes of an operator's parameters as the compiler lays them out, 0 for an operator without."""
    weights = op.input(1)
    if weights is None:
        return 0
    shape = weights.shape
    if op.name in ("CONV_2D", "TRANSPOSE_CONV") and len(shape) == 4:
        rows = padded(shape[0], _ROW_PAD)
        return rows * (shape[1] * shape[2] * padded(shape[3], _INPUT_PAD) + _CONVOLUTION_ROW_BYTES)
    if op.name == "DEPTHWISE_CONV_2D" and len(shape) == 4:
        return padded(shape[3], _ROW_PAD) * (shape[1] * shape[2] * _INPUT_PAD + _DEPTHWISE_CHANNEL_BYTES)
    if op.name == "FULLY_CONNECTED" and len(shape) == 2:
        rows = padded(shape[0], _ROW_PAD)
        return rows * (padded(shape[1], _INPUT_PAD) + _DENSE_ROW_BYTES)
    if op.name == _LSTM:
        return sum(len(tensor.data) for tensor in op.inputs if tensor is not None and tensor.constant)
    return 0


def _place(ops: list[Operator]) -> tuple[int, int]:
    """Cached and streamed bytes: layers fill the memory in order; one that does not fit is streamed whole."""
    activations = max((sum(tensor.bytes for tensor in op.activations) for op in ops), default=0)
    room = limits.SRAM_BYTES - activations
    cached = streamed = 0
    for op in ops:
        size = parameter_bytes(op)
        if streams_parameters(op) or cached + size > room:
            streamed += size
        else:
            cached += size
    return cached, streamed
