"""Writes small int8 ``.tflite`` files, with the flatbuffers builder alone: the probe models come from here.

Format: tensorflow/lite/schema/schema.fbs, in the numbers of :mod:`edge_ser.edgetpu.schema`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_ser.edgetpu import schema
from edge_ser.edgetpu.schema import OptionField, OptionTable

_FILE_VERSION = 3
_LAST_OLD_CODE = 127
_DATA_ALIGNMENT = 16
_ITEM_CODES = {"int8": "b", "uint8": "B", "int16": "h", "int32": "i", "int64": "q", "float32": "f"}

# Options that no rule reads and that the kernels need.
_WRITTEN_ONLY: dict[str, OptionTable] = {
    "SOFTMAX": OptionTable(9, (OptionField("beta", 0, "f"),)),
    "L2_NORMALIZATION": OptionTable(12, ()),
    "RESHAPE": OptionTable(17, ()),
    "SPACE_TO_DEPTH": OptionTable(19, (OptionField("block_size", 0, "i"),)),
    "TRANSPOSE": OptionTable(26, ()),
    "SQUEEZE": OptionTable(30, ()),
    "SPLIT": OptionTable(35, (OptionField("num_splits", 0, "i"),)),
    "EXPAND_DIMS": OptionTable(52, ()),
    "PACK": OptionTable(59, (OptionField("values_count", 0, "i"), OptionField("axis", 1, "i"))),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": OptionTable(
        71, (OptionField("fused_activation", 0, "b"), OptionField("cell_clip", 1, "f"))
    ),
    "LEAKY_RELU": OptionTable(75, (OptionField("alpha", 0, "f"),)),
    "SQUARED_DIFFERENCE": OptionTable(76, ()),
    "BATCH_MATMUL": OptionTable(101, (OptionField("adj_x", 0, "b"), OptionField("adj_y", 1, "b"))),
}


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_point: int
    axis: int
    data: bytes
    variable: bool


@dataclass(frozen=True)
class _Op:
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int
    options: Mapping[str, float]
    intermediates: tuple[int, ...]


@dataclass
class ModelWriter:
    """Collects the tensors and operators of one graph; :meth:`finish` gives the file."""

    _tensors: list[_Tensor] = field(default_factory=list)
    _ops: list[_Op] = field(default_factory=list)

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        scale: float = 0.05,
        zero_point: int = 0,
        variable: bool = False,
    ) -> int:
        """An activation.

        Args:
            shape: sizes, batch first.
            dtype: one of ``int8``, ``uint8``, ``int16``, ``int32``, ``float32``.
            scale: its quantisation scale, real value per step; 0.0 leaves it without one.
            zero_point: its zero point.
            variable: whether it keeps its values from one inference to the next.

        Returns:
            Its number.
        """
        scales = (scale,) if scale else ()
        return self._add(_Tensor("", tuple(shape), dtype, scales, zero_point, 0, b"", variable))

    def constant(
        self,
        shape: Sequence[int],
        values: Sequence[int],
        dtype: str = "int32",
        scales: Sequence[float] = (),
        axis: int = 0,
        zero_point: int = 0,
    ) -> int:
        """A constant.

        Args:
            shape: sizes; ``()`` is a scalar.
            values: its values, row by row.
            dtype: one of ``int8``, ``uint8``, ``int16``, ``int32``, ``int64``.
            scales: real value per step: none for plain integers, one per tensor, or one per channel.
            axis: the axis of the channels.
            zero_point: its zero point.

        Returns:
            Its number.
        """
        data = struct.pack(f"<{math.prod(shape)}{_ITEM_CODES[dtype]}", *values)
        return self._add(_Tensor("", tuple(shape), dtype, tuple(scales), zero_point, axis, data, False))

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        version: int = 1,
        options: Mapping[str, float] | None = None,
        intermediates: Sequence[int] = (),
    ) -> None:
        """An operator.

        Args:
            name: builtin name such as ``"CONV_2D"``.
            inputs: numbers of its inputs; -1 leaves an optional one out.
            outputs: numbers of its outputs.
            version: version of the operator.
            options: options by the names of :data:`edge_ser.edgetpu.schema.OPTIONS`, in the schema's units; the
                rest keep its default.
            intermediates: numbers of tensors that only carry scales (LSTM).

        Raises:
            ValueError: the operator has no such option.
        """
        given = dict(options or {})
        layout = _layout(name)
        known = {item.name for item in layout.fields} if layout is not None else set()
        if not set(given) <= known:
            message = f"{name} has no option {', '.join(sorted(set(given) - known))}; it has {sorted(known)}"
            raise ValueError(message)
        self._ops.append(_Op(name, tuple(inputs), tuple(outputs), version, given, tuple(intermediates)))

    def finish(self, inputs: Sequence[int], outputs: Sequence[int], description: str) -> bytes:
        """The file.

        Args:
            inputs: numbers of the graph's inputs.
            outputs: numbers of the graph's outputs.
            description: what the file says about itself.
        """
        import flatbuffers

        builder = flatbuffers.Builder(1024)
        codes = list(dict.fromkeys((op.name, op.version) for op in self._ops))
        tensors = [_write_tensor(builder, tensor, n + 1) for n, tensor in enumerate(self._tensors)]
        ops = [_write_op(builder, op, codes.index((op.name, op.version))) for op in self._ops]
        graph = _table(
            builder,
            4,
            _offset(0, _offsets(builder, tensors)),
            _offset(1, _integers(builder, inputs)),
            _offset(2, _integers(builder, outputs)),
            _offset(3, _offsets(builder, ops)),
        )
        # Buffer 0 is empty by convention; the others belong to the tensors in their order.
        contents = [b"", *(tensor.data for tensor in self._tensors)]
        model = _table(
            builder,
            5,
            _offset(1, _offsets(builder, [_write_code(builder, *code) for code in codes])),
            _offset(2, _offsets(builder, [graph])),
            _offset(3, builder.CreateString(description)),
            _offset(4, _offsets(builder, [_write_buffer(builder, data) for data in contents])),
            _number("Uint32", 0, _FILE_VERSION),
        )
        builder.Finish(model, schema.IDENTIFIER)
        return bytes(builder.Output())

    def _add(self, tensor: _Tensor) -> int:
        self._tensors.append(tensor)
        return len(self._tensors) - 1


_Field = Callable[[Any], None]


def _offset(number: int, offset: int) -> _Field:
    return lambda builder: builder.PrependUOffsetTRelativeSlot(number, offset, 0)


def _number(kind: str, number: int, value: float, default: float = 0) -> _Field:
    return lambda builder: getattr(builder, f"Prepend{kind}Slot")(number, value, default)


def _table(builder: Any, size: int, *fields: _Field) -> int:
    builder.StartObject(size)
    for write in fields:
        write(builder)
    return int(builder.EndObject())


def _offsets(builder: Any, items: Sequence[int]) -> int:
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return int(builder.EndVector())


def _vector(builder: Any, kind: str, size: int, items: Sequence[float]) -> int:
    builder.StartVector(size, len(items), size)
    prepend = getattr(builder, f"Prepend{kind}")
    for item in reversed(items):
        prepend(item)
    return int(builder.EndVector())


def _integers(builder: Any, items: Sequence[int]) -> int:
    return _vector(builder, "Int32", 4, items)


def _write_buffer(builder: Any, data: bytes) -> int:
    if not data:
        return _table(builder, 1)
    builder.StartVector(1, len(data), _DATA_ALIGNMENT)
    for byte in reversed(data):
        builder.PrependUint8(byte)
    return _table(builder, 1, _offset(0, int(builder.EndVector())))


def _write_code(builder: Any, name: str, version: int) -> int:
    code = schema.OPERATORS.index(name)
    return _table(
        builder,
        4,
        _number("Int8", 0, min(code, _LAST_OLD_CODE)),
        _number("Int32", 2, version, 1),
        _number("Int32", 3, code),
    )


def _write_tensor(builder: Any, tensor: _Tensor, buffer: int) -> int:
    shape = _integers(builder, tensor.shape)
    name = builder.CreateString(tensor.name or f"tensor_{buffer - 1}")
    fields = [
        _offset(0, shape),
        _number("Int8", 1, schema.TYPES.index(tensor.dtype)),
        _number("Uint32", 2, buffer),
        _offset(3, name),
        _number("Bool", 5, tensor.variable),
    ]
    if tensor.scales:
        scales = _vector(builder, "Float32", 4, tensor.scales)
        zero_points = _vector(builder, "Int64", 8, [tensor.zero_point] * len(tensor.scales))
        axis = _number("Int32", 6, tensor.axis)
        fields.append(_offset(4, _table(builder, 7, _offset(2, scales), _offset(3, zero_points), axis)))
    return _table(builder, 6, *fields)


def _layout(op: str) -> OptionTable | None:
    return _WRITTEN_ONLY.get(op) or schema.OPTIONS.get(op)


_KINDS = {"b": "Int8", "i": "Int32", "f": "Float32"}


def _write_op(builder: Any, op: _Op, code: int) -> int:
    fields = [
        _number("Uint32", 0, code),
        _offset(1, _integers(builder, op.inputs)),
        _offset(2, _integers(builder, op.outputs)),
    ]
    layout = _layout(op.name)
    if layout is not None:
        written = [
            _number(_KINDS[item.code], item.field, op.options[item.name], item.default)
            for item in layout.fields
            if item.name in op.options
        ]
        slots = max((item.field for item in layout.fields), default=0) + 1
        fields.append(_offset(4, _table(builder, slots, *written)))
        fields.append(_number("Uint8", 3, layout.union))
    if op.intermediates:
        fields.append(_offset(8, _integers(builder, op.intermediates)))
    return _table(builder, 9, *fields)
