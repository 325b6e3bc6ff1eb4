"""Which operations the TensorFlow Lite Micro of the Coral Dev Board Micro has, as data.

coralmicro (commit c9f665b0) pins github.com/tensorflow/tflite-micro at 24c08505 of 2022-07-08 and builds it with
the CMSIS-NN kernels. Sources at that commit, under tensorflow/lite/micro:

* the operations: micro_mutable_op_resolver.h (all_ops_resolver.cc has all of them but
  UNIDIRECTIONAL_SEQUENCE_LSTM). Kernels for DIV, LOG_SOFTMAX and SQUARED_DIFFERENCE are compiled in, and no
  resolver can register them;
* the types: Prepare and Eval of kernels/*.cc and kernels/cmsis_nn/*.cc;
* versions: micro_op_resolver.h, whose FindOp "disregards the version parameter": a newer version loads and is
  run as the old one. The newest versions that the kernels can know are those of TensorFlow 2.9, released two
  months before (tensorflow/lite/kernels/register.cc, read in github.com/nxp-imx/tensorflow-imx at 0cef4cba).

An application registers the operations that it uses one by one (MicroMutableOpResolver), the Edge TPU
operation with AddCustom(kCustomOp, RegisterCustomOp()); the examples of coralmicro register three at most.
"""

from __future__ import annotations

from edge_ser.edgetpu.model import COMPILED_OP, Model, Operator, Tensor

SOURCE = "tflite-micro 24c08505 of July 2022, which coralmicro pins"

ANY = "any"
"""Kernels that only move values, whatever their type."""

# Operation, newest version, types of its data. One line each, in the order of the resolver.
_TABLE = """
    ABS                          4 float32 int8 int16
    ADD                          4 float32 int8 int16
    ADD_N                        1 float32 int8
    ARG_MAX                      3 float32 int8
    ARG_MIN                      3 float32 int8
    ASSIGN_VARIABLE              1 any
    AVERAGE_POOL_2D              3 float32 int8
    BATCH_TO_SPACE_ND            3 float32 int8
    BROADCAST_ARGS               1 int32 int64
    BROADCAST_TO                 3 any
    CALL_ONCE                    1 any
    CAST                         4 int8 int16 int32 uint32 float32
    CEIL                         1 float32
    CONCATENATION                3 float32 int8 int16 int32 int64
    CONV_2D                      6 float32 int8 int16
    COS                          1 float32
    CUMSUM                       1 float32 int8
    DEPTH_TO_SPACE               2 float32 int8
    DEPTHWISE_CONV_2D            6 float32 int8 int16
    DEQUANTIZE                   5 int8 int16 uint8
    ELU                          1 float32 int8
    EQUAL                        3 bool float32 int32 int64 int8
    EXP                          1 float32
    EXPAND_DIMS                  1 float32 int8
    FILL                         3 float32 int32 int8
    FLOOR                        1 float32
    FLOOR_DIV                    2 float32
    FLOOR_MOD                    1 float32
    FULLY_CONNECTED              9 float32 int8 int16
    GATHER                       5 float32 int8
    GATHER_ND                    3 float32 int8
    GREATER                      2 float32 int32 int64 int8
    GREATER_EQUAL                2 float32 int32 int64 int8
    HARD_SWISH                   1 float32 int8
    IF                           1 any
    L2_NORMALIZATION             2 float32 int8
    L2_POOL_2D                   1 float32
    LEAKY_RELU                   2 float32 int8 int16
    LESS                         2 float32 int32 int64 int8
    LESS_EQUAL                   2 float32 int32 int64 int8
    LOG                          1 float32
    LOGICAL_AND                  1 bool
    LOGICAL_NOT                  1 bool
    LOGICAL_OR                   1 bool
    LOGISTIC                     3 float32 int8 int16
    MAXIMUM                      4 float32 int8 int32 int64
    MAX_POOL_2D                  3 float32 int8
    MIRROR_PAD                   2 float32 int8
    MEAN                         3 float32 int8 int16
    MINIMUM                      4 float32 int8 int32 int64
    MUL                          5 float32 int8 int32
    NEG                          1 float32
    NOT_EQUAL                    3 bool float32 int32 int64 int8
    PACK                         3 float32 int8 int32 int64
    PAD                          4 float32 int8 int16 int32
    PADV2                        4 float32 int8 int16 int32
    PRELU                        1 float32 int8
    QUANTIZE                     3 float32 int8 int16 int32 uint8
    READ_VARIABLE                1 any
    REDUCE_MAX                   3 float32 int8
    RELU                         3 float32 int8
    RELU6                        3 float32 int8
    RESHAPE                      1 any
    RESIZE_BILINEAR              4 float32 int8
    RESIZE_NEAREST_NEIGHBOR      4 float32 int8 int16
    ROUND                        1 float32
    RSQRT                        2 float32 int8
    SHAPE                        1 any
    SIN                          1 float32
    SLICE                        5 float32 int8 int16 int32
    SOFTMAX                      3 float32 int8 int16
    SPACE_TO_BATCH_ND            3 float32 int8
    SPACE_TO_DEPTH               2 float32 int8
    SPLIT                        4 float32 int8 int16 int32
    SPLIT_V                      2 float32 int8 int16 int32
    SQUEEZE                      2 any
    SQRT                         1 float32
    SQUARE                       1 float32
    STRIDED_SLICE                6 float32 int8 int16 int32
    SUB                          5 float32 int8 int16
    SVDF                         4 float32 int8
    TANH                         3 float32 int8 int16
    TRANSPOSE_CONV               3 float32 int8 int16
    TRANSPOSE                    5 float32 int8
    UNPACK                       4 float32 int8 int32
    UNIDIRECTIONAL_SEQUENCE_LSTM 3 float32 int8
    VAR_HANDLE                   1 any
    WHILE                        1 any
    ZEROS_LIKE                   1 float32 int8 int32 int64
"""

