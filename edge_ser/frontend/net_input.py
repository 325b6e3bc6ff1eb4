"""From samples to the uint8 spectrogram that the nets read: the front end, its fixed affine rule, normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_ser.frontend.engine import centre_channels, open_frontend, quantize_features
from edge_ser.frontend.tables import FrontendTables
from edge_ser.spec import Normalisation


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
