"""Running a bundle on labelled clips with several backends at once, in as many processes as wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from edge_ser.audio import read_audio, segments
from edge_ser.bundle import Bundle
from edge_ser.corpora.clip import Clip
from edge_ser.evaluation.backends import Backend, BackendName, load_backends, net_input
from edge_ser.frontend.net_input import NetInput
from edge_ser.spec import SystemSpec

Change = Callable[[Clip, NDArray[np.int16]], NDArray[np.int16]]
"""What a stress test does to a clip's samples before the system hears them."""

Floats = NDArray[np.float64]

_CHUNK = 16
"""Clips that one job takes: enough to pay for loading the nets, few enough to share the work evenly."""


def score_clips(
    bundle: Bundle,
    names: Sequence[BackendName],
    clips: Sequence[Clip],
    advance: Callable[[int], None],
    jobs: int = 1,
    change: Change | None = None,
) -> dict[str, Floats]:
    """Class probabilities of clips, the segments' logits averaged by their seconds.

    Args:
        bundle: what to run.
        names: with which backends; float is left out where the bundle does not carry it.
        clips: labelled recordings.
        advance: called with the number of clips just done.
        jobs: processes.
        change: what is done to the samples first; ``None`` for nothing.

    Returns:
        By backend, float64 (clips, classes), rows summing to 1.

    Raises:
        InputError: an audio file cannot be read; it is named.
        MissingError: an interpreter is not installed.
    """
    # Here first, so that what is wrong with the bundle is said once and before the work.
    loaded = load_backends(bundle, names)
    if jobs == 1:
        front = net_input(bundle)
        rows = []
        for clip in clips:
            rows.append(_one(bundle.spec, front, loaded, clip, change))
            advance(1)
        return _stacked(rows)
    chunks = [clips[at : at + _CHUNK] for at in range(0, len(clips), _CHUNK)]
    work = (joblib.delayed(_chunk)(bundle, tuple(loaded), chunk, change) for chunk in chunks)
    done = []
    for found in joblib.Parallel(n_jobs=jobs, return_as="generator")(work):
        done.extend(found)
        advance(len(found))
    return _stacked(done)


def _chunk(
    bundle: Bundle, names: Sequence[BackendName], clips: Sequence[Clip], change: Change | None
) -> list[Mapping[str, Floats]]:
    with threadpool_limits(1):
        loaded, front = load_backends(bundle, names), net_input(bundle)
        return [_one(bundle.spec, front, loaded, clip, change) for clip in clips]


def _one(
    spec: SystemSpec, front: NetInput, loaded: Mapping[Any, Backend], clip: Clip, change: Change | None
) -> Mapping[str, Floats]:
    rate = spec.frontend.sample_rate_hz
    samples = read_audio(clip.path, rate, clip.start_s, clip.end_s)
    if change is not None:
        samples = change(clip, samples)
    hop = spec.frontend.samples_for(spec.acoustic.hop_s)
    cut = list(segments([samples], spec.segment_samples, hop, rate))
    features = front.features(np.stack([segment.samples for segment in cut]))
    seconds = np.array([segment.end_s - segment.start_s for segment in cut])
    return {
        name: softmax(np.average(backend.logits(features), axis=0, weights=seconds))
        for name, backend in loaded.items()
    }


def _stacked(rows: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]} if rows else {}
