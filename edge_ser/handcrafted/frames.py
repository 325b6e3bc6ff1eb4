"""Cutting audio into frames, and the spectral and energy descriptors of every frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

Floats = NDArray[np.float64]

SAMPLE_RATE_HZ = 16_000
"""Descriptors are defined at this rate; recordings are resampled to it when they are read."""

HOP = 160
"""10 ms, the hop of GeMAPS (Eyben et al., IEEE Transactions on Affective Computing 7(2), 2016)."""

_WINDOW = 400
_FFT = 512
"""25 ms Hann windows for everything that is not about periods."""

_MEL_BANDS = 26
_MEL_LOW_HZ, _MEL_HIGH_HZ = 20.0, 8000.0
"""The 26-band filter bank from which openSMILE's sets take loudness and MFCC (Eyben et al. 2016)."""

_COMPRESSION = 0.3
"""Loudness of a band grows as power to the 0.3 (Hermansky's perceptual linear prediction takes the cube root)."""

_FLOOR = 1e-10
"""Power below full scale's by 100 dB counts as none, so that digital silence has a logarithm."""


@dataclass(frozen=True, eq=False)
class Spectral:
    """Descriptors of every frame; each float64 (frames,) unless said otherwise.

    Attributes:
        loudness: sum of compressed mel bands.
        flux: root of the summed squared change of the normalised magnitude spectrum; 0 in the first frame.
        mfcc: (frames, 4), coefficients 1 to 4 of the log mel bands.
        alpha_ratio: level of 50-1000 Hz over 1-5 kHz, decibels.
        hammarberg: strongest peak of 0-2 kHz over strongest of 2-5 kHz, decibels.
        low_slope: slope of the spectrum over 0-500 Hz, decibels per kilohertz.
        high_slope: the same over 500-1500 Hz.
        centroid: centre of gravity of the power spectrum, hertz.
        roll_off: frequency below which 85 % of the power lies, hertz.
        entropy: entropy of the normalised mel bands, 0 to 1.
    """

    loudness: Floats
    flux: Floats
    mfcc: Floats
    alpha_ratio: Floats
    hammarberg: Floats
    low_slope: Floats
    high_slope: Floats
    centroid: Floats
    roll_off: Floats
    entropy: Floats


def cut_frames(signal: Floats, window: int, hop: int) -> Floats:
    """Frames centred at multiples of the hop, zeros outside; float64 (1 + n // hop, window)."""
    padded = np.pad(signal, (window // 2, window))
    count = 1 + len(signal) // hop
    return np.lib.stride_tricks.sliding_window_view(padded, window)[: count * hop : hop]


def spectral(signal: Floats) -> Spectral:
    """Spectral and energy descriptors.

    Args:
        signal: float64 (n,) at 16 kHz, full scale 1.

    Returns:
        One value per 10 ms.
    """
    frames = cut_frames(signal, _WINDOW, HOP) * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2 / _WINDOW
    hertz: Floats = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ).astype(np.float64)
    mel = power @ _mel_filters().T
    decibels = 10 * np.log10(power + _FLOOR)
    magnitude = np.sqrt(power)
    unit = magnitude / (magnitude.sum(axis=1, keepdims=True) + _FLOOR)
    total = power.sum(axis=1) + _FLOOR
    cumulated = np.cumsum(power, axis=1)
    share = (mel + _FLOOR) / (mel + _FLOOR).sum(axis=1, keepdims=True)
    return Spectral(
        loudness=((mel + _FLOOR) ** _COMPRESSION).sum(axis=1),
        flux=np.concatenate([[0.0], np.sqrt((np.diff(unit, axis=0) ** 2).sum(axis=1))]),
        mfcc=dct(np.log(mel + _FLOOR), type=2, norm="ortho", axis=1)[:, 1:5],
        alpha_ratio=_band_db(power, hertz, 50, 1000) - _band_db(power, hertz, 1000, 5000),
        hammarberg=_peak_db(decibels, hertz, 0, 2000) - _peak_db(decibels, hertz, 2000, 5000),
        low_slope=_slope(decibels, hertz, 0, 500),
        high_slope=_slope(decibels, hertz, 500, 1500),
        centroid=power @ hertz / total,
        roll_off=hertz[(cumulated < 0.85 * cumulated[:, -1:]).sum(axis=1).clip(max=len(hertz) - 1)],
        entropy=-(share * np.log(share)).sum(axis=1) / np.log(_MEL_BANDS),
    )


def _inside(hertz: Floats, low: float, high: float) -> NDArray[np.bool_]:
    return (hertz >= low) & (hertz <= high)


def _band_db(power: Floats, hertz: Floats, low: float, high: float) -> Floats:
    result: Floats = 10 * np.log10(power[:, _inside(hertz, low, high)].sum(axis=1) + _FLOOR)
    return result


def _peak_db(decibels: Floats, hertz: Floats, low: float, high: float) -> Floats:
    peak: Floats = decibels[:, _inside(hertz, low, high)].max(axis=1)
    return peak


def _slope(decibels: Floats, hertz: Floats, low: float, high: float) -> Floats:
    chosen = _inside(hertz, low, high)
    centred = (hertz[chosen] - hertz[chosen].mean()) / 1000
    slope: Floats = decibels[:, chosen] @ centred / (centred**2).sum()
    return slope


@lru_cache(maxsize=1)
def _mel_filters() -> Floats:
    """Triangles evenly spaced on the mel scale of O'Shaughnessy (2595 log10(1 + f / 700)); (bands, bins)."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (_MEL_LOW_HZ, _MEL_HIGH_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, _MEL_BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ)
    rising = (hertz - edges[:-2, np.newaxis]) / (edges[1:-1] - edges[:-2])[:, np.newaxis]
    falling = (edges[2:, np.newaxis] - hertz) / (edges[2:] - edges[1:-1])[:, np.newaxis]
    filters: Floats = np.maximum(0.0, np.minimum(rising, falling))
    return filters
