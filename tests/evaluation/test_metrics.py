"""Scores against values worked out by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from edge_ser.evaluation.metrics import constant_score, score

CLASSES = ("anger", "neutral", "sadness")


def test_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    decided = np.array([0, 0, 0, 1, 1, 1, 0, 2])
    found = score(labels, decided, ["a", "a", "b", "b"] * 2, CLASSES)
    assert found.uar == pytest.approx((3 / 4 + 1 + 1 / 2) / 3)
    assert found.accuracy == pytest.approx(6 / 8)
    assert found.macro_f1 == pytest.approx((3 / 4 + 4 / 5 + 2 / 3) / 3)
    assert found.confusion == ((3, 1, 0), (0, 2, 0), (1, 0, 1))
    assert (found.clips, found.speakers) == (8, 2)
    assert found.interval[0] <= found.uar <= found.interval[1]


def test_a_class_without_clips_is_left_out() -> None:
    found = score(np.array([0, 1]), np.array([0, 1]), ["a", "b"], CLASSES)
    assert found.uar == 1
    assert found.macro_f1 == 1


def test_a_constant_predictor_has_one_over_classes() -> None:
    labels = np.repeat([0, 1, 2], [50, 20, 10])
    found = constant_score(labels, [str(at % 8) for at in range(80)], CLASSES, 0)
    assert found.uar == pytest.approx(1 / 3)
    assert found.accuracy == pytest.approx(50 / 80)


def test_the_interval_is_wider_for_fewer_speakers() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, size=1200)

    # Half of the speakers are easy, the other half hopeless: what is uncertain is who speaks.
    def width(speakers: int) -> float:
        who = np.arange(1200) % speakers
        decided = np.where(who % 2 == 0, labels, (labels + 1) % 3)
        low, high = score(labels, decided, [str(name) for name in who], CLASSES).interval
        return high - low

    assert width(4) > 1.5 * width(40)


@given(st.integers(0, 2**32 - 1), st.integers(5, 200))
def test_equals_scikit_learn(seed: int, clips: int) -> None:
    rng = np.random.default_rng(seed)
    labels, decided = rng.integers(0, 3, size=clips), rng.integers(0, 3, size=clips)
    found = score(labels, decided, [str(name) for name in rng.integers(0, 5, size=clips)], CLASSES)
    there = np.unique(labels)
    assert found.uar == pytest.approx(balanced_accuracy_score(labels, decided), abs=1e-9)
    assert found.macro_f1 == pytest.approx(
        f1_score(labels, decided, labels=there, average="macro", zero_division=0)
    )
