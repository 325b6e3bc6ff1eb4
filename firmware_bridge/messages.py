"""What is said to a board and what it answers, as bytes; ``core/protocol.h`` has the table of messages."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import CheckError, EdgeSerError, InputError, MissingError
from firmware_bridge.framing import MAX_PAYLOAD, Frame

PROTOCOL_VERSION: Final = 1
STAGES: Final = ("frontend", "keyword", "acoustic", "fusion")
"""What a decision is made of, in the order of the numbers that a board sends."""
NOT_RUN: Final = 0xFFFF_FFFF
"""In place of a number of a stage that was not run."""
MAX_RUNS: Final = (MAX_PAYLOAD - 8) // (4 * len(STAGES))
"""Of one ``run_raw`` request."""
WRITE_BYTES: Final = MAX_PAYLOAD - 12
"""Most bytes of an input in one ``write`` request."""
READ_BYTES: Final = MAX_PAYLOAD - 4
"""Most bytes of an output in one answer to ``read``."""
MAX_TENSOR_BYTES: Final = 4 * 2**20
"""What a board may say that a target reads or writes; a segment of audio is about 100 kB."""

_INFO: Final = struct.Struct("<HBBI32s")
_SIZES: Final = struct.Struct("<II")
_SELF_TEST: Final = struct.Struct(f"<BBH{len(STAGES)}I")
_CHUNK: Final = struct.Struct("<B3xII")
_RUN: Final = struct.Struct("<BxH")
_RAN: Final = struct.Struct("<IHH")
_STREAM: Final = struct.Struct("<B3xI")
_NUMBER: Final = struct.Struct("<I")
_TEMPERATURE: Final = struct.Struct("<i")
_NO_STAGE: Final = 255
_ASK: Final = {"stream": 2, "clock": 255}
_UNAVAILABLE: Final = 4
_RANGE: Final = 3


class Message(IntEnum):
    """The messages; their names in lower case are the methods of JSON-RPC."""

    INFO = 1
    SELF_TEST = 2
    WRITE = 3
    RUN_RAW = 4
    READ = 5
    STREAM = 6
    RECORD = 7
    CLOCK = 8
    TEMPERATURE = 9


class BoardKind(IntEnum):
    """What is at the other end; only a coral micro's numbers are a board's."""

    CORAL_MICRO = 0
    VIRTUAL = 1
    EMULATED = 2


class Target(IntEnum):
    """What can be run on bytes from outside."""

    KEYWORD = 0
    ACOUSTIC = 1
    DECISION = 2


class ClockMode(IntEnum):
    """Clock of the Edge TPU, coralmicro's PerformanceMode: 63, 125, 250, 500 MHz."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    MAX = 3


@dataclass(frozen=True)
class BoardInfo:
    """What a board says of itself.

    Attributes:
        kind: coral micro, virtual or emulated.
        name: in words.
        build_id: of the bundle that its firmware was made from, hexadecimal digits.
        next_record: sequence of the record that it makes next.
        sizes: bytes that each target reads and gives, (0, 0) where the board has no such target.
    """

    kind: BoardKind
    name: str
    build_id: str
    next_record: int
    sizes: dict[Target, tuple[int, int]]


@dataclass(frozen=True)
class SelfTest:
    """How a board did on its golden vectors.

    Attributes:
        failed: the first stage that differs, or ``None``.
        differences: largest difference of each stage, ``None`` where it was not run.
    """

    failed: str | None
    differences: dict[str, int | None]


@dataclass(frozen=True)
class Ran:
    """What ``run_raw`` answers.

    Attributes:
        output_bytes: how many there are to read.
        microseconds: uint32 (runs, 4 stages); NOT_RUN for a stage that is no part of the target.
    """

    output_bytes: int
    microseconds: NDArray[np.uint32]


def chunk_request(target: Target, offset: int, number: int, data: bytes = b"") -> bytes:
    """The payload of ``write`` (number: bytes of the whole input) or of ``read`` (number: bytes wanted)."""
    return _CHUNK.pack(target, offset, number) + data


def run_request(target: Target, runs: int) -> bytes:
    """The payload of ``run_raw``."""
    return _RUN.pack(target, runs)


def stream_request(on: bool | None) -> bytes:
    """The payload of ``stream``; ``None`` only asks."""
    return bytes([_ASK["stream"] if on is None else int(on)])


def clock_request(mode: ClockMode | None) -> bytes:
    """The payload of ``clock``; ``None`` only asks."""
    return bytes([_ASK["clock"] if mode is None else int(mode)])


def record_request(sequence: int) -> bytes:
    """The payload of ``record``."""
    return _NUMBER.pack(sequence)


