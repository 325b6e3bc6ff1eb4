"""The pymicro-features package as a judge: the original C library, with tables made in single precision.

Its sources judge in test_parity_machines.py, beside TensorFlow's op; here it is the wheel that people install.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import dataclasses
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from frontend_cases import Samples

from edge_ser.frontend import design
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import FrontendTables, make_tables
from edge_ser.spec import FrontendSpec, NoiseReductionSpec, PcanSpec


def share_that_agrees(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    assert pairs
    assert all(ours.shape == theirs.shape for ours, theirs in pairs)
    values = sum(ours.size for ours, _ in pairs)
    agree = sum(int((ours == theirs).sum()) for ours, theirs in pairs)
    print(f"{agree} of {values} values agree ({agree / values:.6%})")  # noqa: T201
    return agree / values


def recordings(root: Path, count: int) -> list[Samples]:
    files = sorted(root.rglob("*.flac"))
    chosen = files[:: max(1, len(files) // count)][:count]
    return [soundfile.read(file, dtype="int16")[0] for file in chosen]


PYMICRO_SPEC = FrontendSpec(
    step_ms=10,
    lower_hz=125.0,
    upper_hz=7500.0,
    noise_reduction=NoiseReductionSpec(True),
    pcan=PcanSpec(True),
)


def _single(name: str) -> Callable[[np.float32], float]:
    function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    function.restype = ctypes.c_float
    function.argtypes = [ctypes.c_float]
    return lambda value: function(float(value))


def in_single_precision(tables: FrontendTables, spec: FrontendSpec) -> FrontendTables:
    """The tables as pymicro-features makes them: float32 throughout, the C library's cosine and log."""
    cosf, log1pf = (_single(name) for name in ("cosf", "log1pf"))
    one, half, scale = np.float32(1), np.float32(0.5), np.float32(4096)
    step = np.float32(math.pi) * np.float32(2) / np.float32(spec.window_samples)
    phases = step * (np.arange(spec.window_samples, dtype=np.float32) + half)
    cosines = np.array([cosf(phase) for phase in phases], np.float32)
    window = np.floor((half - half * cosines) * scale + half).astype(np.int16)

    def mel(frequency: np.float32) -> np.float32:
        return np.float32(1127) * np.float32(log1pf(frequency / np.float32(700)))

    width = np.float32(spec.sample_rate_hz / tables.fft_size)
    low, high = mel(np.float32(spec.lower_hz)), mel(np.float32(spec.upper_hz))
    spacing = (high - low) / np.float32(spec.channels + 1)
    centres = [low] + [low + spacing * np.float32(band + 1) for band in range(spec.channels + 1)]
    edges, weights, unweights = [int(np.float32(1.5) + np.float32(spec.lower_hz) / width)], [], []
    for left, right in pairwise(centres):
        place = edges[-1]
        while mel(np.float32(place) * width) <= right:
            weight = (right - mel(np.float32(place) * width)) / (right - left)
            weights.append(int(np.floor(weight * scale + half)))
            unweights.append(int(np.floor((one - weight) * scale + half)))
            place += 1
        edges.append(place)
    return dataclasses.replace(
        tables,
        window=window,
        band_edges=np.array(edges, np.int16),
        band_weights=np.array(weights, np.int16),
        band_unweights=np.array(unweights, np.int16),
    )


def pymicro_features(samples: Samples) -> np.ndarray:
    package = pytest.importorskip(
        "pymicro_features", reason="pymicro-features is not installed: it cannot judge"
    )
    frontend = package.MicroFrontend()
    chunks = [samples[i : i + 160].tobytes() for i in range(0, len(samples) - 159, 160)]
    rows = [frontend.process_samples(chunk).features for chunk in chunks]
    # The package multiplies by 10 / 256, which takes nothing from a uint16.
    return np.round(np.array([row for row in rows if row]) * 25.6).astype(np.uint16)


def test_pymicro_features_agrees_given_its_tables(shared_data: Callable[[str], Path]) -> None:
    ours = make_tables(PYMICRO_SPEC)
    theirs = in_single_precision(ours, PYMICRO_SPEC)
    weights = int((ours.band_weights != theirs.band_weights).sum())
    print(f"window: {int((ours.window != theirs.window).sum())} of {ours.window.size} differ, ", end="")  # noqa: T201
    print(f"filter bank: {weights} of {ours.band_weights.size}")  # noqa: T201
    clips = recordings(shared_data("EMO-DB"), 10)
    judged = [pymicro_features(clip) for clip in clips]
    assert (
        share_that_agrees([(Frontend(theirs).process(c), j) for c, j in zip(clips, judged, strict=True)]) == 1
    )
    assert (
        share_that_agrees([(Frontend(ours).process(c), j) for c, j in zip(clips, judged, strict=True)])
        >= 0.95
    )


def test_noise_constants_round_down() -> None:
    # config->even_smoothing * (1 << 14), converted to an integer: 0.025 is 409.6.
    assert design.noise_constant(0.025) == 409
    assert design.noise_constant(1.0) == 16_384
