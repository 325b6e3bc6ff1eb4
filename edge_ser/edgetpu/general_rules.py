"""The rules of Edge TPU compiler 16.0 for every operation: list, version, types, sizes, constants."""

from __future__ import annotations

import math

from edge_ser.edgetpu import limits
from edge_ser.edgetpu.model import Operator
from edge_ser.edgetpu.rule import rule

_PARAMETER_INPUTS = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (0, 1, 3),
    "PRELU": (1,),
    "RESHAPE": (1,),
    "MEAN": (1,),
    "SUM": (1,),
    "REDUCE_MAX": (1,),
    "REDUCE_MIN": (1,),
    "PAD": (1,),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SPLIT": (0,),
    "TRANSPOSE": (1,),
    "EXPAND_DIMS": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
}
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "PRELU")


@rule(confidence="logged", refuses_file=True)
def builtin_code_known(op: Operator) -> str | None:
    """The compiler's parser knows builtin codes below 142; a newer one makes it refuse the whole file.

    Rewrite: write the operation with older ones, e.g. GELU as x * sigmoid(1.702 x).

    Source: "Op builtin_code out of range: 150", github.com/google-coral/edgetpu/issues/667 and 818
    """
    return f"{op.name} has code {op.code}" if op.code >= limits.FIRST_UNKNOWN_CODE else None


@rule(confidence="logged", refuses_file=True)
def operation_version(op: Operator) -> str | None:
    """The compiler's parser, of mid 2021, refuses the whole file for an operation version it does not know.

    Rewrite: convert with the converter switches of the project (or TensorFlow 2.8), so that the older
    version is written; where the meaning is unchanged the version number in the file may be lowered.

    Source: "Didn't find op for builtin opcode", github.com/google-coral/edgetpu/issues/631, 845 and 879
    """
    newest = limits.NEWEST_VERSION.get(op.name)
    if newest is None or op.version <= newest:
        return None
    return f"{op.name} has version {op.version}, the newest known is {newest}"


@rule(rewrites=limits.REWRITES)
def operation_in_list(op: Operator) -> str | None:
    """Only operations of the compiler's list map.

    Rewrite: write it with listed operations, or move it to the end of the graph, where the host runs it.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    if op.name in limits.SUPPORTED:
        return None
    return f"{op.custom_code or op.name} is not in the list"


@rule("QUANTIZE")
def quantize_from_integers(op: Operator) -> str | None:
    """A QUANTIZE that starts from float stays on the host; from int8 to uint8 and back it maps.

    Rewrite: convert with inference_input_type = uint8 (or int8) and hand the model integers.

    Source: coral.ai/docs/edgetpu/models-intro, "Float inputs and outputs"
    """
    source = op.input(0)
    return f"input {source}" if source is not None and source.dtype == "float32" else None


@rule()
def data_type(op: Operator) -> str | None:
    """Tensors are int8 or uint8; int32 only as a constant bias, int16 only as the cell state of an LSTM.

    Rewrite: quantise the whole model to integers (TFLITE_BUILTINS_INT8 and a representative data set).

    Source: coral.ai/docs/edgetpu/models-intro, "Model requirements"
    """
    allowed = {"int8", "uint8"}
    if op.name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        allowed.add("int16")
    weights = op.input(1) if op.name in _WEIGHTED else None
    for tensor in (*op.activations, *(() if weights is None else (weights,))):
        if tensor.dtype not in allowed:
            return str(tensor)
    return None


@rule()
def quantised_per_tensor(op: Operator) -> str | None:
    """Every activation tensor has exactly one scale and zero point.

    Rewrite: quantise the whole model with a representative data set; raw integers without a scale do not map.

    Source: coral.ai/docs/edgetpu/models-intro, "Quantization"
    """
    found = next((tensor for tensor in op.activations if tensor.scales != 1), None)
    return None if found is None else f"{found} has {found.scales} scales"


@rule()
def static_shape(op: Operator) -> str | None:
    """Sizes are fixed at compile time, the batch too.

    Rewrite: export with a fixed batch of one, e.g. keras.Input(shape, batch_size=1).

    Source: coral.ai/docs/edgetpu/models-intro, "Tensor sizes are constant at compile-time"
    """
    found = next((tensor for tensor in op.activations if tensor.dynamic or 0 in tensor.shape), None)
    return None if found is None else f"{found} has an open size"


@rule()
def three_inner_dimensions(op: Operator) -> str | None:
    """Tensors have one to three dimensions; with more, only the three innermost may be over one.

    Rewrite: use a batch of one, and fold an outer dimension into an inner one with RESHAPE.

    Source: coral.ai/docs/edgetpu/models-intro; "Tensor has unsupported rank", edgetpu issue 30
    """
    found = next((tensor for tensor in op.activations if math.prod(tensor.shape[:-3]) > 1), None)
    return None if found is None else str(found)


@rule(*_PARAMETER_INPUTS)
def constant_parameters(op: Operator) -> str | None:
    """Weights, biases, axes and sizes are constants in the file.

    Rewrite: make the factor a constant (1x1 CONV_2D), or mix tokens by gates, means and MUL instead of a
    product of two activations.

    Source: "Filter, bias, or other param is not constant at compile-time", edgetpu issue 25
    """
    for position in _PARAMETER_INPUTS[op.name]:
        tensor = op.input(position)
        if tensor is not None and not tensor.constant:
            return f"{tensor} is computed at run time"
    return None


@rule(verdict="mapped", confidence="inferred")
def operation_version_seen(op: Operator) -> str | None:
    """The version is one that the compiler's TensorFlow knows, but no compiled file shows it taken.

    Rewrite: nothing.

    Source: registry of TensorFlow 2.8
    """
    seen = limits.SEEN_VERSION.get(op.name, 2)
    return f"{op.name} has version {op.version}" if op.version > seen else None
