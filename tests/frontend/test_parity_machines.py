"""Parity itself: every implementation that this machine has, on random specs, torture and real recordings."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edge_ser.audio import audio_info, read_audio
from edge_ser.frontend.reference import Frontend
from edge_ser.spec import FrontendSpec
from firmware_bridge.frontend_job import FrontendJob
from firmware_bridge.implementations import (
    M7,
    NATIVE,
    NATIVE_CHUNKS,
    NUMPY,
    STOCK,
    STOCK_OUR_TABLES,
    TENSORFLOW,
    Computed,
    Implementation,
    Outcome,
    find_implementations,
)
from firmware_bridge.parity import Work, compare
from firmware_bridge.parity_work import (
    DEFAULT_SPECS,
    Case,
    make_cases,
    recording_batches,
    torture_batches,
)

OTHERS = {NATIVE: 200, NATIVE_CHUNKS: 200, M7: 200, STOCK_OUR_TABLES: 200, TENSORFLOW: 40}
"""How many random specs each is compared on; TensorFlow takes seconds to start, again for each batch."""
FLOAT_WINDOW_ENTRY = 17
"""The one entry of the default window that single precision rounds up: its exact value is 53.49995."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def implementation() -> Callable[[str], Implementation]:
    """The implementation of a name, or the test is skipped with what would have to be installed."""
    found, absent = find_implementations()

    def get(name: str) -> Implementation:
        for one in found:
            if one.name == name:
                return one
        pytest.skip(next(f"{lack.name} is absent: {lack.how}" for lack in absent if lack.name == name))

    return get


@dataclass(frozen=True)
class Remembered:
    """NumPy's outcomes, computed once for all the tests that compare with them."""

    outcomes: dict[FrontendSpec, Outcome]
    name: str = NUMPY

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[Outcome]:
        for job in jobs:
            if job.spec not in self.outcomes:
                process = Frontend(job.tables).process
                self.outcomes[job.spec] = Computed(tuple(map(process, job.recordings)))
        return [self.outcomes[job.spec] for job in jobs]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return make_cases(DEFAULT_SPECS, max(OTHERS.values()))


@pytest.fixture(scope="module")
def remembered() -> Remembered:
    return Remembered({})


@pytest.mark.parametrize("name", OTHERS)
def test_no_mismatch_on_the_torture_set_of_random_specs(
    name: str,
    implementation: Callable[[str], Implementation],
    cases: list[Case],
    remembered: Remembered,
    programs: Path,
) -> None:
    some = cases[: len(DEFAULT_SPECS) + OTHERS[name]]
    comparison = compare([remembered, implementation(name)], torture_batches(some), programs)
    (pair,) = comparison.pairs
    print(f"{pair.a} and {pair.b}: {pair.mismatches} mismatches in {pair.values} values")  # noqa: T201
    if name == TENSORFLOW:
        # It makes its own tables, in double precision as ours are made; where a build fuses multiplication with
        # addition a weight may differ by one. It refuses bands that reach the last bin of the spectrum.
        assert pair.mismatches <= (0 if platform.machine() == "x86_64" else pair.values // 100), pair.first
        assert sum(comparison.refused.values()) < 10
    else:
        assert pair.mismatches == 0, pair.first
        assert not comparison.refused
    assert pair.values > 50_000 * OTHERS[name]


def test_no_mismatch_on_real_recordings(shared_data: Callable[[str], Path], programs: Path) -> None:
    corpora = ("CREMA-D", "EMO-DB", "URDU-Dataset", "ESC-10")
    files = [file for corpus in corpora for file in sorted(shared_data(corpus).rglob("*.flac"))[::97]]
    found, _ = find_implementations()
    batches = recording_batches(make_cases(DEFAULT_SPECS, 0), files, pytest.fail)
    comparison = compare(found, batches, programs)
    for pair in comparison.pairs:
        print(f"{pair.a} and {pair.b}: {pair.mismatches} mismatches in {pair.values} values")  # noqa: T201
        assert pair.values > 100_000
    assert not comparison.broken
    assert all(explanation.unexplained == 0 for explanation in comparison.explanations.values())


def test_single_precision_tables_are_why_the_stock_library_differs_from_tensorflow(
    implementation: Callable[[str], Implementation], shared_data: Callable[[str], Path], programs: Path
) -> None:
    """3 s of real speech are 149 frames of 40 channels: 5,960 values."""
    clips = [
        file for file in sorted(shared_data("CREMA-D").rglob("*.flac")) if audio_info(file).duration_s >= 3
    ]
    case = make_cases({"default": FrontendSpec()}, 0)[0]
    recordings = {file.stem: read_audio(file)[:48_000] for file in clips[:40]}
    work = Work(case.name, FrontendJob(case.spec, case.tables, tuple(recordings.values())), tuple(recordings))
    judges = [implementation(name) for name in (TENSORFLOW, STOCK_OUR_TABLES, STOCK)]
    tensorflow, with_ours, with_own = (judge.run([work.job], programs)[0] for judge in judges)
    assert isinstance(tensorflow, Computed)
    assert isinstance(with_ours, Computed)
    assert isinstance(with_own, Computed)

    def mismatches(a: Computed, b: Computed) -> list[int]:
        return [int((x != y).sum()) for x, y in zip(a.features, b.features, strict=True)]

    assert {features.size for features in tensorflow.features} == {5960}
    counts = dict(zip(recordings, mismatches(tensorflow, with_own), strict=True))
    print(f"TensorFlow and stock: {sum(counts.values())} of {5960 * len(counts)} values differ, {counts}")  # noqa: T201
    assert min(counts.values()) > 0
    assert with_own.tables is not None
    differ = np.flatnonzero(with_own.tables.window != case.tables.window)
    if platform.machine() == "x86_64":
        # One coefficient of 480 is all there is to it.
        assert sum(mismatches(tensorflow, with_ours)) == 0
        assert differ.tolist() == [FLOAT_WINDOW_ENTRY]
        assert (with_own.tables.window[differ], case.tables.window[differ]) == (54, 53)
        for name in (
            "twiddles",
            "real_twiddles",
            "band_edges",
            "band_weights",
            "band_unweights",
            "log_table",
        ):
            assert np.array_equal(getattr(with_own.tables, name), getattr(case.tables, name)), name
    # Given these tables, ours computes exactly what the stock library does.
    ours = Computed(tuple(map(Frontend(with_own.tables).process, work.job.recordings)))
    assert sum(mismatches(ours, with_own)) == 0
