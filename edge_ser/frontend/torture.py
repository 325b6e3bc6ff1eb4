"""Sounds and specs that break fixed-point front ends first: what parity is shown on where no recording is given.

Full scale both ways reaches the end of every integer, the quietest sounds reach its bottom, steps and bursts chase
the noise estimate, and the short clips end before, at and behind the border of a window.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.spec import FrontendSpec, LogSpec, NoiseReductionSpec, PcanSpec

Samples = NDArray[np.int16]

_HIGHEST: Final = 32_767
_LOWEST: Final = -32_768
_AT_AN_END: Final = 0.15
"""Share of a random spec's numbers that are an end of their range, where errors like to be."""
_DECADES: Final = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, 1e5)


def torture_set(spec: FrontendSpec) -> dict[str, Samples]:
    """The sounds, by name, at the spec's sample rate.

    One second each, but for the last ones, whose lengths are told by the spec's window and step.

    Returns:
        int16 (samples,) each; the same numbers on every call.
    """
    rate = spec.sample_rate_hz
    time = np.arange(rate)
    random = np.random.default_rng(0)

    def at(places: int | slice | list[int], value: int) -> Samples:
        samples = np.zeros(rate, np.int16)
        samples[places] = value
        return samples

    def between(low: int, high: int, length: int = rate) -> Samples:
        return random.integers(low, high + 1, length).astype(np.int16)

    def high_where(condition: NDArray[np.bool_]) -> Samples:
        return np.where(condition, _HIGHEST, _LOWEST).astype(np.int16)

    tenth = rate // 10
    loudness = np.tile(np.repeat([0.0, 1.0, 1e-4, 0.1, 1e-2], tenth), 2)[:rate]
    burst = at([], 0)
    burst[4 * tenth : 5 * tenth] = between(_LOWEST, _HIGHEST, tenth)
    window, step = spec.window_samples, spec.step_samples
    return {
        "silence": at([], 0),
        "direct current": at(slice(None), _HIGHEST),
        "int16 minimum": at(slice(None), _LOWEST),
        "lowest bit": at(slice(None), 1),
        "square": high_where(np.sin(2 * np.pi * 200 * time / rate) >= 0),
        "alternating": high_where(time % 2 == 0),
        "pairs": high_where(time % 4 < 2),
        "extremes": high_where(random.random(rate) < 0.5),
        "impulse": at(rate // 2, _HIGHEST),
        "lowest impulse": at([rate // 100, rate // 2], _LOWEST),
        "impulses": at(slice(7, None, rate // 100), _LOWEST),
        "quiet impulse": at(rate // 2, 1),
        "chirp": (_HIGHEST * np.sin(np.pi / 2 * time**2 / rate)).astype(np.int16),
        "fading chirp": (_HIGHEST * np.exp2(-16 * time / rate) * np.sin(np.pi / 2 * time**2 / rate)).astype(
            np.int16
        ),
        "white noise": between(_LOWEST, _HIGHEST),
        "dither": between(-2, 2),
        "level steps": (loudness * between(_LOWEST, _HIGHEST)).astype(np.int16),
        "burst": burst,
        "no sample": np.zeros(0, np.int16),
        "one sample": np.array([-5], np.int16),
        "shorter than a window": between(_LOWEST, _HIGHEST, window - 1),
        "one window": between(_LOWEST, _HIGHEST, window),
        "a sample short of two frames": between(_LOWEST, _HIGHEST, window + step - 1),
        "two frames": between(_LOWEST, _HIGHEST, window + step),
        "one lowest window": np.full(window, _LOWEST, np.int16),
    }


def random_specs(count: int, seed: int = 0) -> tuple[FrontendSpec, ...]:
    """Legal specs drawn from the whole range that :mod:`edge_ser.spec_file` accepts.

    The same count and seed give the same specs on every machine, and a larger count begins with those of a
    smaller one: only :meth:`random.Random.random` is drawn from, whose sequence Python promises to keep.
    """
    random = Random(seed)
    return tuple(_random_spec(random) for _ in range(count))


def _random_spec(random: Random) -> FrontendSpec:
    rate = 16_000 if _flag(random) else 8000
    window_ms = _whole(random, 10, 64)
    low = _whole(random, 0, 65_534)
    lower_hz, upper_hz = _band(random, rate / 2)
    pcan, noise = _flag(random), _flag(random)
    window_samples = window_ms * rate // 1000
    # What PCAN's shifts need, as in the rules.
    correction = (window_samples - 1).bit_length() - 6
    return FrontendSpec(
        sample_rate_hz=rate,
        window_ms=window_ms,
        step_ms=_whole(random, 5, min(32, window_ms)),
        channels=_whole(random, 8, 80),
        lower_hz=lower_hz,
        upper_hz=upper_hz,
        feature_low=low,
        feature_high=_whole(random, low + 1, 65_535),
        noise_reduction=NoiseReductionSpec(
            enabled=noise,
            smoothing_bits=_whole(random, correction if pcan else 0, 12),
            even_smoothing=_real(random, 0, 1),
            odd_smoothing=_real(random, 0, 1),
            min_signal_remaining=_real(random, 0, 1),
        ),
        pcan=PcanSpec(
            enabled=pcan,
            strength=_real(random, 0, 1),
            # Over nine decades; a power would be rounded by the machine's C library.
            offset=_DECADES[_whole(random, 0, len(_DECADES) - 1)] * _real(random, 1, 10),
            gain_bits=_whole(random, 12 + correction if pcan else 1, 30),
        ),
        log=LogSpec(enabled=random.random() < 0.75, scale_shift=_whole(random, 0, 8)),
    )


def _band(random: Random, nyquist_hz: float) -> tuple[float, float]:
    """A lower and an upper frequency; every other band is wide, as bands in use are."""
    if _flag(random):
        return _real(random, 0, 300), _real(random, nyquist_hz / 2, nyquist_hz - 1)
    lower = _real(random, 0, nyquist_hz - 2)
    return lower, _real(random, lower + 1, math.nextafter(nyquist_hz, 0))


def _flag(random: Random) -> bool:
    return random.random() < 0.5


def _whole(random: Random, low: int, high: int) -> int:
    return math.floor(_real(random, low, high + 1 - 1e-9)) if low < high else low


def _real(random: Random, low: float, high: float) -> float:
    where = random.random()
    if where < _AT_AN_END:
        return float(low if where < _AT_AN_END / 2 else high)
    return low + (high - low) * (where - _AT_AN_END) / (1 - _AT_AN_END)
