"""From blocks of live audio to decisions: the listener and its nets, timed stage by stage.

What is decided is what `edge-ser classify` decides on the same audio, the padded rest of a recording included, as long
as :func:`why_not_as_classify` has no reason and the gate is open. Beside it stands what gate, smoothing and hysteresis
of the spec's ``[stream]`` show.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import MIN_TAIL_S
from edge_ser.audio_live import Block
from edge_ser.averaging import ONE
from edge_ser.errors import InputError
from edge_ser.integer_head import Quantized
from edge_ser.runtime import record as flags
from edge_ser.runtime.interpreters import Net
from edge_ser.runtime.native_stream import open_listener
from edge_ser.runtime.pipeline import Decision, Pipeline
from edge_ser.runtime.record import Record
from edge_ser.runtime.stream import AnyListener, Due, GateState, listen
from edge_ser.runtime.stream_system import Gate, StreamSystem
from edge_ser.runtime.words import hear
from edge_ser.spec import SystemSpec

SILENCE_DBFS: Final = -96.3
"""What no sound at all is called: the step of 16 bits."""

_LONGEST_HOP_S: Final = 60.0

STAGES: Final = ("waiting", "front end", "keyword net", "acoustic net", "fusion")
"""Where the time of a decision goes; ``waiting`` is from the end of its audio to when somebody looked at it."""


@dataclass(frozen=True)
class Word:
    """A keyword as it was heard.

    Attributes:
        at_s: start of the window, seconds since the source began.
        word: which.
        share: how sure, 0 to 1.
    """

    at_s: float
    word: str
    share: float


@dataclass(frozen=True)
class LiveDecision:
    """What is said of one segment.

    Attributes:
        decision: as `edge-ser classify` has it; ``None`` where no net ran, because the gate was closed throughout.
        start_s: start, seconds since the source began.
        end_s: end of its audio.
        silent: the gate was closed throughout.
        gap: audio was lost since the decision before.
        shown: the emotion that is shown after smoothing and hysteresis, or ``None``.
        smoothed: the probabilities behind that, in the order of the bundle's labels; zeros where it was silent.
        level_dbfs: the loudest block since the decision before.
        due_s: when its audio was complete, in seconds of ``time.monotonic()``.
        stages_ms: by :data:`STAGES`, milliseconds: what was left to be done when its audio was complete.
    """

    decision: Decision | None
    start_s: float
    end_s: float
    silent: bool
    gap: bool
    shown: str | None
    smoothed: tuple[float, ...]
    level_dbfs: float
    due_s: float
    stages_ms: dict[str, float]


def tuned(system: StreamSystem, hop_s: float | None = None, gate_dbfs: float | None = None) -> StreamSystem:
    """The system with another hop or gate than its bundle has.

    Args:
        system: of a bundle.
        hop_s: from one decision to the next; ``None`` as in the bundle.
        gate_dbfs: as in :class:`edge_ser.spec.StreamSpec`, 0 for no gate; ``None`` as in the bundle.

    Raises:
        InputError: the hop is no multiple of the front end's step, or longer than a minute, or the gate no level.
    """
    if hop_s is not None:
        step_s = system.tables.step_samples / system.tables.sample_rate_hz
        frames = round(hop_s / step_s) if 0 < hop_s <= _LONGEST_HOP_S else 0
        if frames == 0 or not math.isclose(frames * step_s, hop_s, abs_tol=1e-6):
            message = f"--hop {hop_s:g}: expected a multiple of {step_s:g} s, at most {_LONGEST_HOP_S:g}"
            raise InputError(message)
        system = replace(system, schedule=replace(system.schedule, hop_frames=frames))
    if gate_dbfs is not None:
        if not SILENCE_DBFS <= gate_dbfs <= 0:
            message = f"--gate {gate_dbfs:g}: expected {SILENCE_DBFS:g} to 0 dBFS; 0 is no gate"
            raise InputError(message)
        power = round(32_768**2 * 10 ** (gate_dbfs / 10)) if gate_dbfs else 0
        system = replace(system, gate=Gate(gate_dbfs != 0, power, system.gate.hangover_frames))
    return system


def why_not_as_classify(spec: SystemSpec) -> str:
    """Why the scores of a stream are others than those of a recording's segments; ``""`` where they are the same."""
    frontend = spec.frontend
    if frontend.noise_reduction.enabled:
        return "its front end's noise reduction goes on from segment to segment"
    if frontend.pcan.enabled:
        return "its front end's gain control (PCAN) goes on from segment to segment"
    if frontend.samples_for(spec.acoustic.hop_s) % frontend.step_samples:
        return "its hop is no multiple of the front end's step"
    return ""


