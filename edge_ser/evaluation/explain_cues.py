"""The acoustic cues of emotion in stretches of a recording, by the descriptors of :mod:`edge_ser.handcrafted`.

The seven that Nasr, Ren and Johnson (arXiv 2511.11691) take from the Geneva minimalistic set (Eyben et al., IEEE
Transactions on Affective Computing 7(2), 2016), measured by our own code and over voiced frames only, so that a pause
inside a stretch changes none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.handcrafted.frames import HOP, SAMPLE_RATE_HZ, Floats, spectral
from edge_ser.handcrafted.voice import voice

_FEWEST_VOICED: Final = 5
"""Voiced frames (50 ms) below which nothing is said of a voice."""

_FEWEST_FOR_RANGE: Final = 20
"""A fifth of a second of voice: below it a range says how short the voice was, not how lively."""

_REFERENCE_HZ: Final = 27.5
"""Semitones count from here, as in GeMAPS."""

Seconds = tuple[float, float]
"""Start and end of a stretch."""


@dataclass(frozen=True)
class Cue:
    """One cue and its words.

    Attributes:
        name: its key.
        title: what a person reads.
        unit: of its values.
        more: what a voice with more of it is.
        less: what a voice with less of it is.
    """

    name: str
    title: str
    unit: str
    more: str
    less: str


CUES: Final = (
    Cue("f0", "F0 mean", "semitones over 27.5 Hz", "higher", "lower"),
    Cue("f0_range", "F0 range (20 to 80 %)", "semitones", "livelier", "flatter"),
    Cue("loudness", "loudness", "compressed mel bands, summed", "louder", "softer"),
    Cue("slope", "spectral slope 500–1500 Hz", "dB per kHz", "shriller", "duller"),
    Cue("hnr", "harmonics-to-noise ratio", "dB", "clearer", "noisier"),
    Cue("jitter", "jitter", "relative, frame to frame", "shakier", "steadier"),
    Cue("shimmer", "shimmer", "dB, frame to frame", "rougher", "smoother"),
)
"""In the order in which they are shown. A slope that falls less steeply has more high frequencies: shriller."""

CUE_NAMES: Final = tuple(cue.name for cue in CUES)


@dataclass(frozen=True, eq=False)
class Tracks:
    """What is measured of a recording, one value per 10 ms; see :class:`~edge_ser.handcrafted.voice.Voice`.

    Attributes:
        voiced: bool (frames,).
        values: by descriptor, float64 (frames,).
    """

    voiced: NDArray[np.bool_]
    values: Mapping[str, Floats]

    @property
    def voiced_share(self) -> float:
        """Share of the frames with a voice in them."""
        return float(self.voiced.mean())


def track(samples: NDArray[np.int16]) -> Tracks:
    """Measure a recording.

    Args:
        samples: int16 (n,) at 16 kHz, at least one.

    Returns:
        ``1 + n // 160`` frames.
    """
    signal = samples.astype(np.float64) / 32768
    sound, spoken = spectral(signal), voice(signal)
    values = {
        "semitones": spoken.semitones,
        "loudness": sound.loudness,
        "slope": sound.high_slope,
        "hnr": spoken.harmonicity,
        "jitter": spoken.jitter,
        "shimmer": spoken.shimmer,
    }
    return Tracks(spoken.voiced, values)


def measure(tracks: Tracks, stretches: Sequence[Seconds]) -> dict[str, float | None]:
    """The cues in some stretches of a recording, taken together.

    Args:
        tracks: the recording.
        stretches: (start, end) of each, seconds; a frame counts once, by its middle.

    Returns:
        By name of a cue, in the cue's unit; ``None`` where there is too little voice to say it.
    """
    inside = np.zeros(len(tracks.voiced), dtype=bool)
    middles = np.arange(len(inside)) * HOP / SAMPLE_RATE_HZ
    for start, end in stretches:
        inside |= (middles >= start) & (middles < end)
    chosen = inside & tracks.voiced
    if int(chosen.sum()) < _FEWEST_VOICED:
        return dict.fromkeys(CUE_NAMES)
    return {name: _finite(_MEASURES[name](tracks, chosen)) for name in CUE_NAMES}


def hertz(semitones: float) -> float:
    """A pitch in hertz."""
    return float(_REFERENCE_HZ * 2 ** (semitones / 12))


def _mean(name: str) -> Callable[[Tracks, NDArray[np.bool_]], float]:
    def mean(tracks: Tracks, chosen: NDArray[np.bool_]) -> float:
        values = tracks.values[name][chosen]
        there = values[np.isfinite(values)]
        return float(there.mean()) if len(there) else float("nan")

    return mean


def _range(tracks: Tracks, chosen: NDArray[np.bool_]) -> float:
    if int(chosen.sum()) < _FEWEST_FOR_RANGE:
        return float("nan")
    low, high = np.percentile(tracks.values["semitones"][chosen], [20, 80])
    return float(high - low)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


_MEASURES: Final[Mapping[str, Callable[[Tracks, NDArray[np.bool_]], float]]] = {
    "f0": _mean("semitones"),
    "f0_range": _range,
    "loudness": _mean("loudness"),
    "slope": _mean("slope"),
    "hnr": _mean("hnr"),
    "jitter": _mean("jitter"),
    "shimmer": _mean("shimmer"),
}
