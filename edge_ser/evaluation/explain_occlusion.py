"""What a decision leans on: hide a part of what the acoustic net reads, run it again, see what the score loses.

Occlusion sensitivity (Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014), on the
int8 net that ships and with forward passes only. A stretch of time is hidden in every segment that holds it, and only
from the acoustic net: the keyword embedding stays as it was, its own share is told apart by
:mod:`edge_ser.evaluation.explain_keyword`.

Hidden values are replaced, channel by channel, by their mean over the recording's audio in the segment, as the net
reads them. A bundle whose features are centred (``normalisation = "channels"``) is given the hidden value behind the
centring, where a channel's mean stands near 128 whatever the microphone; hiding before it would move every other frame
as well. The mean says "nothing happens here" in the voice at hand: silence would be an event of its own, and zero is
one that no net was taught.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import Segment
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.runtime.pipeline import Decision, Embeddings, Pipeline, Recording
from edge_ser.spec import SystemSpec

Floats = NDArray[np.float64]

COLUMN_FRAMES = 10
"""Frames in a column: what is hidden at once, and the length of a window that is shown (Nasr, Ren and Johnson,
arXiv 2511.11691, take 10 too)."""

STRIDE_FRAMES = 5
"""From one column's start to the next one's; half a column, so that a window need not begin at a multiple of ten."""

BANDS = 8
"""Bands of neighbouring channels; the base system's 40 channels make 5 each."""

FILL = "each channel's mean over the segment's audio, as the acoustic net reads it"
"""What stands in the place of what is hidden, in words."""

_AT_ONCE = 64
"""Inputs made before the net runs on them: bounds the memory, costs no time."""

_SURE = 1e-9
"""Probabilities nearer to 0 or 1 than this have no log-odds that a float64 sum tells apart."""


