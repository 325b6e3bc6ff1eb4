"""Curves of many recordings as one: means, areas, and how many times faster than at random, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from edge_ser.evaluation.explain_curves import Curves
from edge_ser.evaluation.explain_occlusion import Floats

Way = Literal["deletion", "insertion"]

_RESAMPLES = 1000


def pooled(way: Way, rows: Sequence[Curves], speakers: Sequence[str], seed: int) -> dict[str, Any] | None:
    """Curves of recordings taken together.

    The area of a curve is the mean, over its steps, of how far the score has moved from where it started (down in a
    deletion, up in an insertion); areas are averaged over recordings, each counting once, and only then divided.

    Args:
        way: which curves.
        rows: one per recording.
        speakers: who speaks, per recording: the interval resamples them.
        seed: of the resampling.

    Returns:
        ``shown`` and ``random``, the mean curves (a recording with fewer windows stays where it ended), ``area_shown``
        and ``area_random``, ``times`` (their ratio; ``None`` where random windows move nothing) and its 95 % interval
        (percentile bootstrap over speakers); ``None`` without recordings.
    """
    if not rows:
        return None
    sign = -1.0 if way == "deletion" else 1.0
    pairs = [(getattr(row, way), getattr(row, f"{way}_random")) for row in rows]
    shown = np.array([sign * (one[1:] - one[0]).mean() for one, _ in pairs])
    random = np.array([sign * (one[1:] - one[0]).mean() for _, one in pairs])
    length = max(len(one) for one, _ in pairs)
    return {
        "shown": _rounded(np.mean([_stretched(one, length) for one, _ in pairs], axis=0)),
        "random": _rounded(np.mean([_stretched(one, length) for _, one in pairs], axis=0)),
        **_times(shown, random, speakers, seed),
    }


def pooled_silence(rows: Sequence[Curves], speakers: Sequence[str], seed: int) -> dict[str, Any] | None:
    """What silence in place of all shown windows takes from the score, beside as many at random; as :func:`pooled`."""
    if not rows:
        return None
    shown = np.array([row.deletion[0] - row.silenced for row in rows])
    random = np.array([row.deletion[0] - row.silenced_random for row in rows])
    return _times(shown, random, speakers, seed)


def _times(shown: Floats, random: Floats, speakers: Sequence[str], seed: int) -> dict[str, Any]:
    names = sorted(set(speakers))
    members = [np.flatnonzero(np.array(speakers) == name) for name in names]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = np.concatenate([members[at] for at in rng.integers(0, len(names), len(names))])
        drawn.append(_ratio(shown[chosen], random[chosen]))
    there = [one for one in drawn if one is not None]
    ratio = _ratio(shown, random)
    bounds = np.percentile(there, [2.5, 97.5]) if len(there) == len(drawn) and len(names) > 1 else None
    return {
        "area_shown": round(float(shown.mean()), 4),
        "area_random": round(float(random.mean()), 4),
        "times": None if ratio is None else round(ratio, 2),
        "interval": None if bounds is None else [round(float(bound), 2) for bound in bounds],
        "clips": len(shown),
    }


def _ratio(shown: Floats, random: Floats) -> float | None:
    below = float(random.mean())
    return float(shown.mean()) / below if below > 0 else None


def _stretched(curve: Floats, length: int) -> Floats:
    longer: Floats = np.pad(curve, (0, length - len(curve)), mode="edge")
    return longer


def _rounded(values: Floats) -> list[float]:
    return [round(float(value), 4) for value in values]
