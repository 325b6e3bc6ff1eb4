"""Which keyword was heard: one rule in integers, the same here and in the portable C core (`listener.c`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_ser.averaging import ONE, Steps, window_shares
from edge_ser.integer_head import IntegerHead
from edge_ser.spec import SILENCE, UNKNOWN_WORD

KEYWORD_THRESHOLD = 0.5
"""A keyword is named where its probability in some window is at least this; fusion reads the embedding regardless."""

KEYWORD_SHARE = int(np.ceil(KEYWORD_THRESHOLD * ONE))
"""The same as a share of :mod:`edge_ser.averaging`."""


class Heard(NamedTuple):
    """A keyword that was heard.

    Attributes:
        word: its index in ``spec.keyword.words``.
        share: its share in the window that heard it best, 65536 is one.
    """

    word: int
    share: int


def hear(words: IntegerHead, steps: Steps, windows: NDArray[np.uint8]) -> Heard | None:
    """The keyword with the largest share in any window; of equal ones the first in the spec's order.

    Args:
        words: the head of the keyword net; its last two classes are unknown and silence.
        steps: of its scale.
        windows: keyword embeddings uint8 (n, embedding), n at least 1.
    """
    shares, _ = window_shares(steps.below_best(words.scores(windows)))
    best = shares[:, : -len((UNKNOWN_WORD, SILENCE))].max(axis=0)
    word = int(best.argmax())
    return Heard(word, int(best[word])) if best[word] >= KEYWORD_SHARE else None
