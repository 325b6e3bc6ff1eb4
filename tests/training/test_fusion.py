"""The fusion head: gains where words carry emotion, changes nothing where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from edge_ser.training.fusion import COVERAGES, FloatHead, coverage_thresholds, fit_fusion

CLASSES = 4


def _people(rng: np.random.Generator, clips: int, words_help: bool) -> tuple[np.ndarray, ...]:
    labels = rng.integers(0, CLASSES, size=clips)
    acoustic = np.eye(CLASSES)[labels] + rng.normal(scale=1.2, size=(clips, CLASSES))
    told = labels if words_help else rng.integers(0, CLASSES, size=clips)
    keyword = np.clip(np.eye(8)[told] * 3 + rng.normal(scale=0.7, size=(clips, 8)), 0, 6)
    return labels, acoustic, keyword


def _gain(words_help: bool, seed: int) -> float:
    rng = np.random.default_rng(seed)
    labels, acoustic, keyword = _people(rng, 200, words_help)
    speakers = [str(at % 5) for at in range(200)]
    alone = FloatHead(np.eye(CLASSES) * 2, np.zeros(CLASSES))
    fit = fit_fusion(alone, acoustic, keyword, labels, speakers, (0.01, 0.1, 1.0))
    labels, acoustic, keyword = _people(rng, 4000, words_help)
    fused = fit.head.logits(np.hstack([acoustic, keyword])).argmax(axis=1)
    return float((fused == labels).mean() - (alone.logits(acoustic).argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_words_that_carry_emotion_help(seed: int) -> None:
    assert _gain(words_help=True, seed=seed) > 0.15


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_words_that_carry_none_do_no_harm(seed: int) -> None:
    assert abs(_gain(words_help=False, seed=seed)) < 0.02


def test_one_speaker_alone_gives_acoustics_alone() -> None:
    rng = np.random.default_rng(0)
    labels, acoustic, keyword = _people(rng, 100, words_help=True)
    alone = FloatHead(np.eye(CLASSES), np.zeros(CLASSES))
    fit = fit_fusion(alone, acoustic, keyword, labels, ["only"] * 100, (0.1,))
    assert fit.penalty is None
    assert not fit.head.weights[:, CLASSES:].any()


def test_thresholds_keep_the_share_that_they_name() -> None:
    best = np.random.default_rng(0).permutation(np.linspace(0.35, 0.99, 200))
    probabilities = np.stack([best, 1 - best - 0.001, np.full(200, 0.001)], axis=1)
    probabilities = np.maximum(probabilities, 0)
    sure = probabilities.max(axis=1)
    found = coverage_thresholds(probabilities)
    assert list(found) == [f"{share:g}" for share in COVERAGES]
    for share in COVERAGES:
        assert (sure >= found[f"{share:g}"] - 1e-5).mean() == pytest.approx(share, abs=0.006)
    assert set(coverage_thresholds(probabilities[:1]).values()) == {round(float(sure[0]), 5)}
