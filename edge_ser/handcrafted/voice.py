"""Pitch, voicing and voice quality: what the vocal folds and the vocal tract do, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, resample_poly

from edge_ser.handcrafted.frames import HOP, SAMPLE_RATE_HZ, Floats, cut_frames

LOWEST_HZ, HIGHEST_HZ = 60.0, 600.0
"""Shouted anger and joy of women go above 500 Hz; below 60 Hz there is creak, whose period is no pitch."""

_WINDOW = 800
"""50 ms: three periods of the lowest pitch, as Boersma's method asks."""

_FFT = 2048
_CANDIDATES = 8
_SILENCE, _VOICING, _OCTAVE = 0.03, 0.45, 0.01
_OCTAVE_JUMP, _VOICING_CHANGE = 0.35, 0.14
"""Thresholds and costs of P. Boersma, "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17, 1993; the costs are for steps of 10 ms."""

_FORMANT_RATE_HZ = 11_000
_FORMANT_ORDER = 12
_PRE_EMPHASIS = 0.97
"""Five formants below 5.5 kHz, two poles each, two more for the slope: Praat's usual setting (Burg there)."""

_FLOOR = 1e-10


@dataclass(frozen=True, eq=False)
class Voice:
    """Descriptors of every frame; each float64 (frames,), NaN where a frame is not voiced, unless said otherwise.

    Attributes:
        voiced: bool (frames,).
        semitones: pitch over 27.5 Hz (GeMAPS' reference).
        harmonicity: harmonics-to-noise ratio, decibels.
        jitter: how far a frame's period lies off the mean of its neighbours', relative.
        shimmer: the same for the frame's peak level, decibels.
        h1_h2: first harmonic over the second, decibels.
        h1_a3: first harmonic over the strongest of the third formant, decibels.
        formants: (frames, 3), hertz.
        bandwidths: (frames, 3), hertz.
        formant_levels: (frames, 3), strongest harmonic near the formant over the first harmonic, decibels.
    """

    voiced: NDArray[np.bool_]
    semitones: Floats
    harmonicity: Floats
    jitter: Floats
    shimmer: Floats
    h1_h2: Floats
    h1_a3: Floats
    formants: Floats
    bandwidths: Floats
    formant_levels: Floats


def voice(signal: Floats) -> Voice:
    """Pitch and voice quality.

    Args:
        signal: float64 (n,) at 16 kHz, full scale 1.

    Returns:
        One value per 10 ms.
    """
    hertz, strength, frames = _pitch(signal)
    voiced = hertz > 0
    inside = np.where(voiced, strength.clip(1e-3, 1 - 1e-3), np.nan)
    with np.errstate(divide="ignore"):
        period = np.where(voiced, 1 / hertz, np.nan)
    peak_db = 20 * np.log10(np.abs(frames).max(axis=1) + _FLOOR)
    formants, bandwidths = _formants(signal, voiced)
    h1_h2, levels = _harmonics(frames, hertz, formants)
    return Voice(
        voiced=voiced,
        semitones=np.where(voiced, 12 * np.log2(np.where(voiced, hertz, 27.5) / 27.5), np.nan),
        harmonicity=10 * np.log10(inside / (1 - inside)),
        jitter=np.abs(_off_neighbours(period)) / period,
        shimmer=np.abs(_off_neighbours(np.where(voiced, peak_db, np.nan))),
        h1_h2=h1_h2,
        h1_a3=-levels[:, 2],
        formants=formants,
        bandwidths=bandwidths,
        formant_levels=levels,
    )


def _off_neighbours(values: Floats) -> Floats:
    """How far each value lies off the mean of the two beside it; NaN where one of the three is."""
    off = np.full_like(values, np.nan)
    if len(values) > 2:
        off[1:-1] = values[1:-1] - (values[:-2] + values[2:]) / 2
    return off


