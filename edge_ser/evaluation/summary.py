"""From decisions to a table: one row per predictor, the constant predictor's always among them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.evaluation.backends import BackendName
from edge_ser.evaluation.controls import gains
from edge_ser.evaluation.decided import Decided, pool
from edge_ser.evaluation.gaps import gaps
from edge_ser.evaluation.metrics import constant_score, score
from edge_ser.evaluation.reliability import calibration_error

CONSTANT = "constant"
SHIPPED: BackendName = "litert"
"""The row whose numbers stand at the top of a report: the files that ship, by the kernels that ship."""

SPREAD_OF = ("uar", "macro_f1", "accuracy", "ece")


def table_of(decided: Decided) -> dict[str, dict[str, Any]]:
    """One row per predictor, each with scores, calibration error and gaps, ready for JSON.

    Returns:
        By predictor, in the order of ``decided.probabilities``, then ``"constant"`` with its class.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name, probabilities in decided.probabilities.items():
        choice = probabilities.argmax(axis=1)
        scored = score(decided.labels, choice, decided.speakers, decided.classes).to_dict()
        scored["ece"] = round(calibration_error(probabilities, decided.labels), 4)
        scored["gaps"] = _gaps(decided, choice)
        rows[name] = scored
    always = constant_score(decided.labels, decided.speakers, decided.classes, decided.constant)
    rows[CONSTANT] = {"label": decided.classes[decided.constant], **always.to_dict()}
    return rows


def _gaps(decided: Decided, choice: NDArray[np.int64]) -> dict[str, Any]:
    by = {"sex": [clip.sex for clip in decided.clips], "speaker": decided.speakers}
    found = {name: gaps(decided.labels, choice, groups, decided.classes) for name, groups in by.items()}
    return {name: gap.to_dict() if gap is not None else None for name, gap in found.items()}


def agreement(decided: Decided) -> dict[str, float]:
    """Share of clips on which two ways to run the same nets decide alike, by ``"a, b"``."""
    ways = [name for name in ("float", "litert", "tflm") if name in decided.probabilities]
    choices = {name: decided.probabilities[name].argmax(axis=1) for name in ways}
    return {
        f"{first}, {second}": round(float((choices[first] == choices[second]).mean()), 4)
        for at, first in enumerate(ways)
        for second in ways[at + 1 :]
    }


def keyword_gains(decided: Decided) -> dict[str, Any]:
    """What the keywords are worth, by backend, of those that have controls; see :func:`.controls.gains`."""
    return {
        name: gains(
            decided.labels,
            decided.probabilities[name].argmax(axis=1),
            controls,
            decided.speakers,
            len(decided.classes),
        )
        for name, controls in decided.controls.items()
        if name in decided.probabilities
    }


def headline(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The keys of the command's contract, from the row of what ships (else of the first predictor)."""
    row = rows.get(SHIPPED, next(iter(rows.values())))
    keys = ("uar", "macro_f1", "accuracy", "per_class", "confusion", "n", "speakers", "interval")
    return {key: row[key] for key in keys}


def over_seeds(by_seed: dict[int, list[Decided]]) -> dict[str, Any]:
    """Tables per seed and pooled, of the folds of each seed.

    Args:
        by_seed: per seed, the decisions of every fold.

    Returns:
        ``seeds``: per seed the table of its pooled folds; ``pooled``: the table of all seeds' decisions together
        (every clip counts once per seed, its interval resamples speakers, so seeds do not narrow it); ``spread``:
        per predictor the mean and, of more than one seed, the standard deviation over seeds; ``agreement``,
        pooled; ``keywords``: per backend what they are worth, pooled, and the gain's ``seeds`` in points, mean and
        deviation, where there are controls; ``drop``: points of UAR that int8 loses against float, pooled, where
        both are there.
    """
    whole = {seed: pool(folds) for seed, folds in by_seed.items()}
    tables = {seed: table_of(decided) for seed, decided in whole.items()}
    together = pool(list(whole.values()))
    pooled = table_of(together)
    report: dict[str, Any] = {
        "seeds": {str(seed): table for seed, table in tables.items()},
        "pooled": pooled,
        "spread": {
            name: {key: spread([table[name][key] for table in tables.values()]) for key in _shared(row)}
            for name, row in pooled.items()
        },
        "agreement": agreement(together),
    }
    worth = keyword_gains(together)
    if worth:
        points = {
            seed: {name: found["gains"]["fused"]["points"] for name, found in keyword_gains(decided).items()}
            for seed, decided in whole.items()
        }
        report["keywords"] = {
            name: {**found, "seeds": spread([by_name[name] for by_name in points.values()])}
            for name, found in worth.items()
        }
    if "float" in pooled and SHIPPED in pooled:
        report["drop"] = round(100 * (pooled["float"]["uar"] - pooled[SHIPPED]["uar"]), 2)
    return report


def _shared(row: dict[str, Any]) -> list[str]:
    return [key for key in SPREAD_OF if key in row]


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation; ``None`` of a single value."""
    return {
        "mean": round(mean(values), 4),
        "sd": round(stdev(values), 4) if len(values) > 1 else None,
    }
