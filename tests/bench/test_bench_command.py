"""`edge-ser bench`: keys, files, exit codes and words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from bench_cases import made_result
from typer.testing import CliRunner

from edge_ser.bench import emulated, local
from edge_ser.bench.emulated import emulated_result
from edge_ser.bench.result import Agreement, BenchResult, BundleName, read_result
from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.cli.bench import bench
from edge_ser.errors import EdgeSerError, MissingError
from edge_ser.files import write_json
from edge_ser.frontend.engine import open_frontend
from edge_ser.frontend.tables import FrontendTables
from firmware_bridge.frontend_job import JobResult

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


def test_instructions_are_no_times(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = read_bundle(shipped_bundle())
    tables = FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    features = open_frontend(tables).process(bundle.array("golden/samples.npy"))
    found = emulated_result(bundle, tables, JobResult((features,), (14_400_000,)))
    monkeypatch.setattr(emulated, "run_emulated", lambda _bundle: found)
    code, text, _ = _run("--backend", "qemu", "--json")
    assert code == 0
    told = json.loads(text)
    assert (told["p50_ms"], told["kind"], told["runs_ms"]) == (None, "emulated", {})
    assert told["instructions"]["frontend"] == {
        "per_hop": 100_000,
        "per_second_of_audio": 5_000_000,
        "per_segment": 14_400_000,
    }
    wrong = emulated_result(bundle, tables, JobResult((features + 9,), (1,)))
    assert not wrong.agreement.within
    assert "EMULATED" in found.title
    code, text, _ = _run("--backend", "qemu")
    assert "100,000" in text
    assert "no milliseconds" in _run("--backend", "qemu")[2]
