"""Valence, arousal, dominance as a system's training head hears them, against the ratings: in float only.

The head is never deployed, so there is no int8 figure: the training scores its test clips with the Keras net and
keeps ratings and predictions beside the int8 decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.corpora.affect import DIMENSIONS
from edge_ser.errors import InputError
from edge_ser.evaluation.summary import spread

Floats = NDArray[np.float64]

RATINGS = tuple[Floats, Floats]
"""Ratings and predictions, each (clips, 3)."""

MEAN = "mean"


def concordance(ratings: Floats, predicted: Floats) -> float:
    """Lin's concordance correlation coefficient, -1 to 1 (Lin, Biometrics 45, 1989).

    Args:
        ratings: float (n,).
        predicted: float (n,).

    Returns:
        The coefficient, dimensionless: ``2 cov / (var + var + (mean - mean)^2)`` with the moments of the n clips; 0
        where neither side varies. A predictor that always says the same has 0.
    """
    together = float(((ratings - ratings.mean()) * (predicted - predicted.mean())).mean())
    below = float(ratings.var() + predicted.var() + (ratings.mean() - predicted.mean()) ** 2)
    return 2 * together / below if below > 0 else 0.0


def ratings_from_dict(plain: Mapping[str, Any], source: str) -> RATINGS:
    """Read what :func:`edge_ser.training.vad.vad_report` told.

    Returns:
        Ratings and predictions, float64 (clips, 3) each, one clip at least.

    Raises:
        InputError: it is something else; ``source`` is named.
    """
    try:
        rated, predicted = (np.array(plain[name], dtype=np.float64) for name in ("rated", "predicted"))
    except (KeyError, TypeError, ValueError) as error:
        message = f"{source}: not ratings that evaluate wrote ({error!r}); delete it and evaluate again"
        raise InputError(message) from None
    if (
        rated.ndim != 2
        or rated.shape != predicted.shape
        or rated.shape[1] != len(DIMENSIONS)
        or not len(rated)
    ):
        message = (
            f"{source}: ratings {rated.shape} and predictions {predicted.shape}; expected (clips, 3) twice: "
            "delete it and evaluate again"
        )
        raise InputError(message)
    return rated, predicted


def scores_of(folds: Sequence[RATINGS]) -> dict[str, float]:
    """CCC per dimension and their mean, the clips of all folds together.

    Args:
        folds: ratings and predictions of each, float64 (clips, 3) both.
    """
    ratings, predicted = (np.concatenate([fold[side] for fold in folds]) for side in (0, 1))
    found = {name: concordance(ratings[:, at], predicted[:, at]) for at, name in enumerate(DIMENSIONS)}
    found[MEAN] = float(np.mean(list(found.values())))
    return {name: round(value, 4) for name, value in found.items()}


def over_seeds(by_seed: Mapping[int, Sequence[RATINGS]]) -> dict[str, Any]:
    """Scores of each seed and their spread.

    Returns:
        ``n``, clips with ratings (of one seed); ``runs_in``, always ``"float"``; ``seeds``; ``spread``: by
        dimension and of their mean, the mean and, of more than one seed, the standard deviation over seeds.
    """
    seeds = {seed: scores_of(folds) for seed, folds in by_seed.items()}
    return {
        "n": sum(len(ratings) for ratings, _ in next(iter(by_seed.values()))),
        "runs_in": "float",
        "seeds": {str(seed): scores for seed, scores in seeds.items()},
        "spread": {name: spread([scores[name] for scores in seeds.values()]) for name in (*DIMENSIONS, MEAN)},
    }
