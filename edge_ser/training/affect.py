"""What the heads that exist in training only are taught: valence, arousal, dominance, and their octants.

EmoSphere-SER (arXiv 2505.19693): a regression of the three dimensions, guided by a classification of the octant of
that space in the first quarter of the training. Here both stand beside the classes, on the acoustic embedding, and
neither is deployed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ser.corpora.affect import DIMENSIONS, OCTANTS, SCALES, octants_of, vad_of
from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.spec_training import LossSpec

RATED = slice(0, 1)
VAD = slice(1, 1 + len(DIMENSIONS))
OCTANT = slice(1 + len(DIMENSIONS), 1 + len(DIMENSIONS) + OCTANTS)
"""Columns of :meth:`AffectTargets.columns`."""

_DECAY = 0.99
"""How much of its weight the octant term loses over its epochs (EmoSphere-SER, train_emosphereser.py)."""


@dataclass(frozen=True, eq=False)
class AffectTargets:
    """Targets of the heads that exist in training only.

    Attributes:
        rated: float32 (clips, 1), 1 where a clip has ratings, else 0.
        vad: float32 (clips, 3), -1 to 1, 0 where there are no ratings.
        octants: float32 (clips, 8), rows sum to 1, or are 0 where a clip has no octant.
        epochs: of the recipe; the octants are gone after the first quarter of them.
    """

    rated: NDArray[np.float32]
    vad: NDArray[np.float32]
    octants: NDArray[np.float32]
    epochs: int

    def columns(self, epoch: int) -> NDArray[np.float32]:
        """float32 (clips, 12): rated, vad, and the octants times :func:`octant_weight`.

        Columns that are mixed as labels are stay right: ``rated`` becomes the weight of a mixed clip, and vad over
        rated its ratings.
        """
        weight = np.float32(octant_weight(epoch, self.epochs))
        return np.hstack([self.rated, self.vad, self.octants * weight])


def affect_targets(clips: Sequence[Clip], loss: LossSpec, epochs: int) -> AffectTargets | None:
    """The targets that a loss needs beside the classes.

    Args:
        clips: the training clips.
        loss: what will be minimised.
        epochs: of the recipe.

    Returns:
        ``None`` where the loss has neither a ``ccc`` nor an ``octant`` term.

    Raises:
        InputError: a term would have no effect, because no clip has ratings, or none has an octant.
    """
    if loss.ccc == 0 and loss.octant == 0:
        return None
    vad, octants = vad_of(clips), octants_of(clips)
    rated = ~np.isnan(vad[:, :1])
    if loss.ccc > 0 and not rated.any():
        message = (
            f"training.acoustic.loss.ccc is {loss.ccc}, and none of {len(clips)} training clips has valence, arousal, "
            f"dominance; expected a corpus that has them ({', '.join(SCALES)}), or 0"
        )
        raise InputError(message)
    if loss.octant > 0 and not octants.any():
        message = (
            f"training.acoustic.loss.octant is {loss.octant}, and none of {len(clips)} training clips has an octant; "
            "expected ratings or emotions with a name other than 'other', or 0"
        )
        raise InputError(message)
    return AffectTargets(
        rated=rated.astype(np.float32),
        vad=np.nan_to_num(vad).astype(np.float32),
        octants=octants.astype(np.float32),
        epochs=epochs,
    )


def octant_weight(epoch: int, epochs: int) -> float:
    """Weight of the octant term in an epoch: falls in a line from 1, and is 0 after the first quarter of the epochs.

    EmoSphere-SER (train_emosphereser.py): 20 epochs, 1 - 0.99 epoch / 5 in epochs 0 to 4, nothing from epoch 5.
    """
    quarter = epochs // 4
    return 1 - _DECAY * epoch / quarter if epoch < quarter else 0.0
