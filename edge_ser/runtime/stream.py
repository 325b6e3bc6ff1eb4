"""The listener: samples in, records out, in Python; `firmware_bridge/core/listener.c` is the same, byte for byte.

Whoever listens calls :meth:`Listener.feed` until something is due, runs the net that is due, and takes the record
when that is; :func:`listen` does it. Unlike a recording's segments, which are judged one by one, a stream has one
front end and one grid of frames: with noise reduction or PCAN the noise estimate goes on from segment to segment.
Where those are off and the hop is a multiple of the front end's step, the scores are those of `edge-ser classify`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ser.averaging import window_shares
from edge_ser.errors import InputError
from edge_ser.frontend.engine import open_stream, quantize_features
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.runtime import record
from edge_ser.runtime.interpreters import Net
from edge_ser.runtime.record import Record
from edge_ser.runtime.stream_system import Gate, Smoothing, StreamSystem
from edge_ser.runtime.words import hear

LAST_FRAME: Final = 0xFFFF_0000
"""Frames are counted in 32 bits; before the count wraps everything is forgotten, as after a loss of audio."""


class Due(IntEnum):
    """What a listener waits for; the values are the C core's."""

    NOTHING = 0
    KEYWORD = 1
    ACOUSTIC = 2
    RECORD = 3


class Frames(Protocol):
    """A front end over chunks."""

    def feed(self, chunk: NDArray[np.int16]) -> NDArray[np.uint16]:
        """Features uint16 (frames, channels) that int16 (n,) samples complete."""

    def reset(self) -> None:
        """Forget all samples."""


class AnyListener(Protocol):
    """The listener, in Python or in C."""

    @property
    def due(self) -> Due:
        """What has to be done before more samples are taken."""

    @property
    def frame(self) -> int:
        """First frame of the window or segment that is due."""

    def feed(self, samples: NDArray[np.int16]) -> int:
        """Take samples, int16 (samples,), until something is due; how many were taken."""

    def net_input(self) -> NDArray[np.uint8]:
        """What the net that is due reads, uint8 (frames, channels)."""

    def embedding(self, values: NDArray[np.uint8]) -> None:
        """Give the embedding of the net that is due, uint8 (embedding,)."""

    def fail(self) -> None:
        """Say that the net that is due cannot be run."""

    def record(self) -> bytes:
        """Take the record that is due, encoded."""

    def reset(self) -> None:
        """Forget all audio and all decisions; the next record says that there was a gap."""


def listen(
    listener: AnyListener, acoustic: Net, keyword: Net, blocks: Iterable[NDArray[np.int16]]
) -> Iterator[Record]:
    """Records of audio as it comes.

    Args:
        listener: from its reset state or from where it was.
        acoustic: the acoustic net.
        keyword: the keyword net.
        blocks: int16 (samples,) each, any lengths.
    """
    nets = {Due.KEYWORD: keyword, Due.ACOUSTIC: acoustic}
    for block in blocks:
        left = block
        while len(left):
            left = left[listener.feed(left) :]
            while (due := listener.due) is not Due.NOTHING:
                if due is Due.RECORD:
                    yield Record.decode(listener.record())
                else:
                    listener.embedding(nets[due].embed(listener.net_input()[np.newaxis])[0])


