"""The clock of the bench: what is timed, what is not, and that nothing is averaged away."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.bench.timing import statistics, time_runs
from edge_ser.errors import InputError


class _Sleeper:
    """Sleeps 2 ms in one stage and 1 ms in the next; the input takes 5 ms to fill in."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @property
    def stages(self) -> Sequence[tuple[str, Callable[[], None]]]:
        return (("first", self._first), ("second", self._second))

    def refill(self, run: int) -> None:
        self.calls.append(f"refill {run}")
        time.sleep(0.005)

    def _first(self) -> None:
        self.calls.append("first")
        # The very first run pays for something once.
        time.sleep(0.02 if len(self.calls) == 2 else 0.002)

    def _second(self) -> None:
        self.calls.append("second")
        time.sleep(0.001)


def test_the_input_is_filled_in_before_every_run_and_is_not_timed() -> None:
    work = _Sleeper()
    timed = time_runs(work, runs=5, warm_up=2)
    assert work.calls == [word for run in range(8) for word in (f"refill {run}", "first", "second")]
    assert timed.runs_ns.shape == (5, 2)
    assert timed.stage("first").least_ms >= 2
    assert timed.stage("second").least_ms >= 1
    # Sleeping takes no processor time, whatever the clock says.
    assert timed.cpu_ns < timed.runs_ns.sum()


def test_the_first_run_is_apart_and_in_no_other_figure() -> None:
    timed = time_runs(_Sleeper(), runs=5, warm_up=0)
    assert timed.whole.first_ms is not None
    assert timed.whole.first_ms >= 21
    assert timed.runs_ns.shape[0] == 5
    assert timed.stage("first").first_ms == pytest.approx(timed.first_ns[0] / 1e6)


def test_stages_add_up_to_the_whole_run_by_run() -> None:
    told = time_runs(_Sleeper(), runs=4, warm_up=1).runs_ms()
    assert list(told) == ["whole", "first", "second"]
    assert told["whole"] == pytest.approx(np.add(told["first"], told["second"]), abs=1e-5)


@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=400))
def test_percentiles_are_times_that_were_measured(runs: list[int]) -> None:
    found = statistics(np.array(runs), None)
    ordered = sorted(runs)
    for share, value in ((50, found.p50_ms), (95, found.p95_ms), (99, found.p99_ms)):
        # Nearest rank: the smallest time that at least so many per cent of the runs do not exceed.
        rank = -(-share * len(runs) // 100)
        assert value == round(ordered[rank - 1] / 1e6, 6)
    assert found.most_ms == round(ordered[-1] / 1e6, 6)
    assert found.least_ms == round(ordered[0] / 1e6, 6)


def test_one_outlier_stays() -> None:
    found = statistics(np.array([1_000_000] * 199 + [10**9]), 5)
    assert (found.p99_ms, found.most_ms) == (1.0, 1000.0)
    assert found.mean_ms > 5


@pytest.mark.parametrize(("runs", "warm_up", "pause"), [(0, 0, 0.0), (1, -1, 0.0), (1, 0, -1.0)])
def test_impossible_numbers_of_runs(runs: int, warm_up: int, pause: float) -> None:
    with pytest.raises(InputError, match="expected 1 or more"):
        time_runs(_Sleeper(), runs, warm_up, pause)


def test_no_run_gives_no_statistics() -> None:
    with pytest.raises(InputError, match="no run"):
        statistics(np.zeros(0, np.int64), None)
