"""The windows that a decision leans on most: chosen among columns, drawn at random beside them, merged for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_ser.evaluation.explain_occlusion import Floats, Occlusion, Part, Stretch, log_odds

WINDOWS = 5
"""Windows that are shown at most, as in Nasr, Ren and Johnson (arXiv 2511.11691)."""


@dataclass(frozen=True)
class Window:
    """A stretch of the recording that the decision leans on.

    Attributes:
        stretch: when, in samples.
        without: the decided class' probability with it hidden.
        effect: by how much that probability is less; positive where the window speaks for the decision.
        log_odds: the same in log-odds, nats.
        band: the channels of it that matter most: the first, and the one behind the last; ``None`` where hiding no
            band of it lowers the score.
    """

    stretch: Stretch
    without: float
    effect: float
    log_odds: float
    band: tuple[int, int] | None


def choose(columns: Sequence[Stretch], effects: Floats, count: int = WINDOWS) -> tuple[Stretch, ...]:
    """The columns with the largest effects that do not overlap, the largest first.

    Args:
        columns: all of them.
        effects: float64 (columns,), what the score loses without each, in whatever unit.
        count: at most so many.

    Returns:
        Columns with an effect above 0 only: what speaks against a decision does not carry it.
    """
    chosen: list[Stretch] = []
    # Of equal effects the earlier one: the same recording gives the same windows.
    for at in np.argsort(-effects, kind="stable"):
        if len(chosen) == count or effects[at] <= 0:
            break
        if not any(columns[at].overlaps(other) for other in chosen):
            chosen.append(columns[at])
    return tuple(chosen)


def draw(columns: Sequence[Stretch], count: int, rng: np.random.Generator) -> tuple[Stretch, ...]:
    """As many columns at random that do not overlap, in random order; fewer where no more fit.

    Args:
        columns: all of them.
        count: how many.
        rng: draws them.
    """
    chosen: list[Stretch] = []
    for at in rng.permutation(len(columns)):
        if len(chosen) == count:
            break
        if not any(columns[at].overlaps(other) for other in chosen):
            chosen.append(columns[at])
    return tuple(chosen)


def merged(stretches: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """Stretches in order of time, those that touch as one."""
    joined: list[Stretch] = []
    for one in sorted(stretches):
        if joined and one.start <= joined[-1].end:
            joined[-1] = Stretch(joined[-1].start, max(joined[-1].end, one.end))
        else:
            joined.append(one)
    return tuple(joined)


def describe(heard: Occlusion, stretches: Sequence[Stretch]) -> tuple[Window, ...]:
    """What each stretch does for the decision; the strongest first.

    Args:
        heard: the recording.
        stretches: windows, merged.
    """
    if not stretches:
        return ()
    bands = heard.bands()
    parts = [Part((stretch,)) for stretch in stretches]
    parts += [Part((stretch,), band) for stretch in stretches for band in bands]
    scores = heard.without(parts)
    alone, by_band = scores[: len(stretches)], scores[len(stretches) :].reshape(len(stretches), len(bands))
    own = float(log_odds(heard.score))
    windows = []
    for stretch, without, row in zip(stretches, alone, by_band, strict=True):
        best = int(row.argmin())
        windows.append(
            Window(
                stretch=stretch,
                without=float(without),
                effect=heard.score - float(without),
                log_odds=own - float(log_odds(float(without))),
                band=bands[best] if row[best] < heard.score else None,
            )
        )
    return tuple(sorted(windows, key=lambda one: -one.log_odds))
