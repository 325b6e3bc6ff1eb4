"""`features` as a function: the MicroFrontend spectrogram of a recording."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import stream_audio
from edge_ser.errors import InputError
from edge_ser.frontend.engine import open_stream
from edge_ser.frontend.tables import make_tables
from edge_ser.spec import FrontendSpec


def features(file: str | os.PathLike[str], frontend: FrontendSpec | None = None) -> NDArray[np.uint16]:
    """The features of a recording, as ``edge-ser features`` writes them.

    They are the numbers before the affine rule to the nets' uint8 input, from the fixed-point front end that runs on
    the board too.

    Args:
        file: wav, flac, ogg; any rate and channel count.
        frontend: window, step, channels, band and stages; ``None`` is the default front end, a bundle's own is
            ``bundle.spec.frontend``.

    Returns:
        uint16 (frames, channels), one frame at least.

    Raises:
        InputError: the recording cannot be read, or is shorter than one window.

    Example:
        >>> import edge_ser
        >>> spectrogram = edge_ser.features("speech.wav")
        >>> spectrogram.dtype.name, spectrogram.shape
        ('uint16', (99, 40))
    """
    spec = FrontendSpec() if frontend is None else frontend
    stream = open_stream(make_tables(spec))
    blocks = stream_audio(Path(file), spec.sample_rate_hz)
    array: NDArray[np.uint16] = np.concatenate([stream.feed(block) for block in blocks])
    if len(array) == 0:
        message = f"{file}: shorter than one window of {spec.window_ms} ms; give a longer recording"
        raise InputError(message)
    return array