@dataclass
class _Clock:
    """Seconds that the stages took since it was set back."""

    spent_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    def add(self, stage: str, since_s: float) -> None:
        self.spent_s[stage] += time.perf_counter() - since_s

    def set_back(self) -> None:
        self.spent_s = dict.fromkeys(STAGES, 0.0)


class _TimedNet:
    """A net that says how long it took, and what it said."""

    def __init__(
        self, net: Net, stage: str, clock: _Clock, told: Callable[[NDArray[np.uint8]], None] | None = None
    ) -> None:
        self._net, self._stage, self._clock, self._told = net, stage, clock, told

    @property
    def output(self) -> Quantized:
        return self._net.output

    @property
    def embedding_size(self) -> int:
        return self._net.embedding_size

    def embed(self, features: NDArray[np.uint8]) -> NDArray[np.uint8]:
        began = time.perf_counter()
        embedding = self._net.embed(features)
        self._clock.add(self._stage, began)
        if self._told is not None:
            self._told(embedding)
        return embedding


class _TimedListener:
    """A listener that says how long its front end and its fusion took; everything else is the listener's."""

    def __init__(self, listener: AnyListener, clock: _Clock) -> None:
        self._listener, self._clock = listener, clock
        self.net_input, self.embedding = listener.net_input, listener.embedding
        self.fail, self.reset = listener.fail, listener.reset

    @property
    def due(self) -> Due:
        return self._listener.due

    @property
    def frame(self) -> int:
        return self._listener.frame

    def feed(self, samples: NDArray[np.int16]) -> int:
        began = time.perf_counter()
        taken = self._listener.feed(samples)
        self._clock.add("front end", began)
        return taken

    def record(self) -> bytes:
        began = time.perf_counter()
        made = self._listener.record()
        self._clock.add("fusion", began)
        return made


