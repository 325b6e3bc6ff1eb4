"""The link against a board that is a script: what is asked, what is said to be lost, what is given up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import pytest

from edge_ser.errors import CheckError, InputError, MissingError
from edge_ser.runtime.record import Record
from firmware_bridge.framing import Frame, FrameReader
from firmware_bridge.link import Board, Event, Lost, Received, Restarted, open_board
from firmware_bridge.link_channel import FramedChannel, NoAnswerError
from firmware_bridge.messages import ClockMode, Message

BUILD_ID = bytes(range(32))


def record(sequence: int, build_id: bytes = BUILD_ID[:8]) -> bytes:
    return Record(sequence, build_id, 0, 0, 1, 1, None, 0, 40, (3, 4), (1, 2)).encode()


class ScriptedBoard:
    """A channel to a board that makes records when it is told to."""

    name = "scripted"
    poll_s = 0.01

    def __init__(self, first: int = 0, kept: int = 16) -> None:
        self.next = first
        self.kept = kept
        self.on = False
        self.asked_again: list[int] = []
        self.frames: deque[Frame] = deque()

    def make(self, count: int, *, sent: Callable[[int], bool] = lambda _: True) -> None:
        for sequence in range(self.next, self.next + count):
            if sent(sequence):
                self.send(sequence % 2**32)
        self.next = (self.next + count) % 2**32

    def send(self, sequence: int) -> None:
        self.frames.append(Frame(Message.RECORD, sequence, record(sequence)))

    def ask(self, request: Frame, limit_s: float, work_s: float = 0.0) -> Frame:
        if request.type == Message.STREAM:
            self.on = bool(request.payload[0]) if request.payload[0] < 2 else self.on
            return self._answer(request, bytes([self.on, 0, 0, 0]) + self.next.to_bytes(4, "little"))
        assert request.type == Message.RECORD
        sequence = int.from_bytes(request.payload, "little")
        self.asked_again.append(sequence)
        if 1 <= (self.next - sequence) % 2**32 <= self.kept:
            return self._answer(request, record(sequence))
        return Frame(request.type, request.sequence, b"\3", answer=True, error=True)

    def unasked(self, limit_s: float) -> list[Frame]:
        if not self.frames:
            time.sleep(limit_s)
        taken = list(self.frames)
        self.frames.clear()
        return taken

    def close(self) -> None:
        pass

    def _answer(self, request: Frame, payload: bytes) -> Frame:
        return Frame(request.type, request.sequence, payload, answer=True)


def told(events: list[Event]) -> list[object]:
    return [(event.record.sequence, event.late) if isinstance(event, Received) else event for event in events]


def hear(board: Board, seconds: float = 0.05) -> list[object]:
    return told(list(board.listen(seconds)))


def test_records_come_in_their_turn() -> None:
    script = ScriptedBoard(first=5)
    board = Board(script)
    assert board.start() == 5
    script.make(3)
    assert hear(board) == [(5, False), (6, False), (7, False)]
    script.make(1)
    assert told(board.stop()) == [(8, False)]
    assert not script.on


def test_a_record_that_was_lost_on_the_way_is_had_once_more() -> None:
    script = ScriptedBoard()
    board = Board(script)
    board.start()
    script.make(5, sent=lambda sequence: sequence not in (1, 2))
    assert hear(board) == [(0, False), (1, True), (2, True), (3, False), (4, False)]
    assert script.asked_again == [1, 2]


def test_the_last_record_is_missed_too() -> None:
    script = ScriptedBoard()
    board = Board(script)
    board.start()
    script.make(2, sent=lambda sequence: sequence == 0)
    assert hear(board) == [(0, False), (1, True)]
    script.make(1, sent=lambda _: False)
    assert told(board.stop()) == [(2, True)]


def test_what_the_board_does_not_keep_is_said_to_be_lost() -> None:
    script = ScriptedBoard(kept=2)
    board = Board(script)
    board.start()
    script.make(6, sent=lambda sequence: sequence == 5)
    # The board keeps 4 and 5 alone.
    assert hear(board) == [Lost(0, 4), (4, True), (5, False)]
    script.make(40, sent=lambda sequence: sequence == 45)
    assert hear(board) == [Lost(6, 38), (44, True), (45, False)]
    assert min(script.asked_again[5:]) == 29  # older ones than a board can keep are not asked for


def test_a_record_that_comes_twice_is_taken_once() -> None:
    script = ScriptedBoard()
    board = Board(script)
    board.start()
    script.make(2)
    script.send(1)
    script.make(1)
    script.send(0)
    assert hear(board) == [(0, False), (1, False), (2, False)]


def test_sequences_wrap() -> None:
    script = ScriptedBoard(first=2**32 - 2)
    board = Board(script)
    board.start()
    script.make(4, sent=lambda sequence: sequence != 2**32 - 1)
    assert hear(board) == [(2**32 - 2, False), (2**32 - 1, True), (0, False), (1, False)]


def test_a_board_that_was_reset_is_noticed_and_listened_to_again() -> None:
    script = ScriptedBoard(first=100)
    board = Board(script)
    board.start()
    script.make(1)
    assert hear(board) == [(100, False)]
    script.next, script.on = 0, False
    assert hear(board, 0.1)[:1] == [Restarted(101)]
    assert script.on
    script.make(2)
    assert hear(board) == [(0, False), (1, False)]
    # And where its first records come before anything is asked.
    script.next = 0
    script.make(1)
    assert hear(board) == [Restarted(2), (0, False)]


def test_whoever_stops_listening_in_the_middle_loses_nothing() -> None:
    script = ScriptedBoard(kept=0)
    board = Board(script)
    board.start()
    script.make(5)
    for event in board.listen(1.0):
        assert told([event]) == [(0, False)]
        break
    assert hear(board) == [(1, False), (2, False), (3, False), (4, False)]


def test_records_of_another_build_or_number_are_refused() -> None:
    class Told(ScriptedBoard):
        def ask(self, request: Frame, limit_s: float, work_s: float = 0.0) -> Frame:
            if request.type != Message.INFO:
                return super().ask(request, limit_s)
            payload = bytes.fromhex("0100010300000000") + BUILD_ID + bytes(24)
            return self._answer(request, payload)

    script = Told()
    board = Board(script)
    with pytest.raises(CheckError, match=r"runs build 0001.*expected ffff"):
        board.check_build("ff" * 32)
    board.check_build(BUILD_ID.hex())
    board.start()
    script.frames.append(Frame(Message.RECORD, 0, record(0, b"another!")))
    with pytest.raises(CheckError, match="is of build"):
        hear(board)
    script.frames.append(Frame(Message.RECORD, 4, record(0)))
    with pytest.raises(CheckError, match="record 0 as number 4"):
        hear(board)
    script.frames.append(Frame(Message.RECORD, 0, record(0)[:-1]))
    with pytest.raises(CheckError, match="record"):
        hear(board)


class ScriptedLine:
    """A line whose other end answers each request that it hears, after so many that it does not hear."""

    name = "line"

    def __init__(self, deaf: int, before: bytes = b"") -> None:
        self.deaf = deaf
        self.before = before
        self.heard: list[Frame] = []
        self.pending = b""

    def send(self, data: bytes) -> None:
        for frame in FrameReader().feed(data):
            self.heard.append(frame)
            if len(self.heard) > self.deaf:
                answer = Frame(frame.type, frame.sequence, bytes([ClockMode.MAX]), answer=True)
                self.pending += self.before + answer.encode()

    def receive(self, limit_s: float) -> bytes:
        if not self.pending:
            time.sleep(limit_s)
        data, self.pending = self.pending, b""
        return data

    def close(self) -> None:
        pass


def test_a_request_is_sent_again_as_it_was() -> None:
    line = ScriptedLine(deaf=2)
    channel = FramedChannel(line, first_wait_s=0.01)
    assert Board(channel).clock() is ClockMode.MAX
    assert len(line.heard) == 3
    assert len(set(line.heard)) == 1
    assert channel.counts.resent == 2


def test_each_request_has_a_sequence_of_its_own() -> None:
    line = ScriptedLine(deaf=0)
    board = Board(FramedChannel(line))
    board.clock(), board.clock()
    assert line.heard[0].sequence != line.heard[1].sequence


def test_answers_to_others_and_garbage_are_passed_over() -> None:
    stale = Frame(Message.CLOCK, 1, b"\0", answer=True).encode()
    other = Frame(Message.INFO, 2, b"\0", answer=True).encode()
    line = ScriptedLine(0, b"boot text\r\n" + stale + b"\xff" * 9000 + other[:-4])
    channel = FramedChannel(line)
    assert Board(channel).clock() is ClockMode.MAX
    assert channel.counts.stale == 1
    assert channel.counts.bad >= 2


def test_a_board_that_never_answers_is_given_up_in_time() -> None:
    line = ScriptedLine(deaf=10**9)
    begin = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"no answer to clock within 0.3 s \([2-9] tries") as raised:
        Board(FramedChannel(line, first_wait_s=0.05), limit_s=0.3).clock()
    assert time.monotonic() - begin < 2
    assert raised.value.exit_code == 1


def test_a_request_that_takes_long_is_not_sent_again_meanwhile() -> None:
    line = ScriptedLine(deaf=10**9)
    with pytest.raises(NoAnswerError):
        FramedChannel(line, first_wait_s=0.01).ask(Frame(Message.RUN_RAW, 1), limit_s=0.2, work_s=0.5)
    assert len(line.heard) == 1


@pytest.mark.parametrize(
    "where", ["", "tcp:", "tcp:host", "tcp:host:port", "tcp:h:99999", "usb:1", "serial:", "rpc::1"]
)
def test_a_place_that_is_none_is_refused(where: str) -> None:
    with pytest.raises(InputError, match="expected serial:PORT"):
        open_board(where)


def test_nobody_there_is_something_missing() -> None:
    with pytest.raises(MissingError, match=r"tcp:127.0.0.1:1: no board"):
        open_board("tcp:127.0.0.1:1")
    with pytest.raises(MissingError, match=r"rpc:127.0.0.1:1: no board"):
        open_board("rpc:127.0.0.1:1").info()
    pytest.importorskip("serial", reason="needs pyserial: pip install 'edge-ser[board]'")
    with pytest.raises(MissingError, match="cannot be opened"):
        open_board("serial:/dev/no-such-port")
