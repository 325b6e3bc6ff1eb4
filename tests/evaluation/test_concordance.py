"""Lin's coefficient against its definition, and what files of ratings may hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.errors import InputError
from edge_ser.evaluation.concordance import concordance, over_seeds, ratings_from_dict, scores_of


def test_concordance_by_hand() -> None:
    # Means 2 and 3, variances 2/3 both, covariance 2/3: 2 * 2/3 / (4/3 + 1).
    assert concordance(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])) == pytest.approx(4 / 7)
    assert concordance(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == -1
    assert concordance(np.array([1.0, 2, 3]), np.array([1.0, 2, 3])) == 1
    assert concordance(np.array([1.0, 2, 3]), np.array([2.0, 2, 2])) == 0
    assert concordance(np.array([2.0, 2]), np.array([2.0, 2])) == 0


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=20))
def test_it_is_correlation_times_what_bias_leaves_of_it(pairs: list[tuple[float, float]]) -> None:
    rated, predicted = np.array(pairs).T
    if min(rated.std(), predicted.std()) < 1e-3:
        return
    correlation = np.corrcoef(rated, predicted)[0, 1]
    ratio = rated.std() / predicted.std()
    shift = (rated.mean() - predicted.mean()) ** 2 / (rated.std() * predicted.std())
    expected = correlation * 2 / (ratio + 1 / ratio + shift)
    assert concordance(rated, predicted) == pytest.approx(expected, abs=1e-6)


def test_folds_are_pooled_before_they_are_scored() -> None:
    # In each fold alone the predictions do not vary, together they tell the folds apart.
    low, high = (np.full((4, 3), value) for value in (-0.5, 0.5))
    noise = np.random.default_rng(0).normal(scale=0.05, size=(4, 3))
    found = scores_of([(low + noise, low), (high + noise, high)])
    assert min(found.values()) > 0.9
    assert found["mean"] == pytest.approx(
        np.mean([found[k] for k in ("valence", "arousal", "dominance")]), abs=1e-4
    )
    seeds = over_seeds({1: [(low + noise, low), (high + noise, high)], 2: [(low + noise, low), (high, low)]})
    assert seeds["n"] == 8
    assert seeds["spread"]["valence"]["mean"] == pytest.approx(
        np.mean([seeds["seeds"][seed]["valence"] for seed in "12"]), abs=1e-4
    )
    json.dumps(seeds)


@pytest.mark.parametrize(
    "plain",
    [
        {"rated": [[0.0, 0.0, 0.0]]},
        {"rated": [[0.0, 0.0, 0.0]], "predicted": "x"},
        {"rated": [[0.0, 0.0, 0.0]], "predicted": [[0.0, 0.0]]},
        {"rated": [[0.0, 0.0]], "predicted": [[0.0, 0.0]]},
        {"rated": [], "predicted": []},
    ],
)
def test_broken_ratings_are_named(plain: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"fold-00\.json"):
        ratings_from_dict(plain, "fold-00.json")
