"""The lowest version of an operation whose meaning its types and options still need.

Source of every rule: GetBuiltinOperatorVersion in tensorflow/lite/tools/versioning/op_version.cc
(github.com/tensorflow/tensorflow at 02087409), by which converters choose versions. A version only ever adds to
the ones before it, so a file that needs no more than an older one means the same under it.

Only operations on int8 and uint8 have a rule, and QUANTIZE and DEQUANTIZE at their borders: nothing else maps to
the Edge TPU, and int16, int4 and hybrid operations have options that are not read here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge_ser.edgetpu.model import Operator, Tensor


@dataclass(frozen=True)
class Need:
    """What an operator needs.

    Attributes:
        version: the lowest version that has it.
        why: what it is that needs this version.
    """

    version: int
    why: str


_EIGHT_BIT = ("int8", "uint8")
_UNIT = 1.0 - 1e-6
_Rule = Callable[[Operator, Tensor], Need | None]


def needed_version(op: Operator) -> Need | None:
    """The lowest version that an operator needs; ``None`` where no rule is known for it or for its types."""
    rule = _RULES.get(op.name)
    data = op.input(_DATA_INPUT.get(op.name, 0))
    if rule is None or data is None or not op.outputs:
        return None
    if op.name not in _BORDER and data.dtype not in _EIGHT_BIT:
        return None
    return rule(op, data)


def _by_type(signed: int, unsigned: int = 1) -> _Rule:
    def rule(_op: Operator, data: Tensor) -> Need:
        return Need(signed if data.dtype == "int8" else unsigned, data.dtype)

    return rule


def _beyond_rank(rank: int, version: int) -> _Rule:
    """int8 is version 2; more than ``rank`` dimensions need ``version``."""

    def rule(op: Operator, data: Tensor) -> Need | None:
        if len(data.shape) > rank:
            return Need(version, f"{len(data.shape)} dimensions")
        return _plain(op, data)

    return rule


_plain = _by_type(2)


def _same_type(op: Operator, *positions: int) -> bool:
    """Whether these inputs and the output have the type of the first of them."""
    tensors = [op.input(position) for position in positions]
    dtypes = {None if tensor is None else tensor.dtype for tensor in tensors} | {op.outputs[0].dtype}
    return len(dtypes) == 1


def _convolution(op: Operator, data: Tensor) -> Need | None:
    weights = op.input(1)
    if weights is None or not _same_type(op, 0, 1) or len(data.shape) != 4 or len(weights.shape) != 4:
        return None
    if data.shape[3] != weights.shape[3]:
        return Need(6, f"a grouped convolution ({data.shape[3]} channels, filters of {weights.shape[3]})")
    return Need(3 if data.dtype == "int8" else 1, data.dtype)


def _depthwise(op: Operator, data: Tensor) -> Need | None:
    if not _same_type(op, 0, 1):
        return None
    if data.dtype == "int8":
        return Need(3, "int8")
    if op.options.dilation_h != 1 or op.options.dilation_w != 1:
        return Need(2, "a dilation")
    return Need(1, "uint8")


def _dense(op: Operator, data: Tensor) -> Need | None:
    weights = op.input(1)
    # Weights with a scale per output arrived without a version of their own: only the converter knows which
    # version it meant.
    if weights is None or not _same_type(op, 0, 1) or weights.scales > 1:
        return None
    if weights.sparse:
        return Need(8, "sparse weights")
    if len(op.inputs) == 2:
        return Need(6, "no bias")
    if op.options.keep_dims:
        return Need(5, "keep_num_dims")
    if data.dtype == "int8":
        return Need(4, "int8")
    return Need(2, "shuffled weights") if op.options.weights_format else Need(1, "uint8")


def _transpose_convolution(op: Operator, data: Tensor) -> Need | None:
    if not _same_type(op, 1, 2):
        return None
    if op.options.fused_activation:
        return Need(4, f"the fused activation {op.options.activation}")
    if op.input(3) is not None:
        return Need(3, "a bias")
    return Need(2 if data.dtype == "int8" else 1, data.dtype)


def _product(op: Operator, data: Tensor) -> Need | None:
    other = op.input(1)
    if other is None or not _same_type(op, 0, 1):
        return None
    result = op.outputs[0]
    scales = (data.scale, other.scale, result.scale)
    # With room for rounding: TensorFlow works in single precision.
    if all(scale > 0 for scale in scales) and data.scale * other.scale / result.scale >= _UNIT:
        return Need(3, "a product of scales that is not below the output's")
    return _plain(op, data)


def _broadcast(op: Operator, data: Tensor) -> Need | None:
    other = op.input(1)
    if other is None or not _same_type(op, 0, 1):
        return None
    rank = max(len(data.shape), len(other.shape))
    if data.shape != other.shape and rank > 4:
        return Need(3, f"a broadcast over {rank} dimensions")
    return _plain(op, data)


def _sum_of_two(op: Operator, data: Tensor) -> Need | None:
    return _plain(op, data) if _same_type(op, 0, 1) else None


def _strided_slice(op: Operator, data: Tensor) -> Need | None:
    if op.options.offset:
        return Need(8, "the option offset")
    if op.options.ellipsis_mask or op.options.new_axis_mask:
        return Need(6, "an ellipsis or a new axis")
    return _beyond_rank(4, 4)(op, data)


def _resize_bilinear(op: Operator, data: Tensor) -> Need | None:
    return Need(3, "half_pixel_centers") if op.options.half_pixel_centers else _plain(op, data)


def _resize_nearest(op: Operator, data: Tensor) -> Need | None:
    if op.options.half_pixel_centers or op.options.align_corners:
        return Need(3, "half_pixel_centers or align_corners")
    return _plain(op, data)


def _transpose(op: Operator, data: Tensor) -> Need | None:
    return _beyond_rank(5, 6)(op, data) if len(data.shape) > 5 else _beyond_rank(4, 4)(op, data)


def _quantize(op: Operator, data: Tensor) -> Need | None:
    result = op.outputs[0]
    if result.dtype not in _EIGHT_BIT or data.dtype not in (*_EIGHT_BIT, "float32"):
        return None
    return Need(3, "a scale per channel") if result.scales > 1 else Need(1, result.dtype)


def _dequantize(op: Operator, data: Tensor) -> Need | None:
    if data.dtype not in _EIGHT_BIT or op.outputs[0].dtype != "float32":
        return None
    if data.dtype == "int8":
        return Need(5, "a scale per channel") if data.scales > 1 else Need(2, "int8")
    return Need(1, "uint8")


_BORDER = {"QUANTIZE", "DEQUANTIZE"}
_DATA_INPUT = {"SPLIT": 1, "TRANSPOSE_CONV": 2}
_PLAIN = """
    ARG_MAX ARG_MIN AVERAGE_POOL_2D CONCATENATION DEPTH_TO_SPACE L2_NORMALIZATION LOGISTIC LOG_SOFTMAX MAX_POOL_2D MEAN
    MIRROR_PAD PACK REDUCE_MAX REDUCE_MIN RELU6 RSQRT SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SUM TANH
"""
_FIRST_ONLY = "ELU EXPAND_DIMS HARD_SWISH LEAKY_RELU PRELU RELU_N1_TO_1 RESHAPE SQUEEZE"

_RULES: dict[str, _Rule] = {
    **dict.fromkeys(_PLAIN.split(), _plain),
    **dict.fromkeys(_FIRST_ONLY.split(), _by_type(1)),
    "ADD": _sum_of_two,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEQUANTIZE": _dequantize,
    "EXP": _plain,
    "FULLY_CONNECTED": _dense,
    "MAXIMUM": _broadcast,
    "MINIMUM": _broadcast,
    "MUL": _product,
    "PAD": _beyond_rank(4, 4),
    "PADV2": _beyond_rank(4, 4),
    "QUANTIZE": _quantize,
    "RELU": _by_type(2, 2),
    "RESIZE_BILINEAR": _resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
    "SLICE": _beyond_rank(4, 5),
    "SQUARED_DIFFERENCE": _sum_of_two,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _broadcast,
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": _transpose_convolution,
    "UNPACK": _by_type(2, 2),
}
