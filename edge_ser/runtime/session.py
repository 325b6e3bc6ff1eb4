"""A session of listening: a source, a worker that thinks, and whoever shows what it found, each in its own thread.

The source's thread only puts blocks into a bounded buffer. The worker takes them out, runs the nets and puts decisions
into another. Whoever shows them takes them from there, and looks at :meth:`Session.status` as often as it likes. It
holds nobody up until the second buffer is full too; then blocks are dropped in the first, where they are counted.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio_live import Buffer, Losses, Source
from edge_ser.runtime.live import SILENCE_DBFS, LiveDecision, LiveListener, Word
from edge_ser.runtime.pipeline import Pipeline
from edge_ser.runtime.stream_system import StreamSystem

WINDOW_S: Final = 30.0
"""How far back a status shows decisions."""

_POLL_S: Final = 0.1
_WORDS: Final = 6
_DECISIONS: Final = 64
"""Decisions that wait to be shown: three minutes of the shipped bundle's."""
_DELAYS: Final = 10_000
"""The last delays that p50 and p95 are taken from: eight hours of the shipped bundle's."""


class Recorder(Protocol):
    """Keeps what was heard."""

    def write(self, samples: NDArray[np.int16]) -> None:
        """Take int16 (n,).

        Raises:
            InputError: they cannot be kept.
        """


@dataclass(frozen=True)
class Status:
    """How a session stands.

    Attributes:
        up_s: seconds since it began.
        heard_s: seconds of audio that were listened to.
        at_s: place in the audio that was reached, what was lost included.
        waiting_s: seconds of audio that wait.
        level_dbfs: of the last block.
        gate_open: whether the gate is open; ``None`` where there is none.
        losses: audio that nobody heard.
        recent: decisions of the last 30 s, the oldest first, and always the last one.
        words: keywords as they were heard, the newest first.
    """

    up_s: float
    heard_s: float
    at_s: float
    waiting_s: float
    level_dbfs: float
    gate_open: bool | None
    losses: Losses
    recent: tuple[LiveDecision, ...]
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Summary:
    """What a session came to.

    Attributes:
        decisions: how many there were.
        silent: of them, those whose segment was silent throughout.
        gaps: of them, those before which audio was lost.
        emotions: how many decided on each emotion, the most frequent first.
        delay_ms: median and 95th percentile of the delays from the end of the audio to when it was shown, milliseconds;
            ``None`` where nothing was shown.
        losses: audio that nobody heard.
        heard_s: seconds of audio that were listened to.
    """

    decisions: int
    silent: int
    gaps: int
    emotions: dict[str, int]
    delay_ms: tuple[float, float] | None
    losses: Losses
    heard_s: float


