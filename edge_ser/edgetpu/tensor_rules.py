"""The rules for operations without weights: elementwise, reductions, slices, layouts, resizes."""

from __future__ import annotations

import math

from edge_ser.edgetpu import limits
from edge_ser.edgetpu.model import Operator, Tensor
from edge_ser.edgetpu.rule import rule

_REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")
_ELEMENTWISE = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")
_RESIZES = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")


def reduced_axes(op: Operator) -> tuple[int, ...]:
    """Axes of a reduction, counted from the front; empty where they are not known."""
    data, axes = op.input(0), op.input(1)
    if data is None or axes is None or not data.shape:
        return ()
    return tuple(axis % len(data.shape) for axis in axes.constant_integers() or ())


@rule(*_REDUCTIONS)
def no_reduction_over_batch(op: Operator) -> str | None:
    """MEAN, SUM, REDUCE_MAX and REDUCE_MIN do not reduce the batch axis.

    Rewrite: reduce height, width or channels, with the batch in front.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    return f"axes {list(reduced_axes(op))}" if 0 in reduced_axes(op) else None


@rule("MEAN", until="2.0.267685300")
def mean_over_image_only(op: Operator) -> str | None:
    """Up to runtime 12 a MEAN reduces height and width only.

    Rewrite: use compiler 16.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    data = op.input(0)
    over = data is not None and len(data.shape) - 1 in reduced_axes(op)
    return f"axes {list(reduced_axes(op))}" if over else None


@rule("MEAN")
def mean_over_channels(op: Operator) -> str | None:
    """MEAN over channels needs a number of channels that is a multiple of 4.

    Rewrite: choose a multiple of 4 channels.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    data = op.input(0)
    if data is None or len(data.shape) < 2 or data.shape[-1] % 4 == 0:
        return None
    return f"{data.shape[-1]} channels" if len(data.shape) - 1 in reduced_axes(op) else None


@rule("MEAN", confidence="logged")
def mean_of_large_area(op: Operator) -> str | None:
    """MEAN over 256 x 128 pixels is refused.

    Rewrite: take the mean of pieces of 64 x 128 and then of their means, or pool before it.

    Source: github.com/google-coral/edgetpu/issues/461
    """
    area = _mean_area(op)
    return f"a mean over {area} values" if area >= limits.REFUSED_MEAN_AREA else None


@rule("MEAN", verdict="unknown", confidence="logged")
def mean_area(op: Operator) -> str | None:
    """MEAN over more than 64 x 128 pixels is doubtful: that is seen mapped and 256 x 128 refused.

    Rewrite: take the mean in pieces, or pool before it.

    Source: github.com/google-coral/edgetpu/issues/461
    """
    area = _mean_area(op)
    return f"a mean over {area} values" if area > limits.MAPPED_MEAN_AREA else None


def _mean_area(op: Operator) -> int:
    data = op.input(0)
    return math.prod(data.shape[axis] for axis in reduced_axes(op)) if data is not None else 0


@rule("PAD")
def no_padding_of_batch(op: Operator) -> str | None:
    """PAD leaves the batch axis alone.

    Rewrite: pad height, width or channels.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    return f"paddings {list(paddings(op))}" if any(paddings(op)[:2]) else None


