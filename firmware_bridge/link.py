"""The link to a board: what can be asked of it, and its records, none of them lost in silence."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import CheckError, InputError, MissingError
from edge_ser.runtime.record import Record
from firmware_bridge.framing import Frame
from firmware_bridge.link_channel import Channel, FramedChannel
from firmware_bridge.link_lines import SerialLine, connect_tcp
from firmware_bridge.link_rpc import RpcChannel
from firmware_bridge.messages import (
    MAX_RUNS,
    READ_BYTES,
    WRITE_BYTES,
    BoardInfo,
    ClockMode,
    Message,
    SelfTest,
    Target,
    chunk_request,
    clock_request,
    read_chunk,
    read_clock,
    read_info,
    read_ran,
    read_self_test,
    read_stream,
    read_temperature,
    record_request,
    refusal,
    run_request,
    stream_request,
)

LIMIT_S: Final = 5.0
"""After so long without an answer a request is given up."""
_SEQUENCES: Final = 1 << 32
_MAX_PORT: Final = 65_535
_KEPT_RECORDS: Final = 16
"""ESER_KEPT_RECORDS of core/record_ring.h: older ones are not asked for."""
_SELF_TEST_S: Final = 10.0
_RUN_S: Final = 0.5
"""The longest that one run may take; a decision on the M7 without the Edge TPU takes about a tenth of it."""


@dataclass(frozen=True)
class Received:
    """A record that came, whole and in its turn.

    Attributes:
        record: what it says.
        data: its bytes.
        late: whether it was lost on the way and had once more.
    """

    record: Record
    data: bytes
    late: bool


@dataclass(frozen=True)
class Lost:
    """Records that the board made and that cannot be had any more.

    Attributes:
        first: sequence of the first.
        count: how many.
    """

    first: int
    count: int


@dataclass(frozen=True)
class Restarted:
    """The board counts its records from the start again: it was reset, and what came in between is not known.

    Attributes:
        expected: sequence that would have come next.
    """

    expected: int


Event = Received | Lost | Restarted


@dataclass(frozen=True)
class RawRun:
    """What a target gave.

    Attributes:
        output: all its bytes, of the last run.
        microseconds: uint32 (runs, 4 stages); NOT_RUN for a stage that is no part of the target.
    """

    output: bytes
    microseconds: NDArray[np.uint32]


class Board:
    """A board at the other end of a channel; use as a context manager, or close it.

    Attributes:
        channel: the way to it.
    """

    def __init__(self, channel: Channel, limit_s: float = LIMIT_S) -> None:
        """Take a channel; nothing is sent yet.

        Args:
            channel: is closed with the board.
            limit_s: after so long without an answer a request is given up.
        """
        self.channel = channel
        self._limit_s = limit_s
        # Where an earlier session ended is not known: a random start keeps its requests and these apart.
        self._sequence = secrets.randbits(32)
        self._expected: int | None = None
        self._waiting: deque[Frame] = deque()
        self._heard_s = 0.0
        self._build_id: str | None = None

    def __enter__(self) -> Self:
        """The board itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the channel."""
        self.close()

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()

    def info(self) -> BoardInfo:
        """What the board says of itself."""
        return read_info(self._ask(Message.INFO))

    def check_build(self, build_id: str) -> BoardInfo:
        """Make sure that the board runs a certain bundle; its records are then held to that, too.

        Args:
            build_id: of the bundle, :attr:`edge_ser.bundle.Bundle.build_id`.

        Raises:
            CheckError: it runs another.
        """
        info = self.info()
        if info.build_id != build_id:
            message = (
                f"{self.channel.name}: runs build {info.build_id[:16]}; expected {build_id[:16]}, the bundle's: flash "
                "its firmware (edge-ser firmware, make flash), or name the bundle that the board runs"
            )
            raise CheckError(message)
        self._build_id = build_id
        return info

    def self_test(self) -> SelfTest:
        """Run the golden vectors on the board."""
        return read_self_test(self._ask(Message.SELF_TEST, work_s=_SELF_TEST_S))

    def clock(self, mode: ClockMode | None = None) -> ClockMode:
        """Choose the Edge TPU's clock, or only ask for it."""
        return read_clock(self._ask(Message.CLOCK, clock_request(mode)))

    def temperature(self) -> float:
        """Of the Edge TPU, degrees Celsius.

        Raises:
            MissingError: the board has no such sensor.
        """
        return read_temperature(self._ask(Message.TEMPERATURE))

    def run_raw(self, target: Target, data: bytes, runs: int = 1) -> RawRun:
        """Run a target on bytes; the board fills its input anew before every run.

        Args:
            target: a net, or the whole decision.
            data: its input: uint8 features (frames, channels) of a net, little-endian int16 samples of a segment.
            runs: how often, at least 1.

        Returns:
            The last output and the times of all runs: of a virtual board those of the host, never a board's.

        Raises:
            InputError: the input has another size than the target's, or runs is below 1.
            MissingError: the board has no such target.
        """
        wanted, given = self.info().sizes[target]
        if wanted == 0:
            message = f"{self.channel.name}: cannot run {target.name.lower()}: this board has no such target"
            raise MissingError(message)
        if len(data) != wanted or runs < 1:
            found = f"{target.name.lower()} gets {len(data)} bytes, {runs} runs"
            message = f"run_raw: {found}; expected {wanted} bytes and 1 run or more"
            raise InputError(message)
        self.write(target, data)
        times = self.run(target, runs)
        return RawRun(self.read(target, given), times)

    def run(self, target: Target, runs: int) -> NDArray[np.uint32]:
        """Run a target on what was written last; microseconds (runs,) as in :class:`RawRun`."""
        times, left = [], runs
        while left > 0:
            at_once = min(left, MAX_RUNS)
            answer = self._ask(Message.RUN_RAW, run_request(target, at_once), work_s=at_once * _RUN_S)
            times.append(read_ran(answer, at_once).microseconds)
            left -= at_once
        return np.concatenate(times)

    def write(self, target: Target, data: bytes) -> None:
        """Fill the input of a target."""
        for offset in range(0, len(data), WRITE_BYTES):
            chunk = data[offset : offset + WRITE_BYTES]
            self._ask(Message.WRITE, chunk_request(target, offset, len(data), chunk))

    def read(self, target: Target, count: int) -> bytes:
        """The first bytes of the last output of a target."""
        parts = []
        for offset in range(0, count, READ_BYTES):
            size = min(READ_BYTES, count - offset)
            parts.append(read_chunk(self._ask(Message.READ, chunk_request(target, offset, size)), size))
        return b"".join(parts)

    def start(self) -> int:
        """Turn the stream of records on; the sequence of the first that comes."""
        _, first = self._stream(True)
        self._expected = first
        return first

    def stop(self) -> list[Event]:
        """Turn the stream off; the records that were still under way."""
        _, end = self._stream(False)
        events = [*self._in_turn(self.channel.unasked(0)), *self._up_to(end)]
        self._expected = None
        return events

    def listen(self, limit_s: float) -> Iterator[Event]:
        """Records as they come, in their order, each once; those that are lost are named.

        Args:
            limit_s: how long to listen; the stream is turned on where it is not, and stays on.

        Raises:
            NoAnswerError: the board does not answer any more.
            CheckError: a record is none, or of another build than was checked.
        """
        end = time.monotonic() + limit_s
        if self._expected is None:
            self.start()
        while (left := end - time.monotonic()) > 0:
            frames = self.channel.unasked(0 if self._waiting else min(self.channel.poll_s, left))
            if frames or self._waiting:
                yield from self._in_turn(frames)
            elif time.monotonic() - self._heard_s >= self.channel.poll_s:
                yield from self._missed()

    def _missed(self) -> Iterator[Event]:
        """Nothing came for a while: the last record may be the one that was lost, which no gap would ever show."""
        on, end = self._stream(None)
        self._heard_s = time.monotonic()
        if not on:
            expected = self._wanted()
            self.start()
            yield Restarted(expected)
            return
        # The answer comes after all records that were sent before it.
        yield from self._in_turn(self.channel.unasked(0))
        yield from self._up_to(end)

    def _in_turn(self, frames: list[Frame]) -> Iterator[Event]:
        # Whoever stops listening in the middle finds the rest in the next round.
        self._waiting.extend(frames)
        self._heard_s = time.monotonic()
        while self._waiting:
            frame = self._waiting.popleft()
            record = self._record(frame)
            if _ahead(record.sequence, self._wanted()) < 0:
                if _ahead(self._stream(None)[1], self._wanted()) >= 0:
                    continue  # it came twice
                expected, self._expected = self._wanted(), record.sequence
                yield Restarted(expected)
            yield from self._up_to(record.sequence)
            self._expected = (record.sequence + 1) % _SEQUENCES
            yield Received(record, frame.payload, late=False)

    def _up_to(self, end: int) -> Iterator[Event]:
        """The records from the wanted one to the one before ``end``, which did not come."""
        first, missing = self._wanted(), _ahead(end, self._wanted())
        too_old = max(0, missing - _KEPT_RECORDS)
        lost = Lost(first, too_old)
        for at in range(too_old, missing):
            sequence = (first + at) % _SEQUENCES
            late = self._once_more(sequence)
            if late is None:
                lost = Lost(lost.first, lost.count + 1) if lost.count else Lost(sequence, 1)
                continue
            if lost.count:
                self._expected = sequence
                yield lost
                lost = Lost(sequence, 0)
            self._expected = (sequence + 1) % _SEQUENCES
            yield late
        if lost.count:
            self._expected = end
            yield lost

    def _once_more(self, sequence: int) -> Received | None:
        try:
            data = self._ask(Message.RECORD, record_request(sequence))
        except InputError:
            return None  # the board does not keep it any more
        return Received(self._record(Frame(Message.RECORD, sequence, data)), data, late=True)

    def _wanted(self) -> int:
        """Sequence of the record that comes next; the first that comes where none was announced."""
        if self._expected is None:
            self._expected = self._stream(None)[1]
        return self._expected

    def _stream(self, on: bool | None) -> tuple[bool, int]:
        return read_stream(self._ask(Message.STREAM, stream_request(on)))

    def _record(self, frame: Frame) -> Record:
        record = Record.decode(frame.payload)
        if record.sequence != frame.sequence:
            message = (
                f"{self.channel.name}: sends record {record.sequence} as number {frame.sequence}; flash firmware of "
                "this version of edge-ser"
            )
            raise CheckError(message)
        if self._build_id is not None and not self._build_id.startswith(record.build_id.hex()):
            message = (
                f"{self.channel.name}: record {record.sequence} is of build {record.build_id.hex()}; expected "
                f"{self._build_id[:16]}: was the board flashed meanwhile?"
            )
            raise CheckError(message)
        return record

    def _ask(self, kind: Message, payload: bytes = b"", work_s: float = 0.0) -> bytes:
        self._sequence = (self._sequence + 1) % _SEQUENCES
        answer = self.channel.ask(Frame(kind, self._sequence, payload), self._limit_s + work_s, work_s)
        if answer.error:
            raise refusal(answer)
        return answer.payload


