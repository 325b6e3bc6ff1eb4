"""How right a system is where it dares to answer: accuracy against coverage, by thresholds that it chose beforehand.

Risk and coverage of a classifier with a reject option (El-Yaniv & Wiener, JMLR 11, 2010; with the largest softmax
probability as confidence: Geifman & El-Yaniv, NeurIPS 2017, arXiv 1705.08500). The thresholds are those that the
training chose on its validation speakers (:func:`edge_ser.training.fusion.coverage_thresholds`); the test speakers
never choose any, so what is kept of them differs from what was wished for, and is printed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.evaluation.backends import BACKENDS
from edge_ser.evaluation.decided import Decided

SPEC = "spec"
"""The threshold of ``decision.abstain`` itself."""

Thresholds = Mapping[str, float]
"""By the share of recordings wished for, as text, or :data:`SPEC`: the probability that the best class needs."""


def thresholds_of(fusion: object, abstain: float, source: str) -> dict[str, float]:
    """Thresholds in what a training says of its fusion head.

    Args:
        fusion: a bundle's or a fold's ``"fusion"``; ``None``, or without thresholds, where an older edge-ser made it.
        abstain: the spec's ``decision.abstain``, a probability.
        source: names it in an error.

    Returns:
        Probabilities that the best class needs, by the share of recordings wished for, as text, or :data:`SPEC`.

    Raises:
        InputError: there are thresholds, and they are no probabilities.
    """
    told = fusion.get("abstain") if isinstance(fusion, dict) else None
    found: dict[str, float] = {}
    for share, threshold in (told if isinstance(told, dict) else {}).items():
        known = isinstance(threshold, float | int) and re.fullmatch(r"0\.\d{1,6}", str(share))
        if not known or not 0 <= threshold <= 1:
            message = (
                f"{source}: threshold {threshold!r} for {share!r}; expected a probability: make it again"
            )
            raise InputError(message)
        found[str(share)] = float(threshold)
    return found | ({SPEC: abstain} if abstain > 0 else {})


def coverage_table(parts: Sequence[tuple[Decided, Thresholds]]) -> dict[str, list[dict[str, Any]]]:
    """Accuracy and coverage of what ships, of folds and seeds together.

    Args:
        parts: decisions of the same classes, each with the thresholds of its own training, probabilities.

    Returns:
        By way to run the nets, one row per threshold that all parts have, all recordings first: ``wished`` (``None``
        for all, a share, or ``"spec"``), ``threshold`` (the parts' mean), ``coverage``, ``accuracy``, ``risk``
        (1 - accuracy) and ``uar`` of what is kept; the last three are ``None`` where nothing is. Empty where there
        are no thresholds.
    """
    there = [name for name in (parts[0][1] if parts else {}) if all(name in told for _, told in parts)]
    # The largest share first, whatever order a file keeps them in; the spec's own threshold last.
    shared = sorted(there, key=lambda name: (name == SPEC, 0.0 if name == SPEC else -float(name)))
    ways = [name for name in BACKENDS if parts and all(name in one.probabilities for one, _ in parts)]
    if not shared:
        return {}
    return {way: [_row(parts, way, name) for name in (None, *shared)] for way in ways}


def _row(parts: Sequence[tuple[Decided, Thresholds]], way: str, name: str | None) -> dict[str, Any]:
    labels = np.concatenate([one.labels for one, _ in parts])
    decisions = np.concatenate([one.probabilities[way].argmax(axis=1) for one, _ in parts])
    thresholds = [0.0 if name is None else told[name] for _, told in parts]
    kept = np.concatenate(
        [
            one.probabilities[way].max(axis=1) >= threshold
            for (one, _), threshold in zip(parts, thresholds, strict=True)
        ]
    )
    accuracy = float((labels == decisions)[kept].mean()) if kept.any() else None
    return {
        "wished": name if name in (None, SPEC) else float(str(name)),
        "threshold": round(float(np.mean(thresholds)), 4),
        "coverage": round(float(kept.mean()), 4),
        "accuracy": None if accuracy is None else round(accuracy, 4),
        "risk": None if accuracy is None else round(1 - accuracy, 4),
        "uar": None if accuracy is None else round(_uar(labels[kept], decisions[kept]), 4),
    }


def _uar(labels: NDArray[np.int64], decisions: NDArray[np.int64]) -> float:
    return float(np.mean([(decisions[labels == label] == label).mean() for label in np.unique(labels)]))