class Listener:
    """The listener in Python.

    Args:
        system: what listens.
        frontend: over its tables; ``None`` is the fastest that is installed.
    """

    def __init__(self, system: StreamSystem, frontend: Frames | None = None) -> None:
        self.system = system
        self._frontend = open_stream(system.tables) if frontend is None else frontend
        self._gate = GateState(system.gate, system.tables.step_samples)
        self._smoothing = _SmoothingState(system.smoothing)
        self._sequence = 0
        self._shown_before: int | None = None
        self._gap = False
        self._due = Due.NOTHING
        self._acoustic: NDArray[np.uint8] | None = None
        self._forget()

    @property
    def due(self) -> Due:
        """As :attr:`AnyListener.due`."""
        return self._due

    @property
    def frame(self) -> int:
        """As :attr:`AnyListener.frame`."""
        return self._due_frame

    def reset(self) -> None:
        """As :meth:`AnyListener.reset`."""
        self._frontend.reset()
        self._gate.reset()
        self._smoothing.reset()
        self._forget()
        self._gap = True

    def feed(self, samples: NDArray[np.int16]) -> int:
        """As :meth:`AnyListener.feed`.

        Raises:
            InputError: ``samples`` is not int16 (n,).
        """
        tables, used = self.system.tables, 0
        while used < len(samples) and self._due is Due.NOTHING:
            if self._frames == LAST_FRAME:
                self.reset()
            # Up to the next frame with which anything can become due.
            wanted = (self._next_stop() - 1) * tables.step_samples + tables.window_samples - self._samples
            taken = samples[used : used + wanted]
            self._opens += self._gate.feed(taken)
            features = self._frontend.feed(taken)
            self._samples += len(taken)
            used += len(taken)
            for row in quantize_features(features, tables.feature_low, tables.feature_high):
                self._push(row)
        return used

    def net_input(self) -> NDArray[np.uint8]:
        """As :meth:`AnyListener.net_input`."""
        schedule = self.system.schedule
        length = {Due.KEYWORD: schedule.keyword_frames, Due.ACOUSTIC: schedule.segment_frames}.get(
            self._due, 0
        )
        first = len(self._ring) - (self._frames - self._due_frame)
        rows = np.array(self._ring[first : first + length], np.uint8).reshape(
            length, self.system.tables.channels
        )
        if self._due is Due.ACOUSTIC and self.system.centre_channels:
            rows = acoustic_input(rows[np.newaxis], "channels")[0]
        return rows

    def embedding(self, values: NDArray[np.uint8]) -> None:
        """As :meth:`AnyListener.embedding`.

        Raises:
            InputError: no net is due, or its embedding has another type or shape.
        """
        system = self.system
        size = system.keyword_embedding if self._due is Due.KEYWORD else system.acoustic_embedding
        check_embedding(self._due, values, size)
        if self._due is Due.KEYWORD:
            self._keep(self._due_frame, values.copy())
        else:
            self._acoustic = values.copy()
        self._choose()

    def fail(self) -> None:
        """As :meth:`AnyListener.fail`."""
        if self._due in (Due.KEYWORD, Due.ACOUSTIC):
            self._failed = True
            self._choose()

    def record(self) -> bytes:
        """As :meth:`AnyListener.record`.

        Raises:
            InputError: no record is due.
        """
        if self._due is not Due.RECORD:
            message = f"listener: {self._due.name.lower()} is due; expected a record"
            raise InputError(message)
        made = self._decide()
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        self._shown_before = made.shown
        self._gap = False
        self._in_segment = False
        self._choose()
        return made.encode()

    def _forget(self) -> None:
        self._ring: list[NDArray[np.uint8]] = []
        self._opens: list[bool] = []
        """Of the steps whose frame is not complete: whether the gate was open, the oldest first."""
        self._samples = self._frames = self._opened = self._due_frame = 0
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._acoustic = None
        self._due = Due.NOTHING
        self._window_asked = self._in_segment = self._failed = False

    def _next_stop(self) -> int:
        schedule = self.system.schedule
        frames = self._frames + 1
        while not (
            frames == LAST_FRAME
            or schedule.segment_ends(frames)
            or (
                frames >= schedule.keyword_frames and schedule.window_begins(frames - schedule.keyword_frames)
            )
        ):
            frames += 1
        return frames

    def _push(self, row: NDArray[np.uint8]) -> None:
        self._ring.append(row)
        del self._ring[: -self.system.schedule.segment_frames]
        self._frames += 1
        if self._opens.pop(0):
            self._opened = self._frames
        self._window_asked = self._failed = False
        self._acoustic = None
        self._in_segment = self.system.schedule.segment_ends(self._frames)
        self._choose()

    def _choose(self) -> None:
        schedule = self.system.schedule
        if not self._window_asked and self._frames >= schedule.keyword_frames:
            self._window_asked = True
            window = self._frames - schedule.keyword_frames
            if self._opened > window and schedule.window_begins(window):
                self._due, self._due_frame = Due.KEYWORD, window
                return
        if not self._in_segment:
            self._due, self._due_frame = Due.NOTHING, 0
            return
        segment = self._frames - schedule.segment_frames
        self._due, self._due_frame = Due.RECORD, segment
        if self._failed or self._opened <= segment:
            return
        for window in self._windows_of(segment):
            if window not in self._kept:
                self._due, self._due_frame = Due.KEYWORD, window
                return
        if self._acoustic is None:
            self._due = Due.ACOUSTIC

    def _windows_of(self, segment: int) -> list[int]:
        return [segment + start for start in self.system.schedule.keyword_starts]

    def _keep(self, window: int, embedding: NDArray[np.uint8]) -> None:
        if len(self._kept) == self.system.schedule.slots:
            del self._kept[min(self._kept)]
        self._kept[window] = embedding

    def _decide(self) -> Record:
        system, segment = self.system, self._due_frame
        classes = len(system.classes)
        scores = shares = (0,) * classes
        emotion = heard = None
        flags = record.GAP if self._gap else 0
        if self._failed:
            flags |= record.FAILED
        elif self._opened <= segment or self._acoustic is None:
            flags |= record.SILENT
            self._smoothing.reset()
        else:
            windows = np.stack([self._kept[window] for window in self._windows_of(segment)])
            fused = np.concatenate([self._acoustic, windows.max(axis=0)])
            logits = system.fusion.scores(fused[np.newaxis])
            own, _ = window_shares(system.fusion_steps.below_best(logits))
            emotion = int(logits[0].argmax())
            flags |= record.ABSTAINED if own.max() < system.abstain else 0
            heard = hear(system.head, system.head_steps, windows)
            scores = tuple(int(score) for score in logits[0])
            shares = self._smoothing.add(tuple(int(share) for share in own[0]), emotion)
        shown = self._smoothing.shown
        flags |= record.CHANGED if shown != self._shown_before else 0
        return Record(
            sequence=self._sequence,
            build_id=system.id_bytes,
            first_frame=segment,
            flags=flags,
            emotion=emotion,
            shown=shown,
            keyword=None if heard is None else heard.word,
            keyword_share=0 if heard is None else heard.share,
            level=self._gate.take_level(),
            scores=scores,
            shares=shares,
        )


