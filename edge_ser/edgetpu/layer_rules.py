"""The rules for layers with weights and for activations: convolutions, dense layers, pooling, softmax."""

from __future__ import annotations

import math

from edge_ser.edgetpu import limits
from edge_ser.edgetpu.model import Operator
from edge_ser.edgetpu.rule import rule

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
_FUSED = ("none", "relu", "relu6", "relu_n1_to_1")


@rule("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION")
def no_fused_activation(op: Operator) -> str | None:
    """Pooling and concatenation carry no fused activation.

    Rewrite: put the activation before it, where it fuses into the convolution.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    return None if op.options.activation == "none" else f"{op.name} has a fused {op.options.activation}"


@rule(*_CONVOLUTIONS, "FULLY_CONNECTED", "ADD", "SUB", "MUL", confidence="inferred")
def fused_activation_in_list(op: Operator) -> str | None:
    """An activation fused into a layer is RELU, RELU6 or RELU_N1_TO_1.

    Rewrite: leave it out of the layer and put TANH behind it.

    Source: inferred: these are the activations of the list that TensorFlow Lite fuses into quantised layers
    """
    return None if op.options.activation in _FUSED else f"{op.name} has a fused {op.options.activation}"


@rule("CONCATENATION")
def concatenation_constant(op: Operator) -> str | None:
    """A CONCATENATION with a constant input has exactly two inputs, and the constant is all zeros.

    Rewrite: use PAD for zeros, or compute the part outside the model.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    constants = [tensor for tensor in op.inputs if tensor is not None and tensor.constant]
    if not constants:
        return None
    if len(op.inputs) != 2:
        return f"{len(constants)} constant of {len(op.inputs)} inputs"
    return None if constants[0].blank else f"{constants[0]} is not all zeros"


@rule("CONV_2D", "DEPTHWISE_CONV_2D")
def equal_dilation(op: Operator) -> str | None:
    """Dilation is the same in x and y; a direction in which the kernel has one weight does not count.

    Rewrite: use equal dilation, or a kernel of (k, 1).

    Source: coral.ai/docs/edgetpu/models-intro; (3, 1) kernels in the compiled edgetpu-tcn (compiler 16)
    """
    options, weights = op.options, op.input(1)
    one_sided = weights is not None and len(weights.shape) == 4 and 1 in weights.shape[1:3]
    if options.dilation_h == options.dilation_w or one_sided:
        return None
    return f"dilation {options.dilation_h} x {options.dilation_w}"


@rule("DEPTHWISE_CONV_2D", until="2.0.267685300")
def no_dilated_depthwise(op: Operator) -> str | None:
    """Up to runtime 12 a DEPTHWISE_CONV_2D is not dilated.

    Rewrite: use compiler 16.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    options = op.options
    dilated = max(options.dilation_h, options.dilation_w) > 1
    return f"dilation {options.dilation_h} x {options.dilation_w}" if dilated else None


@rule(*_CONVOLUTIONS, confidence="logged")
def kernel_size(op: Operator) -> str | None:
    """A convolution kernel has less than 4096 weights per filter and channel.

    Rewrite: use a smaller kernel, or several with dilation.

    Source: LibrEdgeTPU, README: kernels of 64 x 64 and larger fail
    """
    weights = op.input(1)
    if weights is None or len(weights.shape) != 4:
        return None
    height, width = weights.shape[1:3]
    return f"kernel {height} x {width}" if height * width >= limits.LARGEST_KERNEL else None


@rule("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", confidence="logged")
def weights_not_all_zero(op: Operator) -> str | None:
    """Weights that are all zero fail to compile.

    Rewrite: remove the layer, or train it.

    Source: LibrEdgeTPU, README: degenerate quantisation
    """
    weights = op.input(1)
    return f"{weights} is all zero" if weights is not None and weights.blank else None


@rule("FULLY_CONNECTED")
def default_weights_format(op: Operator) -> str | None:
    """FULLY_CONNECTED has its weights in the default format.

    Rewrite: convert without shuffled weights, or use a 1x1 CONV_2D.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    return f"weights format {op.options.weights_format}" if op.options.weights_format else None


@rule("FULLY_CONNECTED", verdict="mapped", confidence="logged")
def dense_per_channel(op: Operator) -> str | None:
    """FULLY_CONNECTED with a scale per output maps: compiler 16 stores a multiplier for each of them.

    Rewrite: nothing for the Edge TPU; a 1x1 CONV_2D is right on every CPU too.

    Source: the compiled dense_256 of LibrEdgeTPU (compiler 16, version 4 of the operation): its 256
    multipliers are in the proportion of the file's 256 scales
    """
    weights = op.input(1)
    return f"{weights.scales} scales on {weights}" if weights is not None and weights.scales > 1 else None


@rule("FULLY_CONNECTED", confidence="logged", until="2.1")
def dense_one_row(op: Operator) -> str | None:
    """Compilers up to 2.1 leave a FULLY_CONNECTED on several rows to the host.

    Rewrite: use compiler 16, or a 1x1 CONV_2D.

    Source: "a fully-connected or softmax layer with 2D output", edgetpu issues 24, 25 and 27
    """
    return _rows(op)


@rule("FULLY_CONNECTED", verdict="mapped", confidence="logged")
def dense_over_rows(op: Operator) -> str | None:
    """FULLY_CONNECTED on several rows maps since compiler 16, although the documentation says one dimension.

    Rewrite: nothing; a 1x1 CONV_2D does the same and is documented.

    Source: a YOLOv9 log of compiler 16; refused by compiler 2.0 (edgetpu issues 24, 25 and 27)
    """
    return _rows(op)


@rule("SOFTMAX")
def softmax_size(op: Operator) -> str | None:
    """SOFTMAX works on at most 16,384 elements (16,000 in the documentation).

    Rewrite: return the scores and take the softmax on the host.

    Source: coral.ai/docs/edgetpu/models-intro; 16,384 elements in the compiled trackers of LibrEdgeTPU
    """
    size = op.outputs[0].shape[-1] if op.outputs and op.outputs[0].shape else 0
    return f"{size} elements" if size > limits.LARGEST_SOFTMAX else None


@rule("SOFTMAX", confidence="logged", until="2.1")
def softmax_one_row(op: Operator) -> str | None:
    """Compilers up to 2.1 leave a SOFTMAX on several rows to the host.

    Rewrite: use compiler 16, or take the softmax on the host.

    Source: "a fully-connected or softmax layer with 2D output", edgetpu issues 25 and 27
    """
    return _rows(op)


@rule("SOFTMAX", verdict="mapped", confidence="logged")
def softmax_over_rows(op: Operator) -> str | None:
    """SOFTMAX over the last axis of several rows maps since compiler 16, although the documentation says 1-D.

    Rewrite: nothing.

    Source: logs of compiler 16 on YOLOv8 and YOLOv9; refused by compiler 2.0 (edgetpu issues 25 and 27)
    """
    return _rows(op)


def _rows(op: Operator) -> str | None:
    rows = math.prod(op.outputs[0].shape[:-1]) if op.outputs else 1
    return f"{rows} rows" if rows > 1 else None


@rule("PRELU")
def prelu_alpha(op: Operator) -> str | None:
    """PRELU has a 1-D alpha: one value per channel.

    Rewrite: Keras: PReLU(shared_axes=[1, 2]).

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    alpha = op.input(1)
    return str(alpha) if alpha is not None and math.prod(alpha.shape[:-1]) > 1 else None
