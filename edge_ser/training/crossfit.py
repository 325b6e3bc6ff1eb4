"""What a fusion head may be fitted on: clips of speakers whom the acoustic net that hears them never learned from.

Validation speakers are such people, but a small corpus has few of them, and a head (and the rule that leaves the
keywords out) that rests on seven people is often wrong. Cross-fitting (stacked generalisation, Wolpert, Neural Networks
5, 1992) makes every training and validation speaker one: the speakers are dealt into folds, for each fold an acoustic
net is trained by the same recipe on the others, and what it says of the fold's clips is kept. The nets are thrown away;
the head is fitted on all that they said and goes with the net that ships. The keyword net is frozen and one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.training.fusion import FloatHead, FusionFit, fit_on_logits

CONTROLS = 5
"""Heads fitted with shuffled keywords beside the one that ships."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Segments of speakers that the acoustic net did not learn from.

    Attributes:
        logits: float64 (n, classes), what the acoustic net says alone.
        keywords: (n, keyword embedding), pooled over the segment.
        labels: int (n,).
        speakers: who speaks, per segment.
    """

    logits: Floats
    keywords: NDArray[np.floating]
    labels: NDArray[np.int64]
    speakers: tuple[str, ...]


@dataclass(frozen=True)
class ControlledFit:
    """A fusion head and its controls.

    Attributes:
        fit: the head that ships and how it was chosen.
        controls: the same procedure with the keyword embeddings dealt to the wrong segments.
    """

    fit: FusionFit
    controls: tuple[FusionFit, ...]


def fit_with_controls(
    acoustic: FloatHead, held_out: HeldOut, penalties: Sequence[float], seed: int
) -> ControlledFit:
    """Fit the fusion head, and the heads that say what it would be without words.

    Args:
        acoustic: the classifier of the acoustic net that ships.
        held_out: what to fit on.
        penalties: L2 penalties on the keyword weights to choose from.
        seed: of the shuffling.
    """

    def fit(keywords: NDArray[np.floating]) -> FusionFit:
        return fit_on_logits(
            acoustic, held_out.logits, keywords, held_out.labels, held_out.speakers, penalties
        )

    rng = np.random.default_rng([seed, CONTROLS])
    orders = [rng.permutation(len(held_out.labels)) for _ in range(CONTROLS)]
    # Hundreds of fits of small matrices: threads would only wait for each other.
    with threadpool_limits(1):
        return ControlledFit(fit(held_out.keywords), tuple(fit(held_out.keywords[order]) for order in orders))


def unfitted(acoustic: FloatHead, keywords: int) -> ControlledFit:
    """The acoustic classifier as a fusion head that leaves the keywords out: where nobody is left to fit one on.

    Args:
        acoustic: the classifier of the acoustic net that ships.
        keywords: values of a keyword embedding.
    """
    unread = np.zeros((len(acoustic.bias), keywords))
    head = FloatHead(weights=np.hstack([acoustic.weights, unread]), bias=acoustic.bias)
    fit = FusionFit(head=head, temperature=1.0, penalty=None, held_out_loss={})
    return ControlledFit(fit, (fit,) * CONTROLS)


def cross_fit(
    clips: Sequence[Clip],
    folds: int,
    hear: Callable[[Sequence[Clip], Sequence[Clip], int], HeldOut],
) -> HeldOut:
    """Hear every clip with a net that did not learn from its speaker.

    Args:
        clips: of everyone who may teach, each with a speaker.
        folds: how many nets; speakers sorted by corpus and name, fold = index mod ``folds``.
        hear: ``hear(learning, held, number)`` trains on the learning clips and says what it hears in the held ones.

    Returns:
        All folds after one another.

    Raises:
        InputError: fewer speakers than folds.
    """
    speakers = sorted({_who(clip) for clip in clips})
    if len(speakers) < folds:
        message = f"fusion.cross_fit is {folds}; {len(speakers)} speakers may teach: make it at most {len(speakers)}"
        raise InputError(message)
    fold_of = {who: at % folds for at, who in enumerate(speakers)}
    parts = []
    for number in range(folds):
        learning = [clip for clip in clips if fold_of[_who(clip)] != number]
        held = [clip for clip in clips if fold_of[_who(clip)] == number]
        parts.append(hear(learning, held, number))
    return HeldOut(
        logits=np.concatenate([part.logits for part in parts]),
        keywords=np.concatenate([part.keywords for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        speakers=tuple(speaker for part in parts for speaker in part.speakers),
    )


def check_not_heard(clips: Sequence[Clip], corpora: Sequence[Mapping[str, Any]]) -> None:
    """Refuse nets to start from that know whom cross-fitting would hold out.

    Args:
        clips: of everyone who is held out.
        corpora: provenance of the start, one entry per corpus: ``name``, and ``speakers`` by part.

    Raises:
        InputError: naming a speaker that the start has learned from.
    """
    taught = {
        (str(one["name"]), str(speaker))
        for one in corpora
        for part in ("train", "validation")
        for speaker in one["speakers"].get(part, ())
    }
    known = sorted({_who(clip) for clip in clips} & taught)
    if known:
        corpus, speaker = known[0]
        message = (
            f"the net to start from has learned from speaker {speaker} of {corpus}, whom fusion.cross_fit would hold "
            "out: set it to 0, or start from another bundle"
        )
        raise InputError(message)


def _who(clip: Clip) -> tuple[str, str]:
    return clip.corpus, clip.speaker
