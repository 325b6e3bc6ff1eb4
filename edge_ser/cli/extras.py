"""Packages that only some commands need, and the extra of edge-ser that brings each of them."""

from __future__ import annotations

from collections.abc import Mapping

from edge_ser.errors import MissingError

EXTRAS: Mapping[str, str] = {
    "joblib": "evaluate",
    "scipy": "evaluate",
    "sklearn": "evaluate",
    "threadpoolctl": "evaluate",
    "espeakng_loader": "train",
    "h5py": "train",
    "keras": "train",
    "tensorflow": "train",
    "matplotlib": "plot",
    "serial": "board",
    "sounddevice": "mic",
    "tflite_micro": "micro",
}
"""By the name that is imported. ``evaluate`` measures and explains, and is part of ``train``."""


def missing_extra(error: ModuleNotFoundError) -> MissingError | None:
    """What a person can do about an import that failed; ``None`` where no extra brings the module."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRAS:
        return None
    return MissingError(
        f"this command needs {name}, which is not installed; pip install 'edge-ser[{EXTRAS[name]}]'"
    )
