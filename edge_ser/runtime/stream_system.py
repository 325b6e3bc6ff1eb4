"""All that a bundle says about a running system, in integers: what the listener in Python and the one in C read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NoReturn

import numpy as np

from edge_ser.averaging import ONE, Steps
from edge_ser.bundle import Bundle
from edge_ser.errors import InputError
from edge_ser.frontend.tables import FrontendTables
from edge_ser.integer_head import IntegerHead
from edge_ser.runtime.record import BUILD_ID_BYTES, MAX_CLASSES
from edge_ser.runtime.words import KEYWORD_SHARE
from edge_ser.spec import SystemSpec

_FULL_SCALE: Final = 32768
_MAX_WORD_CLASSES: Final = 255
"""A record names a word in one byte, one of whose values is none."""
_MAX_FRAMES: Final = 65_535


@dataclass(frozen=True)
class Schedule:
    """Which frames the nets read.

    Segment j covers ``segment_frames`` frames from ``j * hop_frames`` on; its keyword windows begin
    ``keyword_starts`` after that.

    Attributes:
        segment_frames: frames of a segment.
        hop_frames: from one segment to the next. A hop that is no multiple of the front end's step is rounded down to
            one: a stream has one grid of frames, whereas a recording is cut to the sample.
        keyword_frames: frames of a keyword window.
        keyword_starts: ascending.
    """

    segment_frames: int
    hop_frames: int
    keyword_frames: int
    keyword_starts: tuple[int, ...]

    @cached_property
    def slots(self) -> int:
        """The most keyword windows that begin within ``segment_frames - keyword_frames + 1`` frames."""
        span = self.segment_frames - self.keyword_frames + 1
        residues = {start % self.hop_frames for start in self.keyword_starts}
        begins = np.array([frame % self.hop_frames in residues for frame in range(self.hop_frames + span)])
        counts = np.concatenate([[0], np.cumsum(begins)])
        return int((counts[span:] - counts[:-span]).max())

    def window_begins(self, frame: int) -> bool:
        """Whether a keyword window of any segment begins with this frame."""
        return any(frame >= start and (frame - start) % self.hop_frames == 0 for start in self.keyword_starts)

    def segment_ends(self, frames: int) -> bool:
        """Whether a segment is complete with the last of so many frames."""
        behind = frames - self.segment_frames
        return behind >= 0 and behind % self.hop_frames == 0


@dataclass(frozen=True)
class Gate:
    """When nothing sounds.

    Attributes:
        enabled: whether there is a gate; without one it is always open.
        power: mean square, without the constant part, above which a step sounds.
        hangover_frames: for so many steps after one that sounds the gate stays open.
    """

    enabled: bool
    power: int
    hangover_frames: int


@dataclass(frozen=True)
class Smoothing:
    """From decisions to what is shown.

    Attributes:
        decisions: how many are averaged.
        hysteresis: share by which another emotion must lie above the shown one.
        least: share that an emotion must have to be shown.
    """

    decisions: int
    hysteresis: int
    least: int


@dataclass(frozen=True, eq=False)
class StreamSystem:
    """A system that listens.

    Attributes:
        name: of the spec.
        build_id: of the bundle, hexadecimal digits.
        classes: emotions, in the order of the scores.
        words: keywords, in the order of the keyword scores.
        tables: of the front end.
        schedule: which frames the nets read.
        gate: when nothing sounds.
        smoothing: from decisions to what is shown.
        fusion: head over the acoustic embedding and the largest of the keyword windows.
        head: the words' head, over one keyword embedding.
        centre_channels: whether the acoustic net reads segments with their channels' means taken off.
        abstain: share that the best class must have, 65536 is one.
        keyword_share: share from which on a word is named.
    """

    name: str
    build_id: str
    classes: tuple[str, ...]
    words: tuple[str, ...]
    tables: FrontendTables
    schedule: Schedule
    gate: Gate
    smoothing: Smoothing
    fusion: IntegerHead
    head: IntegerHead
    centre_channels: bool
    abstain: int
    keyword_share: int = KEYWORD_SHARE

    def __post_init__(self) -> None:
        """Refuse what the C core cannot hold.

        Raises:
            InputError: naming what was found.
        """
        if len(self.classes) > MAX_CLASSES or len(self.words) + 2 > _MAX_WORD_CLASSES:
            _refuse(
                f"{len(self.classes)} emotions and {len(self.words)} words",
                f"at most {MAX_CLASSES} and {_MAX_WORD_CLASSES - 2}",
            )
        shapes = self.fusion.weights.shape[0], self.head.weights.shape[0]
        if shapes != (len(self.classes), len(self.words) + 2) or self.acoustic_embedding < 1:
            found = f"heads of {self.fusion.weights.shape} and {self.head.weights.shape}"
            _refuse(
                found, f"{len(self.classes)} and {len(self.words) + 2} rows, over both embeddings and one"
            )
        schedule = self.schedule
        longest = max(schedule.segment_frames, schedule.hop_frames)
        if not (1 <= schedule.keyword_frames <= schedule.segment_frames and longest <= _MAX_FRAMES):
            found = f"windows of {schedule.keyword_frames} in segments of {schedule.segment_frames} frames"
            _refuse(found, f"windows no longer than segments, and at most {_MAX_FRAMES} frames")
        if not re.fullmatch(f"[0-9a-f]{{{2 * BUILD_ID_BYTES},}}", self.build_id):
            _refuse(f"build id {self.build_id!r}", f"at least {2 * BUILD_ID_BYTES} hexadecimal digits")

    @property
    def id_bytes(self) -> bytes:
        """First bytes of the build id, as records carry them."""
        return bytes.fromhex(self.build_id[: 2 * BUILD_ID_BYTES])

    @property
    def keyword_embedding(self) -> int:
        """Values of one keyword embedding."""
        return int(self.head.weights.shape[1])

    @property
    def acoustic_embedding(self) -> int:
        """Values of the acoustic embedding."""
        return int(self.fusion.weights.shape[1]) - self.keyword_embedding

    @cached_property
    def fusion_steps(self) -> Steps:
        """Of the fusion head's scale."""
        return Steps.of_scale(self.fusion.scale)

    @cached_property
    def head_steps(self) -> Steps:
        """Of the words' head's scale."""
        return Steps.of_scale(self.head.scale)


