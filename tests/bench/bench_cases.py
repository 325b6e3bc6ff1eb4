"""Results of benches, made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edge_ser.bench.machine import Machine
from edge_ser.bench.result import FORMAT, Agreement, BenchResult, BundleName, Usage
from edge_ser.bench.timing import Timings

MACHINE = Machine("Linux 6", "x86_64", "A processor", 2, 2, 10**9, "", "3.11", {"numpy": "2"})
STAGES = ("frontend", "keyword", "acoustic", "fusion")


def made_result(*, seed: int = 1, runs: int = 200, **changes: Any) -> BenchResult:
    """A bench with times drawn at random."""
    rng = np.random.default_rng(seed)
    timed = Timings(
        STAGES,
        np.full(len(STAGES), 9_000_000),
        rng.integers(100_000, 900_000, (runs, len(STAGES))),
        10**9,
    )
    whole = timed.whole
    result = BenchResult(
        format=FORMAT,
        backend="litert",
        kind="measured",
        device="a processor",
        what="all of it",
        bundle=BundleName("base", "ab" * 32),
        settings={"threads": 1, "xnnpack": False},
        machine=MACHINE,
        runs=runs,
        warm_up=3,
        first_ms=whole.first_ms,
        p50_ms=whole.p50_ms,
        p95_ms=whole.p95_ms,
        p99_ms=whole.p99_ms,
        mean_ms=whole.mean_ms,
        least_ms=whole.least_ms,
        most_ms=whole.most_ms,
        stages={name: timed.stage(name) for name in STAGES},
        segment={"whole": whole},
        file=None,
        usage=Usage(1.0, 1.0, 5.0, 10**7, 2 * 10**7, 3, 0.1, 0.2),
        instructions={},
        agreement=Agreement({"features": 0}, True, ""),
        notes=(),
        runs_ms=timed.runs_ms(),
    )
    return replace(result, **changes)
