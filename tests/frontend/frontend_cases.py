"""Sounds and specs that the front end's tests share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_ser.spec import FrontendSpec, LogSpec, NoiseReductionSpec, PcanSpec

Samples = NDArray[np.int16]


def torture_set(rate: int) -> dict[str, Samples]:
    """One second each of the sounds that break fixed-point code first."""
    time = np.arange(rate)
    random = np.random.default_rng(0)
    impulse, lowest_impulse = np.zeros(rate, np.int16), np.zeros(rate, np.int16)
    impulse[rate // 2] = 32_767
    lowest_impulse[[rate // 100, rate // 2]] = -32_768
    return {
        "silence": np.zeros(rate, np.int16),
        "direct current": np.full(rate, 32_767, np.int16),
        "int16 minimum": np.full(rate, -32_768, np.int16),
        "square": np.where(np.sin(2 * np.pi * 200 * time / rate) >= 0, 32_767, -32_768).astype(np.int16),
        "alternating": np.where(time % 2 == 0, 32_767, -32_768).astype(np.int16),
        "pairs": np.where(time % 4 < 2, 32_767, -32_768).astype(np.int16),
        "impulse": impulse,
        "lowest impulse": lowest_impulse,
        "chirp": (32_767 * np.sin(np.pi / 2 * time**2 / rate)).astype(np.int16),
        "white noise": random.integers(-32_768, 32_768, rate).astype(np.int16),
        "dither": random.integers(-2, 3, rate).astype(np.int16),
        "one sample": np.array([-5], np.int16),
        "shorter than a window": random.integers(-32_768, 32_768, rate // 200).astype(np.int16),
    }


@st.composite
def frontend_specs(draw: st.DrawFn) -> FrontendSpec:
    """Specs that make_tables takes, over their whole range."""
    rate = draw(st.sampled_from([8000, 16_000]))
    window = draw(st.integers(10, 64))
    lower = draw(st.one_of(st.just(0.0), st.floats(0, rate / 4)))
    return FrontendSpec(
        sample_rate_hz=rate,
        window_ms=window,
        step_ms=draw(st.integers(5, min(32, window))),
        channels=draw(st.integers(8, 80)),
        lower_hz=lower,
        upper_hz=draw(st.floats(lower + 1, rate / 2)),
        noise_reduction=NoiseReductionSpec(
            enabled=draw(st.booleans()),
            smoothing_bits=draw(st.integers(4, 14)),
            even_smoothing=draw(st.floats(0, 1)),
            odd_smoothing=draw(st.floats(0, 1)),
            min_signal_remaining=draw(st.floats(0, 1)),
        ),
        pcan=PcanSpec(
            enabled=draw(st.booleans()),
            strength=draw(st.floats(0, 1)),
            offset=draw(st.floats(1e-3, 1e6)),
            gain_bits=draw(st.integers(16, 30)),
        ),
        log=LogSpec(enabled=draw(st.booleans()), scale_shift=draw(st.integers(0, 8))),
    )
