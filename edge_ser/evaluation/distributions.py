"""How near predicted probabilities are to the votes of raters: the six measures of label distribution learning.

Beside every predictor stands the constant mean, the training clips' mean distribution for every clip: published
baselines have been no better than it without anybody noticing (EM2LDL, arXiv 2511.20106, predictions of its code).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.votes import vote_shares
from edge_ser.errors import InputError
from edge_ser.evaluation.decided import Decided
from edge_ser.evaluation.summary import spread

Floats = NDArray[np.float64]

CONSTANT_MEAN = "constant_mean"
"""Row of the predictor that has not listened."""

MEASURES = ("chebyshev", "clark", "canberra", "kl", "cosine", "intersection")
"""The first four are distances (lower is better), the last two similarities (higher is better)."""

FLOOR = 1e-5
"""A smaller probability counts as this one: files keep five digits, and Kullback-Leibler of a 0 is infinite."""

_DIGITS = 5


@dataclass(frozen=True, eq=False)
class Votes:
    """What the raters of a test said, and what one would say who has only seen the training.

    Attributes:
        shares: float64 (clips, classes), rows sum to 1, or are 0 where nobody voted for any of the classes.
        mean: float64 (classes,), mean distribution of the training clips; sums to 1.
    """

    shares: Floats
    mean: Floats

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "shares": np.round(self.shares, _DIGITS).tolist(),
            "mean": np.round(self.mean, _DIGITS).tolist(),
        }


def votes_of(clips: Sequence[Clip], taught: Sequence[Clip], classes: Sequence[str]) -> Votes | None:
    """The votes on test clips; ``None`` where there are none.

    Args:
        clips: the test clips.
        taught: the clips of the training; one without votes counts by its label.
        classes: the emotions, in the net's order.
    """
    shares = vote_shares(clips, classes)
    if not shares.any():
        return None
    learned = vote_shares(taught, classes)
    for row, clip in zip(learned, taught, strict=True):
        if not row.any():
            row[classes.index(str(clip.emotion))] = 1
    return Votes(shares, learned.mean(axis=0))


def votes_from_dict(plain: Mapping[str, Any], shape: tuple[int, int], source: str) -> Votes:
    """Read back what :meth:`Votes.to_dict` gave.

    Raises:
        InputError: it is something else, or not of ``shape`` (clips, classes); ``source`` is named.
    """
    try:
        votes = Votes(*(np.array(plain[name], dtype=np.float64) for name in ("shares", "mean")))
    except (KeyError, TypeError, ValueError) as error:
        message = f"{source}: not votes that evaluate wrote ({error!r}); delete it and evaluate again"
        raise InputError(message) from None
    if votes.shares.shape != shape or votes.mean.shape != shape[1:]:
        message = (
            f"{source}: votes {votes.shares.shape} and mean {votes.mean.shape}; expected {shape} and {shape[1:]}: "
            "delete it and evaluate again"
        )
        raise InputError(message)
    return votes


def measures(shares: Floats, predicted: Floats) -> dict[str, Floats]:
    """The six measures of every clip, as in Geng, "Label Distribution Learning", IEEE TKDE 28(7), 2016, table 1.

    Clark and Canberra count a class that nobody voted for as wholly wrong whatever small probability it gets, so they
    are large wherever votes are few, and tell predictors apart only by the other classes.

    Args:
        shares: (n, classes), the raters'.
        predicted: (n, classes); below :data:`FLOOR` it counts as that.

    Returns:
        By name of :data:`MEASURES`, float64 (n,).

    Raises:
        InputError: the shapes differ.
    """
    if shares.shape != predicted.shape:
        message = (
            f"votes {shares.shape} and predictions {predicted.shape}; expected one shape (clips, classes)"
        )
        raise InputError(message)
    floored = np.maximum(predicted, FLOOR)
    apart, together = np.abs(shares - floored), shares + floored
    lengths = np.linalg.norm(shares, axis=1) * np.linalg.norm(floored, axis=1)
    return {
        "chebyshev": apart.max(axis=1),
        "clark": np.sqrt(((apart / together) ** 2).sum(axis=1)),
        "canberra": (apart / together).sum(axis=1),
        "kl": rel_entr(shares, floored).sum(axis=1),
        "cosine": (shares * floored).sum(axis=1) / lengths,
        "intersection": np.minimum(shares, floored).sum(axis=1),
    }


def table_of(folds: Sequence[tuple[Decided, Votes]]) -> dict[str, Any]:
    """Mean of every measure over the clips that have votes, folds together.

    Args:
        folds: decisions, and the votes on the same clips.

    Returns:
        ``n``, how many clips have votes; ``rows``: by predictor, then of the constant mean, the measures.
    """
    found: dict[str, dict[str, list[Floats]]] = {}
    n = 0
    shared = [
        name for name in folds[0][0].probabilities if all(name in one.probabilities for one, _ in folds)
    ]
    for decided, votes in folds:
        voted = votes.shares.any(axis=1)
        shares = votes.shares[voted]
        n += len(shares)
        said = {name: decided.probabilities[name][voted] for name in shared}
        said[CONSTANT_MEAN] = np.tile(votes.mean, (len(shares), 1))
        for name, predicted in said.items():
            for measure, values in measures(shares, predicted).items():
                found.setdefault(name, {}).setdefault(measure, []).append(values)
    rows = {
        name: {measure: round(float(np.concatenate(values).mean()), 4) for measure, values in row.items()}
        for name, row in found.items()
    }
    return {"n": n, "rows": rows}


def over_seeds(by_seed: Mapping[int, Sequence[tuple[Decided, Votes]]]) -> dict[str, Any]:
    """The table of each seed, of all together, and the spread over seeds.

    Returns:
        As :func:`table_of` of all seeds' decisions (every clip counts once per seed), and ``spread``: by predictor
        and measure the mean and, of more than one seed, the standard deviation over seeds.
    """
    tables = [table_of(folds) for folds in by_seed.values()]
    pooled = table_of([fold for folds in by_seed.values() for fold in folds])
    return {
        **pooled,
        "spread": {
            name: {measure: spread([table["rows"][name][measure] for table in tables]) for measure in row}
            for name, row in pooled["rows"].items()
        },
    }
