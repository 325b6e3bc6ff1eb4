"""The control heads of a bundle: what the fusion head is compared with to say what the keywords are worth.

``alone`` is the acoustic net's own classifier. ``taught-0``, ``taught-1``, … were fitted as the fusion head was, but
with the keyword embeddings handed to the wrong clips, so that all they can have learned from the words is chance.
None of them is deployed: no firmware reads them, and a bundle may be without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ser.bundle import Bundle
from edge_ser.errors import InputError
from edge_ser.integer_head import IntegerHead
from edge_ser.npz import npz_bytes

CONTROLS = "fusion_controls.npz"
"""The member that holds them."""

ALONE = "alone"
_TAUGHT = "taught"
_FLOAT = "float"
MOST_TAUGHT = 32
"""More heads than this in a file are a mistake or an attack."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ControlHead:
    """One control, both as it would be deployed and in float; each reads [acoustic, keyword] embeddings.

    Attributes:
        integer: as deployed.
        weights: float64 (classes, inputs).
        bias: float64 (classes,).
    """

    integer: IntegerHead
    weights: Floats
    bias: Floats


@dataclass(frozen=True)
class Controls:
    """The control heads.

    Attributes:
        alone: the acoustic net alone; its weights on the keyword embedding are zero.
        taught: heads fitted with keyword embeddings of other clips.
    """

    alone: ControlHead
    taught: tuple[ControlHead, ...]


def control_members(controls: Controls) -> dict[str, bytes]:
    """The controls as members of a bundle."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, head in _named(controls).items():
        arrays |= head.integer.to_arrays(name)
        arrays[f"{name}_{_FLOAT}_weights"] = head.weights.astype(np.float64)
        arrays[f"{name}_{_FLOAT}_bias"] = head.bias.astype(np.float64)
    return {CONTROLS: npz_bytes(arrays)}


def read_controls(bundle: Bundle) -> Controls | None:
    """The controls of a bundle, or ``None`` where it carries none.

    Raises:
        InputError: the member is there, and its heads do not fit the bundle's nets and labels.
    """
    if CONTROLS not in bundle.members:
        return None
    arrays = bundle.arrays(CONTROLS)
    spec = bundle.spec
    shape = (len(bundle.labels), spec.acoustic.embedding + spec.keyword.embedding)
    count = sum(f"{_TAUGHT}-{at}_weights" in arrays for at in range(MOST_TAUGHT + 1))
    if not 1 <= count <= MOST_TAUGHT:
        message = f"{CONTROLS}: {count} taught heads; expected 1 to {MOST_TAUGHT}, make the bundle again"
        raise InputError(message)
    taught = tuple(_head(arrays, f"{_TAUGHT}-{at}", shape) for at in range(count))
    return Controls(_head(arrays, ALONE, shape), taught)


def _named(controls: Controls) -> Mapping[str, ControlHead]:
    return {ALONE: controls.alone, **{f"{_TAUGHT}-{at}": head for at, head in enumerate(controls.taught)}}


def _head(arrays: Mapping[str, NDArray[np.generic]], name: str, shape: tuple[int, int]) -> ControlHead:
    integer = IntegerHead.from_arrays(arrays, name)
    if integer.weights.shape != shape:
        message = (
            f"{CONTROLS}: {name} weights are {integer.weights.shape}; the nets and labels expect {shape}"
        )
        raise InputError(message)
    floats = []
    for part, expected in (("weights", shape), ("bias", shape[:1])):
        key = f"{name}_{_FLOAT}_{part}"
        values = arrays.get(key)
        if values is None or values.dtype != np.float64 or values.shape != expected:
            message = f"{CONTROLS}: expected {key!r} as float64 {expected}; make the bundle again"
            raise InputError(message)
        if not np.isfinite(values.astype(np.float64)).all():
            message = f"{CONTROLS}: {key!r} holds values that are not finite; make the bundle again"
            raise InputError(message)
        floats.append(values.astype(np.float64))
    return ControlHead(integer, *floats)
