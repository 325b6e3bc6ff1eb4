"""Clips of several segments: their probabilities under either rule are those of the one averaging module."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from edge_ser.averaging import probabilities_of
from edge_ser.training.segments import Segments

CLIP = np.array([0, 0, 0, 1, 2, 2])
SECONDS = np.array([3.0, 3.0, 1.2, 0.7, 3.0, 0.1])


def _segments() -> Segments:
    features = np.zeros((6, 2, 2), np.uint8)
    return Segments(features, CLIP, SECONDS, np.array([0, 1, 2]), ("a", "b", "c"))


def test_clip_logits_are_the_clips_probabilities() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 4)) * 3
    for averaging in ("mean", "entropy"):
        found = softmax(_segments().per_clip(logits, averaging), axis=1)
        expected = [probabilities_of(averaging, logits[at == CLIP], SECONDS[at == CLIP]) for at in range(3)]
        assert np.allclose(found, expected, atol=1e-5)
    assert not np.allclose(_segments().per_clip(logits), _segments().per_clip(logits, "entropy"), atol=0.1)


def test_an_impossible_class_stays_finite() -> None:
    found = _segments().per_clip(np.tile([0.0, -90.0], (6, 1)), "entropy")
    assert np.isfinite(found).all()
    assert (found.argmax(axis=1) == 0).all()
