"""Small compiled files for tests, written by the published schema of libedgetpu. No compiler made them.

They hold bytes of zeros where a compiled file holds instructions and parameters; no Edge TPU would run them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers
from tflite_builder import Builder

DESCRIPTION = b"made by a test, not by the compiler"
TOKEN = 0xB350_000E_0567_93A1


class Number(NamedTuple):
    """A scalar field: struct code and value."""

    code: str
    value: float


_SLOTS = {
    "B": "PrependUint8Slot",
    "h": "PrependInt16Slot",
    "i": "PrependInt32Slot",
    "q": "PrependInt64Slot",
    "Q": "PrependUint64Slot",
    "f": "PrependFloat32Slot",
}


def flatbuffer(table: dict[int, Any], identifier: bytes | None = None) -> bytes:
    """A flatbuffer of a table given by field numbers: numbers, texts, bytes, tables, lists of tables or bytes."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, table), identifier)
    return bytes(builder.Output())


def _write(builder: flatbuffers.Builder, value: Any) -> int:
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, bytes):
        return builder.CreateByteVector(value)
    if isinstance(value, list):
        offsets = [
            builder.CreateString(item) if isinstance(item, bytes) else _write(builder, item) for item in value
        ]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    offsets = {
        number: _write(builder, item) for number, item in value.items() if not isinstance(item, Number)
    }
    builder.StartObject(max(value) + 1)
    for number, item in value.items():
        if isinstance(item, Number):
            # None as the default: a value that equals the schema's default is written all the same.
            getattr(builder, _SLOTS[item.code])(number, item.value, None)
        else:
            builder.PrependUOffsetTRelativeSlot(number, offsets[number], 0)
    return builder.EndObject()


@dataclass(frozen=True)
class Layer:
    """An input or output; ``zero_point`` as the package stores it."""

    name: str
    size: int
    shape: tuple[int, int, int] = (1, 1, 8)
    zero_point: int = 0
    scale: float = 0.5
    dtype: int = 0
    executions: int = 1

    def table(self) -> dict[int, Any]:
        y, x, z = self.shape
        return {
            0: self.name,
            1: Number("i", self.size),
            2: Number("i", y),
            3: Number("i", x),
            4: Number("i", z),
            5: {0: Number("i", self.zero_point), 1: Number("f", self.scale)},
            6: Number("h", self.dtype),
            9: Number("i", self.executions),
        }


@dataclass(frozen=True)
class Hint:
    """A transfer: kind 0 output, 1 input, 2 parameters, 3 scratch."""

    kind: int
    layer: str
    size: int
    offset: int = 0

    def table(self) -> dict[int, Any]:
        meta = {0: Number("h", self.kind), 2: self.layer}
        descriptor = {0: meta, 1: Number("i", self.offset), 2: Number("i", self.size)}
        return {0: Number("B", 1), 1: descriptor, 2: Number("h", int(self.kind == 0))}


@dataclass(frozen=True)
class Exe:
    """An executable; kind 0 stand-alone, 1 parameter-caching, 2 execution-only."""

    kind: int
    instructions: tuple[int, ...] = (64,)
    parameters: int = 0
    hints: tuple[Hint, ...] | None = ()
    deterministic: bool = True
    inputs: tuple[Layer, ...] = ()
    outputs: tuple[Layer, ...] = ()
    scratch: int = 0
    batch: int = 1
    chip: str = "beagle"
    token: int = TOKEN
    chunk: int = 0
    fields: dict[int, Any] = field(default_factory=dict)

    def data(self) -> bytes:
        table: dict[int, Any] = {
            3: Number("i", self.batch),
            4: Number("i", self.scratch),
            5: [{0: bytes(size)} for size in self.instructions],
            6: bytes(self.parameters),
            8: [layer.table() for layer in self.inputs],
            9: [layer.table() for layer in self.outputs],
            10: self.chip,
            13: Number("h", self.kind),
            14: Number("Q", self.token),
        }
        if self.hints is not None:
            instruction = {0: Number("B", 2), 1: {0: Number("i", self.chunk)}, 2: Number("h", 0)}
            hints = [instruction, *(hint.table() for hint in self.hints)]
            table[7] = {0: hints, 1: Number("B", int(self.deterministic))}
        return flatbuffer({**table, **self.fields})


@dataclass(frozen=True)
class Compiled:
    """A compiled file: by default one operation that the Micro runs, uint8 in and out.

    ``host`` are names of operations that follow on the host; ``options`` replaces the options of the operation.
    """

    inputs: tuple[Layer, ...] = (Layer("in", 16, (2, 2, 4), 128),)
    outputs: tuple[Layer, ...] = (Layer("out", 8),)
    cached: int = 256
    streamed: int = 0
    instructions: tuple[int, ...] = (64,)
    scratch: int = 0
    deterministic: bool = True
    token: int = TOKEN
    runtime: int = 13
    ops: int = 1
    host: tuple[str, ...] = ()
    inference: Exe | None = None
    more: tuple[Exe, ...] = ()
    package: dict[int, Any] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    options: bytes | None = None

    def with_inference(self, **changes: Any) -> Compiled:
        """The same with another executable that runs the net."""
        return replace(self, inference=replace(self._inference(), **changes))

    def _inference(self) -> Exe:
        hints = [Hint(1, layer.name, layer.size) for layer in self.inputs]
        hints += [Hint(2, "", self.streamed)] * bool(self.streamed)
        hints += [Hint(0, layer.name, layer.size) for layer in self.outputs]
        return Exe(
            kind=2 if self.cached else 0,
            instructions=self.instructions,
            parameters=self.streamed,
            hints=tuple(hints),
            deterministic=self.deterministic,
            inputs=self.inputs,
            outputs=self.outputs,
            scratch=self.scratch,
            token=self.token,
        )

    def package_bytes(self) -> bytes:
        executables = [self.inference or self._inference()]
        if self.cached:
            hints = (Hint(2, "", self.cached),)
            executables.append(Exe(1, (32,), self.cached, hints, token=self.token))
        multi = flatbuffer({0: [item.data() for item in (*executables, *self.more)]})
        return flatbuffer({0: Number("i", self.runtime), 1: multi, 4: "cl/", **self.package}, b"DWN1")

    def options_bytes(self) -> bytes:
        if self.options is not None:
            return self.options
        builder = flexbuffers.Builder()
        with builder.Map():
            builder.Key("1")
            builder.Int(0)
            for key, value in self.keys.items():
                builder.Key(key)
                builder.String(value.decode())
            builder.Key("4")
            # The compiler writes a string; this builder's strings are UTF-8 text.
            builder.Blob(self.package_bytes())
            builder.Key("5")
            builder.Int(-1)
        return bytes(builder.Finish())

    def data(self) -> bytes:
        """The file."""
        builder = Builder()
        names = {0: "uint8", 8: "int8", 9: "int16"}

        def tensor(layer: Layer) -> int:
            return builder.tensor((1, *layer.shape), names.get(layer.dtype, "uint8"), name=layer.name)

        entries = [tensor(layer) for layer in self.inputs]
        results = [tensor(layer) for layer in self.outputs]
        for _ in range(self.ops):
            builder.op("CUSTOM", entries, results, custom=b"edgetpu-custom-op")
            builder.operators[-1].customOptions = np.frombuffer(self.options_bytes(), np.uint8)
        for name in self.host:
            after = builder.tensor((1, 8), "int8", name=f"after {name}")
            builder.op(name, [results[0]], [after])
            results = [after, *results[1:]]
        return builder.finish(entries, results)
