"""Scores of a bundle as it ships, on a corpus: beside the constant predictor and the hand-crafted baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.bundle import Bundle
from edge_ser.corpora.clip import Clip
from edge_ser.evaluation.backends import BackendName
from edge_ser.evaluation.decided import Decided, clip_names
from edge_ser.evaluation.handcrafted.baseline import KINDS, Baseline, fit_baseline
from edge_ser.evaluation.learned import Learned
from edge_ser.evaluation.metrics import score
from edge_ser.evaluation.scoring import Floats, score_clips, score_with_controls
from edge_ser.evaluation.stress import Condition
from edge_ser.evaluation.summary import CONSTANT, SHIPPED, table_of
from edge_ser.handcrafted.clips import clip_functionals

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""``progress(description, total)`` is a context that yields ``advance(steps)``."""


@dataclass(frozen=True)
class Taught:
    """The clips that taught a bundle, where they are at hand, for the baseline.

    Attributes:
        clips: of the speakers that the bundle trained or chose on; empty where its corpus is not at hand.
        why_not: why there are none, in words; ``""`` where there are.
    """

    clips: tuple[Clip, ...]
    why_not: str


def taught_clips(bundle: Bundle, learned: Learned, corpora: Mapping[str, Sequence[Clip]]) -> Taught:
    """The training clips of a bundle among those of the corpora at hand.

    Args:
        bundle: the bundle.
        learned: whom it learned from.
        corpora: clips by layout.
    """
    absent = [name for name in learned.emotions if name not in corpora]
    if absent:
        why = f"{', '.join(absent)}, which taught the bundle, is not at hand; give its folder: --taught-root"
        return Taught((), why)
    clips = tuple(
        clip
        for name in learned.emotions
        for clip in corpora[name]
        if clip.emotion in bundle.labels and learned.saw(clip)
    )
    lacking = set(bundle.labels) - {clip.emotion for clip in clips}
    if lacking:
        why = f"the training clips at hand have no {', '.join(sorted(lacking))}; another copy of the corpus?"
        return Taught((), why)
    return Taught(clips, "")


