"""How differently a system treats groups of people: by sex, by speaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST_CLIPS = 5
"""A group's recall of a class with fewer clips than this says nothing and is left out."""


@dataclass(frozen=True)
class Gaps:
    """The distance between the best and the worst treated group; shares are 0..1.

    Attributes:
        uar: UAR of each group over the classes that it has, by name.
        uar_gap: largest minus smallest UAR of them.
        recall_gap: per class, largest minus smallest recall over groups (equal opportunity); classes that two
            groups cannot be compared on are left out.
        parity_gap: per class, largest minus smallest share of the group's clips that are called so (demographic
            parity). Where groups really differ in what they show, so will this; :attr:`label_gap` says by how much.
        label_gap: per class, largest minus smallest share of the group's clips that have that label.
    """

    uar: Mapping[str, float]
    uar_gap: float
    recall_gap: Mapping[str, float]
    parity_gap: Mapping[str, float]
    label_gap: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, shares rounded to four digits."""
        return {
            "uar": _rounded(self.uar),
            "uar_gap": round(self.uar_gap, 4),
            "recall_gap": _rounded(self.recall_gap),
            "parity_gap": _rounded(self.parity_gap),
            "label_gap": _rounded(self.label_gap),
        }


def gaps(
    labels: NDArray[np.int64], decisions: NDArray[np.int64], groups: Sequence[str], classes: Sequence[str]
) -> Gaps | None:
    """Compare groups.

    Args:
        labels: int (n,), the true classes.
        decisions: int (n,), the classes decided on.
        groups: which group each row belongs to; ``""`` is unknown and left out.
        classes: class names; labels and decisions index them.

    Returns:
        The gaps, or ``None`` where fewer than two groups are known.
    """
    names = sorted(set(groups) - {""})
    if len(names) < 2:
        return None
    where = np.array([names.index(group) if group else -1 for group in groups])
    shape = (len(names), len(classes))
    known = where >= 0
    clips, hits, called = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(clips, (where[known], labels[known]), 1)
    np.add.at(hits, (where[known], labels[known]), (labels == decisions)[known])
    np.add.at(called, (where[known], decisions[known]), 1)
    sizes = clips.sum(axis=1, keepdims=True)
    recall = np.divide(hits, clips, out=np.full(shape, np.nan), where=clips > 0)
    uars = np.nanmean(recall, axis=1)
    firm = np.where(clips >= FEWEST_CLIPS, recall, np.nan)
    return Gaps(
        uar={name: float(uar) for name, uar in zip(names, uars, strict=True)},
        uar_gap=float(np.ptp(uars)),
        recall_gap=_by_class(firm, classes),
        parity_gap=_by_class(called / sizes, classes),
        label_gap=_by_class(clips / sizes, classes),
    )


def _by_class(values: NDArray[np.float64], classes: Sequence[str]) -> dict[str, float]:
    """Largest minus smallest of each column that at least two groups have a value in."""
    found = {}
    for column, name in zip(values.T, classes, strict=True):
        there = column[np.isfinite(column)]
        if len(there) > 1:
            found[name] = float(np.ptp(there))
    return found


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
