"""Files in the form of compiled ones, by the builder of the Edge TPU tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "edgetpu"))

from package_builder import Compiled, Layer  # the path above leads there


def compiled_net(shape: tuple[int, int, int], outputs: int) -> bytes:
    """One Edge TPU operation, uint8 (1, *shape) in and uint8 (1, 1, 1, outputs) out."""
    entry = Layer("in", shape[0] * shape[1] * shape[2], shape)
    return Compiled(inputs=(entry,), outputs=(Layer("out", outputs, (1, 1, outputs)),)).data()
