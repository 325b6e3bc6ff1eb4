"""Sounds and specs that the front end's tests share."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_ser.frontend import torture
from edge_ser.spec import FrontendSpec, LogSpec, NoiseReductionSpec, PcanSpec

Samples = NDArray[np.int16]


def torture_set(rate: int) -> dict[str, Samples]:
    """The torture set of the default front end at a rate."""
    return torture.torture_set(FrontendSpec(sample_rate_hz=rate))


@st.composite
def frontend_specs(draw: st.DrawFn) -> FrontendSpec:
    """Specs over the whole range that the rules of edge_ser/spec_rules.py allow."""
    rate = draw(st.sampled_from([8000, 16_000]))
    window = draw(st.integers(10, 64))
    pcan = draw(st.booleans())
    correction = (window * rate // 1000 - 1).bit_length() - 6
    lower = draw(st.one_of(st.just(0.0), st.floats(0, rate / 2 - 2)))
    return FrontendSpec(
        sample_rate_hz=rate,
        window_ms=window,
        step_ms=draw(st.integers(5, min(32, window))),
        channels=draw(st.integers(8, 80)),
        lower_hz=lower,
        upper_hz=draw(st.floats(math.nextafter(lower, math.inf), math.nextafter(rate / 2, 0))),
        noise_reduction=NoiseReductionSpec(
            enabled=draw(st.booleans()),
            smoothing_bits=draw(st.integers(correction if pcan else 0, 12)),
            even_smoothing=draw(st.floats(0, 1)),
            odd_smoothing=draw(st.floats(0, 1)),
            min_signal_remaining=draw(st.floats(0, 1)),
        ),
        pcan=PcanSpec(
            enabled=pcan,
            strength=draw(st.floats(0, 1)),
            offset=draw(st.floats(1e-30, 1e6)),
            gain_bits=draw(st.integers(12 + correction if pcan else 1, 30)),
        ),
        log=LogSpec(enabled=draw(st.booleans()), scale_shift=draw(st.integers(0, 8))),
    )
