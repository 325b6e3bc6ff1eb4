"""From uint16 features to the nets' uint8 input: one fixed affine rule, so that loudness stays in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
