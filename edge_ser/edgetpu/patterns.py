"""What form an operation has, in words, so that the answer about a probe model serves for others of its form.

A pattern names the operation and what its mapping is known to depend on: the order of a transpose, the axes of
a reduction, the kind of broadcast, and so on. Sizes are not part of it; the rules look at those.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from edge_ser.edgetpu.model import Operator, Tensor
from edge_ser.edgetpu.tensor_rules import (
    paddings,
    reduced_axes,
    resize_sizes,
    smaller_operand,
    transpose_axes,
)

_RANK = 4
_AXES = "nyxz"


def pattern_of(op: Operator) -> str:
    """The form of an operation, e.g. ``"TRANSPOSE order 0213"`` or ``"MEAN over yx"``.

    Two operations with the same pattern are mapped alike by a compiler, as far as their sizes allow it.
    """
    form = _FORMS.get(op.name)
    words = [op.name, *(form(op) if form is not None else ())]
    if any(tensor.dtype == "uint8" for tensor in op.activations):
        words.append("uint8")
    return " ".join(words)


def _convolution(op: Operator) -> tuple[str, ...]:
    weights, options = op.input(1), op.options
    if weights is None or len(weights.shape) != _RANK:
        return ("odd",)
    height, width = weights.shape[1:3]
    kernel = "1x1" if height == width == 1 else "one-sided" if 1 in (height, width) else "square"
    words = [kernel]
    if max(options.dilation_h, options.dilation_w) > 1:
        words.append("dilated" if options.dilation_h == options.dilation_w else "unequally dilated")
    if not weights.constant:
        words.append("computed weights")
    return tuple(words)


def _dense(op: Operator) -> tuple[str, ...]:
    weights = op.input(1)
    if weights is None:
        return ("odd",)
    words = list(_rows(op))
    if weights.scales > 1:
        words.append("per channel")
    if not weights.constant:
        words.append("computed weights")
    return tuple(words)


def _rows(op: Operator) -> tuple[str, ...]:
    rows = math.prod(op.outputs[0].shape[:-1]) if op.outputs else 1
    return ("several rows" if rows > 1 else "one row",)


def _elementwise(op: Operator) -> tuple[str, ...]:
    constant = ("constant",) if any(t is not None and t.constant for t in op.inputs[:2]) else ()
    smaller = smaller_operand(op)
    if smaller is None:
        return ("same shape", *constant)
    return (f"broadcast {_varying(smaller) or 'scalar'}", *constant)


def _varying(tensor: Tensor) -> str:
    """Letters of the axes (n, y, x, z) along which a tensor has more than one value."""
    shape = (1,) * (_RANK - len(tensor.shape)) + tensor.shape
    return "".join(letter for letter, extent in zip(_AXES, shape[-_RANK:], strict=True) if extent > 1)


def _reduction(op: Operator) -> tuple[str, ...]:
    data = op.input(0)
    if data is None:
        return ("odd",)
    axes = sorted(axis + _RANK - len(data.shape) for axis in reduced_axes(op))
    letters = "".join(_AXES[axis] for axis in axes if 0 <= axis < _RANK)
    uneven = "z" in letters and data.shape[-1] % 4 != 0
    return (f"over {letters or 'nothing'}", *(("z not a multiple of 4",) if uneven else ()))


def _transpose(op: Operator) -> tuple[str, ...]:
    order = transpose_axes(op)
    lead = _RANK - len(order)
    shifted = (*range(lead), *(axis + lead for axis in order)) if lead > 0 else order
    return ("order " + "".join(map(str, shifted)),)


def _resize(op: Operator) -> tuple[str, ...]:
    sizes = resize_sizes(op)
    if sizes is None:
        return ("odd",)
    before, after = sizes
    double = after == (2 * before[0], 2 * before[1])
    words = ["twice" if double else "otherwise"]
    words += ["align corners"] if op.options.align_corners else []
    words += ["half pixel centers"] if op.options.half_pixel_centers else []
    return tuple(words)


def _pad(op: Operator) -> tuple[str, ...]:
    values = paddings(op)
    data = op.input(0)
    if data is None or len(values) != 2 * len(data.shape):
        return ("odd",)
    lead = _RANK - len(data.shape)
    padded = (lead + axis for axis in range(len(data.shape)) if any(values[2 * axis : 2 * axis + 2]))
    return ("along " + "".join(_AXES[axis] for axis in padded if 0 <= axis < _RANK),)


def _axis(op: Operator) -> tuple[str, ...]:
    rank = len(op.outputs[0].shape) if op.outputs else 0
    axis = op.options.axis % rank + _RANK - rank if rank else -1
    words = [f"along {_AXES[axis]}" if 0 <= axis < _RANK else "odd"]
    return (*words, *(("constant",) if any(t is not None and t.constant for t in op.inputs) else ()))


def _split(op: Operator) -> tuple[str, ...]:
    axis, data = op.input(0), op.input(1)
    values = axis.constant_integers() if axis is not None else None
    if not values or data is None or not data.shape:
        return ("odd",)
    place = values[0] % len(data.shape) + _RANK - len(data.shape)
    flat = ("of two dimensions",) if len(data.shape) <= 2 else ()
    return (f"along {_AXES[place]}" if 0 <= place < _RANK else "odd", *flat)


def _alpha(op: Operator) -> tuple[str, ...]:
    alpha = op.input(1)
    return ("per channel" if alpha is not None and math.prod(alpha.shape[:-1]) == 1 else "per value",)


_FORMS: dict[str, Callable[[Operator], tuple[str, ...]]] = {
    "ADD": _elementwise,
    "SUB": _elementwise,
    "MUL": _elementwise,
    "DIV": _elementwise,
    "MAXIMUM": _elementwise,
    "MINIMUM": _elementwise,
    "SQUARED_DIFFERENCE": _elementwise,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "TRANSPOSE_CONV": _convolution,
    "FULLY_CONNECTED": _dense,
    "SOFTMAX": _rows,
    "MEAN": _reduction,
    "SUM": _reduction,
    "REDUCE_MAX": _reduction,
    "REDUCE_MIN": _reduction,
    "TRANSPOSE": _transpose,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "PAD": _pad,
    "CONCATENATION": _axis,
    "PACK": _axis,
    "SPLIT": _split,
    "PRELU": _alpha,
}
