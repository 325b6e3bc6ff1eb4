"""Re-augmentation against bias: who is learned late is drawn oftener, who is learned first is heard in other voices.

After CO-VADA (arXiv 2506.06071). What is known to us of the paper: a classifier is trained for a few epochs with
generalised cross-entropy, which follows what is easy; its losses separate *bias-guiding* clips (learned early and
surely, as the commonest pattern of speaker and emotion is) from *bias-contrary* ones; each bias-guiding clip is
converted to the voice of a bias-contrary speaker; a net is trained on originals and conversions. Exponent, thresholds
and voice conversion are not known. What is ours: the clips of each class with the smallest loss are the bias-guiding
ones; a warp of the frequency axis (vocal tract length perturbation), drawn anew every epoch, stands in for voice
conversion and aims at no particular speaker; and groups of people (speakers, or sexes) whose clips of a class have a
larger loss than the class are drawn oftener, which the paper, that uses no labels of groups, does not do.

The first pass itself is in :mod:`edge_ser.training.first_pass`. Everything here is measured on training speakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.augment import channel_centres_hz, warp_channels
from edge_ser.errors import InputError
from edge_ser.spec import FrontendSpec
from edge_ser.spec_training import RebalanceSpec

Floats = NDArray[np.float64]

_WORTH_CLIPS = 5
"""A group's mean loss is drawn towards its class' as if the class gave it so many clips: few clips say little."""

_REACH = 4.0
"""No group is drawn more than four times as often as another would be, nor less than a quarter."""

_CONVERTED = 0.5
"""Share of the draws of a bias-guiding clip that are in another voice: originals and conversions teach together."""


@dataclass(frozen=True, eq=False)
class Rebalance:
    """What the second pass does with each training clip.

    Attributes:
        draws: float64 (n,), how often a clip is drawn in an epoch on average; their sum is n.
        guiding: bool (n,), clips that are heard in other voices.
        vtlp: largest relative warp that makes those voices.
    """

    draws: Floats
    guiding: NDArray[np.bool_]
    vtlp: float

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """One epoch's clips, int64 (n,), shuffled; each as often as it is due, rounded up or down by chance.

        Systematic resampling (e.g. Kitagawa 1996): no clip's count is further than one from what is due.
        """
        count = len(self.draws)
        places = rng.random() + np.arange(count)
        edges = np.cumsum(self.draws) * (count / self.draws.sum())
        chosen: NDArray[np.int64] = np.minimum(np.searchsorted(edges, places, side="right"), count - 1)
        return rng.permutation(chosen)

    def change_voices(
        self,
        batch: NDArray[np.uint8],
        order: NDArray[np.int64],
        rng: np.random.Generator,
        frontend: FrontendSpec,
    ) -> NDArray[np.uint8]:
        """Warp half of the bias-guiding clips of a batch; uint8 (n, frames, channels) of the clips in ``order``."""
        chosen = self.guiding[order] & (rng.random(len(order)) < _CONVERTED)
        if not chosen.any():
            return batch
        changed = batch.copy()
        centres_hz = channel_centres_hz(frontend)
        changed[chosen] = warp_channels(batch[chosen], rng, centres_hz, frontend.sample_rate_hz, self.vtlp)
        return changed


def generalised_cross_entropy(probabilities: Floats, exponent: float) -> Floats:
    """``(1 - p**q) / q`` of the probabilities p that a net gave to the true classes; q is the exponent.

    Zhang & Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels" (NeurIPS
    2018, arXiv 1805.07836): towards q = 0 it is cross-entropy, at q = 1 the mean absolute error.
    """
    loss: Floats = (1 - probabilities**exponent) / exponent
    return loss


def rebalance(
    spec: RebalanceSpec, probabilities: Floats, labels: NDArray[np.int64], groups: Sequence[str]
) -> Rebalance:
    """Decide on every training clip.

    Args:
        spec: how far to go.
        probabilities: float64 (n,), what the first pass gave to each clip's own class.
        labels: int (n,), those classes.
        groups: speaker or sex per clip; ``""`` is unknown, and drawn as often as its class is on average.

    Raises:
        InputError: fewer than two groups are known, so that there is nobody to compare.
    """
    if spec.strength > 0 and len(set(groups) - {""}) < 2:
        message = (
            f"training.acoustic.rebalance.group is {spec.group!r}, and the training clips name fewer than two; take "
            "another group, or set strength to 0"
        )
        raise InputError(message)
    losses = generalised_cross_entropy(probabilities, spec.exponent)
    names = np.asarray(groups)
    draws, guiding = np.ones(len(labels)), np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        own = labels == label
        mean = float(losses[own].mean())
        for group in sorted(set(names[own].tolist()) - {""}):
            part = own & (names == group)
            worse = (float(losses[part].sum()) + _WORTH_CLIPS * mean) / (int(part.sum()) + _WORTH_CLIPS)
            ratio = (worse / mean) ** spec.strength if mean > 0 else 1.0
            draws[part] = min(max(ratio, 1 / _REACH), _REACH)
        # A class is not drawn oftener for it: how often it may occur is not what groups differ in.
        draws[own] /= draws[own].mean()
        easiest = np.flatnonzero(own)[np.argsort(losses[own], kind="stable")]
        guiding[easiest[: round(spec.guiding * len(easiest))]] = True
    return Rebalance(draws, guiding, spec.vtlp)


def by_group(
    spec: RebalanceSpec,
    probabilities: Floats,
    labels: NDArray[np.int64],
    groups: Sequence[str],
    decided: Rebalance,
) -> dict[str, dict[str, Any]]:
    """What the first pass found and what follows, ready for JSON.

    Args:
        spec: the recipe.
        probabilities: float (clips, classes), of the first pass.
        labels: int (clips,).
        groups: of each clip.
        decided: what follows.

    Returns:
        By group: ``clips``, mean generalised cross-entropy ``loss``, ``draws`` per clip and epoch, and the share of
        ``guiding`` clips; ``loss`` and ``draws`` are means over the classes that the group has.
    """
    losses = generalised_cross_entropy(probabilities, spec.exponent)
    names = np.asarray(groups)
    found: dict[str, dict[str, Any]] = {}
    for group in sorted(set(names.tolist())):
        part = names == group
        parts = [part & (labels == label) for label in np.unique(labels[part])]
        found[group] = {
            "clips": int(part.sum()),
            "loss": round(float(np.mean([losses[one].mean() for one in parts])), 4),
            "draws": round(float(np.mean([decided.draws[one].mean() for one in parts])), 4),
            "guiding": round(float(decided.guiding[part].mean()), 4),
        }
    return found