_ROWS = {row[0]: row[1:] for row in (line.split() for line in _TABLE.strip().splitlines())}

BOARD_OPS: dict[str, frozenset[str]] = {op: frozenset(row[1:]) for op, row in _ROWS.items()}
"""Types of the data that each builtin operation's kernel takes, or :data:`ANY`."""

NEWEST_VERSION: dict[str, int] = {op: int(row[0]) for op, row in _ROWS.items()}
"""Newest version of each that its kernel can know."""

CUSTOM_OPS = frozenset((COMPILED_OP, "TFLite_Detection_PostProcess", "CIRCULAR_BUFFER", "PosenetDecoderOp"))
"""Custom operations: the resolver's own and those of coralmicro (libs/tpu, libs/tensorflow)."""

# kernels/quantize_common.cc, EvalQuantizeReference.
_QUANTIZE = {
    "float32": ("int8", "int16"),
    "int8": ("int8", "uint8", "int16", "int32"),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
    "uint8": ("int8",),
}
_DATA_INPUT = {"SPLIT": 1, "TRANSPOSE_CONV": 2}


def board_runs(name: str, version: int = 1, dtype: str | None = None) -> str | None:
    """Why the board's TensorFlow Lite Micro cannot run an operation; ``None`` where it can.

    Args:
        name: builtin name such as ``"CONV_2D"``, or the name of a custom operation.
        version: the operation's version in the file.
        dtype: type of its data such as ``"int8"``; ``None`` where it is not to be looked at.
    """
    if name in CUSTOM_OPS:
        return None
    types = BOARD_OPS.get(name)
    if types is None:
        return f"{name} is not in the board's TensorFlow Lite Micro ({SOURCE})"
    if version > NEWEST_VERSION[name]:
        return (
            f"{name} version {version} is newer than the board's TensorFlow Lite Micro ({SOURCE}), which does"
            f" not look at versions and runs it as version {NEWEST_VERSION[name]}"
        )
    if dtype is not None and dtype not in types and ANY not in types:
        known = ", ".join(sorted(types))
        return f"{name} of {dtype}: the kernel of the board's TensorFlow Lite Micro takes {known}"
    return None


def board_refusal(op: Operator) -> str | None:
    """Why the board cannot run this operator; ``None`` where it can.

    Looks at what :func:`board_runs` looks at, at both types of a QUANTIZE, and at dense layers with a scale
    per channel, of which the kernel reads only the first.
    """
    data = _data(op)
    found = board_runs(op.custom_code or op.name, op.version, None if data is None else data.dtype)
    if found is not None:
        return found
    if op.name == "QUANTIZE" and data is not None and op.outputs:
        target = op.outputs[0].dtype
        if target not in _QUANTIZE[data.dtype]:
            return f"QUANTIZE from {data.dtype} to {target} is not in the board's TensorFlow Lite Micro"
    if per_channel_dense(op):
        return (
            "FULLY_CONNECTED with a scale per channel: the board's TensorFlow Lite Micro reads the first one"
            " only and computes wrong values in silence"
        )
    return None


def per_channel_dense(op: Operator) -> bool:
    """A dense layer with more scales than one (github.com/tensorflow/tflite-micro/pull/2602 is the mend)."""
    weights = op.input(1)
    return op.name == "FULLY_CONNECTED" and weights is not None and weights.scales > 1


def board_refusals(model: Model) -> dict[int, str]:
    """Why the board cannot run a model on its Cortex-M7: a reason by index of the operator, empty if it can."""
    found = ((op.index, board_refusal(op)) for op in model.operators)
    return {index: reason for index, reason in found if reason is not None}


def _data(op: Operator) -> Tensor | None:
    """The tensor whose type chooses the kernel; ``None`` for a custom operation, which chooses itself."""
    if op.custom_code:
        return None
    if op.name == "FILL":
        return op.outputs[0] if op.outputs else None
    return op.input(_DATA_INPUT.get(op.name, 0))
