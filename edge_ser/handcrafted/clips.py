"""Functionals of labelled recordings, in as many processes as wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from edge_ser.audio import read_audio
from edge_ser.corpora.clip import Clip
from edge_ser.handcrafted.frames import SAMPLE_RATE_HZ, Floats
from edge_ser.handcrafted.functionals import functionals

Change = Callable[[Clip, NDArray[np.int16]], NDArray[np.int16]]
"""What a test does to a clip's samples before they are listened to."""


def clip_functionals(
    clips: Sequence[Clip],
    advance: Callable[[int], None],
    workers: int = 1,
    change: Change | None = None,
) -> Floats:
    """Functionals of clips.

    Args:
        clips: labelled recordings.
        advance: called with 1 for every clip done.
        workers: processes.
        change: what is done to the samples first; ``None`` for nothing.

    Returns:
        float64 (clips, 88).

    Raises:
        InputError: an audio file cannot be read; it is named.
    """
    rows = []
    jobs = (joblib.delayed(_one)(clip.path, clip.start_s, clip.end_s, clip, change) for clip in clips)
    for row in joblib.Parallel(n_jobs=workers, return_as="generator")(jobs):
        rows.append(row)
        advance(1)
    return np.stack(rows) if rows else np.zeros((0, 0))


def _one(path: Path, start_s: float, end_s: float | None, clip: Clip, change: Change | None) -> Floats:
    samples = read_audio(path, SAMPLE_RATE_HZ, start_s, end_s)
    with threadpool_limits(1):
        return functionals(samples if change is None else change(clip, samples))