class GateState:
    """As `core/gate.c`: when the gate is open."""

    def __init__(self, rule: Gate, step_samples: int) -> None:
        self._rule = rule
        self._step = step_samples
        self._level = 0
        self.reset()

    def reset(self) -> None:
        """Forget all samples and close."""
        self._left_open = 0
        self._rest = np.zeros(0, np.int64)

    def feed(self, samples: NDArray[np.int16]) -> list[bool]:
        """Whether the gate is open in each step that the samples, int16 (samples,), complete."""
        held = np.concatenate([self._rest, samples.astype(np.int64)])
        steps = len(held) // self._step
        self._rest = held[steps * self._step :]
        whole = held[: steps * self._step].reshape(steps, self._step)
        powers = self._step * (whole**2).sum(axis=1) - whole.sum(axis=1) ** 2
        return [self._judge(int(power)) for power in powers]

    def take_level(self) -> int:
        """The loudest step since this was asked, as :attr:`edge_ser.runtime.record.Record.level` has it."""
        level, self._level = self._level, 0
        return level

    def _judge(self, power: int) -> bool:
        self._level = max(self._level, power.bit_length())
        if power > self._step**2 * self._rule.power:
            self._left_open = self._rule.hangover_frames
            return True
        if self._left_open > 0:
            self._left_open -= 1
            return True
        return not self._rule.enabled


class _SmoothingState:
    """As `core/smoothing.c`."""

    def __init__(self, rule: Smoothing) -> None:
        self._rule = rule
        self.reset()

    def reset(self) -> None:
        self._history: list[tuple[int, ...]] = []
        self.shown: int | None = None

    def add(self, shares: tuple[int, ...], best: int) -> tuple[int, ...]:
        """Take one decision's shares and its best class; the mean over the last decisions."""
        self._history = [*self._history, shares][-self._rule.decisions :]
        count = len(self._history)
        mean = tuple((sum(column) + count // 2) // count for column in zip(*self._history, strict=True))
        largest = best if mean[best] == max(mean) else mean.index(max(mean))
        below = 0 if self.shown is None else mean[self.shown] + self._rule.hysteresis
        if mean[largest] >= max(self._rule.least, below):
            self.shown = largest
        return mean


def check_embedding(due: Due, values: NDArray[np.uint8], size: int) -> None:
    """Refuse what is no embedding, uint8 (embedding,), of the net that is due.

    Raises:
        InputError: no net is due, or the embedding has another type or shape.
    """
    if due not in (Due.KEYWORD, Due.ACOUSTIC):
        message = f"listener: {due.name.lower()} is due; expected a net to be, before its embedding is given"
        raise InputError(message)
    if values.dtype != np.uint8 or values.shape != (size,):
        message = f"listener: {due.name.lower()} embedding is {values.dtype} {values.shape}; expected uint8 ({size},)"
        raise InputError(message)
