"""Golden vectors: one segment's audio, features, embeddings and scores, kept in the bundle.

Whatever runs a bundle (another CPU, another runtime, a board) reproduces them before its decisions are believed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edge_ser.bundle import Bundle
from edge_ser.errors import CheckError
from edge_ser.npz import npy_bytes
from edge_ser.runtime.pipeline import Pipeline

TOLERANCE = {"features": 0, "acoustic_embedding": 2, "keyword_windows": 8}
"""Largest difference allowed per value, in steps of uint8. Features are integers everywhere. TFLM computes nearly as
LiteRT's reference kernels do; LiteRT's optimised kernels round halves below zero otherwise, one step now and then, and
the keyword net's residual sums hand that on (5 steps seen on its embedding, 1 to 2 on the acoustic one; up to 8 in
bundles from before means were aligned, see :func:`edge_ser.quantization.fake_quant.align_means`). A wrong kernel is off
by tens and hundreds."""


def golden_members(pipeline: Pipeline, samples: NDArray[np.int16]) -> dict[str, bytes]:
    """The golden members of a bundle, from one segment: int16 (samples,)."""
    return {f"golden/{name}.npy": npy_bytes(values) for name, values in _stages(pipeline, samples).items()}


def check_golden(bundle: Bundle, pipeline: Pipeline) -> None:
    """Run the golden segment and compare stage by stage.

    Raises:
        CheckError: naming the first stage that differs, and by how much.
    """
    wrong = beyond_tolerance(golden_differences(bundle, pipeline))
    if wrong:
        message = (
            f"golden vectors: {wrong[0]}; this runtime computes other values than the bundle's maker did"
        )
        raise CheckError(message)


def beyond_tolerance(differences: Mapping[str, int | None]) -> list[str]:
    """What of :func:`golden_differences`, or of as many stages as a board tells, is more than :data:`TOLERANCE`."""
    wrong = []
    for name, limit in TOLERANCE.items():
        difference = differences.get(name, 0)
        if difference is None:
            wrong.append(f"{name} has another shape")
        elif difference > limit:
            wrong.append(f"{name} differs by {difference}, allowed {limit}")
    return wrong


def golden_differences(bundle: Bundle, pipeline: Pipeline) -> dict[str, int | None]:
    """Largest difference from the golden vectors: of each stage of :data:`TOLERANCE`, and of the integer scores.

    Returns:
        By stage, in its own units (uint8 steps, score units); ``None`` where the shape is another.
    """
    stored = {name: bundle.array(f"golden/{name}.npy") for name in _NAMES}
    found = _stages(pipeline, stored["samples"])
    return {name: distance(stored[name], found[name]) for name in (*TOLERANCE, "scores")}


def distance(expected: NDArray[np.generic], found: NDArray[np.generic]) -> int | None:
    """Largest difference of two arrays of integers, of any shape; ``None`` where their shapes differ."""
    if expected.shape != found.shape:
        return None
    return int(np.abs(expected.astype(np.int64) - found.astype(np.int64)).max())


_NAMES = ("samples", "features", "acoustic_embedding", "keyword_windows", "scores")


def _stages(pipeline: Pipeline, samples: NDArray[np.int16]) -> dict[str, NDArray[np.generic]]:
    features = pipeline.features(samples[np.newaxis])
    embeddings = pipeline.embeddings(features)
    return {
        "samples": samples,
        "features": features[0],
        "acoustic_embedding": embeddings.acoustic[0],
        "keyword_windows": embeddings.keyword_windows[0],
        "scores": pipeline.fusion.scores(embeddings.fused)[0],
    }
