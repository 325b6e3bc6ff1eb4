"""The front end over samples that arrive in chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_ser.frontend.reference import Frontend, check_samples
from edge_ser.frontend.tables import FrontendTables


class FrontendStream:
    """Gives the frames of a whole recording, whatever chunks it comes in.

    Args:
        tables: the integers of the front end.
    """

    def __init__(self, tables: FrontendTables) -> None:
        self._frontend = Frontend(tables)
        self.reset()

    def reset(self) -> None:
        """Forget all samples and the noise estimate."""
        self._pending = np.zeros(0, np.int16)
        self._estimate = self._frontend.silent_estimate(1)

    def feed(self, chunk: NDArray[np.int16]) -> NDArray[np.uint16]:
        """Take samples and give the frames that they complete.

        Args:
            chunk: int16 (n,), any n.

        Returns:
            uint16 (frames, channels), often no frames.

        Raises:
            InputError: ``chunk`` has another type or shape.
        """
        check_samples(chunk, dimensions=1)
        samples = np.concatenate([self._pending, chunk])
        features, self._estimate = self._frontend.advance(samples[np.newaxis], self._estimate)
        self._pending = samples[features.shape[1] * self._frontend.tables.step_samples :]
        frames: NDArray[np.uint16] = features[0]
        return frames
