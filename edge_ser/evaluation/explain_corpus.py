"""Explanations over a corpus: whether the shown windows matter, and how often the expected cues are in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from edge_ser.audio import read_audio
from edge_ser.bundle import Bundle
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import layout, read_clips
from edge_ser.corpora.synthetic_layout import is_synthetic
from edge_ser.errors import InputError
from edge_ser.evaluation.explain import Explanation, explain
from edge_ser.evaluation.explain_cues import measure
from edge_ser.evaluation.explain_curves import Curves, curves
from edge_ser.evaluation.explain_expected import EXPECTED, Verdict, comparable, judge
from edge_ser.evaluation.explain_neutral import Neutral, scores_against
from edge_ser.evaluation.explain_occlusion import COLUMN_FRAMES, FILL, STRIDE_FRAMES, Stretch
from edge_ser.evaluation.explain_pooled import pooled, pooled_silence
from edge_ser.evaluation.explain_windows import WINDOWS, draw
from edge_ser.evaluation.learned import Learned, choose_clips, learned_from
from edge_ser.evaluation.origin import origin
from edge_ser.handcrafted.frames import SAMPLE_RATE_HZ
from edge_ser.runtime.pipeline import Pipeline, load_pipeline

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""``progress(description, total)`` is a context that yields ``advance(steps)``."""

PLACES = ("shown", "random", "whole")
"""Where cues are measured: in the shown windows, in as many at random places, in the whole recording."""

DRAWS = 10
"""Random draws per clip, whose curves are averaged."""

_CHUNK = 16
"""Clips that one job takes, as in scoring."""


@dataclass(frozen=True)
class Study:
    """What is asked of a corpus.

    Attributes:
        bundle: what decides.
        corpus: layout of the corpus.
        root: its folder.
        neutral: what cues are compared with; ``None`` leaves the cues' part away.
        limit: at most so many clips, drawn at random; ``None`` for all.
        windows: at most so many are shown of a clip.
        draws: random draws per clip.
        seed: of all that is drawn.
        jobs: processes.
        command: the command line, for the report.
    """

    bundle: Bundle
    corpus: str
    root: Path
    neutral: Neutral | None
    limit: int | None = None
    windows: int = WINDOWS
    draws: int = DRAWS
    seed: int = 1
    jobs: int = 1
    command: str = ""


@dataclass(frozen=True, eq=False)
class _Row:
    """One clip.

    Attributes:
        speaker: who speaks.
        truth: its label.
        decided: what the system says.
        curves: ``None`` where nothing is shown.
        scores: by place, z-scores by name of a cue.
        keyword: what the decision loses without the keywords.
    """

    speaker: str
    truth: str
    decided: str
    curves: Curves | None
    scores: Mapping[str, Mapping[str, float]]
    keyword: float


def study(asked: Study, progress: Progress) -> dict[str, Any]:
    """Explain the clips of a corpus whose speakers taught the bundle nothing.

    Returns:
        The report, ready for JSON: the curves under ``deletion``, ``insertion`` and ``silenced`` (see
        :func:`~.explain_pooled.pooled`), under ``cues`` how often the expected ones were found, and who was heard.

    Raises:
        InputError: nothing is left to explain, or an audio file cannot be read.
        MissingError: the corpus is not there.
    """
    made = origin(asked.bundle.spec, asked.command)
    try:
        learned, known = learned_from(asked.bundle), True
    except InputError:
        learned, known = Learned({}, (), ()), False
    choice = choose_clips(read_clips(asked.corpus, asked.root), asked.bundle.labels, learned)
    clips = _limited(choice.clips, asked.limit, asked.seed)
    with progress(f"{asked.corpus}: explanations", len(clips)) as advance:
        rows = list(_rows(asked, clips, advance))
    drawn = [(row.curves, row.speaker) for row in rows if row.curves is not None]
    paths, speakers = [one for one, _ in drawn], [speaker for _, speaker in drawn]
    return {
        "corpus": asked.corpus,
        "title": layout(asked.corpus).title,
        "synthetic": is_synthetic(asked.corpus),
        "bundle": {"name": asked.bundle.spec.name, "build": asked.bundle.build_id},
        "clips": len(rows),
        "clips_there": len(choice.clips),
        "speakers": len({row.speaker for row in rows}),
        "untaught": known,
        "left_out": {
            "speakers_that_taught": len(choice.left_out_speakers),
            "clips_of_them": choice.left_out_clips,
            "emotions_unknown": dict(choice.unknown_labels),
            "clips_without_speaker": choice.without_speaker,
        },
        "right": sum(row.truth == row.decided for row in rows),
        "windows": asked.windows,
        "column_frames": COLUMN_FRAMES,
        "stride_frames": STRIDE_FRAMES,
        "hidden_by": FILL,
        "draws": asked.draws,
        "seed": asked.seed,
        "deletion": pooled("deletion", paths, speakers, asked.seed),
        "insertion": pooled("insertion", paths, speakers, asked.seed),
        "silenced": pooled_silence(paths, speakers, asked.seed),
        "clips_without_windows": len(rows) - len(drawn),
        "neutral": None if asked.neutral is None else asked.neutral.to_dict(),
        "cues": None if asked.neutral is None else _cues(rows),
        "keyword_effect": round(float(np.mean([row.keyword for row in rows])), 4),
        **made,
    }


