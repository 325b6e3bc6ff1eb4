"""From what teachers said of the training clips to what the student is taught beside its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.utils.class_weight import compute_sample_weight

from edge_ser.errors import InputError
from edge_ser.spec_training import TeacherSpec

if TYPE_CHECKING:
    from edge_ser.training.prepared import Progress

_SMALLEST = 1e-7
"""A probability below it counts as this much: its logarithm must be finite."""

_SUM_TOLERANCE = 0.02
"""How far probabilities may be from a sum of 1: int8 outputs have steps of 1/256."""

_COMPONENTS = 128
"""Principal components of the vectors that are taught; of 3,000 recordings they hold most of what there is."""

_LEAST_SPREAD = 1e-3
"""Components with less deviation than this share of the largest one's are rounding."""

_FARTHEST = 4.0
"""Deviations of the largest component: what lies farther out counts as this far."""

_PROBE_FOLDS = 5
_PROBE_STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Inverse penalties tried on the probe."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a teacher says of every training clip, and how much that counts in the loss.

    Attributes:
        values: float32 (clips, K): probabilities of the classes at ``temperature``, or :func:`taught_vectors`.
        form: which of the two.
        weight: share of the teacher's term in the loss; the labels' loss has the rest. 1 is the teacher alone.
        temperature: divisor of the student's logits, softens them against ``values``; without meaning for a vector.
        hint: float32 (clips, V), a vector that is guessed besides; of a lesson of classes only. V may be 0.
        hint_weight: weight of its squared error, added to the loss.
    """

    values: NDArray[np.float32]
    form: Literal["classes", "vector"]
    weight: float
    temperature: float
    hint: NDArray[np.float32] | None = None
    hint_weight: float = 0.0

    @property
    def columns(self) -> NDArray[np.float32]:
        """All that is taught: float32 (clips, K + V), the hint behind the values."""
        return self.values if self.hint is None else np.hstack([self.values, self.hint])

    @property
    def hint_size(self) -> int:
        """V; 0 without a hint."""
        return 0 if self.hint is None else self.hint.shape[1]

    @property
    def guessed(self) -> int:
        """How many values the net guesses beside its classes."""
        return self.values.shape[1] if self.form == "vector" else self.hint_size

    @property
    def without_hint(self) -> Lesson:
        """The classes alone."""
        return self if self.hint is None else replace(self, hint=None, hint_weight=0.0)


@dataclass(frozen=True, eq=False)
class Lessons:
    """The lessons of a whole training.

    Attributes:
        net: taught to the whole net.
        head: taught to the classifier on top of it, in a second stage; ``None`` where there is none.
    """

    net: Lesson
    head: Lesson | None


def make_lessons(
    teacher: TeacherSpec,
    outputs: Sequence[NDArray[np.float32]],
    columns: Sequence[Sequence[int]],
    labels: NDArray[np.int64],
    speakers: Sequence[str],
    classes: int,
    progress: Progress,
) -> Lessons:
    """Make the lessons of one training.

    Args:
        teacher: what is asked of the teachers.
        outputs: float32 (clips, K) of each teacher, training clips only.
        columns: per teacher, which of its outputs stand for the student's classes, in the student's order; unused
            where the outputs are vectors.
        labels: int (clips,), class of each clip; below 0 of speech whose emotions nobody knows: what the probe says of
            it is fitted on all others.
        speakers: who speaks in each clip.
        classes: of the student.
        progress: shows how far the probe is: of ten thousand clips it takes minutes.

    Raises:
        InputError: the outputs are not what the spec says of them.
    """
    if teacher.names_classes:
        soft = _mean_soft(teacher, outputs, columns)
        return Lessons(Lesson(soft, "classes", teacher.weight, teacher.temperature), None)
    vectors = joined_vectors(outputs)
    if teacher.output == "vector" and not teacher.head_epochs:
        taught = taught_vectors(vectors)
        return Lessons(Lesson(taught, "vector", teacher.weight, teacher.temperature), None)
    logits = probe_logits(vectors, labels, speakers, classes, progress)
    soft = softmax(logits / teacher.temperature, axis=1).astype(np.float32)
    probe = Lesson(soft, "classes", teacher.weight, teacher.temperature)
    if teacher.output == "probe":
        if teacher.vector_weight:
            probe = replace(probe, hint=taught_vectors(vectors), hint_weight=teacher.vector_weight)
        return Lessons(probe, None)
    return Lessons(Lesson(taught_vectors(vectors), "vector", 1.0, teacher.temperature), probe)


def _mean_soft(
    teacher: TeacherSpec, outputs: Sequence[NDArray[np.float32]], columns: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """The teachers' softened probabilities, averaged (arXiv 1503.02531, section 1: the arithmetic mean)."""
    each = []
    for rows, chosen in zip(outputs, columns, strict=True):
        logits = rows.astype(np.float64)
        if teacher.output == "probabilities":
            if rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > _SUM_TOLERANCE:
                message = (
                    f"teacher.output is 'probabilities', but the teacher's outputs lie between {rows.min():.3g} and "
                    f"{rows.max():.3g} and do not sum to 1; if they are logits, say output = 'logits'"
                )
                raise InputError(message)
            logits = np.log(np.maximum(logits, _SMALLEST))
        each.append(softmax(logits[:, list(chosen)] / teacher.temperature, axis=1))
    mean: NDArray[np.float32] = np.mean(each, axis=0).astype(np.float32)
    return mean


