"""The whole line, run as a person runs it: `make edgetpu SYSTEM=tiny`, then the commands on what it made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_ser.audio import write_wav

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = Path(sys.prefix) / "bin"

pytestmark = pytest.mark.slow


def _make(build: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    # The environment that runs the tests is the one that the line uses: nothing is installed again.
    ready = build / "environment"
    ready.touch()
    installed = [f"EDGE_SER={SCRIPTS / 'edge-ser'}", f"TRAIN_READY={ready}"]
    command = ["make", "-C", str(REPOSITORY), *targets, "SYSTEM=tiny", f"BUILD={build}", *installed]
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("MAKEFLAGS", "MAKELEVEL", "EDGETPU_COMPILER")
    }
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean)


def _run(*arguments: object, python: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "edge_ser.cli.main"] if python else [str(SCRIPTS / "edge-ser")]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    done = _make(folder, "edgetpu")
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    (folder / "first.out").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def bundle(build: Path) -> Path:
    return build / "tiny" / "tiny.edgeser"


def test_the_last_table_says_what_was_made(build: Path) -> None:
    words = " ".join((build / "first.out").read_text().split())
    assert "keyword.tflite" in words
    assert "1,800,000" in words
    assert "SYNTHETIC" in words
    assert "not compiled for the Edge TPU: edgetpu_compiler not found" in words
    assert "runs on this CPU" in words


def test_a_second_make_does_no_work(build: Path) -> None:
    dates = {path: path.stat().st_mtime_ns for path in (build / "tiny").rglob("*") if path.is_file()}
    started = time.monotonic()
    again = _make(build, "edgetpu")
    took = time.monotonic() - started
    assert again.returncode == 0, again.stderr
    assert "no work was done" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in (build / "tiny").rglob("*") if path.is_file()} == dates
    assert took < 15, "a make without work takes under 5 s on a quiet machine"


def test_a_missing_compiler_can_be_made_an_error(build: Path) -> None:
    asked = _make(build, "edgetpu", "REQUIRE_COMPILER=1")
    assert asked.returncode != 0
    assert "Error 3" in asked.stderr
    assert "edgetpu_compiler not found" in asked.stderr


def test_with_a_compiler_the_compiled_files_are_added(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a STAND-IN that compiles nothing: what is tested is that make runs it, once, on both nets together."""
    script = Path(__file__).parent / "edgetpu" / "stand_in_compiler.py"
    stand_in = tmp_path / "edgetpu_compiler"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    stand_in.chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.setenv("STAND_IN_CALLS", str(calls))
    done = _make(build, "edgetpu", f"EDGETPU_COMPILER={stand_in}", "REQUIRE_COMPILER=1")
    assert done.returncode == 0, done.stderr
    assert "keyword_edgetpu.tflite" in done.stdout
    assert "not compiled" not in done.stdout
    (call,) = calls.read_text().splitlines()
    assert "keyword.tflite" in call
    assert "acoustic.tflite" in call
    # And back: without it the bundle is the CPU's again, and says so.
    assert "edgetpu_compiler not found" in _make(build, "edgetpu").stdout


def test_scores_stand_beside_a_constant_predictor(bundle: Path) -> None:
    shown = json.loads(_run("show", bundle, "--json").stdout)
    assert shown["synthetic"] is True
    assert shown["scores"]["int8"]["uar"] > shown["scores"]["constant"]["uar"] + 0.1
    assert shown["scores"]["constant"]["uar"] == pytest.approx(1 / 6, abs=1e-3)
    assert shown["agreement"] > 0.9
    assert shown["files"]["keyword.tflite"] + shown["files"]["acoustic.tflite"] < 900_000


