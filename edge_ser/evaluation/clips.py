"""Decisions of the shipped pipeline on labelled clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import read_audio
from edge_ser.corpora.clip import Clip
from edge_ser.runtime.pipeline import Pipeline


def clip_scores(
    pipeline: Pipeline, clips: Sequence[Clip], advance: Callable[[int], None]
) -> NDArray[np.float64]:
    """Probabilities of each clip, its segments averaged by the spec's rule.

    Args:
        pipeline: a bundle made ready.
        clips: labelled recordings.
        advance: called with 1 for every clip done.

    Returns:
        float64 (clips, classes), rows summing to 1; the largest decides.
    """
    scores = []
    for clip in clips:
        samples = read_audio(clip.path, pipeline.spec.frontend.sample_rate_hz, clip.start_s, clip.end_s)
        said = pipeline.recording(pipeline.decide(segment) for segment in pipeline.segments([samples]))
        scores.append(said.scores)
        advance(1)
    return np.array(scores)
