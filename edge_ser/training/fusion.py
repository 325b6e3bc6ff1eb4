"""The late-fusion head: what the keywords add to the acoustic net's own opinion.

The acoustic classifier is kept and only tempered; the keyword embedding's weights are learned beside it, on the
validation speakers (on training speakers the acoustic net is surer of itself than it will ever be again, and
whatever is fitted there learns to ignore the words). How much the keywords may say is chosen by leaving out one
validation speaker at a time; where they help nobody, they keep weights near zero and fusion equals acoustics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from edge_ser.files import replacing

Floats = NDArray[np.float64]

_NONE = "none"
"""The candidate that leaves the keywords out."""

COVERAGES = (0.95, 0.9, 0.8, 0.7, 0.5)
"""Shares of the recordings that a threshold shall leave something to be said about."""


@dataclass(frozen=True)
class FloatHead:
    """A dense layer: float64 weights (classes, inputs) and bias (classes,)."""

    weights: Floats
    bias: Floats

    def logits(self, inputs: NDArray[np.floating]) -> Floats:
        """(n, inputs) → (n, classes)."""
        result: Floats = inputs.astype(np.float64) @ self.weights.T + self.bias
        return result

    def save(self, path: Path) -> None:
        """Write the head to an npz file, in one step; its folder is made where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez(file, weights=self.weights, bias=self.bias)