def _pitch(signal: Floats) -> tuple[Floats, Floats, Floats]:
    """Pitch in hertz (0 where unvoiced), the autocorrelation there, and the frames (frames, window)."""
    frames = cut_frames(signal, _WINDOW, HOP)
    centred = frames - frames.mean(axis=1, keepdims=True)
    window = np.hanning(_WINDOW)
    correlation = _autocorrelation(centred * window) / _autocorrelation(window[np.newaxis])
    shortest, longest = int(SAMPLE_RATE_HZ / HIGHEST_HZ), int(SAMPLE_RATE_HZ / LOWEST_HZ) + 1
    loudest = np.abs(signal).max(initial=0.0) + _FLOOR
    silence = np.abs(centred).max(axis=1) / loudest
    unvoiced = _VOICING + np.maximum(0.0, 2 - silence / _SILENCE * (1 + _VOICING))
    hertz = np.zeros((len(frames), _CANDIDATES + 1))
    strength = np.full((len(frames), _CANDIDATES + 1), -np.inf)
    strength[:, 0] = unvoiced
    heights = np.zeros((len(frames), _CANDIDATES + 1))
    for at, row in enumerate(correlation[:, : longest + 2]):
        lags, found = find_peaks(row, height=_VOICING / 2)
        near = (lags >= shortest) & (lags <= longest)
        lags, tops = lags[near], found["peak_heights"][near]
        if not len(lags):
            continue
        left, right = row[lags - 1], row[lags + 1]
        bend = 2 * tops - left - right
        # A peak may be flat: after digital silence a frame is nearly nothing but rounding.
        shift = np.divide((right - left) / 2, bend, out=np.zeros_like(tops), where=bend > 0)
        exact = lags + shift
        height = (tops + (right - left) * shift / 4).clip(max=1.0)
        worth = height - _OCTAVE * np.log2(LOWEST_HZ * exact / SAMPLE_RATE_HZ)
        best = np.argsort(-worth)[:_CANDIDATES]
        hertz[at, 1 : 1 + len(best)] = SAMPLE_RATE_HZ / exact[best]
        strength[at, 1 : 1 + len(best)] = worth[best]
        heights[at, 1 : 1 + len(best)] = height[best]
    path = _cheapest_path(hertz, strength)
    rows = np.arange(len(frames))
    return hertz[rows, path], heights[rows, path], centred


def _autocorrelation(frames: Floats) -> Floats:
    """Autocorrelation over its value at lag 0, first half of the lags; silence gives zeros."""
    spectrum = np.abs(np.fft.rfft(frames, _FFT)) ** 2
    lags = np.fft.irfft(spectrum)[:, : _WINDOW // 2]
    result: Floats = lags / (lags[:, :1] + _FLOOR * 1e-6)
    return result


def _cheapest_path(hertz: Floats, strength: Floats) -> NDArray[np.int64]:
    """The candidate per frame that maximises strength minus the costs of jumps (Viterbi)."""
    voiced = hertz > 0
    octaves = np.log2(np.where(voiced, hertz, 1.0))
    count, candidates = hertz.shape
    came_from = np.zeros((count, candidates), dtype=np.int64)
    total = strength[0]
    for at in range(1, count):
        both = voiced[at - 1][:, np.newaxis] & voiced[at]
        one = voiced[at - 1][:, np.newaxis] ^ voiced[at]
        jump = np.abs(octaves[at - 1][:, np.newaxis] - octaves[at])
        gain = total[:, np.newaxis] - _OCTAVE_JUMP * jump * both - _VOICING_CHANGE * one
        came_from[at] = gain.argmax(axis=0)
        total = gain.max(axis=0) + strength[at]
    path = np.zeros(count, dtype=np.int64)
    path[-1] = int(total.argmax())
    for at in range(count - 1, 0, -1):
        path[at - 1] = came_from[at, path[at]]
    return path


def _harmonics(frames: Floats, hertz: Floats, formants: Floats) -> tuple[Floats, Floats]:
    """First over second harmonic (frames,), and harmonics near the formants over the first (frames, 3); decibels."""
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), _FFT))
    decibels = 20 * np.log10(spectrum + _FLOOR)
    step = SAMPLE_RATE_HZ / _FFT
    h1_h2 = np.full(len(frames), np.nan)
    levels = np.full((len(frames), 3), np.nan)
    for at in np.flatnonzero(hertz > 0):
        pitch = hertz[at]

        def near(centre: float, reach: float, row: Floats = decibels[at]) -> float:
            low, high = int((centre - reach) / step), int((centre + reach) / step) + 2
            return float(row[max(0, low) : max(1, high)].max(initial=-200.0))

        first = near(pitch, pitch / 4)
        h1_h2[at] = first - near(2 * pitch, pitch / 4)
        for which, formant in enumerate(formants[at]):
            # A pitch on each side, so that at least one harmonic is inside.
            if np.isfinite(formant):
                levels[at, which] = near(formant, pitch / 2) - first
    return h1_h2, levels


