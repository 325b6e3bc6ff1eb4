"""The rules for every operation: the parser's, the list, types, sizes, constants."""

from __future__ import annotations

import math

from edge_ser.edgetpu import limits
from edge_ser.edgetpu.compilers import Compiler
from edge_ser.edgetpu.model import Operator
from edge_ser.edgetpu.rule import compiler_rule, rule

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
    "TILE": (1,),
    "TRANSPOSE": (1,),
    "EXPAND_DIMS": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
}
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "PRELU")
# Not in the list, and still mapped in one form; a rule of its own speaks about the others.
_BEYOND_THE_LIST = ("TILE",)


@compiler_rule(confidence="logged", refuses_file=True, rewrites=limits.REWRITES)
def builtin_code_known(op: Operator, compiler: Compiler) -> str | None:
    """The compiler's parser knows the builtin codes of its day and refuses the whole file over a newer one.

    Rewrite: write the operation with older ones, e.g. GELU as x * sigmoid(1.702 x).

    Source: "Op builtin_code out of range: 150", github.com/google-coral/edgetpu/issues/667 and 818
    """
    if op.code < compiler.first_unknown_code:
        return None
    return f"{op.name} has code {op.code}, compiler {compiler.version} knows codes below {compiler.first_unknown_code}"


@compiler_rule(confidence="logged", refuses_file=True)
def operation_version(op: Operator, compiler: Compiler) -> str | None:
    """The compiler's parser refuses the whole file over an operation version newer than its TensorFlow.

    Rewrite: edge-ser compile lowers the number where the meaning is unchanged; else convert with the
    converter switches of the project, or with TensorFlow 2.8 or older.

    Source: "Didn't find op for builtin opcode", github.com/google-coral/edgetpu/issues/631, 845 and 879;
    tensorflow/lite/tools/versioning/runtime_version.cc
    """
    newest = compiler.newest_version(op.name)
    if newest is None or op.version <= newest:
        return None
    return (
        f"{op.name} has version {op.version}, the newest that compiler {compiler.version} knows is {newest}"
    )


@rule("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", confidence="logged", until="15.0")
def resize_version(op: Operator) -> str | None:
    """Compilers up to 15 leave a resize of version 3 (half_pixel_centers) to the host.

    Rewrite: use compiler 16, or write the older version with TensorFlow 2.2.

    Source: "Operation version not supported", github.com/google-coral/edgetpu/issues/206, 396 and 420
    """
    return f"{op.name} has version {op.version}" if op.version >= 3 else None


@rule("BATCH_MATMUL", confidence="logged", rewrites=limits.REWRITES)
def product_of_activations(op: Operator) -> str | None:
    """A matrix product whose two factors are computed at run time does not map; no log of any compiler shows one.

    Rewrite: make one factor a constant and use a 1x1 CONV_2D.

    Source: github.com/google-coral/edgetpu/issues/381 (compiler 15: internal errors) and 25
    """
    computed = len(op.activations) - len(op.outputs)
    return f"{op.name} of {computed} tensors that are computed at run time" if computed > 1 else None


@compiler_rule(rewrites=limits.REWRITES)
def operation_in_list(op: Operator, compiler: Compiler) -> str | None:
    """Only operations of the compiler's list map; the list grew with the runtime version.

    Rewrite: write it with listed operations, or move it to the end of the graph, where the host runs it.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    first = limits.FIRST_RUNTIME.get(op.name)
    if first is None:
        return None if op.name in _BEYOND_THE_LIST else f"{op.custom_code or op.name} is not in the list"
    if first <= compiler.runtime:
        return None
    return f"{op.name} needs runtime {first}, compiler {compiler.version} writes for {compiler.runtime}"


@rule("TILE", confidence="logged")
def tile_of_one_pixel(op: Operator) -> str | None:
    """TILE is not in the list; one that spreads a single pixel [1, 1, 1, C] over an image is mapped all the same.

    Rewrite: let MUL or ADD broadcast [1, 1, 1, C] instead.

    Source: the compiled DeepLab (mobilenet_edgetpu_slim) of github.com/google-coral/test_data
    """
    data = op.input(0)
    if data is None or not op.outputs:
        return f"{op.name} of nothing"
    channels = data.shape[-1:] == op.outputs[0].shape[-1:]
    return None if channels and math.prod(data.shape[:-1]) == 1 else f"{data} to {list(op.outputs[0].shape)}"


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

    Source: coral.ai/docs/edgetpu/models-intro, "Model requirements"; "Operation is working on an
    unsupported data type" in logs
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
    """Sizes are fixed at compile time.

    Rewrite: export with fixed sizes, e.g. keras.Input(shape, batch_size=1).

    Source: coral.ai/docs/edgetpu/models-intro, "Tensor sizes are constant at compile-time"
    """
    for tensor in op.activations:
        if 0 in tensor.shape or any(axis > 0 for axis in tensor.open_axes):
            return f"{tensor} has an open size"
        if tensor.open_axes and tensor.shape[0] != 1:
            return f"{tensor} has an open batch"
    return None


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


@rule(verdict="mapped", confidence="logged")
def open_batch(op: Operator) -> str | None:
    """A batch that the signature leaves open is compiled with the one that the shape holds, which is 1.

    Rewrite: nothing; a batch fixed at export (batch_size=1) keeps SHAPE and PACK out of the graph.

    Source: the compiled dense_256 of LibrEdgeTPU (compiler 16) and SRGAN of inSam/SR-GAN-Edge-TPU
    """
    found = next((tensor for tensor in op.activations if tensor.open_axes), None)
    return None if found is None else f"{found} has an open batch"


@rule(verdict="mapped", confidence="inferred")
def operation_version_seen(op: Operator) -> str | None:
    """The version is one that the compiler's TensorFlow knows, but no compiled file shows it taken.

    Rewrite: nothing.

    Source: tensorflow/lite/tools/versioning/runtime_version.cc
    """
    seen = limits.SEEN_VERSION.get(op.name, 2)
    return f"{op.name} has version {op.version}" if op.version > seen else None
