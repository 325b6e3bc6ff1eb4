"""Calibration error and gaps between groups, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.evaluation.gaps import gaps
from edge_ser.evaluation.reliability import calibration_error

CLASSES = ("anger", "neutral")


def test_confidence_that_is_right_as_often_as_it_says() -> None:
    probabilities = np.tile([0.75, 0.25], (4, 1))
    assert calibration_error(probabilities, np.array([0, 0, 0, 1])) == pytest.approx(0)


def test_calibration_error_by_hand() -> None:
    # Two decisions at 0.9 of which one is right, two at 0.6 of which both are.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    assert calibration_error(probabilities, np.array([0, 1, 0, 0])) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)


def test_sure_and_wrong_is_the_worst() -> None:
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([1])) == 1
    assert calibration_error(np.zeros((0, 2)), np.zeros(0, np.int64)) == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_calibration_error_is_a_share(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), size=count)
    assert 0 <= calibration_error(probabilities, rng.integers(4, size=count)) <= 1


def test_gaps_by_hand() -> None:
    # Women: all 10 right. Men: 5 of 5 angry called so, neutral called angry every time.
    labels = np.array([0] * 5 + [1] * 5 + [0] * 5 + [1] * 5)
    decisions = np.array([0] * 5 + [1] * 5 + [0] * 10)
    found = gaps(labels, decisions, ["f"] * 10 + ["m"] * 10, CLASSES)
    assert found is not None
    assert found.uar == {"f": 1.0, "m": 0.5}
    assert found.uar_gap == 0.5
    assert found.recall_gap == {"anger": 0.0, "neutral": 1.0}
    assert found.parity_gap == {"anger": 0.5, "neutral": 0.5}
    assert found.label_gap == {"anger": 0.0, "neutral": 0.0}


def test_unknown_groups_are_left_out_and_one_group_has_no_gap() -> None:
    labels = np.array([0, 1, 0, 1])
    assert gaps(labels, labels, ["f", "f", "", ""], CLASSES) is None
    found = gaps(labels, np.array([0, 1, 1, 0]), ["f", "f", "m", ""], CLASSES)
    assert found is not None
    assert found.uar == {"f": 1.0, "m": 0.0}


def test_a_recall_of_few_clips_makes_no_gap() -> None:
    labels = np.array([0] * 4 + [0] * 5)
    found = gaps(labels, np.array([1] * 4 + [0] * 5), ["f"] * 4 + ["m"] * 5, CLASSES)
    assert found is not None
    assert found.recall_gap == {}
    assert found.parity_gap["anger"] == 1.0