def _limited(clips: Sequence[Clip], limit: int | None, seed: int) -> list[Clip]:
    """Clips drawn without return, in the order of the corpus."""
    if limit is None or limit >= len(clips):
        return list(clips)
    chosen = np.random.default_rng(seed).choice(len(clips), limit, replace=False)
    return [clips[at] for at in sorted(chosen)]


def _rows(asked: Study, clips: Sequence[Clip], advance: Callable[[int], None]) -> Iterator[_Row]:
    if asked.jobs == 1:
        # Here and not in a child, so that what is wrong with the bundle is said before the work.
        pipeline = load_pipeline(asked.bundle)
        for at, clip in enumerate(clips):
            yield _one(asked, pipeline, clip, at)
            advance(1)
        return
    chunks = [range(at, min(at + _CHUNK, len(clips))) for at in range(0, len(clips), _CHUNK)]
    work = (joblib.delayed(_chunk)(asked, [(at, clips[at]) for at in chunk]) for chunk in chunks)
    for found in joblib.Parallel(n_jobs=asked.jobs, return_as="generator")(work):
        yield from found
        advance(len(found))


def _chunk(asked: Study, clips: Sequence[tuple[int, Clip]]) -> list[_Row]:
    with threadpool_limits(1):
        pipeline = load_pipeline(asked.bundle)
        return [_one(asked, pipeline, clip, at) for at, clip in clips]


def _one(asked: Study, pipeline: Pipeline, clip: Clip, at: int) -> _Row:
    rate = pipeline.spec.frontend.sample_rate_hz
    samples = read_audio(clip.path, rate, clip.start_s, clip.end_s)
    voiced = (
        None if rate == SAMPLE_RATE_HZ else read_audio(clip.path, SAMPLE_RATE_HZ, clip.start_s, clip.end_s)
    )
    found = explain(pipeline, samples, asked.neutral, voiced=voiced, windows=asked.windows, sex=clip.sex)
    rng = np.random.default_rng([asked.seed, at])
    random = draw(found.columns, len(found.chosen), rng)
    return _Row(
        speaker=clip.speaker,
        truth=str(clip.emotion),
        decided=found.heard.recording.emotion,
        curves=curves(found.heard, found.columns, found.chosen, asked.draws, rng),
        scores=dict(_scores(found, asked.neutral, random)) if asked.neutral is not None else {},
        keyword=found.keyword.effect,
    )


def _scores(
    found: Explanation, neutral: Neutral, random: Sequence[Stretch]
) -> Iterator[tuple[str, Mapping[str, float]]]:
    usual = neutral.of(found.group)[1]
    whole = Stretch(*found.heard.reach)
    for place, stretches in zip(PLACES, ((), random or (whole,), (whole,)), strict=True):
        if place == "shown":
            yield place, found.scores
        else:
            values = measure(found.tracks, [found.seconds(one) for one in stretches])
            yield place, comparable(scores_against(values, usual))


def _cues(rows: Sequence[_Row]) -> dict[str, Any]:
    """How often the cues are those that the literature expects of the emotion decided on."""
    right = [row for row in rows if row.truth == row.decided]
    wrong = [row for row in rows if row.truth != row.decided]
    emotions = sorted({row.decided for row in rows} & set(EXPECTED))
    return {
        "right": {place: _judged(right, place) for place in PLACES},
        "wrong": {place: _judged(wrong, place) for place in PLACES},
        # The same cues judged by the emotion that the clip has: do they speak for it where the system was wrong?
        "wrong_by_label": {place: _judged(wrong, place, by_label=True) for place in PLACES},
        "by_emotion": {
            emotion: {
                "right": _judged([row for row in right if row.decided == emotion], "shown"),
                "wrong": _judged([row for row in wrong if row.decided == emotion], "shown"),
                "z": _mean_scores([row for row in rows if row.truth == emotion]),
            }
            for emotion in emotions
        },
    }


def _judged(rows: Sequence[_Row], place: str, *, by_label: bool = False) -> dict[str, Any]:
    verdicts = [judge(row.truth if by_label else row.decided, row.scores[place]) for row in rows]
    told = [one for one in verdicts if one.expected]
    return {
        "clips": len(told),
        "as_expected": _share(sum(one.word == "as expected" for one in told), len(told)),
        "cues_found": _share(*_counted(told, "found")),
        "cues_opposite": _share(*_counted(told, "opposite")),
    }


def _counted(told: Sequence[Verdict], what: str) -> tuple[int, int]:
    return sum(getattr(one, what) for one in told), sum(one.expected for one in told)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _mean_scores(rows: Sequence[_Row]) -> dict[str, float]:
    """Mean z-score of every cue in the shown windows of clips with one label."""
    names = sorted({name for row in rows for name in row.scores["shown"]})
    return {
        name: round(
            float(np.mean([row.scores["shown"][name] for row in rows if name in row.scores["shown"]])), 2
        )
        for name in names
    }
