"""Whether shown windows matter: the score falls faster without them, and rises faster with them, than at random.

Deletion and insertion curves (Petsiuk, Das and Saenko, "RISE", BMVC 2018) over the shown windows instead of all of the
input, beside as many windows of the same length at random places of the same recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_ser.evaluation.explain_occlusion import Floats, Occlusion, Part, Stretch
from edge_ser.evaluation.explain_windows import draw


@dataclass(frozen=True, eq=False)
class Curves:
    """The decided class' probability of one recording as windows go or come, one more at every step.

    Attributes:
        deletion: float64 (windows + 1,), the shown windows hidden, the strongest first; starts with none hidden.
        deletion_random: the same for random windows, mean over the draws.
        insertion: float64 (windows + 1,), nothing but the shown windows left; starts with nothing left.
        insertion_random: the same for random windows, mean over the draws.
        silenced: that probability with silence in the recording itself instead of all shown windows: front end and
            both nets hear it.
        silenced_random: the same probability for random windows, mean over the draws.
    """

    deletion: Floats
    deletion_random: Floats
    insertion: Floats
    insertion_random: Floats
    silenced: float
    silenced_random: float


def curves(
    heard: Occlusion,
    columns: Sequence[Stretch],
    chosen: Sequence[Stretch],
    draws: int,
    rng: np.random.Generator,
) -> Curves | None:
    """Curves of a recording.

    Args:
        heard: it.
        columns: where windows can lie.
        chosen: the shown windows before they were merged, the strongest first.
        draws: how often windows are drawn at random.
        rng: draws them.

    Returns:
        ``None`` where no window is shown, or the recording is too short for as many at random places.
    """
    count = len(chosen)
    random = [draw(columns, count, rng) for _ in range(draws)]
    # Chance may spread windows so that no more fit; such a draw would hide less than the shown windows do.
    random = [one for one in random if len(one) == count]
    if not chosen or not random:
        return None
    steps = [_steps(one) for one in (chosen, *random)]
    parts = [part for one in steps for part in one]
    hidden = heard.without(parts).reshape(len(steps), count)
    left = heard.only(parts).reshape(len(steps), count)
    blank = float(heard.only([Part(())])[0])
    return Curves(
        deletion=_from(heard.score, hidden[0]),
        deletion_random=_from(heard.score, hidden[1:].mean(axis=0)),
        insertion=_from(blank, left[0]),
        insertion_random=_from(blank, left[1:].mean(axis=0)),
        silenced=heard.silenced(chosen),
        silenced_random=float(np.mean([heard.silenced(one) for one in random])),
    )


def _steps(stretches: Sequence[Stretch]) -> list[Part]:
    return [Part(tuple(stretches[: at + 1])) for at in range(len(stretches))]


def _from(start: float, rest: Floats) -> Floats:
    whole: Floats = np.concatenate([[start], rest])
    return whole
