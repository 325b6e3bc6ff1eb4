"""Scores of decisions against labels, with an interval over speakers and the constant predictor's row beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

_RESAMPLES = 1000


@dataclass(frozen=True)
class ClassScore:
    """One class.

    Attributes:
        label: its name.
        clips: how many have it.
        recall: share of those that were found.
        precision: share of the clips called so that have it.
        f1: harmonic mean of both, the F1 score.
    """

    label: str
    clips: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True)
class Score:
    """Scores of one set of decisions; shares are 0..1.

    Attributes:
        uar: unweighted average recall over the classes that occur.
        macro_f1: mean F1 over the classes that occur.
        accuracy: share of right decisions.
        per_class: one row per class.
        confusion: counts, row = label, column = decision.
        clips: how many were decided.
        speakers: how many speakers they come from.
        interval: 95 % interval of the UAR, speakers resampled (percentile bootstrap, Efron 1979).
    """

    uar: float
    macro_f1: float
    accuracy: float
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    clips: int
    speakers: int
    interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, shares rounded to four digits."""
        return {
            "uar": round(self.uar, 4),
            "macro_f1": round(self.macro_f1, 4),
            "accuracy": round(self.accuracy, 4),
            "per_class": {
                row.label: {
                    "clips": row.clips,
                    "recall": round(row.recall, 4),
                    "precision": round(row.precision, 4),
                    "f1": round(row.f1, 4),
                }
                for row in self.per_class
            },
            "confusion": [list(row) for row in self.confusion],
            "n": self.clips,
            "speakers": self.speakers,
            "interval": [round(bound, 4) for bound in self.interval],
        }


def score(
    labels: NDArray[np.int64], decisions: NDArray[np.int64], speakers: Sequence[str], classes: Sequence[str]
) -> Score:
    """Score decisions.

    Args:
        labels: int (n,), the true classes.
        decisions: int (n,), the classes decided on.
        speakers: who speaks, per row; resampled for the interval.
        classes: class names; labels and decisions index them.

    Returns:
        The scores; classes that no label has are left out of the averages.
    """
    every = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, decisions, labels=every, zero_division=0
    )
    there = support > 0
    confusion = confusion_matrix(labels, decisions, labels=every)
    return Score(
        uar=float(recall[there].mean()),
        macro_f1=float(f1[there].mean()),
        accuracy=float((labels == decisions).mean()),
        per_class=tuple(
            ClassScore(label, int(support[c]), float(recall[c]), float(precision[c]), float(f1[c]))
            for c, label in enumerate(classes)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        clips=len(labels),
        speakers=len(set(speakers)),
        interval=_interval(labels, decisions, speakers, len(classes)),
    )


def constant_score(
    labels: NDArray[np.int64], speakers: Sequence[str], classes: Sequence[str], constant: int
) -> Score:
    """Scores of always deciding on one class: what a predictor that has not listened reaches; ``labels``: (n,)."""
    return score(labels, np.full_like(labels, constant), speakers, classes)


def resampled_uars(
    labels: NDArray[np.int64], decisions: NDArray[np.int64], speakers: Sequence[str], classes: int
) -> NDArray[np.float64]:
    """UAR of resampled speakers (bootstrap, Efron 1979).

    The same speakers are drawn for every call with as many speakers, so that two rows of decisions on the same clips
    can be compared resample by resample.

    Args:
        labels: int (n,), the true classes.
        decisions: int (n,), the classes decided on.
        speakers: who speaks, per row.
        classes: how many classes there are.

    Returns:
        float64 (resamples,).
    """
    names = sorted(set(speakers))
    index = {name: at for at, name in enumerate(names)}
    where = np.asarray([index[speaker] for speaker in speakers])
    # Per speaker and class: clips and hits, so that a resample is two sums.
    clips = np.zeros((len(names), classes))
    hits = np.zeros((len(names), classes))
    np.add.at(clips, (where, labels), 1)
    np.add.at(hits, (where, labels), labels == decisions)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(names), size=(_RESAMPLES, len(names)))
    total, found = clips[drawn].sum(axis=1), hits[drawn].sum(axis=1)
    with np.errstate(invalid="ignore"):
        recalls = np.where(total > 0, found / total, np.nan)
    uars: NDArray[np.float64] = np.nanmean(recalls, axis=1)
    return uars


def _interval(
    labels: NDArray[np.int64], decisions: NDArray[np.int64], speakers: Sequence[str], classes: int
) -> tuple[float, float]:
    low, high = np.percentile(resampled_uars(labels, decisions, speakers, classes), [2.5, 97.5])
    return float(low), float(high)
