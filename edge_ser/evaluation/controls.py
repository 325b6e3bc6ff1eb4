"""What the keywords are worth: fusion against the acoustic net alone, with and without shuffled keywords.

Two controls, each over several permutations of the test clips: ``shuffled`` is a head that was fitted with shuffled
keyword embeddings and hears shuffled ones (nothing but chance and one more layer is left of the words), ``swapped``
is the head that ships, hearing another test clip's keywords (how much it relies on them). A gain of fusion that
``shuffled`` has too is no gain from words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.evaluation.heard import ControlHeads, Head, Heard, with_keywords_of
from edge_ser.evaluation.metrics import resampled_uars
from edge_ser.spec import Averaging

PERMUTATIONS = 10
"""Of the test clips' keywords; enough for a mean to a third of their spread."""

_SEED = 1
"""Of the permutations."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""One character per decision keeps files small."""

Decisions = NDArray[np.int64]
_KINDS = ("alone", "shuffled", "swapped")


@dataclass(frozen=True, eq=False)
class Controlled:
    """Decisions of one backend's controls on the clips of a test.

    Attributes:
        alone: int (1, clips), the acoustic net alone.
        shuffled: int (permutations, clips), heads taught with shuffled keywords, on shuffled keywords.
        swapped: int (permutations, clips), the head that ships, on shuffled keywords.
    """

    alone: Decisions
    shuffled: Decisions
    swapped: Decisions

    def to_dict(self) -> dict[str, list[str]]:
        """Ready for JSON: one string per row, one character per clip."""
        return {kind: ["".join(_DIGITS[at] for at in row) for row in getattr(self, kind)] for kind in _KINDS}


def decide_controls(heard: Sequence[Heard], heads: ControlHeads, averaging: Averaging) -> Controlled:
    """Decide on clips with every control; the permutations depend on the number of clips alone.

    Args:
        heard: what the nets made of the clips, at least one.
        heads: of the backend that heard them.
        averaging: how a clip's segments become one decision.
    """

    def decide(clips: Sequence[Heard], head: Head) -> Decisions:
        return np.array([clip.probabilities(head, averaging).argmax() for clip in clips], dtype=np.int64)

    rng = np.random.default_rng(_SEED)
    shuffled, swapped = [], []
    for number in range(PERMUTATIONS):
        changed = with_keywords_of(heard, rng.permutation(len(heard)), heads.acoustic)
        shuffled.append(decide(changed, heads.taught[number % len(heads.taught)]))
        swapped.append(decide(changed, heads.fused))
    return Controlled(
        alone=decide(heard, heads.alone)[np.newaxis],
        shuffled=np.stack(shuffled),
        swapped=np.stack(swapped),
    )


def controlled_from_dict(plain: Mapping[str, Any], clips: int, classes: int) -> Controlled:
    """Read back what :meth:`Controlled.to_dict` gave.

    Raises:
        InputError: it is something else.
    """
    rows = {}
    for kind in _KINDS:
        told = plain.get(kind)
        if not isinstance(told, list) or not told or not all(isinstance(row, str) for row in told):
            message = f"controls: {kind!r} is {type(told).__name__}; expected strings, one per permutation"
            raise InputError(message)
        found = np.array([[_DIGITS.find(sign) for sign in row] for row in told if len(row) == clips])
        if found.shape != (len(told), clips) or found.min(initial=0) < 0 or found.max(initial=0) >= classes:
            message = f"controls: {kind!r} does not hold {clips} decisions among {classes} classes per row"
            raise InputError(message)
        rows[kind] = found.astype(np.int64)
    return Controlled(**rows)


def pool_controlled(parts: Sequence[Controlled]) -> Controlled:
    """Folds after one another; as many permutations as every part has."""
    rows = {}
    for kind in _KINDS:
        each = [getattr(part, kind) for part in parts]
        fewest = min(len(one) for one in each)
        rows[kind] = np.concatenate([one[:fewest] for one in each], axis=1)
    return Controlled(**rows)


def gains(
    labels: Decisions, fused: Decisions, controls: Controlled, speakers: Sequence[str], classes: int
) -> dict[str, Any]:
    """UAR with and without keywords and with shuffled ones, and the differences in points.

    Args:
        labels: int (n,), true classes.
        fused: int (n,), decisions of the head that ships.
        controls: of the same clips.
        speakers: who speaks; resampled in pairs, the same for both sides of a difference.
        classes: how many classes there are.

    Returns:
        ``rows``: per row its ``uar``, ``interval``, and ``sd`` over permutations (``None`` without); ``gains``: per
        difference ``points``, the 95 % ``interval`` over speakers and the ``sd`` over permutations. ``fused`` and
        ``shuffled`` are compared with ``alone``, ``over_shuffled`` is fused against shuffled.
    """
    there = [at for at in range(classes) if (labels == at).any()]
    decisions = {"alone": controls.alone, "fused": fused[np.newaxis], "shuffled": controls.shuffled}
    decisions["swapped"] = controls.swapped
    uars = {name: _uars(labels, rows, there) for name, rows in decisions.items()}
    drawn = {
        name: np.mean([resampled_uars(labels, row, speakers, classes) for row in rows], axis=0)
        for name, rows in decisions.items()
    }
    pairs = {
        "fused": ("fused", "alone"),
        "shuffled": ("shuffled", "alone"),
        "swapped": ("swapped", "alone"),
        "over_shuffled": ("fused", "shuffled"),
    }
    return {
        "rows": {
            name: {"uar": round(mean(values), 4), "interval": _bounds(drawn[name], 4), "sd": _sd(values, 4)}
            for name, values in uars.items()
        },
        "gains": {
            name: {
                "points": round(100 * (mean(uars[one]) - mean(uars[other])), 2),
                "interval": _bounds(100 * (drawn[one] - drawn[other]), 2),
                "sd": _sd([100 * value for value in (uars[other] if one == "fused" else uars[one])], 2),
            }
            for name, (one, other) in pairs.items()
        },
        "permutations": len(controls.shuffled),
    }


def left_out(fits: Sequence[Any]) -> dict[str, int] | None:
    """In how many ``trainings`` ``of`` all the fusion head left the keywords out, because they helped nobody.

    Args:
        fits: what each training says of its fusion head; ``None`` where it says nothing.
    """
    told = [fit for fit in fits if isinstance(fit, dict) and "penalty" in fit]
    if not told:
        return None
    return {"trainings": sum(fit["penalty"] is None for fit in told), "of": len(told)}


def _uars(labels: Decisions, rows: Decisions, there: Sequence[int]) -> list[float]:
    return [float(np.mean([(row[labels == at] == at).mean() for at in there])) for row in rows]


def _bounds(values: NDArray[np.float64], digits: int) -> list[float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return [round(float(low), digits), round(float(high), digits)]


def _sd(values: Sequence[float], digits: int) -> float | None:
    """Sample deviation; ``None`` of a single value."""
    return round(float(np.std(values, ddof=1)), digits) if len(values) > 1 else None