def load_head(path: Path) -> FloatHead:
    """Read what :meth:`FloatHead.save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return FloatHead(weights=arrays["weights"], bias=arrays["bias"])


def rows_of(model: LogisticRegression) -> tuple[Floats, Floats]:
    """Coefficients (classes, inputs) and bias (classes,) of a fitted regression; of two classes, too, a row each."""
    coefficients, bias = model.coef_, model.intercept_
    if len(bias) == 1:  # of the second class against the first
        return np.vstack([-coefficients, coefficients]) / 2, np.array([-bias[0], bias[0]]) / 2
    return coefficients, bias


@dataclass(frozen=True)
class FusionFit:
    """A fitted fusion head and how it was chosen.

    Attributes:
        head: on [acoustic embedding, keyword embedding].
        temperature: divisor of the acoustic logits.
        penalty: the L2 penalty chosen; ``None`` where keywords were left out because they helped nobody.
        held_out_loss: mean cross-entropy of left-out validation speakers, by penalty; ``"none"`` is no keywords.
    """

    head: FloatHead
    temperature: float
    penalty: float | None
    held_out_loss: dict[str, float]


def fit_fusion(
    acoustic: FloatHead,
    acoustic_embeddings: NDArray[np.floating],
    keyword_embeddings: NDArray[np.floating],
    labels: NDArray[np.int64],
    speakers: Sequence[str],
    penalties: Sequence[float],
) -> FusionFit:
    """Fit the fusion head on validation speakers.

    Args:
        acoustic: the acoustic net's classifier.
        acoustic_embeddings: (n, acoustic inputs), one row per segment.
        keyword_embeddings: (n, keyword inputs), pooled over the segment.
        labels: int (n,).
        speakers: who speaks, per row.
        penalties: L2 penalties on the keyword weights to choose from.

    Returns:
        The head and how it was chosen.
    """
    logits = acoustic.logits(acoustic_embeddings)
    return fit_on_logits(acoustic, logits, keyword_embeddings, labels, speakers, penalties)


def fit_on_logits(
    acoustic: FloatHead,
    logits: Floats,
    keyword_embeddings: NDArray[np.floating],
    labels: NDArray[np.int64],
    speakers: Sequence[str],
    penalties: Sequence[float],
) -> FusionFit:
    """:func:`fit_fusion` on logits, which need not be of the acoustic net that the head goes with.

    Args:
        acoustic: the classifier that the head is made from.
        logits: float64 (n, classes), of acoustic nets that never heard the row's speaker.
        keyword_embeddings: (n, keyword inputs).
        labels: int (n,).
        speakers: who speaks, per row.
        penalties: L2 penalties on the keyword weights to choose from.
    """
    # Standardised for the fit, so that one penalty suits every embedding; undone in the weights below.
    mean, spread = keyword_embeddings.mean(axis=0), keyword_embeddings.std(axis=0) + 1e-3
    words = (keyword_embeddings.astype(np.float64) - mean) / spread
    names = np.asarray(speakers)
    tried: dict[str, float | None] = {_NONE: None, **{f"{penalty:g}": penalty for penalty in penalties}}
    losses = {
        name: _held_out_losses(logits, words, labels, names, penalty) for name, penalty in tried.items()
    }
    penalty = tried[_choose(losses)]
    sharpness, weights, bias = _fit(logits, words, labels, penalty)
    keyword_weights = weights / spread
    head = FloatHead(
        weights=np.hstack([acoustic.weights * sharpness, keyword_weights]),
        bias=acoustic.bias * sharpness + bias - keyword_weights @ mean,
    )
    means = {name: round(float(values.mean()), 6) for name, values in losses.items()}
    return FusionFit(head=head, temperature=1 / sharpness, penalty=penalty, held_out_loss=means)


def coverage_thresholds(probabilities: Floats) -> dict[str, float]:
    """Thresholds of abstaining, chosen on validation speakers.

    Args:
        probabilities: float64 (n, classes) of the validation recordings, n at least 1.

    Returns:
        By share of recordings, as text (``"0.9"``): the probability that the best class of that share of them has
        at least. The head was fitted on the same speakers, so that others may keep a little less.
    """
    best = np.sort(probabilities.max(axis=1))[::-1]
    kept = {share: max(1, round(share * len(best))) for share in COVERAGES}
    return {f"{share:g}": round(float(best[count - 1]), 5) for share, count in kept.items()}


def _choose(losses: Mapping[str, Floats]) -> str:
    """The candidate with the least loss, unless its gain over no keywords is within one standard error.

    The simpler of two that cannot be told apart (one-standard-error rule, Breiman et al. 1984): on a corpus whose
    sentences are the same in every emotion the words must not gain anything.
    """
    best = min(losses, key=lambda name: float(losses[name].mean()))
    gain = losses[_NONE] - losses[best]
    if len(gain) < 2 or gain.mean() <= gain.std(ddof=1) / np.sqrt(len(gain)):
        return _NONE
    return best


def _held_out_losses(
    logits: Floats,
    words: Floats,
    labels: NDArray[np.int64],
    speakers: NDArray[np.str_],
    penalty: float | None,
) -> Floats:
    """Mean cross-entropy of each speaker under a head fitted on the others; float64 (speakers,), 0 for a lone one."""
    names = sorted(set(speakers.tolist()))
    losses = np.zeros(len(names))
    if len(names) == 1:
        return losses
    for at, speaker in enumerate(names):
        out = speakers == speaker
        sharpness, weights, bias = _fit(logits[~out], words[~out], labels[~out], penalty)
        log_p = log_softmax(logits[out] * sharpness + words[out] @ weights.T + bias, axis=1)
        losses[at] = -float(log_p[np.arange(len(log_p)), labels[out]].mean())
    return losses


def _fit(
    logits: Floats, words: Floats, labels: NDArray[np.int64], penalty: float | None
) -> tuple[float, Floats, Floats]:
    """Minimise mean cross-entropy of ``sharpness * logits + W words + b`` with L2 on W and b (L-BFGS, convex)."""
    rows, classes = logits.shape
    inputs = words.shape[1]
    used = penalty is not None
    strength = penalty if penalty is not None else 0.0
    target = np.eye(classes)[labels]

    def unpack(values: Floats) -> tuple[float, Floats, Floats]:
        weights = values[1 + classes :].reshape(classes, inputs) if used else np.zeros((classes, inputs))
        bias = values[1 : 1 + classes] if used else np.zeros(classes)
        return float(np.exp(values[0])), weights, bias

    def objective(values: Floats) -> tuple[float, Floats]:
        sharpness, weights, bias = unpack(values)
        scores = sharpness * logits + words @ weights.T + bias
        error = (softmax(scores, axis=1) - target) / rows
        loss = -float((log_softmax(scores, axis=1) * target).sum()) / rows
        gradient = np.zeros_like(values)
        gradient[0] = sharpness * float((error * logits).sum())
        if used:
            loss += strength * float((weights**2).sum() + (bias**2).sum()) / 2
            gradient[1 : 1 + classes] = error.sum(axis=0) + strength * bias
            gradient[1 + classes :] = (error.T @ words + strength * weights).ravel()
        return loss, gradient

    start = np.zeros(1 + (classes + classes * inputs if used else 0))
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=[(-4, 4)] + [(None, None)] * (len(start) - 1)
    )
    return unpack(found.x)
