"""From samples to the uint8 spectrogram that the nets read: the front end, its fixed affine rule, normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_ser.frontend.engine import open_frontend, quantize_features
from edge_ser.frontend.tables import FrontendTables
from edge_ser.spec import Normalisation

_CENTRE = 128
"""Where a channel's mean lands: the middle of uint8."""


class NetInput:
    """Makes the nets' input; every call starts the front end anew, so that equal samples give equal input."""

    def __init__(self, tables: FrontendTables) -> None:
        self._tables = tables
        self._frontend = open_frontend(tables)

    def features(self, samples: NDArray[np.int16]) -> NDArray[np.uint8]:
        """uint8 (clips, frames, channels) of int16 (clips, samples)."""
        features = self._frontend.process_batch(samples)
        return quantize_features(features, self._tables.feature_low, self._tables.feature_high)


def acoustic_input(features: NDArray[np.uint8], normalisation: Normalisation) -> NDArray[np.uint8]:
    """What the acoustic net reads of segments.

    Args:
        features: uint8 (n, frames, channels), whole segments as the front end gives them.
        normalisation: of the acoustic spec.

    Returns:
        uint8 (n, frames, channels).
    """
    return centre_channels(features) if normalisation == "channels" else features


def centre_channels(features: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Move every channel's mean over time to 128.

    Cepstral mean normalisation (Atal, JASA 55, 1974) on log features, where level, microphone and room are constants
    that are added. In integers: the mean is rounded half up, what leaves 0..255 is cut off.

    Args:
        features: uint8 (n, frames, channels).

    Returns:
        uint8 (n, frames, channels).
    """
    frames = features.shape[1]
    means = (features.sum(axis=1, keepdims=True, dtype=np.int32) + frames // 2) // frames
    centred: NDArray[np.uint8] = np.clip(features - means + _CENTRE, 0, 255).astype(np.uint8)
    return centred