def _ahead(sequence: int, of: int) -> int:
    """How far one sequence is ahead of another; both wrap at 2**32."""
    half = _SEQUENCES // 2
    return (sequence - of + half) % _SEQUENCES - half


def open_board(where: str, limit_s: float = LIMIT_S) -> Board:
    """Open the way to a board.

    Args:
        where: ``serial:/dev/ttyACM0``, ``tcp:127.0.0.1:4000`` (a virtual board), ``rpc:10.10.10.1`` or
            ``rpc:HOST:PORT``.
        limit_s: after so long without an answer a request is given up.

    Raises:
        InputError: it is none of these.
        MissingError: nothing is there, or pyserial is not installed.
    """
    kind, _, place = where.partition(":")
    host, _, port = place.rpartition(":")
    if kind == "serial" and place:
        return Board(FramedChannel(SerialLine(place)), limit_s)
    if kind == "tcp" and host and port.isdecimal() and int(port) <= _MAX_PORT:
        return Board(FramedChannel(connect_tcp(host, int(port))), limit_s)
    if kind == "rpc" and place and ":" not in place:
        return Board(RpcChannel(place), limit_s)
    if kind == "rpc" and host and port.isdecimal() and int(port) <= _MAX_PORT:
        return Board(RpcChannel(host, int(port)), limit_s)
    message = f"board {where!r}: expected serial:PORT, tcp:HOST:PORT, rpc:HOST or rpc:HOST:PORT"
    raise InputError(message)
