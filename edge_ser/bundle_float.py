"""The float members of a bundle: the nets before quantisation, to score beside int8 and to train on from.

None of them is deployed: no budget, no firmware and no compiler reads them. The float TFLite files run wherever
LiteRT does; the Keras weights, classifiers included, are what a later training starts from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_ser.bundle import Bundle
from edge_ser.npz import npz_bytes

NetName = Literal["keyword", "acoustic"]

FLOAT_FOLDER = "float/"
FLOAT_NETS: Mapping[NetName, str] = {
    "acoustic": "float/acoustic.tflite",
    "keyword": "float/keyword.tflite",
}
FLOAT_HEADS = "float/heads.npz"
FLOAT_WEIGHTS: Mapping[NetName, str] = {
    "acoustic": "float/acoustic.weights.h5",
    "keyword": "float/keyword.weights.h5",
}
"""Keras weights files; the ending is the one that Keras wants."""


def float_members(
    acoustic: bytes, keyword: bytes, weights: NDArray[np.floating], bias: NDArray[np.floating]
) -> dict[str, bytes]:
    """The members that a float evaluation needs.

    Args:
        acoustic: the acoustic net's float TFLite file.
        keyword: the keyword net's.
        weights: of the float fusion head, (classes, acoustic + keyword embedding).
        bias: of it, (classes,).
    """
    heads = {"weights": weights.astype(np.float64), "bias": bias.astype(np.float64)}
    return {
        FLOAT_NETS["acoustic"]: acoustic,
        FLOAT_NETS["keyword"]: keyword,
        FLOAT_HEADS: npz_bytes(heads),
    }


def weights_members(files: Mapping[NetName, Path]) -> dict[str, bytes]:
    """The members that a later training starts from, of the Keras weights files of both nets."""
    return {FLOAT_WEIGHTS[net]: path.read_bytes() for net, path in files.items()}


def has_float(bundle: Bundle) -> bool:
    """Whether a bundle carries its float nets for evaluation."""
    return {*FLOAT_NETS.values(), FLOAT_HEADS} <= set(bundle.members)


def float_bytes(bundle: Bundle) -> int:
    """Bytes of all float members: the part of a bundle that is not deployed."""
    return sum(len(data) for name, data in bundle.members.items() if name.startswith(FLOAT_FOLDER))
