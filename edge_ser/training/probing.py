"""A classifier fitted again as a linear probe: a logistic regression on the embedding of a net as it is.

A net that is trained on few speakers learns them by heart, all the more where each of them has one emotion only; what a
net from elsewhere has learned of speech (`--start`) they cannot spoil if only a linear classifier is fitted to them
(linear probes, Alain & Bengio, arXiv 1610.01644; linear evaluation of a frozen encoder, e.g. SUPERB, arXiv 2105.01051).
The penalty is chosen by leaving out training speakers. All of it is linear, so it becomes the one head on the embedding
that there was before: inference costs nothing more.

A keyword net is fitted to its words in the usual way first (``keyword.probe``; a classifier trained again on finished
representations, Kang et al., arXiv 1910.09217): masks, mixed clips and smoothed labels make its embedding good and
leave its classifier unsure where a word ends and unknown speech begins. Who trained the net cannot say how strong the
penalty should be, because the net knows them by heart; those who validate say it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from edge_ser.errors import InputError
from edge_ser.training.fusion import FloatHead, rows_of

STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""Inverse penalties tried, on standardised values; below the least, the classifier is that of the nearest mean."""

_LEAST_SHARE = 1e-6
"""A share of 0 would cost more than everything else together."""

_FOLDS = 5
_MOST_STEPS = 500


def fit_probe(
    embeddings: NDArray[np.floating], labels: NDArray[np.int64], speakers: Sequence[str]
) -> tuple[FloatHead, float]:
    """Fit a classifier on embeddings; every class counts alike.

    Args:
        embeddings: float (n, inputs), one row per training clip.
        labels: int (n,), every class from 0 upwards.
        speakers: who speaks, per row.

    Returns:
        The head (classes, inputs), and the inverse penalty by which left-out speakers are told apart best: by the
        cross-entropy over all of them together, every class counted alike. How many are right moves by single clips,
        and with few speakers chose penalties a hundred times too weak.

    Raises:
        InputError: a class has no clip, or fewer than two speakers are there.
    """
    classes = int(labels.max(initial=-1)) + 1
    found, people = len(np.unique(labels)), len(set(speakers))
    if found != classes or classes < 2:
        message = (
            f"fusion.probe: training clips hold {found} of {classes} classes; expected all, and two at least"
        )
        raise InputError(message)
    if people < 2:
        message = f"fusion.probe: the training clips are of {people} speaker; expected two at least"
        raise InputError(message)
    inputs = embeddings.astype(np.float64)
    # Small matrices, hundreds of fits: threads would only wait for each other.
    with threadpool_limits(1):
        losses = [_left_out_loss(inputs, labels, speakers, strength) for strength in STRENGTHS]
        strength = STRENGTHS[int(np.argmin(losses))]
        return _folded(_classifier(strength).fit(inputs, labels)), strength


def fit_words_probe(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.int64],
    watched: NDArray[np.floating],
    watched_labels: NDArray[np.int64],
    classes: int,
) -> tuple[FloatHead, float]:
    """Fit a classifier on the embeddings of a net that was trained on the same clips; every class counts alike.

    Args:
        embeddings: float (n, inputs), of training clips and their copies.
        labels: int (n,), below ``classes``.
        watched: float (m, inputs), of clips whose speakers trained nothing.
        watched_labels: int (m,), below ``classes``.
        classes: how many there are. One that no training clip has (a corpus may lack silence) is never decided for.

    Returns:
        The head (classes, inputs), and the inverse penalty that has the least cross-entropy on the watched clips,
        every class that they have counted alike.

    Raises:
        InputError: the training clips are all of one class, or no watched clip has a class of theirs.
    """
    present = np.unique(labels)
    known = np.isin(watched_labels, present)
    if len(present) < 2 or not known.any():
        message = (
            f"keyword.probe: training clips hold {len(present)} of {classes} classes, which {int(known.sum())} "
            "validation clips have; expected two classes and one clip at least"
        )
        raise InputError(message)
    inputs, heard = embeddings.astype(np.float64), watched[known].astype(np.float64)
    rows = np.searchsorted(present, watched_labels[known])
    with threadpool_limits(1):
        fits = [_classifier(strength).fit(inputs, labels) for strength in STRENGTHS]
        losses = [_loss(fit.predict_proba(heard), rows) for fit in fits]
    best = int(np.argmin(losses))
    fitted = _folded(fits[best])
    weights, bias = np.zeros((classes, inputs.shape[1])), np.full(classes, np.log(_LEAST_SHARE))
    weights[present], bias[present] = fitted.weights, fitted.bias
    return FloatHead(weights=weights, bias=bias), STRENGTHS[best]


def _folded(fitted: Pipeline) -> FloatHead:
    """Scaler and regression as one head."""
    scaler, model = fitted
    coefficients, bias = rows_of(model)
    weights = coefficients / scaler.scale_
    return FloatHead(weights=weights, bias=bias - weights @ scaler.mean_)


def _left_out_loss(
    inputs: NDArray[np.float64], labels: NDArray[np.int64], speakers: Sequence[str], strength: float
) -> float:
    folds = GroupKFold(min(_FOLDS, len(set(speakers))))
    shares = np.zeros((len(labels), int(labels.max()) + 1))
    for learned, held in folds.split(inputs, labels, speakers):
        present = np.unique(labels[learned])
        # A class that only the left-out speakers have keeps a share of 0, which counts as the least there is.
        if len(present) == 1:
            shares[held, present[0]] = 1.0
        else:
            fitted = _classifier(strength).fit(inputs[learned], labels[learned])
            shares[np.ix_(held, present)] = fitted.predict_proba(inputs[held])
    return _loss(shares, labels)


def _loss(shares: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Cross-entropy of probabilities (n, classes), every class counted alike."""
    right = np.maximum(shares[np.arange(len(labels)), labels], _LEAST_SHARE)
    return float(np.average(-np.log(right), weights=compute_sample_weight("balanced", labels)))


def _classifier(strength: float) -> Pipeline:
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=strength, max_iter=_MOST_STEPS, class_weight="balanced")
    )
