"""Audio as it comes: blocks with the time at which they were there, and a file that plays at the speed of a microphone.

What comes faster than it is taken waits in a buffer of a few seconds. When that is full a block is dropped and counted:
nobody can ask a microphone to wait.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import SAMPLE_RATE_HZ, audio_info, stream_audio
from edge_ser.errors import InputError

BLOCK_S: Final = 0.02
"""Length of a block: one step of the default front end, so that a decision waits for no sample it does not need."""

BUFFER_S: Final = 5.0
"""Audio that waits at most before blocks are dropped: what a busy laptop may be away for."""

_READ_S: Final = 1.0
"""Of a file, so much is decoded at once."""

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Block:
    """Audio that came at once.

    Attributes:
        samples: int16 (n,), n may be 0.
        start: place of its first sample, in samples since the source began.
        gap: whether audio was lost right before it; how much is not always known.
        ready_s: when it was there, in seconds of ``time.monotonic()``.
        ready_at: place that had been heard at that time, in samples; a resampler holds some back, so that this may lie
            behind the block's end.
    """

    samples: NDArray[np.int16]
    start: int
    gap: bool
    ready_s: float
    ready_at: float

    @property
    def end(self) -> int:
        """Place behind its last sample."""
        return self.start + len(self.samples)


@dataclass(frozen=True)
class Losses:
    """Audio that nobody heard.

    Attributes:
        blocks: dropped because the buffer was full.
        seconds: of audio in them.
        overflows: how often the sound system said that it had lost audio itself.
    """

    blocks: int = 0
    seconds: float = 0.0
    overflows: int = 0


class Source(Protocol):
    """Where audio comes from."""

    @property
    def name(self) -> str:
        """What it is, for a person."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Rate of its blocks."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more and all was read; a microphone has no end."""
        ...

    @property
    def waiting_s(self) -> float:
        """Audio that waits to be read, seconds."""
        ...

    @property
    def losses(self) -> Losses:
        """What was lost so far."""
        ...

    def start(self) -> None:
        """Begin to listen.

        Raises:
            MissingError: it cannot be opened.
        """

    def read(self, timeout_s: float) -> Block | None:
        """The next block, or ``None`` where none came in time.

        Raises:
            InputError: a file is damaged from here on.
            MissingError: a device is gone.
        """

    def stop(self) -> None:
        """End it; may be called twice, and before it was started."""


class Buffer(Generic[Item]):
    """A queue of bounded length between the thread that hears and the one that thinks.

    Args:
        most: entries that it holds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: deque[tuple[Item, float]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._seconds = self._lost_s = 0.0
        self._lost = 0

    def put(self, item: Item, seconds: float) -> bool:
        """Add an entry of so many seconds of audio, without waiting; where there is no room it is dropped and counted.

        Returns:
            Whether there was room.
        """
        with self._changed:
            if len(self._entries) >= self._most:
                self._lost += 1
                self._lost_s += seconds
                return False
            self._add(item, seconds)
            return True

    def put_waiting(self, item: Item, seconds: float) -> None:
        """Add an entry as soon as there is room; for sources that can wait. Adds nothing once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._entries) < self._most or self._closed)
            if not self._closed:
                self._add(item, seconds)

    def get(self, timeout_s: float) -> Item | None:
        """The oldest entry, or ``None`` where there is none in time or ever."""
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._closed, timeout_s)
            if not self._entries:
                return None
            item, seconds = self._entries.popleft()
            self._seconds -= seconds
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Nothing is added any more; what is there can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self._closed and not self._entries

    @property
    def waiting_s(self) -> float:
        """Audio in it, seconds."""
        with self._changed:
            return self._seconds if self._entries else 0.0

    @property
    def lost(self) -> tuple[int, float]:
        """Entries that were dropped, and the seconds in them."""
        with self._changed:
            return self._lost, self._lost_s

    def _add(self, item: Item, seconds: float) -> None:
        self._entries.append((item, seconds))
        self._seconds += seconds
        self._changed.notify_all()


class PacedFile:
    """A recording, played as a microphone would hear it; :class:`Source`.

    Args:
        path: as for :func:`edge_ser.audio.read_audio`.
        sample_rate_hz: rate of the blocks.
        speed: times real time; ``None`` plays as fast as the blocks are read and then loses none.
        buffer_s: audio that waits at most.

    Raises:
        InputError: the file cannot be read as audio. What is wrong in its middle is found on the way.
    """

    def __init__(
        self,
        path: Path,
        sample_rate_hz: int = SAMPLE_RATE_HZ,
        speed: float | None = 1.0,
        buffer_s: float = BUFFER_S,
    ) -> None:
        if speed is not None and speed <= 0:
            message = f"{path}: to be played at {speed:g} times real time; expected more than 0"
            raise InputError(message)
        info = audio_info(path)
        self._path, self._rate, self._speed = path, sample_rate_hz, speed
        self._name = f"{path.name} ({info.duration_s:.1f} s, {info.sample_rate_hz} Hz)"
        self._block_samples = max(1, round(BLOCK_S * sample_rate_hz))
        self._buffer: Buffer[Block] = Buffer(max(1, round(buffer_s / BLOCK_S)))
        self._stopped = threading.Event()
        self._problem: InputError | None = None
        self._thread = threading.Thread(target=self._play, name="edge-ser-play", daemon=True)

    @property
    def name(self) -> str:
        """The file's name and length."""
        return self._name

    @property
    def sample_rate_hz(self) -> int:
        """Rate of its blocks."""
        return self._rate

    @property
    def ended(self) -> bool:
        """Whether all of it was read."""
        return self._buffer.ended and self._problem is None

    @property
    def waiting_s(self) -> float:
        """Audio that waits to be read, seconds."""
        return self._buffer.waiting_s

    @property
    def losses(self) -> Losses:
        """What was lost so far."""
        return Losses(*self._buffer.lost)

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def read(self, timeout_s: float) -> Block | None:
        """As :meth:`Source.read`."""
        block = self._buffer.get(timeout_s)
        if block is None and self._problem is not None and self._buffer.ended:
            raise self._problem
        return block

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        self._buffer.close()
        if self._thread.is_alive():
            self._thread.join()

    def _play(self) -> None:
        try:
            began, end, gap = 0.0, 0, False
            for samples in _cut(stream_audio(self._path, self._rate, _READ_S), self._block_samples):
                # The clock starts with the first block, when the file is open.
                began = began or time.monotonic()
                start, end = end, end + len(samples)
                due = time.monotonic() if self._speed is None else began + end / (self._rate * self._speed)
                if self._stopped.wait(max(0.0, due - time.monotonic())):
                    return
                block = Block(samples, start, gap, due, end)
                if self._speed is None:
                    self._buffer.put_waiting(block, len(samples) / self._rate)
                else:
                    gap = not self._buffer.put(block, len(samples) / self._rate)
        except InputError as error:
            self._problem = error
        finally:
            self._buffer.close()


def _cut(pieces: Iterable[NDArray[np.int16]], length: int) -> Iterator[NDArray[np.int16]]:
    """The same samples in blocks of one length; the last may be shorter."""
    rest = np.zeros(0, np.int16)
    for piece in pieces:
        rest = np.concatenate([rest, piece])
        whole = len(rest) - len(rest) % length
        for start in range(0, whole, length):
            yield rest[start : start + length].copy()
        rest = rest[whole:]
    if len(rest):
        yield rest
