"""The votes of raters as distributions over a system's classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ser.corpora.clip import Clip


def vote_shares(clips: Sequence[Clip], classes: Sequence[str]) -> NDArray[np.float64]:
    """What share of a clip's raters heard which class.

    Args:
        clips: with or without :attr:`~edge_ser.corpora.clip.Clip.soft_label`.
        classes: the emotions, in the net's order; votes for others do not count.

    Returns:
        float64 (clips, classes); a row sums to 1, or is all 0 where nobody voted for any of the classes.
    """
    index = {name: at for at, name in enumerate(classes)}
    shares = np.zeros((len(clips), len(classes)))
    for row, clip in zip(shares, clips, strict=True):
        for name, part in clip.soft_label or ():
            if name in index and part > 0:
                row[index[name]] += part
    totals = shares.sum(axis=1, keepdims=True)
    shares /= np.where(totals > 0, totals, 1)
    return shares
