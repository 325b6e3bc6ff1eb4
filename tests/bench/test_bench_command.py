"""`edge-ser bench`: keys, files, exit codes and words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from bench_cases import made_result
from typer.testing import CliRunner

from edge_ser.bench import emulated, local
from edge_ser.bench.emulated import PARTS, emulated_result, run_emulated
from edge_ser.bench.result import STREAM_BYTES, Agreement, BenchResult, BundleName, read_result
from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.cli.bench import bench
from edge_ser.errors import EdgeSerError, MissingError
from edge_ser.files import write_json
from edge_ser.frontend.engine import open_frontend
from edge_ser.frontend.tables import FrontendTables
from edge_ser.npz import npy_bytes
from firmware_bridge.stream_parity import M7, Difference, ListenerCount

app = typer.Typer()
app.command("bench")(bench)


def _run(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, EdgeSerError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[BenchResult]:
    """What the local backends answer instead of timing."""
    answers = [made_result(bundle=BundleName("shipped", read_bundle(shipped_bundle()).build_id))]
    monkeypatch.setattr(local, "run_local", lambda _job, _tell: answers[0])
    return answers


def test_a_real_bench_gives_the_keys_of_the_contract(tmp_path: Path) -> None:
    place = tmp_path / "out.json"
    code, text, error = _run("--json", "-o", place, "--warm-up", 2)
    assert code == 0, error
    told = json.loads(text)
    assert {"p50_ms", "p95_ms", "p99_ms", "first_ms", "stages", "agreement"} <= set(told)
    assert told["runs"] == len(told["runs_ms"]["whole"]) == 300
    assert told["p50_ms"] <= told["p95_ms"] <= told["p99_ms"] <= told["most_ms"]
    assert read_result(place).p95_ms == told["p95_ms"]
    assert read_result(place).runs_ms == told["runs_ms"]


@pytest.mark.usefixtures("stand_in")
def test_files_by_their_endings(tmp_path: Path) -> None:
    places = [tmp_path / f"out.{ending}" for ending in ("json", "csv", "svg", "png")]
    code, text, error = _run(*(word for place in places for word in ("-o", place)))
    assert code == 0, error
    assert all(place.stat().st_size > 100 for place in places)
    assert "decision" in text
    assert "acoustic" in text


@pytest.mark.usefixtures("stand_in")
def test_beside_another_bench(tmp_path: Path) -> None:
    other = made_result(seed=5, device="another")
    write_json(tmp_path / "other.json", other.to_dict())
    code, text, error = _run("--compare", tmp_path / "other.json", "--json")
    assert code == 0
    told = json.loads(text)["compared"]
    assert any("bundles differ" in words for words in told["warnings"])
    assert {row["name"] for row in told["rows"]} >= {"decision p95", "acoustic p50"}
    assert "different devices" in error


def test_wrong_values_fail_the_check(stand_in: list[BenchResult]) -> None:
    stand_in[0] = made_result(
        agreement=Agreement({"features": 9}, False, "golden vectors: features differs by 9")
    )
    code, text, error = _run("--json")
    assert code == 1
    assert not json.loads(text)["agreement"]["within"]
    assert "DO NOT BELIEVE THESE TIMES" in error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--backend", "gpu"), "expected one of litert"),
        (("--backend", "tflm", "--threads", 2), "--threads"),
        (("--backend", "board", "--xnnpack"), "--xnnpack"),
        (("--clock", "max"), "--clock"),
        (("--against", "estimate"), "--against"),
        (("--backend", "usb", "--against", "hope"), "--against"),
        (("--calibration", "x.csv"), "--against estimate"),
        (("-o", "x.pdf"), "expected a name that ends in"),
        (("--compare", "nowhere.json"), "cannot be read"),
        (("nowhere.edgeser",), "nowhere.edgeser"),
    ],
)
def test_what_does_not_go_together_is_said_before_the_work(words: tuple[object, ...], told: str) -> None:
    code, _, error = _run(*words)
    assert code == 2
    assert told in error


def test_fewer_than_two_hundred_runs_are_refused() -> None:
    assert _run("--runs", 199)[0] == 2


def test_an_absent_backend_ends_with_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_library", lambda _name: None)
    code, _, error = _run("--backend", "usb")
    assert code == 3
    assert "libedgetpu" in error


def test_no_emulator_ends_with_three(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_bundle: object) -> BenchResult:
        message = "qemu-system-arm: not found; get it with: make m7-deps"
        raise MissingError(message)

    monkeypatch.setattr(emulated, "run_emulated", absent)
    code, _, error = _run("--backend", "qemu")
    assert code == 3
    assert "make m7-deps" in error


@pytest.fixture(scope="module")
def golden_features() -> np.ndarray:
    bundle = read_bundle(shipped_bundle())
    tables = FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    return open_frontend(tables).process(bundle.array("golden/samples.npy"))


def _counted(features: np.ndarray, *notes: str, **changes: object) -> BenchResult:
    spent = (14_400_000, 200_000, 3_000, 40_000)
    count = ListenerCount("own", M7, records=1, bytes=9_000, instructions=spent)
    return emulated_result(read_bundle(shipped_bundle()), features, replace(count, **changes), 46_400, notes)


def test_instructions_are_no_times(
    golden_features: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _counted(golden_features, "a note of its own")
    monkeypatch.setattr(emulated, "run_emulated", lambda _bundle: found)
    code, text, _ = _run("--backend", "qemu", "--json")
    assert code == 0
    told = json.loads(text)
    assert (told["p50_ms"], told["kind"], told["runs_ms"]) == (None, "emulated", {})
    assert told["instructions"] == {
        "frontend": {"per_hop": 100_000, "per_second_of_audio": 5_000_000, "per_segment": 14_400_000},
        "net_inputs": {"per_segment": 200_000},
        "embeddings": {"per_segment": 3_000},
        "records": {"per_segment": 40_000},
        "whole": {"per_segment": 14_643_000},
    }
    assert told["agreement"]["differences"] == {"features": 0, STREAM_BYTES: 0}
    assert "the nets do not run on the emulator" in told["what"]
    assert "a note of its own" in told["notes"]
    assert "EMULATED" in found.title
    write_json(tmp_path / "old.json", _counted(golden_features, instructions=(7_200_000, 1, 1, 1)).to_dict())
    code, text, error = _run("--backend", "qemu", "--compare", tmp_path / "old.json")
    assert (code, found.agreement.problem) == (0, "")
    assert "100,000" in text
    assert "differ from the listener in Python: 0" in text
    (row,) = [line for line in text.splitlines() if "frontend, instructions a segment" in line]
    assert [word for word in row.split() if word[0].isdigit()] == ["14,400,000", "7,200,000", "2.00"]
    assert "no milliseconds" in error


def test_two_decisions_share_what_was_counted(golden_features: np.ndarray) -> None:
    assert _counted(golden_features, records=2).instructions["records"] == {"per_segment": 20_000}


def test_golden_audio_that_the_gate_takes_for_silence_is_told(golden_features: np.ndarray) -> None:
    silent = _counted(golden_features, instructions=(14_400_000, 0, 0, 900))
    assert any("silence" in note for note in silent.notes)
    assert not any("silence" in note for note in _counted(golden_features).notes)


def test_other_values_or_bytes_on_the_emulator_fail_the_check(
    golden_features: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "features differs by" in _counted(golden_features + 900).agreement.problem
    broken = _counted(golden_features, differences=3, first=Difference("own", "golden audio", 70))
    assert broken.agreement.differences == {"features": 0, STREAM_BYTES: 3}
    monkeypatch.setattr(emulated, "run_emulated", lambda _bundle: broken)
    code, _, error = _run("--backend", "qemu", "--json")
    assert code == 1
    assert "in 3 bytes, from byte 70 of 9,000 on" in error
    assert "DO NOT BELIEVE THESE COUNTS" in error


@pytest.mark.parametrize("lacking", [0, 5_000])
def test_the_emulator_counts_the_whole_path(lacking: int) -> None:
    bundle = read_bundle(shipped_bundle())
    samples = bundle.array("golden/samples.npy")
    members = {"golden/samples.npy": npy_bytes(samples[: len(samples) - lacking])}
    try:
        found = run_emulated(bundle.with_members(members) if lacking else bundle)
    except MissingError as error:
        pytest.skip(str(error))
    assert found.agreement.differences == {"features": None if lacking else 0, STREAM_BYTES: 0}
    assert found.agreement.within == (not lacking)
    assert any("5,000 samples short of a segment" in note for note in found.notes) == bool(lacking)
    parts = {name: counts["per_segment"] for name, counts in found.instructions.items()}
    assert min(parts.values()) > 0
    assert parts.pop("whole") == sum(parts.values())
    assert parts["frontend"] > 10 * sum(parts[name] for name in PARTS[1:])
