"""Choosing, drawing and merging windows; pooled curves."""

from __future__ import annotations

import numpy as np
import pytest
from explain_cases import RATE, burst, hearing
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.evaluation.explain_curves import Curves, curves
from edge_ser.evaluation.explain_occlusion import Occlusion, Part, Stretch, log_odds
from edge_ser.evaluation.explain_pooled import pooled, pooled_silence
from edge_ser.evaluation.explain_windows import choose, draw, merged

COLUMNS = tuple(Stretch(start, start + 10) for start in range(0, 100, 5))


@given(st.lists(st.floats(-1, 1), min_size=len(COLUMNS), max_size=len(COLUMNS)), st.integers(1, 9))
def test_chosen_windows_are_apart_and_in_order(values: list[float], count: int) -> None:
    effects = np.array(values)
    chosen = choose(COLUMNS, effects, count)
    worth = [values[COLUMNS.index(one)] for one in chosen]
    assert len(chosen) <= count
    assert worth == sorted(worth, reverse=True)
    assert all(value > 0 for value in worth)
    assert not any(a.overlaps(b) for at, a in enumerate(chosen) for b in chosen[at + 1 :])
    if max(values) > 0:
        assert worth[0] == max(values)


def test_of_equals_the_earlier_one() -> None:
    assert choose(COLUMNS, np.ones(len(COLUMNS)), 2) == (COLUMNS[0], COLUMNS[2])


def test_what_speaks_against_the_decision_is_not_shown() -> None:
    assert choose(COLUMNS, np.full(len(COLUMNS), -0.1)) == ()


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_drawn_windows_are_apart(seed: int, count: int) -> None:
    drawn = draw(COLUMNS, count, np.random.default_rng(seed))
    assert len(drawn) == count
    assert not any(a.overlaps(b) for at, a in enumerate(drawn) for b in drawn[at + 1 :])


def test_all_places_are_drawn() -> None:
    rng = np.random.default_rng(0)
    assert {draw(COLUMNS, 1, rng)[0] for _ in range(500)} == set(COLUMNS)


def test_windows_that_touch_are_one() -> None:
    assert merged([Stretch(20, 30), Stretch(0, 10), Stretch(10, 15)]) == (Stretch(0, 15), Stretch(20, 30))
    assert merged([]) == ()


def _curves(shown: list[float], random: list[float], silenced: float = 0.5, other: float = 0.8) -> Curves:
    up = [1 - value for value in shown], [1 - value for value in random]
    return Curves(*(np.array(one) for one in (shown, random, *up)), silenced, other)


def test_areas_are_means_over_recordings_and_then_divided() -> None:
    rows = [_curves([1.0, 0.6, 0.2], [1.0, 0.9, 0.7]), _curves([0.8, 0.4], [0.8, 0.7])]
    found = pooled("deletion", rows, ["a", "b"], 1)
    assert found is not None
    assert found["area_shown"] == pytest.approx((0.6 + 0.4) / 2)
    assert found["area_random"] == pytest.approx((0.2 + 0.1) / 2)
    assert found["times"] == pytest.approx(0.5 / 0.15, abs=0.01)
    assert found["shown"] == pytest.approx([0.9, 0.5, 0.3])
    low, high = found["interval"]
    assert low == pytest.approx(3.0)
    assert high == pytest.approx(4.0)
    assert pooled("insertion", rows, ["a", "b"], 1)["times"] == found["times"]  # type: ignore[index]
    assert pooled_silence(rows, ["a", "b"], 1)["area_shown"] == pytest.approx((0.5 + 0.3) / 2)  # type: ignore[index]


def test_windows_no_better_than_chance_are_one_time_as_fast() -> None:
    same = [1.0, 0.8, 0.6]
    found = pooled("deletion", [_curves(same, same)] * 3, ["a", "b", "b"], 1)
    assert found is not None
    assert (found["times"], found["interval"]) == (1.0, [1.0, 1.0])


def test_random_windows_that_move_nothing_give_no_ratio() -> None:
    found = pooled("deletion", [_curves([1.0, 0.5], [1.0, 1.0])], ["a"], 1)
    assert found is not None
    assert (found["times"], found["interval"]) == (None, None)
    assert pooled("deletion", [], [], 1) is None


def test_the_curves_of_a_burst_fall_and_rise_at_once() -> None:
    heard = Occlusion(hearing(), burst(0.4))
    columns = heard.columns()
    effects = log_odds(heard.score) - log_odds(heard.without([Part((one,)) for one in columns]))
    chosen = choose(columns, effects, 2)
    found = curves(heard, columns, chosen, 8, np.random.default_rng(1))
    assert found is not None
    assert found.deletion[0] == found.deletion_random[0] == heard.score
    assert len(found.deletion) == len(found.insertion) == len(chosen) + 1
    assert found.deletion[1] == pytest.approx(heard.without([Part(chosen[:1])])[0])
    assert found.insertion[-1] == pytest.approx(heard.only([Part(chosen)])[0])
    assert found.deletion[1] < found.deletion_random[1]
    assert found.insertion[1] > found.insertion_random[1]
    assert found.silenced < found.silenced_random


def test_a_recording_without_windows_has_no_curves() -> None:
    heard = Occlusion(hearing(), burst(0.4)[: RATE // 5])
    assert curves(heard, heard.columns(), (), 3, np.random.default_rng(1)) is None
