"""The hand-crafted functionals of every clip of a plan, computed once and kept beside its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.evaluation.plan import Plan
from edge_ser.files import replacing, sha256_hex
from edge_ser.handcrafted.clips import clip_functionals
from edge_ser.handcrafted.frames import Floats
from edge_ser.provenance import code_digest

_FUNCTIONALS_CODE: Final = ("audio.py", "handcrafted")


def functionals_file(plan: Plan) -> Path:
    """The file that takes the functionals of every clip of a plan, named by what they are made of and with."""
    sizes = {name: clip.path.stat().st_size for name, clip in _clips(plan).items()}
    about = json.dumps([code_digest(_FUNCTIONALS_CODE), sizes], sort_keys=True).encode()
    return plan.folder / f"functionals-{sha256_hex(about)[:16]}.npz"


def prepare_functionals(plan: Plan, path: Path, jobs: int) -> None:
    """Compute them, ``jobs`` clips at a time, unless they are there."""
    if path.exists():
        return
    clips = _clips(plan)
    rows = clip_functionals(list(clips.values()), lambda _clips: None, jobs)
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, names=np.array(list(clips), dtype=np.str_), rows=rows)


def _clips(plan: Plan) -> dict[str, Clip]:
    return {name_of(clip): clip for fold in plan.folds for clip in fold.manifest.clips}


def read_functionals(path: Path) -> dict[str, Floats]:
    """Functionals by the name of a clip (:func:`name_of`), float64 (functionals,) each.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(zip((str(name) for name in arrays["names"]), arrays["rows"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        message = f"{path}: not a file of functionals ({error}); delete it and evaluate again"
        raise InputError(message) from None


def name_of(clip: Clip) -> str:
    """What a clip is called in the file of functionals."""
    return f"{clip.corpus}:{clip.path}:{clip.start_s}:{clip.end_s}"
