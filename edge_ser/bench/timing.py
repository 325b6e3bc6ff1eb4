"""Timing work that consists of stages, run after run, and what is said of the times.

The clock is monotonic; the input is filled in anew before every run, outside the time; no run is left out. The
first run stands apart, because it also pays for what is done once (memory touched, code loaded, parameters
uploaded). A percentile is a time that was measured: the smallest one that at least so many per cent of the runs do
not exceed, never a mean of two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError

FEWEST_RUNS: Final = 200
"""With fewer runs the 99th percentile is the slowest run or the second slowest, which says little."""

_NS_PER_MS: Final = 1e6


class Work(Protocol):
    """What is timed."""

    @property
    def stages(self) -> Sequence[tuple[str, Callable[[], None]]]:
        """The stages of one run, in order: name and what does it."""
        ...

    def refill(self, run: int) -> None:
        """Fill in the input of a run, counted from 0; not timed."""
        ...


@dataclass(frozen=True)
class Statistics:
    """What is said of a number of runs; milliseconds.

    Attributes:
        runs: runs after the first one and the warm-up.
        first_ms: the very first run, which is in no other figure; ``None`` where it was not timed.
        p50_ms: 50th percentile.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        mean_ms: mean.
        least_ms: fastest run.
        most_ms: slowest run.
    """

    runs: int
    first_ms: float | None
    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float
    least_ms: float
    most_ms: float


@dataclass(frozen=True, eq=False)
class Timings:
    """Times of every run.

    Attributes:
        stages: their names.
        first_ns: int64 (stages,), the very first run.
        runs_ns: int64 (runs, stages), the runs after the warm-up.
        cpu_ns: processor time of these runs together, all threads of the process.
    """

    stages: tuple[str, ...]
    first_ns: NDArray[np.int64]
    runs_ns: NDArray[np.int64]
    cpu_ns: int

    @property
    def whole(self) -> Statistics:
        """Of whole runs: all stages, nothing between them left out."""
        return statistics(self.runs_ns.sum(axis=1), int(self.first_ns.sum()))

    def stage(self, name: str) -> Statistics:
        """Of one stage."""
        at = self.stages.index(name)
        return statistics(self.runs_ns[:, at], int(self.first_ns[at]))

    def runs_ms(self) -> dict[str, list[float]]:
        """Every timed run in order: by stage, and ``"whole"``; milliseconds."""
        columns = {"whole": self.runs_ns.sum(axis=1)}
        columns |= {name: self.runs_ns[:, at] for at, name in enumerate(self.stages)}
        return {name: [round(float(ns) / _NS_PER_MS, 6) for ns in runs] for name, runs in columns.items()}


def statistics(runs_ns: NDArray[np.int64], first_ns: int | None) -> Statistics:
    """What is said of runs.

    Args:
        runs_ns: int64 (runs,), at least one.
        first_ns: the first run, or ``None``.

    Raises:
        InputError: no run.
    """
    if not len(runs_ns):
        message = "no run was timed; expected at least one"
        raise InputError(message)
    p50, p95, p99 = np.percentile(runs_ns, (50, 95, 99), method="inverted_cdf")
    numbers = (p50, p95, p99, runs_ns.mean(), runs_ns.min(), runs_ns.max())
    in_ms = [round(float(ns) / _NS_PER_MS, 6) for ns in numbers]
    first = None if first_ns is None else round(first_ns / _NS_PER_MS, 6)
    return Statistics(len(runs_ns), first, *in_ms)


def time_runs(
    work: Work,
    runs: int,
    warm_up: int,
    pause_s: float = 0.0,
    advance: Callable[[int], None] = lambda _runs: None,
) -> Timings:
    """Time work: one first run, the warm-up, then the runs that count.

    Args:
        work: what is timed; its stages follow each other without anything between.
        runs: how many count.
        warm_up: how many go before them, after the first.
        pause_s: rest before each run, which lets caches grow cold as between the decisions of a live system.
        advance: called after each run that counts.

    Raises:
        InputError: no runs, or a negative warm-up or pause.
    """
    if runs < 1 or warm_up < 0 or pause_s < 0:
        message = f"{runs} runs, {warm_up} to warm up, pause {pause_s:g} s; expected 1 or more, 0 or more, 0 or more"
        raise InputError(message)
    stages = tuple(work.stages)
    times = np.zeros((1 + warm_up + runs, len(stages)), dtype=np.int64)
    cpu_ns = 0
    clock, cpu_clock = time.perf_counter_ns, time.process_time_ns
    marks = [0] * (len(stages) + 1)
    for run in range(len(times)):
        work.refill(run)
        if pause_s:
            time.sleep(pause_s)
        cpu_before = cpu_clock()
        marks[0] = clock()
        for at, (_, stage) in enumerate(stages, start=1):
            stage()
            marks[at] = clock()
        if run > warm_up:
            cpu_ns += cpu_clock() - cpu_before
            advance(1)
        times[run] = np.diff(marks)
    return Timings(tuple(name for name, _ in stages), times[0], times[1 + warm_up :], cpu_ns)
