"""Asking a board and hearing from it: the channel that the link talks through, and the one over a serial line.

One request is under way at a time. A request that brings no answer in time is sent again as it was; the board does a
repeated request once and answers it twice, and an answer that is not of the request under way is thrown away. So every
request is done once, or :class:`NoAnswerError` says that it may not have been.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from edge_ser.errors import CheckError
from firmware_bridge.framing import Frame, FrameReader
from firmware_bridge.messages import Message

_KEPT_FRAMES: Final = 4096
"""Unasked records that wait to be taken; of more the oldest go, which the gap in their sequence then shows."""
_LONGEST_WAIT_S: Final = 1.0
_SHORTEST_WAIT_S: Final = 0.03
"""Of a first try: a USB frame, a scheduler's slice and some room."""


class NoAnswerError(CheckError):
    """The board does not answer, or not in a way that can be understood."""


class Channel(Protocol):
    """A way to a board."""

    @property
    def name(self) -> str:
        """Where it leads, for messages."""
        ...

    @property
    def poll_s(self) -> float:
        """After how long without a record it is asked for the sequence of the next one."""
        ...

    def ask(self, request: Frame, limit_s: float, work_s: float = 0.0) -> Frame:
        """Send a request and wait for its answer.

        Args:
            request: what to send.
            limit_s: after so long it is given up.
            work_s: how long the board may well be busy with it; it is not sent again before.

        Raises:
            NoAnswerError: there was none in time.
        """
        ...

    def unasked(self, limit_s: float) -> list[Frame]:
        """Records that the board sent by itself; waits for the first for at most ``limit_s``."""
        ...

    def close(self) -> None:
        """Let go of the board."""
        ...


class Line(Protocol):
    """Bytes to and from a board."""

    @property
    def name(self) -> str:
        """Where it leads, for messages."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            NoAnswerError: the line is closed.
        """
        ...

    def receive(self, limit_s: float) -> bytes:
        """What has come; waits for at most ``limit_s``, then gives nothing.

        Raises:
            NoAnswerError: the line is closed.
        """
        ...

    def close(self) -> None:
        """Close the line."""
        ...


@dataclass
class LineCounts:
    """What happened on a line.

    Attributes:
        requests: that were asked.
        resent: times that a request was sent again.
        stale: answers that were not of the request under way.
        bad: pieces that were no frame.
    """

    requests: int = 0
    resent: int = 0
    stale: int = 0
    bad: int = 0


class FramedChannel:
    """Frames on a line."""

    poll_s = 0.5

    def __init__(self, line: Line, first_wait_s: float = 0.2) -> None:
        """Take a line.

        Args:
            line: is closed with the channel.
            first_wait_s: the longest that a first try waits for an answer, less where answers use to come faster; each
                further try waits twice as long, up to a second.
        """
        self.counts = LineCounts()
        self._line = line
        self._first_wait_s = self._longest_first_s = first_wait_s
        self._usual_s: float | None = None
        self._spread_s = 0.0
        self._reader = FrameReader()
        self._records: deque[Frame] = deque(maxlen=_KEPT_FRAMES)

    @property
    def name(self) -> str:
        """Where it leads, for messages."""
        return self._line.name

    def ask(self, request: Frame, limit_s: float, work_s: float = 0.0) -> Frame:
        """Send a request and wait for its answer; see :class:`Channel`."""
        coded = request.encode()
        begin = time.monotonic()
        give_up = begin + limit_s
        wait_s, tries = self._first_wait_s, 0
        self.counts.requests += 1
        while (now := time.monotonic()) < give_up:
            self._line.send(coded)
            tries += 1
            again = min(give_up, now + wait_s + (work_s if tries == 1 else 0))
            while (left := again - time.monotonic()) > 0:
                answer = self._answer(request, self._line.receive(left))
                if answer is not None:
                    if tries == 1 and work_s == 0:
                        self._learn(time.monotonic() - begin)
                    return answer
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            self.counts.resent += 1
        message = (
            f"{self.name}: no answer to {Message(request.type).name.lower()} within {limit_s:g} s ({tries} tries, "
            f"{self.counts.bad} damaged frames so far); is this firmware of edge-ser, and is it running?"
        )
        raise NoAnswerError(message)

    def unasked(self, limit_s: float) -> list[Frame]:
        """Records that the board sent by itself; see :class:`Channel`."""
        give_up = time.monotonic() + limit_s
        while not self._records and (left := give_up - time.monotonic()) > 0:
            self._sorted(self._line.receive(left))
        taken = list(self._records)
        self._records.clear()
        return taken

    def close(self) -> None:
        """Close the line."""
        self._line.close()

    def _learn(self, took_s: float) -> None:
        """How long answers take: RFC 6298 section 2, from answers to requests that were sent once."""
        if self._usual_s is None:
            self._usual_s, self._spread_s = took_s, took_s / 2
        else:
            self._spread_s += (abs(self._usual_s - took_s) - self._spread_s) / 4
            self._usual_s += (took_s - self._usual_s) / 8
        wait_s = self._usual_s + 4 * self._spread_s
        self._first_wait_s = min(max(wait_s, _SHORTEST_WAIT_S), self._longest_first_s)

    def _answer(self, request: Frame, data: bytes) -> Frame | None:
        found = None
        for frame in self._sorted(data):
            if (frame.type, frame.sequence) == (request.type, request.sequence):
                found = found or frame
            else:
                self.counts.stale += 1
        return found

    def _sorted(self, data: bytes) -> list[Frame]:
        """Put the records that came aside; the answers."""
        answers = []
        for frame in self._reader.feed(data):
            if frame.answer:
                answers.append(frame)
            elif frame.type == Message.RECORD:
                self._records.append(frame)
        self.counts.bad = self._reader.bad
        return answers
