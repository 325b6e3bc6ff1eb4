"""Running a bundle on labelled clips with several backends at once, in as many processes as wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from edge_ser.audio import read_audio
from edge_ser.bundle import Bundle
from edge_ser.corpora.clip import Clip
from edge_ser.evaluation.backends import Backend, BackendName, load_backends, net_input
from edge_ser.evaluation.controls import Controlled, decide_controls
from edge_ser.evaluation.heard import Heard
from edge_ser.frontend.net_input import NetInput
from edge_ser.spec import SystemSpec
from edge_ser.windows import windows_of

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
    """Class probabilities of clips, its segments taken together by the spec's rule.

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
    return _probabilities(loaded, _hear(bundle, loaded, clips, advance, jobs, change))


@dataclass(frozen=True, eq=False)
class Scored:
    """Decisions of one bundle on clips.

    Attributes:
        probabilities: by backend, float64 (clips, classes), rows summing to 1.
        controls: by backend, the decisions of its controls; none where the bundle carries no control heads.
    """

    probabilities: dict[str, Floats]
    controls: dict[str, Controlled]


def score_with_controls(
    bundle: Bundle,
    names: Sequence[BackendName],
    clips: Sequence[Clip],
    advance: Callable[[int], None],
    jobs: int = 1,
) -> Scored:
    """:func:`score_clips`, and the keyword controls on the same embeddings: the nets run once."""
    loaded = load_backends(bundle, names)
    heard = _hear(bundle, loaded, clips, advance, jobs)
    controls = {
        name: decide_controls(rows, heads, bundle.spec.decision.averaging)
        for name, rows in heard.items()
        if (heads := loaded[name].controls) is not None
    }
    return Scored(_probabilities(loaded, heard), {str(name): rows for name, rows in controls.items()})


def _probabilities(
    loaded: Mapping[BackendName, Backend], heard: Mapping[BackendName, Sequence[Heard]]
) -> dict[str, Floats]:
    return {
        str(name): np.stack([loaded[name].probabilities(one.embeddings, one.seconds) for one in rows])
        for name, rows in heard.items()
    }


def _hear(
    bundle: Bundle,
    loaded: Mapping[BackendName, Backend],
    clips: Sequence[Clip],
    advance: Callable[[int], None],
    jobs: int,
    change: Change | None = None,
) -> dict[BackendName, list[Heard]]:
    """What each backend's nets make of the clips."""
    if jobs == 1:
        front = net_input(bundle)
        rows = []
        for clip in clips:
            rows.append(_one(bundle.spec, front, loaded, clip, change))
            advance(1)
        return _by_name(rows)
    chunks = [clips[at : at + _CHUNK] for at in range(0, len(clips), _CHUNK)]
    work = (joblib.delayed(_chunk)(bundle, tuple(loaded), chunk, change) for chunk in chunks)
    done = []
    for found in joblib.Parallel(n_jobs=jobs, return_as="generator")(work):
        done.extend(found)
        advance(len(found))
    return _by_name(done)


def _chunk(
    bundle: Bundle, names: Sequence[BackendName], clips: Sequence[Clip], change: Change | None
) -> list[Mapping[BackendName, Heard]]:
    with threadpool_limits(1):
        loaded, front = load_backends(bundle, names), net_input(bundle)
        return [_one(bundle.spec, front, loaded, clip, change) for clip in clips]


def _one(
    spec: SystemSpec,
    front: NetInput,
    loaded: Mapping[BackendName, Backend],
    clip: Clip,
    change: Change | None,
) -> Mapping[BackendName, Heard]:
    rate = spec.frontend.sample_rate_hz
    samples = read_audio(clip.path, rate, clip.start_s, clip.end_s)
    if change is not None:
        samples = change(clip, samples)
    cut = list(windows_of(spec, [samples]))
    features = front.features(np.stack([segment.samples for segment in cut]))
    seconds = np.array([segment.end_s - segment.start_s for segment in cut])
    return {name: Heard(backend.embeddings(features), seconds) for name, backend in loaded.items()}


def _by_name(rows: Sequence[Mapping[BackendName, Heard]]) -> dict[BackendName, list[Heard]]:
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
