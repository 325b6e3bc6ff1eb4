"""The rules of Edge TPU compiler 16.0 for single operations: activations, axes, sizes, strides."""

from __future__ import annotations

import math

from edge_ser.edgetpu import limits
from edge_ser.edgetpu.model import Operator, Tensor
from edge_ser.edgetpu.rule import rule

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
_REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")
_ELEMENTWISE = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")


def _axes(op: Operator) -> tuple[int, ...]:
    """Axes of a reduction, counted from the front; empty where they are not known."""
    data, axes = op.input(0), op.input(1)
    if data is None or axes is None or not data.shape:
        return ()
    return tuple(axis % len(data.shape) for axis in axes.constant_integers() or ())


@rule("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION")
def no_fused_activation(op: Operator) -> str | None:
    """Pooling and concatenation carry no fused activation.

    Rewrite: put the activation before it, where it fuses into the convolution.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    return None if op.options.activation == "none" else f"{op.name} has a fused {op.options.activation}"


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
    values = bytes(constants[0].data)
    zero = constants[0].zero_point % 256
    return None if values.count(zero) == len(values) else f"{constants[0]} is not all zeros"


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
    if weights is None or weights.dtype not in ("int8", "uint8") or not len(weights.data):
        return None
    zeros = bytes(weights.data).count(weights.zero_point % 256)
    return f"{weights} is all zero" if zeros == len(weights.data) else None


@rule("FULLY_CONNECTED")
def default_weights_format(op: Operator) -> str | None:
    """FULLY_CONNECTED has its weights in the default format.

    Rewrite: convert without shuffled weights, or use a 1x1 CONV_2D.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    return f"weights format {op.options.weights_format}" if op.options.weights_format else None


@rule("FULLY_CONNECTED", confidence="inferred")
def dense_per_tensor(op: Operator) -> str | None:
    """FULLY_CONNECTED has one scale for all its weights; TensorFlow of 2021 has no per-channel kernel.

    Rewrite: use a 1x1 CONV_2D, or set
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True.

    Source: inferred from tensorflow/tflite-micro pull request 2602
    """
    weights = op.input(1)
    return f"{weights.scales} scales on {weights}" if weights is not None and weights.scales > 1 else None


@rule("FULLY_CONNECTED", verdict="mapped", confidence="logged")
def dense_over_rows(op: Operator) -> str | None:
    """FULLY_CONNECTED on several rows maps since compiler 16, although the documentation says one dimension.

    Rewrite: nothing; a 1x1 CONV_2D does the same and is documented.

    Source: a YOLOv9 log of compiler 16; refused by compiler 2.0 (edgetpu issues 24, 25 and 27)
    """
    rows = math.prod(op.outputs[0].shape[:-1]) if op.outputs else 1
    return f"{rows} rows" if rows > 1 else None


@rule("SOFTMAX")
def softmax_size(op: Operator) -> str | None:
    """SOFTMAX works on at most 16,000 elements.

    Rewrite: return the scores and take the softmax on the host.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    size = op.outputs[0].shape[-1] if op.outputs and op.outputs[0].shape else 0
    return f"{size} elements" if size > limits.LARGEST_SOFTMAX else None


@rule("SOFTMAX", verdict="mapped", confidence="logged")
def softmax_over_rows(op: Operator) -> str | None:
    """SOFTMAX over the last axis of several rows maps since compiler 16, although the documentation says 1-D.

    Rewrite: nothing.

    Source: a YOLOv9 log of compiler 16; refused by compiler 2.0 (edgetpu issues 25 and 27)
    """
    rows = math.prod(op.outputs[0].shape[:-1]) if op.outputs else 1
    return f"{rows} rows" if rows > 1 else None


@rule(*_REDUCTIONS)
def no_reduction_over_batch(op: Operator) -> str | None:
    """MEAN, SUM, REDUCE_MAX and REDUCE_MIN do not reduce the batch axis.

    Rewrite: reduce height, width or channels, with the batch in front.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    return f"axes {list(_axes(op))}" if 0 in _axes(op) else None


@rule("MEAN")
def mean_over_channels(op: Operator) -> str | None:
    """MEAN over channels needs a number of channels that is a multiple of 4.

    Rewrite: choose a multiple of 4 channels.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    data = op.input(0)
    if data is None or len(data.shape) < 2 or len(data.shape) - 1 not in _axes(op) or data.shape[-1] % 4 == 0:
        return None
    return f"{data.shape[-1]} channels"


@rule("MEAN", verdict="unknown", confidence="logged")
def mean_area(op: Operator) -> str | None:
    """MEAN over a large area is refused; 64 x 128 is seen mapped and 256 x 128 refused.

    Rewrite: take the mean in pieces, or pool before it.

    Source: github.com/google-coral/edgetpu/issues/461
    """
    data = op.input(0)
    area = math.prod(data.shape[axis] for axis in _axes(op)) if data is not None else 0
    return f"a mean over {area} values" if area > limits.MAPPED_MEAN_AREA else None


@rule("PAD")
def no_padding_of_batch(op: Operator) -> str | None:
    """PAD leaves the batch axis alone.

    Rewrite: pad height, width or channels.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    paddings = op.input(1)
    values = paddings.constant_integers() if paddings is not None else None
    return f"paddings {list(values)}" if values and any(values[:2]) else None


