"""From uint16 features to the nets' uint8 input: one fixed affine rule, and the channels' means taken off a segment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CENTRE = 128
"""Where a channel's mean lands: the middle of uint8."""


def quantize_features(features: NDArray[np.uint16], low: int, high: int) -> NDArray[np.uint8]:
    """Map ``low`` to 0 and ``high`` to 255, rounded to nearest, halves up; beyond them it saturates.

    Args:
        features: uint16, any shape.
        low: ``FrontendSpec.feature_low``.
        high: ``FrontendSpec.feature_high``, above ``low``.

    Returns:
        uint8, same shape.
    """
    span = high - low
    above = np.clip(features.astype(np.int32), low, high) - low
    return ((above * 255 + span // 2) // span).astype(np.uint8)


def centre_channels(features: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Move every channel's mean over time to 128.

    Cepstral mean normalisation (Atal, JASA 55, 1974) on log features, where level, microphone and room are constants
    that are added. In integers: the mean is rounded to nearest, halves up; beyond 0 and 255 it saturates.

    Args:
        features: uint8 (n, frames, channels), at least one frame.

    Returns:
        uint8 (n, frames, channels).
    """
    frames = features.shape[1]
    means = (features.sum(axis=1, keepdims=True, dtype=np.int32) + frames // 2) // frames
    centred: NDArray[np.uint8] = np.clip(features - means + _CENTRE, 0, 255).astype(np.uint8)
    return centred
