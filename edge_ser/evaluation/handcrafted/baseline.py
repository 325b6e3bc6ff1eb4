"""Logistic regression and a small perceptron on the functionals: the hand-crafted baseline's rows in every table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from edge_ser.errors import InputError
from edge_ser.handcrafted.frames import Floats

Kind = Literal["lr", "mlp"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TITLES: dict[Kind, str] = {
    "lr": "hand-crafted, logistic regression",
    "mlp": "hand-crafted, perceptron of 64",
}

_PENALTIES: dict[Kind, tuple[float, ...]] = {
    "lr": (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0),
    "mlp": (0.1, 1.0, 3.0, 10.0),
}
"""L2 penalties tried, from weak to strong."""

_INNER_FOLDS = 4
_HIDDEN = 64
_EPOCHS = 200
_REACH = 5.0
"""Standardised values beyond five deviations come from another recording chain; they are held at five."""


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline.

    Attributes:
        kind: logistic regression or perceptron.
        penalty: the L2 penalty that left-out training speakers liked best.
    """

    kind: Kind
    penalty: float
    _scaler: Any
    _model: Any

    def probabilities(self, features: Floats) -> Floats:
        """(n, 88) → probability per class, (n, classes)."""
        result: Floats = self._model.predict_proba(_standardised(self._scaler, features))
        return result


def fit_baseline(
    kind: Kind, features: Floats, labels: NDArray[np.int64], speakers: Sequence[str], seed: int
) -> Baseline:
    """Fit on training speakers; the penalty is chosen there too, by leaving groups of speakers out.

    Args:
        kind: which classifier.
        features: float64 (n, 88).
        labels: int (n,), every class from 0 upwards.
        speakers: who speaks, per row.
        seed: of the perceptron's first weights.

    Raises:
        InputError: one class only, or a class is missing: then there is nothing to tell apart.
    """
    classes = int(labels.max(initial=-1)) + 1
    if len(np.unique(labels)) != classes or classes < 2:
        message = f"hand-crafted baseline: training clips hold {len(np.unique(labels))} of {classes} classes"
        raise InputError(message)
    with threadpool_limits(1):
        penalty = _choose(kind, features, labels, speakers, seed)
        scaler = StandardScaler().fit(features)
        return Baseline(kind, penalty, scaler, _fit(kind, penalty, scaler, features, labels, seed))


def _choose(
    kind: Kind, features: Floats, labels: NDArray[np.int64], speakers: Sequence[str], seed: int
) -> float:
    """The penalty whose left-out speakers have the best UAR; the stronger of two equals."""
    folds = min(_INNER_FOLDS, len(set(speakers)))
    if folds < 2:
        return _PENALTIES[kind][len(_PENALTIES[kind]) // 2]
    uars = np.zeros(len(_PENALTIES[kind]))
    for train, held in GroupKFold(folds).split(features, labels, speakers):
        if len(np.unique(labels[train])) < len(np.unique(labels)):
            continue
        scaler = StandardScaler().fit(features[train])
        for at, penalty in enumerate(_PENALTIES[kind]):
            model = _fit(kind, penalty, scaler, features[train], labels[train], seed)
            decided = model.predict(_standardised(scaler, features[held]))
            uars[at] += _uar(labels[held], decided)
    return _PENALTIES[kind][int(np.flatnonzero(uars == uars.max())[-1])]


def _uar(labels: NDArray[np.int64], decided: NDArray[np.int64]) -> float:
    hit = labels == decided
    return float(np.mean([hit[labels == label].mean() for label in np.unique(labels)]))


def _fit(
    kind: Kind, penalty: float, scaler: Any, features: Floats, labels: NDArray[np.int64], seed: int
) -> Any:
    weights = compute_sample_weight("balanced", labels)
    if kind == "lr":
        model: Any = LogisticRegression(C=1 / penalty, max_iter=2000)
    else:
        model = MLPClassifier((_HIDDEN,), alpha=penalty, max_iter=_EPOCHS, tol=0.0, random_state=seed)
    with warnings.catch_warnings():
        # The perceptron's epochs are fixed on purpose: "has not converged" is how it is meant.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(_standardised(scaler, features), labels, sample_weight=weights)


def _standardised(scaler: Any, features: Floats) -> Floats:
    result: Floats = np.clip(scaler.transform(features), -_REACH, _REACH)
    return result
