"""What a clip is taught as: its label, the votes of its raters, or something between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.votes import vote_shares


def soft_targets(clips: Sequence[Clip], classes: Sequence[str], share: float) -> NDArray[np.float32]:
    """Target distributions of clips: ``share`` of the raters' votes and the rest of the label.

    Training on the distribution of votes instead of the winner alone keeps what raters disagreed on (e.g. Fayek et
    al., IJCNN 2016; EM2LDL, arXiv 2511.20106).

    Args:
        clips: each with an emotion of ``classes``; a clip without votes, or whose votes all go to emotions outside
            ``classes``, keeps its label alone.
        classes: the emotions, in the net's order.
        share: 0 for labels alone, 1 for votes alone where there are any.

    Returns:
        float32 (clips, classes); every row sums to 1.
    """
    index = {name: at for at, name in enumerate(classes)}
    votes = vote_shares(clips, classes)
    weights = share * votes.any(axis=1, keepdims=True)
    labels = np.eye(len(classes))[np.array([index[str(clip.emotion)] for clip in clips], dtype=np.int64)]
    targets = (1 - weights) * labels + weights * votes
    return targets.astype(np.float32)
