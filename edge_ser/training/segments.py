"""Clips cut into segments exactly as the device cuts a recording, for validation, fusion and float scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import read_audio
from edge_ser.averaging import probabilities_of
from edge_ser.corpora.clip import Clip
from edge_ser.frontend.net_input import NetInput
from edge_ser.frontend.tables import make_tables
from edge_ser.spec import Averaging, SystemSpec
from edge_ser.windows import windows_of

_UNLIKELIEST = 1e-6
"""Below the smallest share that is not zero (1/65536), so that a share of nothing has a logarithm, and the lowest."""


@dataclass(frozen=True)
class Segments:
    """Clips cut into segments.

    Attributes:
        features: uint8 (n, frames, channels).
        clip: int (n,), which clip each segment belongs to.
        seconds: float (n,), audio in each segment.
        labels: int (clips,).
        speakers: one per clip.
    """

    features: NDArray[np.uint8]
    clip: NDArray[np.int64]
    seconds: NDArray[np.float64]
    labels: NDArray[np.int64]
    speakers: tuple[str, ...]

    @property
    def segment_labels(self) -> NDArray[np.int64]:
        """The label of each segment's clip; int (n,)."""
        return self.labels[self.clip]

    @property
    def segment_speakers(self) -> list[str]:
        """The speaker of each segment's clip."""
        return [self.speakers[at] for at in self.clip]

    def per_clip(self, logits: NDArray[np.floating], averaging: Averaging = "mean") -> NDArray[np.float64]:
        """Segment logits (n, classes) as clip logits (clips, classes): their softmax is the clip's probabilities.

        Args:
            logits: in nats, float (n, classes).
            averaging: by which rule, see :mod:`edge_ser.averaging`.
        """
        if averaging != "mean":
            found = np.zeros((len(self.labels), logits.shape[1]))
            for at in range(len(found)):
                own = self.clip == at
                found[at] = probabilities_of(averaging, logits[own].astype(np.float64), self.seconds[own])
            spread: NDArray[np.float64] = np.log(np.maximum(found, _UNLIKELIEST))
            return spread
        total = np.zeros((len(self.labels), logits.shape[1]))
        np.add.at(total, self.clip, logits * self.seconds[:, np.newaxis])
        weight = np.bincount(self.clip, weights=self.seconds, minlength=len(self.labels))
        clips: NDArray[np.float64] = total / weight[:, np.newaxis]
        return clips


def cut_segments(spec: SystemSpec, clips: Sequence[Clip], advance: Callable[[int], None]) -> Segments:
    """Cut clips into the segments that decide on them, zeros behind the end of each clip.

    Args:
        spec: the system.
        clips: each with an emotion of ``spec.acoustic.classes``.
        advance: called with 1 for every clip done.

    Raises:
        InputError: an audio file cannot be read; it is named.
    """
    net_input = NetInput(make_tables(spec.frontend))
    rate = spec.frontend.sample_rate_hz
    index = {name: at for at, name in enumerate(spec.acoustic.classes)}
    features, belongs, seconds = [], [], []
    for at, clip in enumerate(clips):
        samples = read_audio(clip.path, rate, clip.start_s, clip.end_s)
        for segment in windows_of(spec, [samples]):
            features.append(net_input.features(segment.samples[np.newaxis])[0])
            belongs.append(at)
            seconds.append(segment.end_s - segment.start_s)
        advance(1)
    return Segments(
        features=np.stack(features),
        clip=np.array(belongs, dtype=np.int64),
        seconds=np.array(seconds),
        labels=np.array([index[str(clip.emotion)] for clip in clips], dtype=np.int64),
        speakers=tuple(clip.speaker for clip in clips),
    )
