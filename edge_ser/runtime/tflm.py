"""A net run by TensorFlow Lite Micro on this host: the board's reference arithmetic, at a reference's speed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError, MissingError
from edge_ser.integer_head import Quantized
from edge_ser.runtime.interpreters import LiteRtNet

_ARENA_BYTES = 32 * 2**20
"""Room for any net of ours; what a net really needs is measured by :mod:`edge_ser.edgetpu.arena`."""


class TflmNet:
    """A net run by TFLM's kernels (the ``tflite-micro`` wheel)."""

    def __init__(self, model: bytes, name: str, frames: int, channels: int) -> None:
        """Load a model.

        Args:
            model: the TFLite file, uint8 (1, frames, channels, 1) in, uint8 (1, ..., embedding) out.
            name: what to call it in errors.
            frames: frames that the spec says it reads.
            channels: channels that the spec says it reads.

        Raises:
            InputError: not a model of that shape and type, or TFLM lacks one of its operations.
            MissingError: tflite-micro is not installed.
        """
        # LiteRT first: it refuses a file that is no model with a message, TFLM may end the process.
        checked = LiteRtNet(model, name, frames, channels)
        try:
            from tflite_micro import runtime
        except ImportError:
            message = (
                "TFLM is not installed; pip install 'edge-ser[micro]', or leave it out: --backends litert"
            )
            raise MissingError(message) from None
        self._output, self._size = checked.output, checked.embedding_size
        try:
            self._interpreter = runtime.Interpreter.from_bytes(model, arena_size=_ARENA_BYTES)
        except RuntimeError as error:
            first = (str(error).splitlines() or ["it gives no reason"])[0]
            message = f"{name}: TFLM cannot load it ({first}); see: edge-ser check"
            raise InputError(message) from None

    @property
    def output(self) -> Quantized:
        """How the embedding's uint8 values stand for real numbers."""
        return self._output

    @property
    def embedding_size(self) -> int:
        """Values in the embedding."""
        return self._size

    def embed(self, features: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (n, frames, channels) → uint8 (n, embedding)."""
        embeddings = np.empty((len(features), self._size), dtype=np.uint8)
        for row, one in zip(embeddings, features, strict=True):
            self._interpreter.set_input(one[np.newaxis, ..., np.newaxis], 0)
            self._interpreter.invoke()
            row[:] = self._interpreter.get_output(0).ravel()
        return embeddings