def test_classify_a_recording(build: Path, bundle: Path) -> None:
    recording = next((build / "tiny" / "synthetic" / "audio").rglob("*.wav"))
    done = _run("classify", bundle, recording, "--json")
    assert done.returncode == 0, done.stderr
    (file,) = json.loads(done.stdout)["files"]
    assert file["error"] is None
    segment = file["segments"][0]
    assert set(segment) == {"start", "end", "emotion", "scores", "keyword"}
    assert segment["emotion"] == max(segment["scores"], key=segment["scores"].get)
    assert sum(segment["scores"].values()) == pytest.approx(1, abs=1e-3)
    assert segment["end"] == pytest.approx(min(2.9, soundfile.info(recording).duration), abs=0.01)


def test_a_bad_file_does_not_cost_the_others_their_answers(build: Path, bundle: Path, tmp_path: Path) -> None:
    good = next((build / "tiny" / "synthetic" / "audio").rglob("*.wav"))
    bad = tmp_path / "not-audio.wav"
    bad.write_bytes(b"this is text")
    done = _run("classify", bundle, bad, good, tmp_path, "--json")
    assert done.returncode == 2
    files = json.loads(done.stdout)["files"]
    assert [file["error"] is None for file in files] == [False, True, False]
    assert "not-audio.wav" in files[0]["error"]
    assert files[1]["segments"]
    assert "Traceback" not in done.stderr


def test_a_long_recording_is_cut_into_segments(bundle: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    recording = tmp_path / "long.wav"
    write_wav(recording, (rng.normal(size=16_000 * 10) * 1000).astype(np.int16), 16_000)
    done = _run("classify", bundle, recording, "--json")
    segments = json.loads(done.stdout)["files"][0]["segments"]
    assert [(row["start"], row["end"]) for row in segments] == [(0, 2.9), (2.9, 5.8), (5.8, 8.7), (8.7, 10)]


def test_a_damaged_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.edgeser"
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged.write_bytes(bytes(data))
    done = _run("classify", damaged, "any.wav")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_check_budget_and_classify_run_without_any_extra(build: Path, bundle: Path) -> None:
    named = os.environ.get("EDGE_SER_RUNTIME_PYTHON")
    if not named or not Path(named).exists():
        pytest.skip("EDGE_SER_RUNTIME_PYTHON names no Python without the extras; `make test` makes one")
    python = Path(named)
    for package in ("tensorflow", "scipy", "sklearn", "joblib"):
        absent = subprocess.run([named, "-c", f"import {package}"], capture_output=True, check=False)
        assert absent.returncode != 0, f"this environment is meant to lack {package}"
    recording = next((build / "tiny" / "synthetic" / "audio").rglob("*.wav"))
    commands = (
        ("check", bundle), ("budget", bundle), ("classify", bundle, recording), ("doctor",), ("show", bundle),
        ("features", recording, "-o", build / "features.npy"), ("corpus", "list"),
    )  # fmt: skip
    for arguments in commands:
        done = _run(*arguments, "--json", python=python)
        assert done.returncode == 0, f"{arguments[0]}: {done.stderr}"
        json.loads(done.stdout)
    root = build / "tiny" / "synthetic"
    needs = {
        "edge-ser[train]": ("quantize", build / "tiny"),
        "edge-ser[evaluate]": ("evaluate", bundle, "--corpus", "synthetic", "--root", root),
    }
    for extra, arguments in needs.items():
        missing = _run(*arguments, python=python)
        assert missing.returncode == 3, f"{arguments[0]}: {missing.stderr}"
        (line,) = missing.stderr.strip().splitlines()
        assert f"pip install '{extra}'" in line


def test_training_again_uses_what_is_there(build: Path) -> None:
    place = build / "tiny"
    before = (place / "acoustic" / "weights.weights.h5").stat().st_mtime_ns
    arguments = ("--root", place / "synthetic", "--words-root", place / "synthetic", "-o", place)
    done = _run("train", REPOSITORY / "models" / "tiny.toml", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert (place / "acoustic" / "weights.weights.h5").stat().st_mtime_ns == before
    record = json.loads(done.stdout)
    assert {"macro_f1", "uar", "params"} <= set(record)