class Session:
    """Listens from when it is entered to when it is left.

    Args:
        source: where audio comes from.
        pipeline: of the bundle.
        system: of the same bundle.
        least_s: as in :class:`edge_ser.runtime.live.LiveListener`.
        recorder: takes every sample that is listened to.
    """

    def __init__(
        self,
        source: Source,
        pipeline: Pipeline,
        system: StreamSystem,
        least_s: float = 0.0,
        recorder: Recorder | None = None,
    ) -> None:
        self._source, self._recorder = source, recorder
        self._stopped = threading.Event()
        self._listener = LiveListener(pipeline, system, least_s, self._stopped.wait, self._hear)
        self._outbox: Buffer[LiveDecision] = Buffer(_DECISIONS)
        self._lock = threading.Lock()
        self._recent: deque[LiveDecision] = deque()
        self._words: deque[Word] = deque(maxlen=_WORDS)
        self._delays_ms: deque[float] = deque(maxlen=_DELAYS)
        self._emotions: Counter[str] = Counter()
        self._decisions = self._silent = self._gaps = 0
        self._heard, self._at_s, self._began_s = 0, 0.0, time.monotonic()  # the first in samples
        self._level_dbfs, self._gate_open = SILENCE_DBFS, self._listener.gate_open
        self._problem: Exception | None = None
        self._window_s = system.schedule.keyword_frames * system.tables.step_samples / source.sample_rate_hz
        self._thread = threading.Thread(target=self._work, name="edge-ser-listen", daemon=True)

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            MissingError: the source cannot be opened.
        """
        self._source.start()
        self._began_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; decisions that were not taken are lost."""
        self.stop()
        self._outbox.close()
        self._thread.join()
        self._source.stop()

    def stop(self) -> None:
        """Ask it to end soon; may be called from a signal handler."""
        self._stopped.set()

    @property
    def problem(self) -> Exception | None:
        """What ended it, where that was not its end nor :meth:`stop`."""
        return self._problem

    @property
    def over(self) -> bool:
        """Whether no decision will come any more."""
        return self._outbox.ended

    def next(self, timeout_s: float) -> LiveDecision | None:
        """The next decision, or ``None`` where none came in time."""
        return self._outbox.get(timeout_s)

    def shown(self, decision: LiveDecision) -> float:
        """Say that a decision has just been shown.

        Returns:
            Milliseconds since its audio was complete.
        """
        delay_ms = 1000 * (time.monotonic() - decision.due_s)
        with self._lock:
            self._delays_ms.append(delay_ms)
        return delay_ms

    def status(self) -> Status:
        """How it stands; quick."""
        waiting_s, losses = self._source.waiting_s, self._source.losses
        with self._lock:
            return Status(
                up_s=time.monotonic() - self._began_s,
                heard_s=self._heard / self._source.sample_rate_hz,
                at_s=self._at_s,
                waiting_s=waiting_s,
                level_dbfs=self._level_dbfs,
                gate_open=self._gate_open,
                losses=losses,
                recent=tuple(self._recent),
                words=tuple(reversed(self._words)),
            )

    def summary(self) -> Summary:
        """What it came to."""
        with self._lock:
            delays = np.array(self._delays_ms)
            middle = (float(np.median(delays)), float(np.percentile(delays, 95))) if len(delays) else None
            return Summary(
                decisions=self._decisions,
                silent=self._silent,
                gaps=self._gaps,
                emotions=dict(self._emotions.most_common()),
                delay_ms=middle,
                losses=self._source.losses,
                heard_s=self._heard / self._source.sample_rate_hz,
            )

    def _work(self) -> None:
        try:
            while not self._stopped.is_set() and not self._source.ended:
                block = self._source.read(_POLL_S)
                if block is None:
                    continue
                if self._recorder is not None:
                    self._recorder.write(block.samples)
                for decision in self._listener.hear(block):
                    self._add(decision)
                with self._lock:
                    self._heard += len(block.samples)
                    self._level_dbfs = self._listener.level_dbfs
                    self._gate_open = self._listener.gate_open
                    self._at_s = block.end / self._source.sample_rate_hz
                    self._drop_old()
            if not self._stopped.is_set():
                for decision in self._listener.finish():
                    self._add(decision)
        except Exception as error:
            self._problem = error  # raised by whoever asks for it, in a thread that can
        finally:
            self._outbox.close()

    def _add(self, decision: LiveDecision) -> None:
        with self._lock:
            self._recent.append(decision)
            self._decisions += 1
            self._silent += decision.silent
            self._gaps += decision.gap
            if decision.decision is not None:
                self._emotions[decision.decision.emotion] += 1
        self._outbox.put_waiting(decision, 0.0)

    def _drop_old(self) -> None:
        while len(self._recent) > 1 and self._recent[0].end_s < self._at_s - WINDOW_S:
            self._recent.popleft()

    def _hear(self, word: Word) -> None:
        """Windows overlap: the same word in the next one is the same word."""
        with self._lock:
            last = self._words[-1] if self._words else None
            if last is not None and last.word == word.word and 0 <= word.at_s - last.at_s < self._window_s:
                self._words[-1] = Word(last.at_s, last.word, max(last.share, word.share))
            else:
                self._words.append(word)
