"""What a bundle's nets made of clips, kept so that several heads can decide on the same embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ser.averaging import probabilities_of
from edge_ser.spec import Averaging

Floats = NDArray[np.float64]


class Head(Protocol):
    """A layer on both embeddings."""

    def __call__(self, embeddings: NDArray[Any]) -> Floats:
        """(n, acoustic + keyword embedding) → float64 (n, classes)."""
        ...


@dataclass(frozen=True, eq=False)
class Heard:
    """One clip.

    Attributes:
        embeddings: (segments, acoustic + keyword embedding), uint8 or float64.
        seconds: (segments,), audio in each segment.
    """

    embeddings: NDArray[Any]
    seconds: Floats

    def probabilities(self, head: Head, averaging: Averaging) -> Floats:
        """Class probabilities of the clip by a head, its segments taken together by the rule; float64 (classes,)."""
        return probabilities_of(averaging, head(self.embeddings), self.seconds)


@dataclass(frozen=True)
class ControlHeads:
    """The heads of one backend.

    Attributes:
        fused: the head that ships.
        alone: the acoustic net's own classifier.
        taught: heads fitted with shuffled keywords, at least one.
        acoustic: size of the acoustic embedding.
    """

    fused: Head
    alone: Head
    taught: Sequence[Head]
    acoustic: int


def with_keywords_of(heard: Sequence[Heard], donors: NDArray[np.int64], acoustic: int) -> list[Heard]:
    """The same clips, each with the keyword embeddings of another one.

    Args:
        heard: the clips.
        donors: int (clips,), whose keywords each clip gets; a shorter donor is repeated, a longer one is cut.
        acoustic: size of the acoustic embedding, which comes first.
    """
    changed = []
    for own, donor in zip(heard, donors, strict=True):
        words = heard[donor].embeddings[:, acoustic:]
        given = words[np.arange(len(own.embeddings)) % len(words)]
        changed.append(Heard(np.hstack([own.embeddings[:, :acoustic], given]), own.seconds))
    return changed
