"""The keyword net of a bundle as it ships, on corpora that did not teach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_ser.bundle import Bundle
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.keywords import Place, examined, origins
from edge_ser.corpora.registry import read_clips
from edge_ser.corpora.synthetic_layout import is_synthetic
from edge_ser.errors import InputError
from edge_ser.evaluation.backends import BackendName
from edge_ser.evaluation.decided import Decided
from edge_ser.evaluation.keyword_nets import bundle_nets, clip_windows, front_end, predictors
from edge_ser.evaluation.keyword_stream import keyword_free, summed, sweep
from edge_ser.evaluation.keyword_tables import clip_titles, per_table
from edge_ser.evaluation.learned import learned_from
from edge_ser.evaluation.shipped import Progress
from edge_ser.evaluation.summary import SHIPPED, headline


@dataclass(frozen=True)
class KeywordExam:
    """What a person asks for.

    Attributes:
        bundle: what is examined.
        target: the corpus that is tested.
        others: further corpora: words, other speech, noise.
        free: corpora without keywords, that false accepts are counted on.
        backends: with what the net is run; a bundle keeps no float keyword head, so float is left out.
    """

    bundle: Bundle
    target: Place
    others: tuple[Place, ...]
    free: tuple[Place, ...]
    backends: tuple[BackendName, ...]


def report(exam: KeywordExam, progress: Progress, tell: Callable[[str], None]) -> dict[str, Any]:
    """Score the keyword net.

    Returns:
        As of :func:`edge_ser.evaluation.keyword_trials.report`, with ``seeds`` empty: a bundle is one training.

    Raises:
        InputError: nobody is left to score, or a noise corpus taught the bundle.
        MissingError: a corpus or an interpreter is not there.
    """
    spec, learned = exam.bundle.spec, learned_from(exam.bundle)
    taught = [name for name, _ in (*exam.others, *exam.free) if name in learned.corpora]
    clips = examined(spec, (exam.target, *exam.others), learned.saw)
    streams = {
        name: [clip for clip in _stream_clips(name, root, spec.keyword.words) if not learned.saw(clip)]
        for name, root in exam.free
    }
    unnamed = [name for name in taught if any(not clip.speaker for clip in streams.get(name, ()))]
    if unnamed:
        message = f"{unnamed[0]} taught the bundle; false accepts need sound that it never heard"
        raise InputError(message)
    nets, front = bundle_nets(exam.bundle), front_end(spec)
    backends: tuple[BackendName, ...] = tuple(name for name in exam.backends if name != "float")
    ways = predictors(nets, backends)
    if not ways:
        message = "a bundle's keyword net is scored in int8: give --backends litert, tflm, or both"
        raise InputError(message)
    index = spec.keyword.classes.index
    labels = np.array([index(str(clip.keyword)) for clip in clips], dtype=np.int64)
    with progress("the keyword net on the clips", 1) as advance:
        windows = clip_windows(spec, front, clips)
        decided = Decided(
            classes=spec.keyword.classes,
            clips=clip_titles(clips, exam.target[1].resolve()),
            labels=labels,
            probabilities={name: predict(windows) for name, predict in ways.items()},
            constant=int(np.bincount(labels).argmax()),
        )
        advance(1)
    tell("the constant predictor's class is the commonest of the test: the training's is not kept")
    tables = per_table(spec, {exam.bundle.spec.training.seed: [decided]})
    stream = None
    if streams and SHIPPED in ways:
        named = [clip for clip in clips if clip.keyword in spec.keyword.words]
        with progress("running sound", len(named) + sum(len(free) for free in streams.values())) as advance:
            swept = sweep(spec, front, ways[SHIPPED], named, streams, advance)
        stream = {"mean": summed([swept.to_dict()]), "seeds": {}}
    return {
        **headline(next(iter(tables.values()))["pooled"]),
        "task": "keyword",
        "spec": spec.to_dict(),
        "bundle": {"name": spec.name, "build": exam.bundle.build_id},
        "corpus": exam.target[0],
        "others": [name for name, _ in exam.others],
        "synthetic": any(is_synthetic(name) for name, _ in (exam.target, *exam.others)),
        "trained_on": list(learned.corpora),
        "trained_on_synthetic": any(map(is_synthetic, learned.corpora)),
        "seeds": [],
        "bytes": len(nets.int8),
        "origins": origins({"test": clips}),
        "tables": tables,
        "stream": stream,
    }


def _stream_clips(name: str, root: Path, words: tuple[str, ...]) -> list[Clip]:
    return keyword_free(read_clips(name, root.resolve()), words, frozenset())