def joined_vectors(outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The teachers' vectors side by side, each standardised over the clips, the whole of length 1.

    Standardised, because the means of hidden states of speech encoders nearly all point one way: their raw cosine
    says the same of any two clips. Side by side, because the axes of two encoders have nothing to do with each other.

    Args:
        outputs: float32 (clips, K) of each teacher.

    Returns:
        float32 (clips, sum of K).
    """
    parts = []
    for rows in outputs:
        centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
        spread = centred.std(axis=0)
        scaled = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-9)
        parts.append(scaled / np.sqrt(rows.shape[1]))
    whole = np.hstack(parts)
    length = np.linalg.norm(whole, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(whole, length, out=np.zeros_like(whole), where=length > 0)
    return unit.astype(np.float32)


def taught_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """What of the teachers' vectors a student guesses: their largest principal components, the largest drawn in.

    Components are divided by the root of their deviation, half of what whitening does: as they are, a few of them are
    nearly all of the error; whitened, the noise of the smallest counts as much as what tells emotions apart.

    Args:
        vectors: float32 (clips, K), of :func:`joined_vectors`.

    Returns:
        float32 (clips, at most 128), of mean square 1.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    # By the smaller of the two: clips or values.
    if len(centred) < centred.shape[1]:
        variances, directions = np.linalg.eigh(centred @ centred.T)
        scores = directions * np.sqrt(np.maximum(variances, 0.0))
    else:
        variances, directions = np.linalg.eigh(centred.T @ centred)
        scores = centred @ directions
    largest = scores[:, ::-1][:, :_COMPONENTS]
    spread = largest.std(axis=0)
    told = spread > _LEAST_SPREAD * spread.max(initial=0.0)
    drawn = np.clip(largest[:, told] / np.sqrt(spread[told]) / np.sqrt(spread[:1]), -_FARTHEST, _FARTHEST)
    size = np.sqrt(np.mean(drawn**2)) if drawn.size else 1.0
    return np.asarray(drawn / size, dtype=np.float32)


def probe_logits(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    speakers: Sequence[str],
    classes: int,
    progress: Progress,
) -> NDArray[np.float64]:
    """Log probabilities by a linear classifier on vectors; for every clip it was fitted on other speakers.

    Clips without a label are nobody's to be fitted on: of them says what the classifier fitted on all that have one.
    So a teacher of a few hundred labelled clips teaches by any speech there is (a transfer set: Hinton et al.,
    arXiv 1503.02531, section 1).

    Fitted on the same clips it would know their labels by heart and teach nothing but them. Every class counts alike,
    as it does in the student's loss: a class of few clips, or one whose clips are mostly of the speakers that are left
    out, would otherwise be taught away.

    Args:
        vectors: float32 (clips, K), each of length 1.
        labels: int (clips,), below ``classes``; below 0 of clips without one.
        speakers: who speaks in each clip.
        classes: how many there are.
        progress: shows how many of the fits, one per fold and penalty, are done.

    Returns:
        float64 (clips, classes), by the penalty that gives the least cross-entropy, averaged over classes.

    Raises:
        InputError: fewer than two speakers.
    """
    known = np.flatnonzero(labels >= 0)
    who = np.asarray(speakers)[known]
    folds = min(_PROBE_FOLDS, len(set(who.tolist())))
    if folds < 2:
        message = f"a probe on a teacher's vectors needs at least 2 training speakers; there is {folds}"
        raise InputError(message)
    split = [(known[learned], known[held]) for learned, held in GroupKFold(folds).split(known, groups=who)]
    tried = []
    with progress("probe on the teachers' vectors", folds * len(_PROBE_STRENGTHS)) as advance:
        for strength in _PROBE_STRENGTHS:
            held_out = np.zeros((len(labels), classes))
            for learned, held in split:
                held_out[held] = _said_of(vectors, labels, learned, held, classes, strength)
                advance(1)
            tried.append(log_softmax(np.maximum(held_out, np.log(_SMALLEST)), axis=1))
    weights = compute_sample_weight("balanced", labels[known])
    losses = [-float(weights @ logits[known, labels[known]]) for logits in tried]
    at = int(np.argmin(losses))
    best: NDArray[np.float64] = tried[at]
    unknown = np.flatnonzero(labels < 0)
    if len(unknown):
        said = _said_of(vectors, labels, known, unknown, classes, _PROBE_STRENGTHS[at])
        best[unknown] = log_softmax(np.maximum(said, np.log(_SMALLEST)), axis=1)
    return best


def _said_of(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    learned: NDArray[np.int64],
    held: NDArray[np.int64],
    classes: int,
    strength: float,
) -> NDArray[np.float64]:
    """Log probabilities of the held-out clips by a classifier fitted to the others; float64 (held, classes)."""
    said = np.full((len(held), classes), np.log(_SMALLEST))
    present = np.unique(labels[learned])
    if len(present) == 1:
        said[:, present[0]] = 0.0
        return said
    fitted = LogisticRegression(C=strength, max_iter=500, tol=1e-3, class_weight="balanced")
    fitted.fit(vectors[learned], labels[learned])
    said[:, fitted.classes_] = fitted.predict_log_proba(vectors[held])
    return said
