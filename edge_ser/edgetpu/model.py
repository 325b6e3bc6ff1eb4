"""A ``.tflite`` file as frozen records: operators in execution order, with their tensors and options."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from edge_ser.edgetpu import schema
from edge_ser.edgetpu.flatbuffer import Flatbuffer, MalformedError, Table
from edge_ser.errors import InputError

COMPILED_OP = "edgetpu-custom-op"
"""Custom code of the one operation that stands for everything the Edge TPU compiler took."""

MAX_MODEL_BYTES = 256 * 1024 * 1024
_MAX_RANK = 8
_MAX_OPERATORS = 20_000
"""The largest published models have some thousand; what is said about each is bounded by this."""

_MAX_NAME = 2_000
"""Characters of a name that are kept; converters write names of up to some hundred."""

_SHOWN_NAME = 120
"""Characters of a name that go into a sentence."""

_DATA_BYTES_PER_STEP = 1024
"""Constants may share their bytes: without a price, a file of 100 MB could hold a terabyte of them."""

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Tensor:
    """One tensor of the main graph.

    Attributes:
        index: number in the file.
        name: its name in the file.
        shape: sizes; ``()`` is a scalar.
        open_axes: axes whose size is left open until run time; ``shape`` holds what stands in their place.
        dtype: lower-case type name such as ``"int8"``.
        scales: number of quantisation scales: 0 not quantised, 1 per tensor, more per channel.
        scale: the first scale, real value per step; 0.0 where there is none.
        zero_point: the first zero point, 0 where there is none.
        constant: whether its values lie in the file.
        data: those values, raw; empty where not constant.
        sparse: whether those values are stored with their zeros left out.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    open_axes: tuple[int, ...]
    dtype: str
    scales: int
    scale: float
    zero_point: int
    constant: bool
    data: memoryview = field(repr=False, compare=False)
    sparse: bool = False

    @property
    def dynamic(self) -> bool:
        """Whether a size is left open until run time."""
        return bool(self.open_axes)

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @cached_property
    def blank(self) -> bool:
        """Whether it is a constant of bytes that all lie at the zero point."""
        if self.dtype not in ("int8", "uint8") or not len(self.data):
            return False
        zero = self.zero_point % 256
        # The first value already settles it for nearly every tensor.
        return self.data[0] == zero and bytes(self.data).count(zero) == len(self.data)

    @property
    def bytes(self) -> int:
        """Size of its values."""
        return self.elements * schema.ITEM_BYTES.get(self.dtype, 8)

    def __str__(self) -> str:
        name = self.name[:_SHOWN_NAME] or f"tensor {self.index}"
        return f"{name} {self.dtype}{list(self.shape)}"

    def constant_integers(self) -> tuple[int, ...] | None:
        """The values of a small constant int32 or int64 tensor (axes, paddings, sizes); else ``None``."""
        code = {"int32": "i", "int64": "q"}.get(self.dtype)
        if code is None or not self.constant or len(self.data) > 1024:
            return None
        count = len(self.data) // struct.calcsize(code)
        return struct.unpack_from(f"<{count}{code}", self.data)