@rule("PAD", until="2.0.267685300")
def pad_image_only(op: Operator) -> str | None:
    """Up to runtime 12 a PAD pads height and width only.

    Rewrite: use compiler 16.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    return f"paddings {list(paddings(op))}" if any(paddings(op)[-2:]) else None


def paddings(op: Operator) -> tuple[int, ...]:
    """Paddings before and after each axis, flat; empty where they are not known."""
    values = op.input(1)
    return (values.constant_integers() or ()) if values is not None else ()


@rule("SQUEEZE", until="2.0.267685300")
def squeeze_leading_only(op: Operator) -> str | None:
    """Up to runtime 12 a SQUEEZE takes away leading dimensions only.

    Rewrite: use RESHAPE.

    Source: coral.ai/docs/edgetpu/models-intro, table of supported operations
    """
    data = op.input(0)
    if data is None or not op.outputs:
        return None
    after = op.outputs[0].shape
    return f"{data} to {list(after)}" if data.shape[len(data.shape) - len(after) :] != after else None


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


@rule("RESHAPE", confidence="logged")
def reshape_of_large_tensor(op: Operator) -> str | None:
    """A RESHAPE that lays out a large tensor anew stays on the host; one that drops or adds ones does not count.

    Rewrite: use a smaller input, or return the parts and reshape on the host.

    Source: YOLOv5s with compiler 16: refused at 384 pixels (48 x 48 x 255), edgetpu issue 512; the
    documentation says "certain reshapes might not be mapped for large tensor sizes"
    """
    size = _laid_out_anew(op)
    return f"{size} elements" if size >= limits.REFUSED_RESHAPE else None


@rule("RESHAPE", verdict="unknown", confidence="logged")
def reshape_size(op: Operator) -> str | None:
    """A RESHAPE that lays out 199,920 elements anew or more is doubtful: one of two such is seen refused.

    Rewrite: use a smaller input, or return the parts and reshape on the host.

    Source: YOLOv5s with compiler 16 at 224 pixels, export.md of github.com/jveitchmichaelis/edgetpu-yolo
    """
    size = _laid_out_anew(op)
    return f"{size} elements" if size >= limits.DOUBTFUL_RESHAPE else None


def _laid_out_anew(op: Operator) -> int:
    """Elements of a RESHAPE, 0 where it only drops or adds dimensions of one or flattens a vector."""
    data = op.input(0)
    if data is None or not op.outputs:
        return 0
    before = [extent for extent in data.shape if extent != 1]
    after = [extent for extent in op.outputs[0].shape if extent != 1]
    return 0 if before == after else data.elements


@rule("TRANSPOSE", confidence="logged")
def transpose_of_large_tensor(op: Operator) -> str | None:
    """A TRANSPOSE of 199,920 elements or more stays on the host.

    Rewrite: use a smaller input, or lay the tensor out in the order that is needed.

    Source: YOLOv5s with compiler 16 at 224 pixels: 1 of 3 refused, the other two are a quarter and a
    sixteenth of it; export.md of github.com/jveitchmichaelis/edgetpu-yolo
    """
    data = op.input(0)
    large = data is not None and data.elements >= limits.REFUSED_TRANSPOSE
    return f"{data.elements} elements" if data is not None and large else None


@rule("CONCATENATION", confidence="logged")
def concatenation_of_many_rows(op: Operator) -> str | None:
    """A CONCATENATION of rows [1, N, C] into 262,395 elements or more stays on the host; images do not count.

    Rewrite: return the parts and join them on the host.

    Source: YOLOv5s with compiler 16 at 224 pixels: 1 of 18 refused, 3087 rows of 85; export.md of
    github.com/jveitchmichaelis/edgetpu-yolo
    """
    shape = op.outputs[0].shape if op.outputs else ()
    flat = len(shape) >= 2 and math.prod(shape[:-2]) == 1
    along_rows = flat and op.options.axis % len(shape) == len(shape) - 2
    return f"{list(shape)}" if along_rows and math.prod(shape) >= limits.REFUSED_ROWS else None


@rule("TRANSPOSE", verdict="unknown", confidence="logged")
def transpose_keeps_batch(op: Operator) -> str | None:
    """TRANSPOSE maps since compiler 16 for most orders; one that moves the batch axis is not seen mapped.

    Rewrite: leave the batch axis in front, or lay the tensor out in the order that is needed.

    Source: a YOLOv9 log of compiler 16 (14 mapped, 2 not); edgetpu issues 433, 342 and 193
    """
    order = transpose_axes(op)
    return f"order {list(order)}" if order and order[0] != 0 else None


@rule("TRANSPOSE", verdict="mapped", confidence="logged")
def transpose_order(op: Operator) -> str | None:
    """TRANSPOSE maps since compiler 16 for most orders; two of sixteen in one log were refused.

    Rewrite: nothing; where it is refused, lay the tensor out in the order that is needed.

    Source: logs of compiler 16 on YOLOv8 (6 of 6 mapped) and YOLOv9 (14 of 16); edgetpu issues 433 and 193
    """
    return f"{op.name} is seen mapped in 20 of 22 cases"


def transpose_axes(op: Operator) -> tuple[int, ...]:
    """Order of a TRANSPOSE; empty where it is not known."""
    order = op.input(1)
    return (order.constant_integers() or ()) if order is not None else ()


@rule("RESIZE_BILINEAR", confidence="logged")
def resize_from_one_pixel(op: Operator) -> str | None:
    """RESIZE_BILINEAR from a single pixel stays on the host.

    Rewrite: broadcast by MUL or ADD with the larger tensor instead.

    Source: the compiled DeepLab v3 of github.com/google-coral/edgetpu (test_data)
    """
    sizes = resize_sizes(op)
    return f"{sizes[0]} to {sizes[1]}" if sizes and sizes[0] == (1, 1) and sizes[1] != (1, 1) else None


@rule(*_RESIZES, confidence="logged")
def resize_to_large_image(op: Operator) -> str | None:
    """A resize to more than 256 pixels in height or width stays on the host.

    Rewrite: resize less inside the model, and on the host to the full size.

    Source: 33 to 513 pixels in the compiled DeepLab (mobilenet_edgetpu_slim) of google-coral/test_data;
    256 to 512, edgetpu issues 31 and 597
    """
    sizes = resize_sizes(op)
    return f"{sizes[0]} to {sizes[1]}" if sizes and max(sizes[1]) > limits.REFUSED_RESIZE_SIDE else None


@rule(*_RESIZES, verdict="unknown", confidence="logged")
def resize_size(op: Operator) -> str | None:
    """A resize to more than 128 pixels is doubtful: 128 are seen mapped, 256 in a UNet not.

    Rewrite: resize to at most 128 pixels inside the model.

    Source: github.com/google-coral/edgetpu/issues/31 and 187
    """
    sizes = resize_sizes(op)
    return f"{sizes[0]} to {sizes[1]}" if sizes and max(sizes[1]) > limits.MAPPED_RESIZE_SIDE else None


@rule(*_RESIZES, verdict="unknown", confidence="inferred")
def resize_factor(op: Operator) -> str | None:
    """A resize is refused where its size would lose precision; enlarging more than four times is doubtful.

    Rewrite: enlarge in steps of two.

    Source: coral.ai/docs/edgetpu/models-intro gives no number; four is the project's own bound
    """
    sizes = resize_sizes(op)
    if not sizes:
        return None
    factors = [after / max(before, 1) for before, after in zip(*sizes, strict=True)]
    return f"{sizes[0]} to {sizes[1]}" if max(factors) > limits.LARGEST_ENLARGEMENT else None


def resize_sizes(op: Operator) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Height and width before and after a resize; ``None`` where they are not known."""
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
    smaller = smaller_operand(op)
    return str(smaller) if smaller is not None and math.prod(smaller.shape[:-1]) > 1 else None


@rule(*_ELEMENTWISE, verdict="mapped", confidence="logged")
def broadcast_of_constant(op: Operator) -> str | None:
    """A constant with one value per channel is broadcast over height and width.

    Rewrite: nothing.

    Source: batch normalisations in the compiled files of github.com/s123600g/asr_edgetpu_demo (compilers 1.0
    and 2.0)
    """
    smaller = smaller_operand(op)
    return str(smaller) if smaller is not None and smaller.constant else None


@rule(*_ELEMENTWISE, verdict="mapped", confidence="inferred")
def broadcast(op: Operator) -> str | None:
    """A tensor [1, 1, 1, C] is broadcast over height and width; no public log proves it for two activations.

    Rewrite: nothing.

    Source: inferred from squeeze-and-excite networks of the vendor
    """
    smaller = smaller_operand(op)
    return f"{smaller} is broadcast" if smaller is not None and smaller.elements > 1 else None


def smaller_operand(op: Operator) -> Tensor | None:
    """The smaller of two operands of different size; ``None`` where both have the same."""
    first, second = op.input(0), op.input(1)
    if first is None or second is None or first.elements == second.elements:
        return None
    return min(first, second, key=lambda tensor: tensor.elements)