@dataclass(frozen=True)
class Examination:
    """What a bundle is examined on.

    Attributes:
        bundle: it.
        clips: the test clips, of speakers that it did not learn from.
        root: folder of their corpus.
        taught: who taught it, for the baseline.
        constant: the commonest class of its training.
        backends: with what it is run.
        jobs: processes.
    """

    bundle: Bundle
    clips: tuple[Clip, ...]
    root: Path
    taught: Taught
    constant: str
    backends: tuple[BackendName, ...]
    jobs: int

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 (clips,)."""
        index = self.bundle.labels.index
        return np.array([index(str(clip.emotion)) for clip in self.clips], dtype=np.int64)


def examine(exam: Examination, seed: int, progress: Progress) -> tuple[Decided, dict[str, Baseline]]:
    """Decisions of the bundle and of the baselines, and the fitted baselines for the stress tests."""
    with progress("the bundle on the clips", len(exam.clips)) as advance:
        scored = score_with_controls(exam.bundle, exam.backends, exam.clips, advance, exam.jobs)
    probabilities: dict[str, Floats] = dict(scored.probabilities)
    fitted: dict[str, Baseline] = {}
    taught = exam.taught.clips
    if taught:
        with progress("functionals", len(taught) + len(exam.clips)) as advance:
            features = clip_functionals(taught, advance, exam.jobs)
            heard = clip_functionals(exam.clips, advance, exam.jobs)
        labels = np.array([exam.bundle.labels.index(str(clip.emotion)) for clip in taught], dtype=np.int64)
        speakers = [f"{clip.corpus}/{clip.speaker}" for clip in taught]
        for kind in KINDS:
            fitted[kind] = fit_baseline(kind, features, labels, speakers, seed)
            probabilities[kind] = fitted[kind].probabilities(heard)
    decided = Decided(
        classes=exam.bundle.labels,
        clips=clip_names(exam.clips, {exam.clips[0].corpus: exam.root}),
        labels=exam.labels,
        probabilities=probabilities,
        constant=exam.bundle.labels.index(exam.constant),
        controls=scored.controls,
    )
    return decided, fitted


def constant_of(bundle: Bundle, clips: Sequence[Clip], taught: Taught) -> tuple[str, str]:
    """The constant predictor's class and how it was chosen.

    The commonest class of the training, if the test has it; else the commonest of the test, which flatters the
    constant predictor and nobody else.
    """
    there = {str(clip.emotion) for clip in clips}
    report = bundle.report("train") or {}
    told = report.get(CONSTANT)
    label = told.get("label") if isinstance(told, dict) else None
    if taught.clips:
        label = _commonest(taught.clips)
    if isinstance(label, str) and label in there:
        return label, "commonest of the training"
    return _commonest(clips), "commonest of the test"


def _commonest(clips: Sequence[Clip]) -> str:
    names = [str(clip.emotion) for clip in clips]
    return max(sorted(set(names)), key=names.count)


def among_shared(decided: Decided) -> Decided | None:
    """The same decisions, made only among the classes that the test has; ``None`` where it has all.

    Which emotions can occur at all is then known to the system; a table that shows this says so.
    """
    there = np.unique(decided.labels)
    if len(there) == len(decided.classes):
        return None
    index = np.full(len(decided.classes), -1)
    index[there] = np.arange(len(there))
    kept = {name: rows[:, there] for name, rows in decided.probabilities.items()}
    return replace(
        decided,
        classes=tuple(decided.classes[at] for at in there),
        labels=index[decided.labels],
        probabilities={
            name: rows / rows.sum(axis=1, keepdims=True).clip(1e-12) for name, rows in kept.items()
        },
        constant=int(index[decided.constant]),
        controls={},
    )


def stress(
    exam: Examination,
    clean: Decided,
    fitted: Mapping[str, Baseline],
    tests: Sequence[Condition],
    progress: Progress,
) -> list[dict[str, Any]]:
    """The bundle (int8, LiteRT) and the baselines under each condition, the clean test and the constant first.

    Returns:
        One row per condition: its name, and per predictor UAR, macro-F1 and how many decisions are as in the
        clean test.
    """
    rows: list[dict[str, Any]] = [{"kind": "clean", "source": "", "db": None, "rows": _short(clean, clean)}]
    for test in tests:
        name = f"{test.source or test.kind} {test.value:+g} dB"
        with progress(name, len(exam.clips)) as advance:
            heard: dict[str, Floats] = dict(
                score_clips(exam.bundle, (SHIPPED,), exam.clips, advance, exam.jobs, test.change)
            )
        if fitted:
            features = clip_functionals(exam.clips, lambda _clips: None, exam.jobs, test.change)
            heard |= {kind: model.probabilities(features) for kind, model in fitted.items()}
        under = replace(clean, probabilities=heard)
        rows.append(
            {"kind": test.kind, "source": test.source, "db": test.value, "rows": _short(under, clean)}
        )
    return rows


def _short(decided: Decided, clean: Decided) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, probabilities in decided.probabilities.items():
        if name not in (SHIPPED, *KINDS):
            continue
        choice = probabilities.argmax(axis=1)
        scored = score(decided.labels, choice, decided.speakers, decided.classes)
        same = choice == clean.probabilities[name].argmax(axis=1)
        found[name] = {
            "uar": round(scored.uar, 4),
            "macro_f1": round(scored.macro_f1, 4),
            "as_clean": round(float(same.mean()), 4),
        }
    always = table_of(replace(decided, probabilities={}))[CONSTANT]
    found[CONSTANT] = {"uar": always["uar"], "macro_f1": always["macro_f1"], "as_clean": 1.0}
    return found
