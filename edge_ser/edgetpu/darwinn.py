"""The DarwiNN package inside a compiled file: what the Edge TPU is sent, read with every length checked.

Schema: executable/executable.fbs of github.com/google-coral/libedgetpu (commit e35aed18); the numbers of the
fields are their order there. A package holds a list of executables, each a flatbuffer of its own in a string:
one that runs the net and, where parameters are kept on the chip, one that sends them there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_ser.edgetpu.flatbuffer import Allowance, Flatbuffer, MalformedError, Table

IDENTIFIER = b"DWN1"
CHIP = "beagle"
"""Name of the Edge TPU in executables."""

MAX_EXECUTABLES = 64
"""Executables of one package; the compiler writes one or two."""

ExecutableKind = Literal["stand-alone", "parameter-caching", "execution-only", "unknown"]
TransferKind = Literal["output", "input", "parameters", "scratch"]

_EXECUTABLE_KINDS: tuple[ExecutableKind, ...] = ("stand-alone", "parameter-caching", "execution-only")
_TRANSFER_KINDS: tuple[TransferKind, ...] = ("output", "input", "parameters", "scratch")
_DATA_TYPES = {
    0: "uint8",
    1: "uint16",
    2: "int32",
    3: "bfloat16",
    4: "float16",
    5: "float32",
    8: "int8",
    9: "int16",
}
# The chip sees signed values with their top bit flipped, and the package stores zero points as the chip sees them.
_ZERO_POINT_SHIFT = {"int8": 128, "int16": 32_768}
_DMA_DESCRIPTOR, _INSTRUCTION = 1, 2


@dataclass(frozen=True)
class Layer:
    """An input or an output of an executable.

    Attributes:
        name: name of the tensor.
        shape: height, width, channels.
        dtype: type of the tensor's values, e.g. ``"int8"``.
        scale: real value per step of the tensor.
        zero_point: the value that stands for zero, as in the tensor (not shifted as in the package).
        transfer_bytes: bytes that are moved, padding included.
        executions: how often it is moved in one inference.
    """

    name: str
    shape: tuple[int, int, int]
    dtype: str
    scale: float
    zero_point: int
    transfer_bytes: int
    executions: int

    @property
    def signed(self) -> bool:
        """Whether the driver flips the top bit of its values."""
        return self.dtype in _ZERO_POINT_SHIFT


@dataclass(frozen=True)
class Transfer:
    """One transfer that an executable announces.

    Attributes:
        kind: what is moved.
        layer: name of the input or output, ``""`` for parameters and scratch.
        offset: first byte of it that is moved.
        bytes: how many.
    """

    kind: TransferKind
    layer: str
    offset: int
    bytes: int


@dataclass(frozen=True)
class Executable:
    """One executable.

    Attributes:
        kind: everything in one, sends parameters to the chip, or runs with parameters that are there.
        batch: inputs that one run takes.
        scratch_bytes: memory of the host that the chip uses as its own.
        instruction_bytes: size of each chunk of instructions.
        parameter_bytes: parameters, padding included.
        transfers: what is announced, in order; instructions are not among them.
        hinted: whether transfers are announced at all.
        deterministic: whether the announced transfers are all.
        inputs: inputs of the net; empty where it only sends parameters.
        outputs: outputs of the net.
        chip: the chip it is for.
        estimated_cycles: the compiler's estimate; 0 since compiler 14, convolutions only before.
        narrow_bytes: memory used in each of the 16 tiles.
        token: executables with the same caching token keep their parameters on the chip together.
        on_board_memory: whether parameters go to a memory that the Edge TPU does not have.
    """

    kind: ExecutableKind
    batch: int
    scratch_bytes: int
    instruction_bytes: tuple[int, ...]
    parameter_bytes: int
    transfers: tuple[Transfer, ...]
    hinted: bool
    deterministic: bool
    inputs: tuple[Layer, ...]
    outputs: tuple[Layer, ...]
    chip: str
    estimated_cycles: int
    narrow_bytes: int
    token: int
    on_board_memory: bool

    def transferred(self, kind: TransferKind) -> int:
        """Bytes of all announced transfers of one kind."""
        return sum(item.bytes for item in self.transfers if item.kind == kind)


@dataclass(frozen=True)
class Package:
    """What one Edge TPU operation of a compiled file holds.

    Attributes:
        min_runtime: oldest runtime that it runs on (10 to 14).
        compiler: what the compiler says of itself, e.g. ``"cl/365641874"``; public releases leave it empty.
        executables: in the order of the package.
        chips: chips that it is split over; 0 for the usual package.
    """

    min_runtime: int
    compiler: str
    executables: tuple[Executable, ...]
    chips: int

    @property
    def inference(self) -> Executable | None:
        """The executable that runs the net: the last of its kind, which is the one the drivers take."""
        return self._last("execution-only", "stand-alone")

    @property
    def caching(self) -> Executable | None:
        """The executable that sends parameters to the chip, where there is one."""
        return self._last("parameter-caching")

    def _last(self, *kinds: ExecutableKind) -> Executable | None:
        return next((item for item in reversed(self.executables) if item.kind in kinds), None)


def read_package(data: memoryview, allowance: Allowance) -> Package:
    """Read a package.

    Args:
        data: the serialized package.
        allowance: what reading the file may still cost.

    Raises:
        MalformedError: it is damaged, or says what cannot be.
    """
    root = Flatbuffer(data, IDENTIFIER, allowance).root()
    multi = root.blob(1)
    serialized = Flatbuffer(multi, None, allowance).root().strings(0) if len(multi) else ()
    if len(serialized) > MAX_EXECUTABLES:
        message = f"a package of {len(serialized)} executables, at most {MAX_EXECUTABLES} are possible"
        raise MalformedError(message)
    return Package(
        min_runtime=_size(root, 0, "runtime version"),
        compiler=root.text(4),
        executables=tuple(_executable(Flatbuffer(item, None, allowance).root()) for item in serialized),
        chips=root.count(6, 4),
    )


def _executable(table: Table) -> Executable:
    chunks = tuple(chunk.count(0, 1) for chunk in table.tables(5))
    parameter_bytes = table.count(6, 1)
    hints = table.table(7)
    kind = table.integer(13, "h")
    return Executable(
        kind=_EXECUTABLE_KINDS[kind] if 0 <= kind < len(_EXECUTABLE_KINDS) else "unknown",
        batch=_size(table, 3, "batch"),
        scratch_bytes=_size(table, 4, "scratch size"),
        instruction_bytes=chunks,
        parameter_bytes=parameter_bytes,
        transfers=_transfers(hints, len(chunks), parameter_bytes) if hints else (),
        hinted=hints is not None,
        deterministic=hints is not None and hints.integer(1, "B") != 0,
        inputs=tuple(_layer(layer) for layer in table.tables(8)),
        outputs=tuple(_layer(layer) for layer in table.tables(9)),
        chip=table.text(10),
        estimated_cycles=max(table.integer(11, "i"), table.integer(16, "q"), 0),
        narrow_bytes=_size(table, 12, "memory per tile"),
        token=table.integer(14, "Q"),
        on_board_memory=table.integer(15, "B") != 0,
    )


def _transfers(hints: Table, chunks: int, parameter_bytes: int) -> tuple[Transfer, ...]:
    found = []
    for hint in hints.tables(0):
        kind, content = hint.integer(0, "B"), hint.table(1)
        if content is None:
            continue
        if kind == _INSTRUCTION and not 0 <= content.integer(0, "i") < chunks:
            message = f"it sends chunk {content.integer(0, 'i')} of {chunks} chunks of instructions"
            raise MalformedError(message)
        if kind == _DMA_DESCRIPTOR:
            found.append(_transfer(content, parameter_bytes))
    return tuple(found)


def _transfer(content: Table, parameter_bytes: int) -> Transfer:
    meta = content.table(0)
    code = meta.integer(0, "h") if meta else 0
    if not 0 <= code < len(_TRANSFER_KINDS):
        message = f"a transfer of kind {code}"
        raise MalformedError(message)
    item = Transfer(
        kind=_TRANSFER_KINDS[code],
        layer=meta.text(2) if meta else "",
        offset=_size(content, 1, "offset of a transfer"),
        bytes=_size(content, 2, "size of a transfer"),
    )
    if item.kind == "parameters" and item.offset + item.bytes > parameter_bytes:
        message = f"it sends parameters up to byte {item.offset + item.bytes} of {parameter_bytes}"
        raise MalformedError(message)
    return item


def _layer(table: Table) -> Layer:
    numerics = table.table(5)
    scale = numerics.real(1) if numerics else 0.0
    if not math.isfinite(scale):
        message = f"a layer's scale is {scale}"
        raise MalformedError(message)
    code = table.integer(6, "h")
    dtype = _DATA_TYPES.get(code, f"type {code}")
    zero_point = numerics.integer(0, "i") if numerics else 0
    return Layer(
        name=table.text(0),
        shape=(_size(table, 2, "height"), _size(table, 3, "width"), _size(table, 4, "channels")),
        dtype=dtype,
        scale=scale,
        zero_point=zero_point - _ZERO_POINT_SHIFT.get(dtype, 0),
        transfer_bytes=_size(table, 1, "size of a layer"),
        executions=_size(table, 9, "number of executions", 1),
    )


def _size(table: Table, field: int, what: str, default: int = 0) -> int:
    value = table.integer(field, "i", default)
    if value < 0:
        message = f"a negative {what} ({value})"
        raise MalformedError(message)
    return value
