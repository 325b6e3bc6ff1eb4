"""How the compiler lays out parameters: bytes of each operator, and what stays on the chip.

Rules read from compiled files; they give the bytes of more than 80 of them exactly or within 0.2 % (compilers
1.0 to 16.0): rows of 64 output channels, or of 16 where there are at most 64; input channels padded to four;
behind each row its bias, and its multiplier where weights are quantised per channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge_ser.edgetpu.grid import LANES, TILES
from edge_ser.edgetpu.model import Operator

LSTM: Final = "UNIDIRECTIONAL_SEQUENCE_LSTM"
PARAMETER_OPS: Final = frozenset(
    ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "SOFTMAX", "RESHAPE", LSTM)
)

_INPUT_PAD, _SMALL_ROW, _TINY_ROW = 4, 16, 4
# A picture that becomes a vector is moved by three small matrices of zeros and ones (edgetpu-tcn).
_FLATTEN_BYTES = 192
_PER_TENSOR_ROW, _PER_CHANNEL_ROW = 4, 8
# A kernel of a depthwise convolution is four bytes a tap; per channel with more than one tap it has 12 bytes more
# (yamnet, posenet, mobilenet_edgetpu: 52 bytes for 3 x 3), per tensor none.
_DEPTHWISE_PER_CHANNEL = 16
# Since compiler 14 a softmax over a vector is three sums by matrices of 16 rows (1,001, 965 and 10 classes).
_SOFTMAX_CLASS, _SOFTMAX_BYTES, _LARGEST_VECTOR_SOFTMAX = 48, 64, 1024
# One file (keras_lstm_mnist of google-coral/test_data): gates in 16 bits and the tables of their functions.
_LSTM_FACTOR = 4.87
# Two and three tiles full of matrices hold 520,448 bytes each (dense stacks of iwatake2222/EdgeTPU_Analysis; the log
# says 8.02 MiB for all 16). What activations take of it varies from 26 to 197 kB in the logs, without a rule seen.
_TILE_BYTES, _MOST_ACTIVATION_BYTES = 520_448, 64 * 1024


@dataclass(frozen=True)
class Placement:
    """Where the parameters of a net lie.

    Attributes:
        cached: bytes on the chip.
        streamed: bytes sent at every inference.
        streamed_ops: indices of the operators whose parameters are sent.
    """

    cached: int
    streamed: int
    streamed_ops: frozenset[int]


def padded(size: int, multiple: int) -> int:
    """``size`` rounded up to a multiple.

    >>> padded(521, 8)
    528
    """
    return -(-size // multiple) * multiple


def padded_rows(outputs: int) -> int:
    """Rows of parameters for so many output channels.

    >>> padded_rows(33), padded_rows(100)
    (48, 128)
    """
    return padded(outputs, LANES if outputs > LANES else _SMALL_ROW)


def parameter_bytes(op: Operator, major: int) -> int:
    """Bytes of an operator's parameters, 0 for an operator without.

    Args:
        op: the operator.
        major: major version of the compiler.
    """
    if op.name == "SOFTMAX":
        classes = op.outputs[0].shape[-1] if op.outputs and op.outputs[0].shape else 0
        vector = bool(op.outputs) and op.outputs[0].elements == classes
        known = major >= 14 and vector and 0 < classes <= _LARGEST_VECTOR_SOFTMAX
        return _SOFTMAX_CLASS * padded(classes, _INPUT_PAD) + _SOFTMAX_BYTES if known else 0
    if op.name == "RESHAPE":
        return _FLATTEN_BYTES if _flattens(op) else 0
    weights = op.input(1)
    if weights is None:
        return 0
    shape = weights.shape
    row = _PER_CHANNEL_ROW if weights.scales > 1 else _PER_TENSOR_ROW
    if op.name in ("CONV_2D", "TRANSPOSE_CONV") and len(shape) == 4:
        return _kernel_bytes(shape[0], shape[1] * shape[2] * padded(shape[3], _INPUT_PAD), row, LANES)
    if op.name == "DEPTHWISE_CONV_2D" and len(shape) == 4:
        taps = shape[1] * shape[2]
        if weights.scales > 1 and taps > 1:
            row = _DEPTHWISE_PER_CHANNEL
        return _kernel_bytes(shape[3], taps * _INPUT_PAD, row, _SMALL_ROW)
    if op.name == "FULLY_CONNECTED" and len(shape) == 2:
        return padded_rows(shape[0]) * (padded(shape[1], _INPUT_PAD) + row)
    if op.name == LSTM:
        gates = (tensor.shape for tensor in op.inputs if tensor is not None and tensor.constant)
        sizes = (
            padded_rows(item[0]) * (padded(item[1], _INPUT_PAD) + row) for item in gates if len(item) == 2
        )
        return round(_LSTM_FACTOR * sum(sizes))
    return 0


def _kernel_bytes(outputs: int, kernel: int, row: int, multiple: int) -> int:
    """Kernels of a convolution; fewer than four take the room of four, each padded to 16 bytes."""
    if outputs < _TINY_ROW:
        return _TINY_ROW * padded(kernel + _PER_TENSOR_ROW, _SMALL_ROW)
    rows = padded_rows(outputs) if multiple == LANES else padded(outputs, multiple)
    return rows * (kernel + row)


def _flattens(op: Operator) -> bool:
    source = op.input(0)
    if source is None or source.constant or len(source.shape) != 4 or not op.outputs:
        return False
    height, width, channels = source.shape[1:]
    return min(height * width, channels) > 1 and len(op.outputs[0].shape) == 2


def place(ops: Sequence[Operator], major: int) -> Placement:
    """Where the parameters go: layers fill the memory in order; one that does not fit is sent whole, every time.

    A convolution's parameters are spread over all tiles, a matrix over as many as its outputs fill with 64
    each: a hundred layers of 100 outputs fill two tiles and stream the rest although the others are empty.

    Args:
        ops: operators in execution order.
        major: major version of the compiler.
    """
    activations = max((sum(tensor.bytes for tensor in op.activations) for op in ops), default=0)
    room = _TILE_BYTES - min(activations // TILES, _MOST_ACTIVATION_BYTES)
    held = [0.0] * TILES
    cached = streamed = 0
    sent = set()
    for op in ops:
        size = parameter_bytes(op, major)
        tiles = _tiles_used(op)
        share = size * _lanes_used(op) / tiles
        if size and max(held[:tiles]) + share > room:
            streamed += size
            sent.add(op.index)
        else:
            cached += size
            held[:tiles] = [load + share for load in held[:tiles]]
    return Placement(cached, streamed, frozenset(sent))


def _tiles_used(op: Operator) -> int:
    weights = op.input(1)
    if op.name != "FULLY_CONNECTED" or weights is None or not weights.shape:
        return TILES
    return max(1, min(TILES, padded(weights.shape[0], LANES) // LANES))


def _lanes_used(op: Operator) -> float:
    """Memory against bytes: on the chip a row always takes 64 lanes (the log of a stack with 32 channels: double)."""
    weights = op.input(1)
    if op.name != "CONV_2D" or weights is None or not weights.shape:
        return 1.0
    rows = padded_rows(weights.shape[0])
    return padded(rows, LANES) / max(rows, 1)
