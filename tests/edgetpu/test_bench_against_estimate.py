"""Measured beside predicted, and that `edge-ser calibrate` reads what a bench writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from package_builder import Compiled

from edge_ser.bench.estimated import Beside, beside, check_comparable, write_calibration
from edge_ser.bench.machine import this_machine
from edge_ser.bench.result import FORMAT, Agreement, BenchResult, BundleName
from edge_ser.bench.timing import Statistics
from edge_ser.bundle import Bundle, read_bundle
from edge_ser.edgetpu.interval import Interval
from edge_ser.edgetpu.measurements import read_measurements
from edge_ser.edgetpu.targets import target_named
from edge_ser.errors import InputError

MICRO = target_named("coral-micro")


@pytest.fixture
def compiled(make_bundle: Callable[..., Path]) -> Bundle:
    return read_bundle(make_bundle()).with_members(
        {
            "keyword_edgetpu.tflite": Compiled(instructions=(7000,)).data(),
            "acoustic_edgetpu.tflite": Compiled(cached=4096, instructions=(40_000,)).data(),
        }
    )


def _result(bundle: Bundle, **changes: object) -> BenchResult:
    def timed(ms: float) -> Statistics:
        return Statistics(200, ms, ms, ms, ms, ms, ms, ms)

    made = BenchResult(
        format=FORMAT,
        backend="board",
        kind="measured",
        device="a board",
        what="",
        bundle=BundleName("tiny", bundle.build_id),
        settings={"clock_mhz": 250.0},
        machine=this_machine(),
        runs=200,
        warm_up=0,
        first_ms=9.0,
        p50_ms=7.5,
        p95_ms=7.5,
        p99_ms=7.5,
        mean_ms=7.5,
        least_ms=7.5,
        most_ms=7.5,
        stages={"keyword": timed(2.5), "acoustic": timed(4.5), "fusion": timed(0.5)},
        segment={},
        file=None,
        usage=None,
        instructions={},
        agreement=Agreement({}, True, ""),
        notes=(),
        runs_ms={},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_each_net_and_the_decision_stand_beside_their_estimate(compiled: Bundle) -> None:
    rows = beside(_result(compiled), compiled, MICRO, 250.0)
    assert [(row.name, row.measured_ms) for row in rows] == [
        ("keyword", 2.5),
        ("acoustic", 4.5),
        ("decision", 7.5),
    ]
    keyword, acoustic, _ = rows
    assert 0 < keyword.predicted_ms.mid < acoustic.predicted_ms.mid


def test_inside_is_inside() -> None:
    assert Beside("keyword", 2.0, Interval(1.0, 1.5, 2.0)).inside
    assert not Beside("keyword", 2.1, Interval(1.0, 1.5, 2.0)).inside


def test_a_faster_clock_is_predicted_to_be_faster(compiled: Bundle) -> None:
    slow, fast = (
        beside(_result(compiled), compiled, MICRO, clock)[1].predicted_ms.mid for clock in (63.0, 500.0)
    )
    assert fast <= slow


@pytest.mark.parametrize("kind", ["virtual", "emulated"])
def test_nothing_virtual_stands_beside_an_estimate(compiled: Bundle, kind: str) -> None:
    with pytest.raises(InputError, match="no measurement"):
        beside(_result(compiled, kind=kind), compiled, MICRO, 250.0)


def test_another_bundles_bench_is_refused(compiled: Bundle) -> None:
    other = _result(compiled, agreement=Agreement({}, True, ""))
    other = replace(other, bundle=BundleName("tiny", "00" * 32))
    with pytest.raises(InputError, match="build 000000000000"):
        beside(other, compiled, MICRO, 250.0)


@pytest.mark.parametrize("backend", ["litert", "tflm", "host", "qemu"])
def test_only_an_edge_tpu_is_estimated(backend: str) -> None:
    with pytest.raises(InputError, match="--backend board or usb"):
        check_comparable(backend)


def test_calibrate_reads_what_is_written(compiled: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "board.csv"
    rows = beside(_result(compiled), compiled, MICRO, 250.0)
    assert write_calibration(path, rows, compiled, 250.0) == 2
    found = read_measurements(path, MICRO)
    assert [(item.ms, item.clock_mhz) for item in found] == [(2.5, 250.0), (4.5, 250.0)]
    assert all(item.payload.exact for item in found)


def test_further_benches_add_rows_and_the_same_bench_replaces_its_own(
    compiled: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "board.csv"
    rows = beside(_result(compiled), compiled, MICRO, 250.0)
    write_calibration(path, rows, compiled, 250.0)
    assert write_calibration(path, rows, compiled, 500.0) == 4
    again = tuple(replace(row, measured_ms=row.measured_ms + 1) for row in rows)
    assert write_calibration(path, again, compiled, 250.0) == 4
    by_clock = {(item.payload.name, item.clock_mhz): item.ms for item in read_measurements(path, MICRO)}
    assert sorted(by_clock.values()) == [2.5, 3.5, 4.5, 5.5]


def test_what_is_not_compiled_calibrates_nothing(make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    bundle = read_bundle(make_bundle())
    rows = (Beside("keyword", 1.0, Interval(1, 1, 1)),)
    with pytest.raises(InputError, match="edge-ser compile"):
        write_calibration(tmp_path / "board.csv", rows, bundle, 250.0)
    assert not (tmp_path / "board.csv").exists()


@pytest.mark.parametrize("text", ["a,b\n1,2\n", 'model,ms,clock_mhz\n"x', ""])
def test_another_table_is_not_written_over(compiled: Bundle, tmp_path: Path, text: str) -> None:
    path = tmp_path / "board.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="name another file"):
        write_calibration(path, (), compiled, 250.0)
    assert path.read_text() == text
