"""How far a system's confidence is from its hit rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""As in the paper that made the measure usual."""


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Expected calibration error (Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599).

    Decisions are put into equal bins of their confidence; the error is the mean distance between a bin's
    confidence and its hit rate, weighted by its decisions.

    Args:
        probabilities: float64 (n, classes), rows summing to 1.
        labels: int (n,), the true classes.

    Returns:
        A difference of shares, 0 (honest) to 1; 0.0 where there is no decision.
    """
    if not len(labels):
        return 0.0
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == labels
    # Bins are open below and closed above, so a confidence of exactly 1 is in the last.
    where = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    distance = np.abs(
        np.bincount(where, weights=hit, minlength=BINS)
        - np.bincount(where, weights=confidence, minlength=BINS)
    )
    return float(distance.sum() / len(labels))