@rule("PACK")
def no_pack_over_batch(op: Operator) -> str | None:
    """PACK does not stack along the batch axis.

    Rewrite: stack along another axis, or use CONCATENATION.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    rank = len(op.outputs[0].shape) if op.outputs else 0
    return f"axis {op.options.axis}" if rank and op.options.axis % rank == 0 else None


@rule("SPLIT")
def no_split_of_batch(op: Operator) -> str | None:
    """SPLIT does not cut the batch axis; one into a single part cuts nothing.

    Rewrite: cut another axis.

    Source: coral.ai/docs/edgetpu/models-intro; the compiled yamnet of coralmicro (compiler 16)
    """
    axis, data = op.input(0), op.input(1)
    values = axis.constant_integers() if axis is not None else None
    if not values or data is None or not data.shape or len(op.outputs) == 1:
        return None
    return f"axis {values[0]}" if values[0] % len(data.shape) == 0 else None


@rule("SPLIT", verdict="unknown", confidence="logged")
def split_of_image(op: Operator) -> str | None:
    """SPLIT of a tensor with two dimensions was refused; with four (NHWC) it maps.

    Rewrite: keep the tensor as [1, 1, 1, C] or [1, T, 1, C].

    Source: github.com/google-coral/edgetpu/issues/219 (compiler 14.1)
    """
    data = op.input(1)
    return str(data) if data is not None and len(data.shape) <= 2 else None


@rule("PRELU")
def prelu_alpha(op: Operator) -> str | None:
    """PRELU has a 1-D alpha: one value per channel.

    Rewrite: Keras: PReLU(shared_axes=[1, 2]).

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    alpha = op.input(1)
    return str(alpha) if alpha is not None and math.prod(alpha.shape[:-1]) > 1 else None


@rule("STRIDED_SLICE")
def plain_slice(op: Operator) -> str | None:
    """STRIDED_SLICE has strides of one and no ellipsis or new-axis mask.

    Rewrite: slice without a step; use EXPAND_DIMS or RESHAPE for a new axis.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    strides = op.input(3)
    values = strides.constant_integers() if strides is not None else None
    if values and any(value != 1 for value in values):
        return f"strides {list(values)}"
    masks = (op.options.ellipsis_mask, op.options.new_axis_mask)
    return f"ellipsis and new-axis masks {masks}" if any(masks) else None


@rule("TRANSPOSE", verdict="unknown", confidence="logged")
def transpose_keeps_batch(op: Operator) -> str | None:
    """TRANSPOSE maps since compiler 16 for most orders; one that moves the batch axis is not seen mapped.

    Rewrite: leave the batch axis in front, or lay the tensor out in the order that is needed.

    Source: a YOLOv9 log of compiler 16 (14 mapped, 2 not); edgetpu issues 433, 342 and 193
    """
    order = op.input(1)
    values = order.constant_integers() if order is not None else None
    return f"order {list(values)}" if values and values[0] != 0 else None


@rule("TRANSPOSE", verdict="mapped", confidence="logged")
def transpose_order(op: Operator) -> str | None:
    """TRANSPOSE maps since compiler 16 for most orders; two of sixteen in one log were refused.

    Rewrite: nothing; where it is refused, lay the tensor out in the order that is needed.

    Source: a YOLOv9 log of compiler 16; edgetpu issues 433, 342 and 193
    """
    return f"{op.name} is seen mapped in 14 of 16 cases"


@rule("RESIZE_BILINEAR", confidence="logged")
def resize_from_one_pixel(op: Operator) -> str | None:
    """RESIZE_BILINEAR from a single pixel stays on the host.

    Rewrite: broadcast by MUL or ADD with the larger tensor instead.

    Source: the compiled DeepLab v3 of github.com/google-coral/edgetpu (test_data)
    """
    sizes = _resize_sizes(op)
    return f"{sizes[0]} to {sizes[1]}" if sizes and sizes[0] == (1, 1) and sizes[1] != (1, 1) else None


@rule("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", verdict="unknown", confidence="inferred")
def resize_factor(op: Operator) -> str | None:
    """A resize is refused where its size would lose precision; enlarging more than four times is doubtful.

    Rewrite: enlarge in steps of two.

    Source: coral.ai/docs/edgetpu/models-intro gives no number; four is the project's own bound
    """
    sizes = _resize_sizes(op)
    if not sizes:
        return None
    factors = [after / max(before, 1) for before, after in zip(*sizes, strict=True)]
    return f"{sizes[0]} to {sizes[1]}" if max(factors) > limits.LARGEST_ENLARGEMENT else None


def _resize_sizes(op: Operator) -> tuple[tuple[int, int], tuple[int, int]] | None:
    data = op.input(0)
    if data is None or len(data.shape) != 4 or not op.outputs or len(op.outputs[0].shape) != 4:
        return None
    after = op.outputs[0].shape
    return (data.shape[1], data.shape[2]), (after[1], after[2])


@rule(*_ELEMENTWISE, verdict="unknown", confidence="inferred")
def broadcast_along_channels(op: Operator) -> str | None:
    """Two tensors of different shape go together where the smaller one varies along the channels only.

    Rewrite: give both the same shape, e.g. by a 1x1 CONV_2D with as many outputs as there are channels.

    Source: inferred; [1, 1, 1, C] over height and width is the form of squeeze-and-excite networks
    """
    smaller = _broadcast(op)
    return str(smaller) if smaller is not None and math.prod(smaller.shape[:-1]) > 1 else None


@rule(*_ELEMENTWISE, verdict="mapped", confidence="inferred")
def broadcast(op: Operator) -> str | None:
    """A tensor [1, 1, 1, C] is broadcast over height and width; no public log proves it for two activations.

    Rewrite: nothing.

    Source: inferred from squeeze-and-excite networks of the vendor
    """
    smaller = _broadcast(op)
    return f"{smaller} is broadcast" if smaller is not None and smaller.elements > 1 else None


def _broadcast(op: Operator) -> Tensor | None:
    """The smaller of two operands of different size."""
    first, second = op.input(0), op.input(1)
    if first is None or second is None or first.elements == second.elements:
        return None
    return min(first, second, key=lambda tensor: tensor.elements)
