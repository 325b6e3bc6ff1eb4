"""The probe models of operations without weights: elementwise, reductions, layouts, slices, resizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_ser.edgetpu.model_writer import ModelWriter
from edge_ser.edgetpu.probe_layers import CHANNELS, DESCRIPTION, IMAGE, ROWS, SIDE, Build, noise

_SCALE = 0.05


def elementwise(name: str, smaller: Sequence[int] = IMAGE, constant: bool = False, version: int = 2) -> Build:
    """One operation of two operands; the second may be smaller, and a constant."""

    def build() -> bytes:
        writer = ModelWriter()
        first = writer.tensor(IMAGE)
        if constant:
            count = 1
            for extent in smaller:
                count *= extent
            second = writer.constant(
                smaller, [max(1, abs(value)) for value in noise(count)], "int8", [_SCALE / 4]
            )
        else:
            second = writer.tensor(smaller)
        result = writer.tensor(IMAGE)
        writer.op(name, [first, second], [result], version)
        return writer.finish([first] if constant else [first, second], [result], DESCRIPTION)

    return build


def reduction(name: str, axes: Sequence[int], channels: int = CHANNELS) -> Build:
    """One reduction that keeps its dimensions."""

    def build() -> bytes:
        writer = ModelWriter()
        shape = (1, SIDE, SIDE, channels)
        source = writer.tensor(shape)
        over = writer.constant((len(axes),), axes)
        after = tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
        result = writer.tensor(after, scale=_SCALE * (8 if name == "SUM" else 1))
        writer.op(name, [source, over], [result], 2, {"keep_dims": 1})
        return writer.finish([source], [result], DESCRIPTION)

    return build


def transpose(order: Sequence[int], version: int = 2) -> Build:
    """One TRANSPOSE of an image of 8 x 12 x 16."""

    def build() -> bytes:
        writer = ModelWriter()
        shape = (1, SIDE, ROWS, 2 * CHANNELS)
        source = writer.tensor(shape)
        axes = writer.constant((4,), order)
        result = writer.tensor([shape[axis] for axis in order])
        writer.op("TRANSPOSE", [source, axes], [result], version, {})
        return writer.finish([source], [result], DESCRIPTION)

    return build


def layout(
    name: str,
    after: Sequence[int],
    arguments: Sequence[Sequence[int]] = (),
    before: Sequence[int] = IMAGE,
    version: int = 1,
    options: Mapping[str, float] | None = None,
) -> Build:
    """One operation of an image and of constant vectors (axes, sizes, paddings) that keeps its scale.

    Its ``options`` are as :meth:`~.model_writer.ModelWriter.op` takes them.
    """

    def build() -> bytes:
        writer = ModelWriter()
        source = writer.tensor(before)
        constants = [writer.constant((len(values),), values) for values in arguments]
        result = writer.tensor(after)
        writer.op(name, [source, *constants], [result], version, options)
        return writer.finish([source], [result], DESCRIPTION)

    return build


def padding(pads: Sequence[tuple[int, int]]) -> Build:
    """One PAD."""

    def build() -> bytes:
        writer = ModelWriter()
        source = writer.tensor(IMAGE)
        table = writer.constant((4, 2), [value for pair in pads for value in pair])
        result = writer.tensor([size + sum(pair) for size, pair in zip(IMAGE, pads, strict=True)])
        writer.op("PAD", [source, table], [result], 2)
        return writer.finish([source], [result], DESCRIPTION)

    return build


def joined(name: str, shape: Sequence[int], after: Sequence[int], options: Mapping[str, float]) -> Build:
    """Two tensors joined: CONCATENATION or PACK.

    Its ``options`` are as :meth:`~.model_writer.ModelWriter.op` takes them.
    """

    def build() -> bytes:
        writer = ModelWriter()
        parts = [writer.tensor(shape), writer.tensor(shape)]
        result = writer.tensor(after)
        writer.op(name, parts, [result], 2, options)
        return writer.finish(parts, [result], DESCRIPTION)

    return build


def concatenation_with_zeros() -> bytes:
    """Channels filled up with constant zeros."""
    writer = ModelWriter()
    source = writer.tensor(IMAGE)
    zeros = writer.constant(IMAGE, [0] * (SIDE * SIDE * CHANNELS), "int8", [_SCALE])
    result = writer.tensor((1, SIDE, SIDE, 2 * CHANNELS))
    writer.op("CONCATENATION", [source, zeros], [result], 2, {"axis": 3})
    return writer.finish([source], [result], DESCRIPTION)


def split(shape: Sequence[int]) -> Build:
    """One SPLIT of the last axis into two halves."""

    def build() -> bytes:
        writer = ModelWriter()
        axis = writer.constant((), (len(shape) - 1,))
        source = writer.tensor(shape)
        halves = [writer.tensor((*shape[:-1], shape[-1] // 2)) for _ in range(2)]
        writer.op("SPLIT", [axis, source], halves, 2, {"num_splits": 2})
        return writer.finish([source], halves, DESCRIPTION)

    return build


def quantize(version: int = 1) -> Build:
    """From int8 to uint8, which subtracts 128 from nothing but the zero point."""

    def build() -> bytes:
        writer = ModelWriter()
        source = writer.tensor(IMAGE)
        result = writer.tensor(IMAGE, "uint8", _SCALE, 128)
        writer.op("QUANTIZE", [source], [result], version)
        return writer.finish([source], [result], DESCRIPTION)

    return build


def pooling(name: str) -> Build:
    """One pooling of 2 x 2 pixels."""

    def build() -> bytes:
        writer = ModelWriter()
        source = writer.tensor(IMAGE)
        result = writer.tensor((1, SIDE // 2, SIDE // 2, CHANNELS))
        options = {"stride_w": 2, "stride_h": 2, "filter_w": 2, "filter_h": 2}
        writer.op(name, [source], [result], 2, options)
        return writer.finish([source], [result], DESCRIPTION)

    return build