class LiveListener:
    """Blocks in, decisions out; no threads.

    Args:
        pipeline: of the bundle.
        system: of the same bundle, perhaps :func:`tuned`.
        least_s: time that a decision takes at least, as on a slow board.
        pause: waits so many seconds.
        heard: called with every keyword as it is heard.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        system: StreamSystem,
        least_s: float = 0.0,
        pause: Callable[[float], object] = time.sleep,
        heard: Callable[[Word], None] = lambda _word: None,
    ) -> None:
        self.system = system
        self._pipeline, self._least_s, self._pause, self._heard = pipeline, least_s, pause, heard
        self._clock = _Clock()
        self._listener = _TimedListener(open_listener(system), self._clock)
        self._acoustic = _TimedNet(pipeline.acoustic_net, "acoustic net", self._clock)
        self._keyword = _TimedNet(pipeline.keyword_net, "keyword net", self._clock, self._hear)
        self._gate = GateState(system.gate, system.tables.step_samples)
        self._segment_samples = pipeline.spec.segment_samples
        self._base = self._place = 0  # where the listener's count of samples begins, and how far it got
        self._waiting: list[tuple[Record, float, dict[str, float]]] = []
        self._covered = self._next = self._base  # behind the last whole segment; start of the next one
        self._last: Block | None = None
        self._loudest_dbfs = SILENCE_DBFS
        self.level_dbfs = SILENCE_DBFS
        """Of the last block: mean square without the constant part, 0 dB being full scale's."""
        self.gate_open: bool | None = None
        """Whether the gate is open; ``None`` where the system has none."""

    def hear(self, block: Block) -> Iterator[LiveDecision]:
        """Take a block; the decisions that it completes."""
        if block.gap:
            self._forget(block.start)
        if len(block.samples):
            self._measure(block.samples)
        self._last = block
        yield from self._decisions(block.samples, block, block.end)

    def finish(self) -> Iterator[LiveDecision]:
        """The recording is over: what is left of it gets a decision where `edge-ser classify` gives it one."""
        if self._last is None:
            return
        end = self._place
        # As edge_ser.audio.segments: a rest too short for a whole segment, or all there is.
        rest = end - max(self._next, self._covered)
        shortest = round(MIN_TAIL_S * self._pipeline.spec.frontend.sample_rate_hz)
        nothing_yet = self._next == 0
        if end <= self._next or not (nothing_yet or rest >= shortest):
            return
        if not self._waiting:
            padding = np.zeros(self._next + self._segment_samples - end, np.int16)
            self._run(padding, self._last)
        yield self._decision(*self._waiting.pop(0), end)

    def _decisions(self, samples: NDArray[np.int16], block: Block, end: int) -> Iterator[LiveDecision]:
        self._run(samples, block)
        self._place = end
        # The last frame ends up to a step before its segment. Until then a file may end, and then other rules hold.
        while self._waiting and self._end_of(self._waiting[0][0]) <= end:
            made = self._waiting.pop(0)
            self._covered = self._end_of(made[0])
            self._next = self._base + (made[0].first_frame + self.system.schedule.hop_frames) * self._step
            yield self._decision(*made, self._covered)

    def _run(self, samples: NDArray[np.int16], block: Block) -> None:
        self._clock.set_back()
        began_s = time.monotonic()
        for record in listen(self._listener, self._acoustic, self._keyword, [samples]):
            due_s = self._due_s(block, self._end_of(record))
            left_s = self._least_s - (time.monotonic() - began_s)
            if left_s > 0:
                self._pause(left_s)
            self._clock.spent_s["waiting"] = max(0.0, began_s - due_s)
            self._waiting.append((record, due_s, {s: 1000 * t for s, t in self._clock.spent_s.items()}))
            self._clock.set_back()
            began_s = time.monotonic()

    def _decision(self, made: Record, due_s: float, stages_ms: dict[str, float], end: int) -> LiveDecision:
        system, rate = self.system, self._pipeline.spec.frontend.sample_rate_hz
        start_s, end_s = (self._base + made.first_frame * self._step) / rate, end / rate
        silent = bool(made.flags & flags.SILENT)
        decision = None
        if made.emotion is not None:
            keyword = None if made.keyword is None else system.words[made.keyword]
            logits = np.array(made.scores, np.int32)
            decision = self._pipeline.decision_from(logits, keyword, start_s, end_s)
        loudest, self._loudest_dbfs = self._loudest_dbfs, SILENCE_DBFS
        return LiveDecision(
            decision=decision,
            start_s=start_s,
            end_s=end_s,
            silent=silent,
            gap=bool(made.flags & flags.GAP),
            shown=None if made.shown is None else system.classes[made.shown],
            smoothed=tuple(share / ONE for share in made.shares),
            level_dbfs=loudest,
            due_s=due_s,
            stages_ms=stages_ms,
        )

    @property
    def _step(self) -> int:
        return self.system.tables.step_samples

    def _end_of(self, made: Record) -> int:
        return self._base + made.first_frame * self._step + self._segment_samples

    def _due_s(self, block: Block, place: int) -> float:
        """When the audio up to a place was there; the padding behind a recording's end counts as its end."""
        rate = self._pipeline.spec.frontend.sample_rate_hz
        return block.ready_s - max(0.0, block.ready_at - place) / rate

    def _forget(self, start: int) -> None:
        self._listener.reset()
        self._gate.reset()
        self._waiting.clear()
        self._base = self._place = self._next = self._covered = start

    def _hear(self, embedding: NDArray[np.uint8]) -> None:
        system = self.system
        heard = hear(system.head, system.head_steps, embedding)
        if heard is not None:
            rate = self._pipeline.spec.frontend.sample_rate_hz
            at_s = (self._base + self._listener.frame * self._step) / rate
            self._heard(Word(at_s, system.words[heard.word], heard.share / ONE))

    def _measure(self, samples: NDArray[np.int16]) -> None:
        power = float(np.var(samples, dtype=np.float64)) / 32_768**2
        self.level_dbfs = max(SILENCE_DBFS, 10 * math.log10(power) if power > 0 else SILENCE_DBFS)
        self._loudest_dbfs = max(self._loudest_dbfs, self.level_dbfs)
        states = self._gate.feed(samples)
        if self.system.gate.enabled and states:
            self.gate_open = states[-1]
