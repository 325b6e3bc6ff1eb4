"""Raters' votes become targets, and a clip without votes keeps its label."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.crema_d import read
from edge_ser.training.targets import soft_targets

CLASSES = ("anger", "fear", "neutral")


def _clip(emotion: str, votes: tuple[tuple[str, float], ...] | None) -> Clip:
    return Clip("test", Path("a.wav"), "s", emotion=emotion, soft_label=votes)


@given(share=st.floats(0, 1))
def test_votes_and_label_are_blended(share: float) -> None:
    clip = _clip("anger", (("fear", 0.75), ("neutral", 0.25)))
    (found,) = soft_targets([clip], CLASSES, share)
    assert found.dtype == np.float32
    assert found == pytest.approx([1 - share, 0.75 * share, 0.25 * share], abs=1e-6)


def test_without_usable_votes_the_label_stays() -> None:
    clips = [
        _clip("fear", None),
        _clip("fear", (("surprise", 1.0),)),
        _clip("fear", (("surprise", 0.5), ("anger", 0.5))),
        _clip("fear", (("anger", 0.0), ("surprise", 1.0))),
    ]
    found = soft_targets(clips, CLASSES, 1.0)
    assert found.tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]]


def test_real_votes_disagree_with_labels(shared_data: Callable[[str], Path]) -> None:
    """On CREMA-D the listeners' winner is often not the intended emotion."""
    clips = [clip for clip in read(shared_data("CREMA-D")) if clip.emotion is not None]
    classes = sorted({str(clip.emotion) for clip in clips})
    intended = np.array([classes.index(str(clip.emotion)) for clip in clips])
    found = soft_targets(clips, classes, 1.0)
    assert np.allclose(found.sum(axis=1), 1)
    agreement = float((found.argmax(axis=1) == intended).mean())
    assert 0.3 < agreement < 0.7