def _formants(signal: Floats, voiced: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """First three formants and bandwidths of voiced frames by linear prediction; hertz, (frames, 3) each."""
    formants, bandwidths = np.full((len(voiced), 3), np.nan), np.full((len(voiced), 3), np.nan)
    rows = np.flatnonzero(voiced)
    if not len(rows):
        return formants, bandwidths
    low = resample_poly(signal, _FORMANT_RATE_HZ // 1000, SAMPLE_RATE_HZ // 1000)
    low = np.append(low[0], low[1:] - _PRE_EMPHASIS * low[:-1])
    window, hop = _FORMANT_RATE_HZ * 25 // 1000, _FORMANT_RATE_HZ // 100
    frames = cut_frames(low, window, hop)
    rows = rows[rows < len(frames)]
    poles = _poles(frames[rows] * np.hamming(window))
    hertz = np.angle(poles) * _FORMANT_RATE_HZ / (2 * np.pi)
    width = -np.log(np.abs(poles).clip(1e-6, None)) * _FORMANT_RATE_HZ / np.pi
    # A pole below 90 Hz is the fold's, a very wide one the slope's (the usual sieve, e.g. Snell & Milinazzo 1993).
    hertz = np.where((hertz > 90) & (hertz < 5200) & (width < 700) & (width > 0), hertz, np.inf)
    order = np.argsort(hertz, axis=1)[:, :3]
    chosen, wide = np.take_along_axis(hertz, order, 1), np.take_along_axis(width, order, 1)
    there = np.isfinite(chosen)
    formants[rows] = np.where(there, chosen, np.nan)
    bandwidths[rows] = np.where(there, wide, np.nan)
    return formants, bandwidths


def _poles(frames: Floats) -> NDArray[np.complex128]:
    """Poles of the linear predictors of windowed frames (n, window): autocorrelation method; (n, order)."""
    size = 1 << (2 * frames.shape[1] - 1).bit_length()
    power = np.abs(np.fft.rfft(frames, size)) ** 2
    lags = np.fft.irfft(power)[:, : _FORMANT_ORDER + 1]
    # White-noise correction, so that frames without sound can be solved.
    lags[:, 0] = lags[:, 0] * (1 + 1e-6) + _FLOOR
    order = np.arange(_FORMANT_ORDER)
    matrix = lags[:, np.abs(order[:, np.newaxis] - order)]
    predictor = np.linalg.solve(matrix, lags[:, 1:, np.newaxis])[..., 0]
    companion = np.zeros((len(frames), _FORMANT_ORDER, _FORMANT_ORDER))
    companion[:, 0] = predictor
    companion[:, order[1:], order[:-1]] = 1
    poles: NDArray[np.complex128] = np.linalg.eigvals(companion).astype(np.complex128)
    return poles
