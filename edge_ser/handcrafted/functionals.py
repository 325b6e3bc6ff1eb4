"""Eighty-eight numbers that say how a clip sounds, our own counterpart of eGeMAPS.

The choice of descriptors and statistics follows the Geneva minimalistic set (Eyben et al., IEEE Transactions on
Affective Computing 7(2), 2016): pitch, loudness, spectral balance, voice quality, formants, rhythm. The code is
written from the literature; openSMILE, whose licence forbids shipping it, is not part of it, and the values are
not its values.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from edge_ser.handcrafted.frames import HOP, SAMPLE_RATE_HZ, Floats, Spectral, spectral
from edge_ser.handcrafted.voice import Voice, voice

_SHORTEST = SAMPLE_RATE_HZ // 10
"""Clips shorter than 0.1 s are padded with zeros: there is no rhythm in less."""

_LONGEST = SAMPLE_RATE_HZ * 60
"""Functionals of more than a minute would average over many emotions, and its frames would fill the memory."""

_FRAMES_PER_S = SAMPLE_RATE_HZ / HOP
_TINY = 1e-9


def functionals(samples: NDArray[np.int16]) -> Floats:
    """The functionals of one clip.

    Args:
        samples: int16 (n,) at 16 kHz; of more than a minute, the first minute.

    Returns:
        float64 (88,), all finite, in the order of :func:`names`; what a clip does not have (the pitch of a
        whisper) is 0.
    """
    return np.array([value for _, value in _rows(samples)])


def names() -> tuple[str, ...]:
    """Names of the functionals, in order."""
    return tuple(name for name, _ in _rows(np.zeros(_SHORTEST, np.int16)))


def _rows(samples: NDArray[np.int16]) -> Iterator[tuple[str, float]]:
    signal = samples[:_LONGEST].astype(np.float64) / 32768
    signal = np.pad(signal, (0, max(0, _SHORTEST - len(signal))))
    sound, spoken = spectral(signal), voice(signal)
    with warnings.catch_warnings():
        # A clip without a voiced frame has no mean pitch: it becomes 0 below, and is no news.
        warnings.simplefilter("ignore", RuntimeWarning)
        for name, value in _all(signal, sound, spoken):
            yield name, float(value) if np.isfinite(value) else 0.0


def _all(signal: Floats, sound: Spectral, spoken: Voice) -> Iterator[tuple[str, float]]:
    voiced, silent = spoken.voiced, ~spoken.voiced
    yield from _contour("pitch", spoken.semitones)
    yield from _contour("loudness", sound.loudness)
    yield from _spread("flux", sound.flux)
    for at in range(4):
        yield from _spread(f"mfcc{at + 1}", sound.mfcc[:, at])
    for at in range(4):
        yield from _spread(f"mfcc{at + 1} voiced", sound.mfcc[voiced, at])
    for name in ("jitter", "shimmer", "harmonicity", "h1_h2", "h1_a3"):
        yield from _spread(name, getattr(spoken, name))
    for at in range(3):
        yield from _spread(f"formant{at + 1}", spoken.formants[:, at])
        yield f"formant{at + 1} bandwidth mean", _mean(spoken.bandwidths[:, at])
        if at < 2:  # the third formant's is H1-A3
            yield f"formant{at + 1} level mean", _mean(spoken.formant_levels[:, at])
    for name in ("alpha_ratio", "hammarberg", "low_slope", "high_slope"):
        values = getattr(sound, name)
        yield from _spread(f"{name} voiced", values[voiced])
        yield f"{name} unvoiced mean", _mean(values[silent])
    yield from _spread("flux voiced", sound.flux[voiced])
    yield "flux unvoiced mean", _mean(sound.flux[silent])
    yield from _spread("centroid", sound.centroid)
    yield from _spread("roll_off", sound.roll_off)
    yield from _spread("entropy", sound.entropy)
    yield from _rhythm(signal, sound.loudness, voiced)


def _spread(name: str, values: Floats) -> Iterator[tuple[str, float]]:
    """Mean and standard deviation of what is there."""
    yield f"{name} mean", _mean(values)
    yield f"{name} sd", float(np.nanstd(values)) if len(values) else 0.0


def _mean(values: Floats) -> float:
    return float(np.nanmean(values)) if len(values) else 0.0


def _contour(name: str, values: Floats) -> Iterator[tuple[str, float]]:
    """Ten statistics of a contour: level, spread, percentiles, and how steeply it rises and falls."""
    yield from _spread(name, values)
    low, middle, high = np.nanpercentile(values, [20, 50, 80]) if np.isfinite(values).any() else (0.0,) * 3
    yield f"{name} 20 %", low
    yield f"{name} median", middle
    yield f"{name} 80 %", high
    yield f"{name} range", high - low
    slopes = np.diff(_smooth(values)) * _FRAMES_PER_S
    for way, chosen in (("rise", slopes[slopes > 0]), ("fall", slopes[slopes < 0])):
        yield from _spread(f"{name} {way}", chosen)


def _smooth(values: Floats) -> Floats:
    """Moving mean over three frames, as GeMAPS smooths its contours; NaN spreads to its neighbours."""
    if len(values) < 3:
        return values
    smoothed: Floats = np.convolve(values, np.full(3, 1 / 3), mode="valid")
    return smoothed


def _rhythm(signal: Floats, loudness: Floats, voiced: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    """Loudness peaks, voiced and unvoiced stretches per second, their lengths, and the level of the whole clip."""
    seconds = len(loudness) / _FRAMES_PER_S
    swing = loudness.max() - loudness.min()
    peaks, _ = find_peaks(_smooth(loudness), prominence=0.1 * swing + _TINY)
    yield "loudness peaks per s", len(peaks) / seconds
    for name, there in (("voiced", voiced), ("unvoiced", ~voiced)):
        lengths = _runs(there) / _FRAMES_PER_S
        if name == "voiced":
            yield "voiced stretches per s", len(lengths) / seconds
        yield from _spread(f"{name} length", lengths)
    yield "voiced share", voiced.mean()
    yield "level dB", 10 * np.log10(np.mean(signal**2) + _TINY)


def _runs(there: NDArray[np.bool_]) -> Floats:
    """Lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    return (edges[1::2] - edges[::2]).astype(np.float64)