@dataclass(frozen=True)
class Options:
    """Options of an operator; an option that the operator does not have keeps its default."""

    padding: int = schema.PADDING_SAME
    stride_h: int = 1
    stride_w: int = 1
    dilation_h: int = 1
    dilation_w: int = 1
    filter_h: int = 1
    filter_w: int = 1
    fused_activation: int = 0
    axis: int = 0
    keep_dims: int = 0
    weights_format: int = 0
    ellipsis_mask: int = 0
    new_axis_mask: int = 0
    align_corners: int = 0
    half_pixel_centers: int = 0
    offset: int = 0

    @property
    def activation(self) -> str:
        """Name of the fused activation, ``"none"`` where there is none."""
        known = 0 <= self.fused_activation < len(schema.ACTIVATIONS)
        return schema.ACTIVATIONS[self.fused_activation] if known else f"activation {self.fused_activation}"


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        index: place in execution order.
        code: builtin code.
        name: builtin name such as ``"CONV_2D"``; ``"BUILTIN_n"`` for a code that has no name here.
        custom_code: name of a custom operation, else ``""``.
        version: version of the operator in the file.
        inputs: its inputs; an optional input that is left out is ``None``.
        outputs: its outputs.
        options: its options.
        custom_options: the raw options of a custom operation, empty for a builtin one.
    """

    index: int
    code: int
    name: str
    custom_code: str
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Options
    custom_options: memoryview = field(repr=False, compare=False)

    def input(self, position: int) -> Tensor | None:
        """The input at ``position``, ``None`` where absent."""
        return self.inputs[position] if position < len(self.inputs) else None

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """The tensors that flow at run time: inputs that are not constant, then outputs."""
        return (
            *(tensor for tensor in self.inputs if tensor is not None and not tensor.constant),
            *self.outputs,
        )


@dataclass(frozen=True)
class Model:
    """A model file.

    Attributes:
        name: what to call it in messages.
        size_bytes: size of the file.
        description: the producer's description string.
        operators: the main graph's operators in execution order.
        inputs: graph inputs.
        outputs: graph outputs.
        subgraphs: number of graphs in the file; only the first one is read.
    """

    name: str
    size_bytes: int
    description: str
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    subgraphs: int

    @property
    def compiled(self) -> bool:
        """Whether the Edge TPU compiler wrote it."""
        return any(op.custom_code == COMPILED_OP for op in self.operators)


def load_model(path: Path) -> Model:
    """Read a model file.

    Raises:
        InputError: the file cannot be read, is too large or is not a TFLite model.
    """
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            message = f"{path}: {size} bytes; expected a model of at most {MAX_MODEL_BYTES}; check the path"
            raise InputError(message)
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); expected a .tflite file"
        raise InputError(message) from None
    return read_model(data, str(path))


def read_model(data: bytes, name: str) -> Model:
    """Read a model from its bytes.

    Args:
        data: the whole file.
        name: what to call it in messages.

    Raises:
        InputError: the bytes are not a TFLite model, or it is damaged.
    """
    try:
        return _read(Flatbuffer(data, schema.IDENTIFIER), len(data), name)
    except MalformedError as error:
        message = f"{name}: not a usable TFLite model ({error}); export it again or copy the whole file"
        raise InputError(message) from None


def _read(buffer: Flatbuffer, size: int, name: str) -> Model:
    root = buffer.root()
    codes = root.tables(1)
    graphs = root.tables(2)
    buffers = root.tables(4)
    if not graphs:
        message = "it holds no graph"
        raise MalformedError(message)
    graph = graphs[0]
    if graph.count(3, 4) > _MAX_OPERATORS:
        message = f"it holds {graph.count(3, 4)} operations, at most {_MAX_OPERATORS} are possible"
        raise MalformedError(message)
    tensors = tuple(_tensor(table, index, buffers) for index, table in enumerate(graph.tables(0)))
    operators = tuple(_operator(table, index, codes, tensors) for index, table in enumerate(graph.tables(3)))
    return Model(
        name=name,
        size_bytes=size,
        description=root.text(3),
        operators=operators,
        inputs=tuple(_at(tensors, index, "tensor") for index in graph.integers(1, "i")),
        outputs=tuple(_at(tensors, index, "tensor") for index in graph.integers(2, "i")),
        subgraphs=len(graphs),
    )


def _at(items: Sequence[_Item], index: int, what: str) -> _Item:
    if not 0 <= index < len(items):
        message = f"{what} {index} is referred to and there are {len(items)}"
        raise MalformedError(message)
    return items[index]


def _tensor(table: Table, index: int, buffers: tuple[Table, ...]) -> Tensor:
    for shape_field in (0, 7):
        rank = table.count(shape_field, 4)
        if rank > _MAX_RANK:
            message = f"tensor {index} has {rank} dimensions, at most {_MAX_RANK} are possible"
            raise MalformedError(message)
    shape = table.integers(0, "i")
    signature = table.integers(7, "i")
    code = table.integer(1, "b")
    store = _at(buffers, table.integer(2, "I"), "buffer")
    data = store.blob(0)
    table.buffer.spend(len(data) // _DATA_BYTES_PER_STEP)
    quantization = table.table(4)
    scales = quantization.numbers(2, "f", most=1) if quantization else ()
    zero_points = quantization.numbers(3, "q", most=1) if quantization else ()
    return Tensor(
        index=index,
        name=table.text(3)[:_MAX_NAME],
        shape=tuple(max(extent, 0) for extent in shape),
        open_axes=tuple(
            axis for axis in range(len(shape)) if shape[axis] < 0 or signature[axis : axis + 1] == (-1,)
        ),
        dtype=schema.TYPES[code] if 0 <= code < len(schema.TYPES) else f"type {code}",
        scales=quantization.count(2, 4) if quantization else 0,
        scale=float(scales[0]) if scales else 0.0,
        zero_point=int(zero_points[0]) if zero_points else 0,
        # Fields 1 and 2 place the values behind the flatbuffer (files over 2 GB), field 10 in another file.
        constant=len(data) > 0 or store.integer(1, "Q") > 1 or table.integer(10, "I") > 0,
        data=data,
        sparse=table.locate(6) is not None,
    )


def _operator(table: Table, index: int, codes: tuple[Table, ...], tensors: tuple[Tensor, ...]) -> Operator:
    entry = _at(codes, table.integer(0, "I"), "operator code")
    # Codes over 127 only fit the newer field; files before TensorFlow 2.4 have only the older one.
    code = max(entry.integer(0, "b"), entry.integer(3, "i"))
    name = schema.OPERATORS[code] if 0 <= code < len(schema.OPERATORS) else f"BUILTIN_{code}"
    inputs = table.integers(1, "i")
    return Operator(
        index=index,
        code=code,
        name=name,
        custom_code=entry.text(1)[:_SHOWN_NAME] if name == "CUSTOM" else "",
        version=entry.integer(2, "i", 1),
        inputs=tuple(None if number == -1 else _at(tensors, number, "tensor") for number in inputs),
        outputs=tuple(_at(tensors, number, "tensor") for number in table.integers(2, "i")),
        options=_options(name, table),
        custom_options=table.blob(5),
    )


def _options(name: str, operator: Table) -> Options:
    layout = schema.OPTIONS.get(name)
    table = operator.table(4)
    if layout is None or table is None or operator.integer(3, "B") != layout.union:
        return Options()
    values = {item.name: table.integer(item.field, item.code, item.default) for item in layout.fields}
    return Options(**values)