def read_info(payload: bytes) -> BoardInfo:
    """The answer to ``info``.

    Raises:
        CheckError: it is none, or of another version of the protocol.
    """
    if len(payload) < 2 or (version := int.from_bytes(payload[:2], "little")) != PROTOCOL_VERSION:
        found = f"protocol {version}" if len(payload) >= 2 else f"{len(payload)} bytes"
        message = f"board: answers info with {found}; expected protocol {PROTOCOL_VERSION}: flash this firmware again"
        raise CheckError(message)
    fixed = _INFO.size + _SIZES.size * len(Target)
    if len(payload) < fixed or payload[3] != len(Target) or payload[2] not in set(BoardKind):
        raise _unreadable(Message.INFO, payload)
    _, kind, _, next_record, build_id = _INFO.unpack_from(payload)
    sizes = {
        target: _SIZES.unpack_from(payload, _INFO.size + index * _SIZES.size)
        for index, target in enumerate(Target)
    }
    if any(size > MAX_TENSOR_BYTES for pair in sizes.values() for size in pair):
        raise _unreadable(Message.INFO, payload)
    name = payload[fixed:].decode("utf-8", errors="replace")
    return BoardInfo(BoardKind(kind), name, build_id.hex(), next_record, sizes)


def read_self_test(payload: bytes) -> SelfTest:
    """The answer to ``self_test``.

    Raises:
        CheckError: it is none.
    """
    if len(payload) != _SELF_TEST.size:
        raise _unreadable(Message.SELF_TEST, payload)
    failed, stages, _, *differences = _SELF_TEST.unpack(payload)
    if stages != len(STAGES) or (failed != _NO_STAGE and failed >= stages):
        raise _unreadable(Message.SELF_TEST, payload)
    return SelfTest(
        failed=None if failed == _NO_STAGE else STAGES[failed],
        differences={
            stage: None if difference == NOT_RUN else difference
            for stage, difference in zip(STAGES, differences, strict=True)
        },
    )


def read_ran(payload: bytes, runs: int) -> Ran:
    """The answer to ``run_raw`` with that many runs.

    Raises:
        CheckError: it is none.
    """
    if len(payload) != _RAN.size + 4 * len(STAGES) * runs:
        raise _unreadable(Message.RUN_RAW, payload)
    output_bytes, ran, stages = _RAN.unpack_from(payload)
    if ran != runs or stages != len(STAGES) or output_bytes > MAX_TENSOR_BYTES:
        raise _unreadable(Message.RUN_RAW, payload)
    microseconds = np.frombuffer(payload, "<u4", offset=_RAN.size).reshape(runs, len(STAGES))
    return Ran(output_bytes, microseconds.astype(np.uint32))


def read_chunk(payload: bytes, count: int) -> bytes:
    """The answer to ``read`` of ``count`` bytes.

    Raises:
        CheckError: it is none.
    """
    if len(payload) != _NUMBER.size + count:
        raise _unreadable(Message.READ, payload)
    return payload[_NUMBER.size :]


def read_stream(payload: bytes) -> tuple[bool, int]:
    """The answer to ``stream``: whether it is on, and the sequence of the next record.

    Raises:
        CheckError: it is none.
    """
    if len(payload) != _STREAM.size or payload[0] > 1:
        raise _unreadable(Message.STREAM, payload)
    on, next_record = _STREAM.unpack(payload)
    return bool(on), next_record


def read_clock(payload: bytes) -> ClockMode:
    """The answer to ``clock``.

    Raises:
        CheckError: it is none.
    """
    if len(payload) != 1 or payload[0] not in set(ClockMode):
        raise _unreadable(Message.CLOCK, payload)
    return ClockMode(payload[0])


def read_temperature(payload: bytes) -> float:
    """The answer to ``temperature``, degrees Celsius.

    Raises:
        CheckError: it is none.
    """
    if len(payload) != _TEMPERATURE.size:
        raise _unreadable(Message.TEMPERATURE, payload)
    return float(_TEMPERATURE.unpack(payload)[0]) / 1000


def refusal(frame: Frame) -> EdgeSerError:
    """The error that a board answered: InputError for a number out of range, MissingError, else CheckError."""
    try:
        name = Message(frame.type).name.lower()
    except ValueError:
        name = f"message {frame.type}"
    code, words = frame.payload[:1], frame.payload[1:].decode("utf-8", errors="replace")
    message = f"board: refuses {name}: {words or 'without a reason'} (error {code.hex() or 'unknown'})"
    kinds = {bytes([_RANGE]): InputError, bytes([_UNAVAILABLE]): MissingError}
    return kinds.get(code, CheckError)(message)


def _unreadable(kind: Message, payload: bytes) -> CheckError:
    message = (
        f"board: answers {kind.name.lower()} with {len(payload)} bytes that are no such answer ({payload[:16].hex()}); "
        "flash firmware of this version of edge-ser"
    )
    return CheckError(message)