def stream_system(bundle: Bundle) -> StreamSystem:
    """What a bundle says about a running system.

    Raises:
        InputError: its heads or tables are not what its spec says, or more than the C core can hold.
    """
    heads = bundle.arrays("fusion.npz")
    return system_of(
        bundle.spec,
        FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz")),
        IntegerHead.from_arrays(heads, "fusion"),
        IntegerHead.from_arrays(heads, "words"),
        bundle.build_id,
    )


def system_of(
    spec: SystemSpec, tables: FrontendTables, fusion: IntegerHead, head: IntegerHead, build_id: str
) -> StreamSystem:
    """The system of a spec with given tables and heads.

    Raises:
        InputError: as for :func:`stream_system`.
    """
    frontend, stream = spec.frontend, spec.stream
    if (tables.step_samples, tables.channels) != (frontend.step_samples, frontend.channels):
        found = f"tables of {tables.channels} channels, {tables.step_samples} samples a step"
        _refuse(found, f"{frontend.channels} and {frontend.step_samples}, as the spec says")
    schedule = Schedule(
        segment_frames=spec.segment_frames,
        hop_frames=max(1, frontend.samples_for(spec.acoustic.hop_s) // frontend.step_samples),
        keyword_frames=spec.keyword_frames,
        keyword_starts=spec.keyword_starts,
    )
    hangover = round(stream.hangover_s * frontend.sample_rate_hz) // frontend.step_samples
    power = round(_FULL_SCALE**2 * 10 ** (stream.gate_dbfs / 10)) if stream.gate_dbfs else 0
    abstain = int(np.ceil(spec.decision.abstain * ONE))
    return StreamSystem(
        name=spec.name,
        build_id=build_id,
        classes=spec.acoustic.classes,
        words=spec.keyword.words,
        tables=tables,
        schedule=schedule,
        gate=Gate(stream.gate_dbfs != 0, power, hangover),
        smoothing=Smoothing(stream.smoothing, round(stream.hysteresis * ONE), abstain),
        fusion=fusion,
        head=head,
        centre_channels=spec.acoustic.normalisation == "channels",
        abstain=abstain,
    )


def _refuse(found: str, expected: str) -> NoReturn:
    message = f"stream system: {found}; expected {expected}: make the bundle again"
    raise InputError(message)
