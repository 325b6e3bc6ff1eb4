"""Which stages of a training are done already: a stage is used again only if all that made it is the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_ser.corpora.clip import Clip
from edge_ser.files import read_json, sha256_hex, write_json

_DONE = "done.json"
_KEY = "key.json"
EXAMPLES_CODE = ("acoustics.py", "audio.py", "augment.py", "frontend", "training/examples.py")
"""The source that decides what examples are made of clips."""

NET_CODE = (
    "augment.py",
    "networks",
    "corpora/affect.py",
    "corpora/votes.py",
    "training/affect.py",
    "training/examples.py",
    "training/loop.py",
    "training/objective.py",
    "training/start.py",
    "training/targets.py",
    "training/vad.py",
)
"""The source that decides what net is trained on examples."""

AWARE_CODE = ("quantization/aware.py", "quantization/fake_quant.py")
"""The source that decides what quantisation-aware training makes of that net."""

PROBE_CODE = (*AWARE_CODE, "training/probing.py")
"""The source that decides what classifier a finished net gets."""


def digest(value: Any) -> str:
    """SHA-256 of a JSON-able value."""
    return sha256_hex(json.dumps(value, sort_keys=True).encode())


def clips_digest(clips: Sequence[Clip], labels: Sequence[int]) -> str:
    """SHA-256 over which stretches of which files have which label; a file counts by what is in it."""
    contents = {path: sha256_hex(path.read_bytes()) for path in {clip.path for clip in clips}}
    rows = [
        [contents[clip.path], clip.start_s, clip.end_s, clip.speaker, label]
        for clip, label in zip(clips, labels, strict=True)
    ]
    return digest(rows)


def is_done(folder: Path, key: str) -> bool:
    """Whether the stage in ``folder`` was finished from exactly ``key``.

    A folder that belongs to another key is emptied; one that was stopped under the same key is left for resuming.
    """
    begun = folder / _KEY
    if folder.exists() and (not begun.exists() or read_json(begun).get("key") != key):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not begun.exists():
        write_json(begun, {"key": key})
    return (folder / _DONE).exists()


def mark_done(folder: Path, result: dict[str, Any]) -> None:
    """Say that the stage in ``folder`` is finished, and what came of it."""
    write_json(folder / _DONE, result)


def result(folder: Path) -> dict[str, Any]:
    """What :func:`mark_done` wrote."""
    return read_json(folder / _DONE)
