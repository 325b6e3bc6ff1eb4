"""What keywords are worth: a gain that is there is found, one that is not is nothing, and shuffling takes it away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.errors import InputError
from edge_ser.evaluation.controls import (
    PERMUTATIONS,
    Controlled,
    controlled_from_dict,
    decide_controls,
    gains,
    left_out,
    pool_controlled,
)
from edge_ser.evaluation.heard import ControlHeads, Heard, with_keywords_of

CLASSES = 4
CLIPS = 320
SPEAKERS = [str(at % 16) for at in range(CLIPS)]


def _dense(acoustic: float, keyword: float) -> Any:
    weights = np.hstack([np.eye(CLASSES) * acoustic, np.eye(CLASSES) * keyword])
    return lambda embeddings: embeddings @ weights.T


def _measure(words_help: bool, keyword: float, taught: float) -> tuple[dict[str, Any], Controlled]:
    """Clips of weak acoustics and clear words; heads that trust the words by ``keyword`` and ``taught``."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, CLASSES, size=CLIPS)
    said = labels if words_help else rng.permutation(labels)
    acoustic = np.eye(CLASSES)[labels] + rng.normal(scale=1.0, size=(CLIPS, CLASSES))
    rows = np.hstack([acoustic, np.eye(CLASSES)[said]])
    heard = [Heard(row[np.newaxis], np.ones(1)) for row in rows]
    heads = ControlHeads(_dense(1, keyword), _dense(1, 0), (_dense(1, taught), _dense(1, 0)), CLASSES)
    controls = decide_controls(heard, heads, "mean")
    fused = _dense(1, keyword)(rows).argmax(axis=1)
    return gains(labels, fused, controls, SPEAKERS, CLASSES), controls


def test_words_that_carry_emotion_gain_and_shuffled_ones_do_not() -> None:
    found, _ = _measure(words_help=True, keyword=1.0, taught=0.0)
    worth = found["gains"]
    assert worth["fused"]["points"] > 15
    assert worth["fused"]["interval"][0] > 5
    assert worth["over_shuffled"]["points"] == worth["fused"]["points"]
    # The head that ships relies on the words: another clip's mislead it.
    assert worth["swapped"]["points"] < -1
    assert worth["shuffled"] == {"points": 0.0, "interval": [0.0, 0.0], "sd": 0.0}
    assert found["rows"]["alone"]["sd"] is None


def test_a_head_that_listens_to_nothing_gains_exactly_nothing() -> None:
    found, controls = _measure(words_help=False, keyword=0.0, taught=0.0)
    for worth in found["gains"].values():
        assert worth["points"] == 0
        assert worth["interval"] == [0, 0]
    assert (controls.swapped == controls.alone).all()


def test_trusting_words_that_carry_nothing_is_seen_as_harm() -> None:
    found, _ = _measure(words_help=False, keyword=2.0, taught=2.0)
    assert found["gains"]["fused"]["interval"][1] < 0
    # Every other permutation has the head that was taught to trust them.
    assert found["gains"]["shuffled"]["sd"] > 1
    # Words that carry nothing are as good as another clip's.
    assert found["gains"]["swapped"]["points"] == pytest.approx(found["gains"]["fused"]["points"], abs=5)


def test_the_interval_of_a_difference_is_narrower_than_that_of_a_row() -> None:
    """Speakers are resampled in pairs: what makes a speaker hard for both sides does not count."""
    found, _ = _measure(words_help=True, keyword=0.1, taught=0.0)
    width = np.ptp(found["gains"]["fused"]["interval"]) / 100
    assert 0 < width < np.ptp(found["rows"]["alone"]["interval"])


def test_a_clip_gets_its_donors_segments_in_order() -> None:
    one = Heard(np.array([[1.0, 10], [2, 20], [3, 30]]), np.ones(3))
    other = Heard(np.array([[4.0, 40], [5, 50]]), np.ones(2))
    changed = with_keywords_of([one, other], np.array([1, 0]), 1)
    assert changed[0].embeddings.tolist() == [[1, 40], [2, 50], [3, 40]]
    assert changed[1].embeddings.tolist() == [[4, 10], [5, 20]]


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_decisions_survive_json(permutations: int, clips: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = {"alone": (1, clips), "shuffled": (permutations, clips), "swapped": (permutations, clips)}
    controls = Controlled(**{kind: rng.integers(0, 13, size=shape) for kind, shape in shapes.items()})
    again = controlled_from_dict(controls.to_dict(), clips, 13)
    for kind in shapes:
        assert (getattr(again, kind) == getattr(controls, kind)).all()


@pytest.mark.parametrize(
    "damage",
    [
        {"alone": "01"},
        {"alone": []},
        {"alone": [1]},
        {"shuffled": ["012"]},
        {"shuffled": ["01", "0"]},
        {"swapped": ["09"]},
        {"swapped": ["0 "]},
    ],
)
def test_damaged_decisions_are_refused(damage: dict[str, Any]) -> None:
    whole = {"alone": ["01"], "shuffled": ["10"], "swapped": ["11"]}
    assert controlled_from_dict(whole, 2, 4).alone.tolist() == [[0, 1]]
    with pytest.raises(InputError, match="controls"):
        controlled_from_dict({**whole, **damage}, 2, 4)


def test_folds_are_pooled_permutation_by_permutation() -> None:
    _, controls = _measure(words_help=True, keyword=1.0, taught=0.0)
    fewer = Controlled(controls.alone, controls.shuffled[:4], controls.swapped[:4])
    pooled = pool_controlled([controls, fewer])
    assert len(controls.shuffled) == PERMUTATIONS
    assert pooled.alone.shape == (1, 2 * CLIPS)
    assert pooled.shuffled.shape == pooled.swapped.shape == (4, 2 * CLIPS)
    assert (pooled.swapped[3, CLIPS:] == controls.swapped[3]).all()


def test_how_often_keywords_were_left_out() -> None:
    assert left_out([None, {"penalty": None}, {"penalty": 0.1}, {"penalty": None}]) == {
        "trainings": 2,
        "of": 3,
    }
    assert left_out([None]) is None