@dataclass(frozen=True, order=True)
class Stretch:
    """Some time of a recording, in samples at the system's rate.

    Attributes:
        start: the first sample.
        end: the sample behind the last.
    """

    start: int
    end: int

    def overlaps(self, other: Stretch) -> bool:
        """Whether a sample is in both."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Part:
    """What is hidden: stretches of time, in some channels.

    Attributes:
        stretches: when.
        channels: first channel and the one behind the last; ``None`` for all.
    """

    stretches: tuple[Stretch, ...]
    channels: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class _Heard:
    """One segment as the nets have it.

    Attributes:
        start: its first sample in the recording.
        frames: how many of its frames are audio and not padding.
        input: what the acoustic net reads, uint8 (frames, channels).
        fill: what stands for a hidden frame, uint8 (channels,).
        keyword: the largest of its keyword windows, uint8 (keyword embedding,).
    """

    start: int
    frames: int
    input: NDArray[np.uint8]
    fill: NDArray[np.uint8]
    keyword: NDArray[np.uint8]


class Occlusion:
    """A recording, decided once, whose parts can be hidden from the acoustic net.

    Attributes:
        pipeline: what decides.
        samples: int16 (n,), the recording.
        segments: as the pipeline cuts it.
        features: uint8 (segments, frames, channels), as the front end gives them.
        embeddings: what the nets make of them.
        decisions: one per segment.
        recording: what is said of the whole.
        label: index of the class decided on.
        score: its probability.
    """

    def __init__(self, pipeline: Pipeline, samples: NDArray[np.int16]) -> None:
        """Decide a recording.

        Args:
            pipeline: a bundle made ready.
            samples: int16 (n,) at the spec's rate, at least one.
        """
        self.pipeline = pipeline
        self.samples = samples
        self.segments: tuple[Segment, ...] = tuple(pipeline.segments([samples]))
        self.features = pipeline.features(np.stack([segment.samples for segment in self.segments]))
        self.embeddings: Embeddings = pipeline.embeddings(self.features)
        self.decisions: tuple[Decision, ...] = tuple(
            pipeline.decision_of(_one(self.embeddings, at), segment.start_s, segment.end_s)
            for at, segment in enumerate(self.segments)
        )
        self.recording: Recording = pipeline.recording(self.decisions)
        self._seconds = np.array([segment.end_s - segment.start_s for segment in self.segments])
        self._logits = np.stack([decision.logits for decision in self.decisions])
        self.label = pipeline.spec.acoustic.classes.index(self.recording.emotion)
        self.score = float(self.recording.scores[self.label])
        heard = acoustic_input(self.features, pipeline.spec.acoustic.normalisation)
        self._heard = tuple(self._prepared(at, heard[at]) for at in range(len(self.segments)))

    def columns(self) -> tuple[Stretch, ...]:
        """Where a column can lie: every :data:`STRIDE_FRAMES` from the first frame on, and one at the end.

        A recording shorter than a column is one column.
        """
        step = self.pipeline.spec.frontend.step_samples
        first, last = self.reach
        width = COLUMN_FRAMES * step
        if last - first <= width:
            return (Stretch(first, last),)
        starts = list(range(first, last - width + 1, STRIDE_FRAMES * step))
        if starts[-1] != last - width:
            starts.append(last - width)
        return tuple(Stretch(start, start + width) for start in starts)

    @property
    def reach(self) -> tuple[int, int]:
        """The samples that frames of audio stand for: the first, and the one behind the last."""
        front = self.pipeline.spec.frontend
        edge = (front.window_samples - front.step_samples) // 2
        ends = [one.start + edge + one.frames * front.step_samples for one in self._heard]
        return self._heard[0].start + edge, max(ends)

    def bands(self) -> tuple[tuple[int, int], ...]:
        """Channel bands: first channel and the one behind the last of each."""
        return channel_bands(self.pipeline.spec)

    def without(self, parts: Sequence[Part]) -> Floats:
        """The decided class' probability with each of some parts hidden; float64 (parts,)."""
        return self._scores(self._hidden(part, hide=True) for part in parts)

    def only(self, parts: Sequence[Part]) -> Floats:
        """The same with all but the part hidden; float64 (parts,). No stretches at all leave nothing to be heard."""
        return self._scores(self._hidden(part, hide=False) for part in parts)

    def with_keywords(self, keywords: NDArray[np.uint8]) -> float:
        """The decided class' probability with other keyword embeddings, uint8 (segments, keyword embedding)."""
        fused = np.hstack([self.embeddings.acoustic, keywords])
        return self._probability(self.pipeline.fusion.scores(fused))

    def silenced(self, stretches: Sequence[Stretch]) -> float:
        """The decided class' probability where the recording itself is silent in some stretches.

        Nothing is held: front end, normalisation and both nets hear the silence.
        """
        samples = self.samples.copy()
        for stretch in stretches:
            samples[stretch.start : stretch.end] = 0
        decisions = [self.pipeline.decide(segment) for segment in self.pipeline.segments([samples])]
        return float(self.pipeline.recording(decisions).scores[self.label])

    def _prepared(self, at: int, heard: NDArray[np.uint8]) -> _Heard:
        front = self.pipeline.spec.frontend
        segment = self.segments[at]
        start = round(segment.start_s * front.sample_rate_hz)
        audio = round(segment.end_s * front.sample_rate_hz) - start
        frames = min(len(heard), max(1, (audio - front.window_samples) // front.step_samples + 1))
        fill = np.rint(heard[:frames].mean(axis=0)).astype(np.uint8)
        return _Heard(start, frames, heard, fill, self.embeddings.keyword_windows[at].max(axis=0))

    def _frames(self, heard: _Heard, stretch: Stretch) -> slice:
        """The frames of a segment whose middle lies in a stretch."""
        front = self.pipeline.spec.frontend
        middle = heard.start + front.window_samples // 2
        low = -(-(stretch.start - middle) // front.step_samples)
        high = -(-(stretch.end - middle) // front.step_samples)
        return slice(max(0, low), min(heard.frames, max(0, high)))

    def _hidden(self, part: Part, *, hide: bool) -> list[tuple[int, NDArray[np.uint8]]]:
        """The segments that a part changes, and what the net reads of them."""
        changed = []
        for at, heard in enumerate(self._heard):
            covered = np.zeros(heard.input.shape, dtype=bool)
            low, high = part.channels or (0, heard.input.shape[1])
            for stretch in part.stretches:
                covered[self._frames(heard, stretch), low:high] = True
            if not hide:
                covered[: heard.frames] = ~covered[: heard.frames]
            if covered.any():
                changed.append((at, np.where(covered, heard.fill, heard.input)))
        return changed

    def _scores(self, variants: Iterable[list[tuple[int, NDArray[np.uint8]]]]) -> Floats:
        scores: list[float] = []
        for group in _groups(variants):
            inputs = [one for variant in group for _, one in variant]
            rows = iter(self.pipeline.acoustic_net.embed(np.stack(inputs)) if inputs else ())
            for variant in group:
                logits = self._logits.copy()
                for at, _ in variant:
                    fused = np.concatenate([next(rows), self._heard[at].keyword])
                    logits[at] = self.pipeline.fusion.scores(fused[np.newaxis])[0]
                scores.append(self._probability(logits))
        return np.array(scores)

    def _probability(self, logits: NDArray[np.int32]) -> float:
        return float(self.pipeline.probabilities(logits, self._seconds)[self.label])


def channel_bands(spec: SystemSpec) -> tuple[tuple[int, int], ...]:
    """The bands of a front end: first channel and the one behind the last of each, as even as they come."""
    edges = np.linspace(0, spec.frontend.channels, min(BANDS, spec.frontend.channels) + 1).round().astype(int)
    return tuple((int(low), int(high)) for low, high in pairwise(edges))


def log_odds(probabilities: Floats | float) -> Floats:
    """``ln(p / (1 - p))`` of probabilities (any shape), nats: how sure, on a scale that does not saturate."""
    inside = np.clip(np.asarray(probabilities, dtype=np.float64), _SURE, 1 - _SURE)
    odds: Floats = np.log(inside / (1 - inside))
    return odds


def _one(embeddings: Embeddings, at: int) -> Embeddings:
    return Embeddings(embeddings.acoustic[at : at + 1], embeddings.keyword_windows[at : at + 1])


def _groups(
    variants: Iterable[list[tuple[int, NDArray[np.uint8]]]],
) -> Iterator[list[list[tuple[int, NDArray[np.uint8]]]]]:
    group: list[list[tuple[int, NDArray[np.uint8]]]] = []
    size = 0
    for variant in variants:
        group.append(variant)
        size += len(variant)
        if size >= _AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group
