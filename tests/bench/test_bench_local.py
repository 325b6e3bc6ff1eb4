"""Backends in processes of their own: what crashes, hangs or is missing becomes words."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge_ser.bench import local
from edge_ser.bench.local import LocalJob, find_delegate, run_local
from edge_ser.bundle import Bundle, read_bundle, write_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.errors import CheckError, InputError, MissingError
from edge_ser.npz import npy_bytes

JOB = LocalJob(str(shipped_bundle()), "litert", 1, False, "", 5, 1, 0.0, "")


def _nothing(_words: str) -> None:
    pass


def test_a_bench_in_a_process_of_its_own() -> None:
    result = run_local(JOB, _nothing)
    assert (result.backend, result.kind, result.runs) == ("litert", "measured", 5)
    assert list(result.stages) == ["frontend", "keyword", "acoustic", "fusion"]
    assert len(result.runs_ms["whole"]) == 5
    assert result.agreement.within
    assert result.agreement.differences["features"] == 0
    assert result.usage is not None
    assert result.usage.cpu_s > 0
    assert result.first_ms is not None
    assert result.p50_ms is not None
    assert min(result.runs_ms["whole"]) <= result.p50_ms <= max(result.runs_ms["whole"])
    if sys.platform == "linux":
        # Of that process alone: a test run that holds much more must not be in it.
        assert result.usage.memory_before_bytes is not None
        assert result.usage.memory_peak_bytes is not None
        assert 0 < result.usage.memory_before_bytes < result.usage.memory_peak_bytes < 400_000_000
    assert result.bundle.build == read_bundle(shipped_bundle()).build_id


def test_wrong_values_are_told(tmp_path: Path) -> None:
    bundle = read_bundle(shipped_bundle())
    changed = bundle.array("golden/acoustic_embedding.npy").copy()
    changed[0] = changed[0] + 100 if changed[0] < 100 else changed[0] - 100
    other = bundle.with_members({"golden/acoustic_embedding.npy": npy_bytes(changed)})
    write_bundle(tmp_path / "b.edgeser", other)
    result = run_local(replace(JOB, bundle=str(tmp_path / "b.edgeser")), _nothing)
    assert not result.agreement.within
    assert result.agreement.differences["acoustic_embedding"] == 100
    assert "acoustic_embedding differs by 100" in result.agreement.problem


def test_the_childs_words_become_the_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.edgeser"):
        run_local(replace(JOB, bundle=str(tmp_path / "none.edgeser")), _nothing)


def test_a_bundle_without_golden_vectors(tmp_path: Path) -> None:
    bundle = read_bundle(shipped_bundle())
    kept = {name: data for name, data in bundle.members.items() if not name.startswith("golden/")}
    write_bundle(tmp_path / "b.edgeser", Bundle(bundle.spec, kept, {}))
    with pytest.raises(InputError, match="no golden vectors"):
        run_local(replace(JOB, bundle=str(tmp_path / "b.edgeser")), _nothing)


def test_no_edge_tpu_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_library", lambda _name: None)
    with pytest.raises(MissingError, match=r"libedgetpu1-std.*--delegate"):
        run_local(replace(JOB, backend="usb"), _nothing)
    with pytest.raises(MissingError, match="no such file"):
        find_delegate("/nowhere/libedgetpu.so.1")


def test_a_bundle_that_was_never_compiled_cannot_run_on_an_edge_tpu(tmp_path: Path) -> None:
    library = tmp_path / "libedgetpu.so.1"
    library.write_bytes(b"not a library")
    with pytest.raises(MissingError, match="no compiled nets"):
        run_local(replace(JOB, backend="usb", delegate=str(library)), _nothing)


def test_a_library_that_is_none(tmp_path: Path) -> None:
    library = tmp_path / "libedgetpu.so.1"
    library.write_bytes(b"not a library")
    bundle = read_bundle(shipped_bundle())
    nets = {f"{net}_edgetpu.tflite": bundle.member(f"{net}.tflite") for net in ("keyword", "acoustic")}
    write_bundle(tmp_path / "b.edgeser", bundle.with_members(nets))
    job = replace(JOB, bundle=str(tmp_path / "b.edgeser"), backend="usb", delegate=str(library))
    with pytest.raises(MissingError, match="cannot be loaded as a delegate"):
        run_local(job, _nothing)


def test_no_tflm(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingError, match=r"edge-ser\[micro\]"):
        run_local(replace(JOB, backend="tflm"), _nothing)


def test_a_process_that_crashes_is_an_error_with_a_reason() -> None:
    crash = f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})"
    with pytest.raises(CheckError, match="SIGSEGV"):
        local._launch([sys.executable, "-c", crash], 60, _nothing)


def test_a_process_that_hangs_is_stopped() -> None:
    with pytest.raises(CheckError, match=r"did not end within 0\.5 s"):
        local._launch([sys.executable, "-c", "import time; time.sleep(60)"], 0.5, _nothing)


def test_a_process_that_fails_says_its_last_words() -> None:
    with pytest.raises(CheckError, match="exit code 7; last words: oops"):
        local._launch(
            [sys.executable, "-c", "import sys; print('oops', file=sys.stderr); sys.exit(7)"], 60, _nothing
        )


def test_the_bench_runs_where_tensorflow_is_not_installed() -> None:
    loaded = "any(name.split('.')[0] in ('tensorflow', 'keras') for name in sys.modules)"
    code = f"import sys, edge_ser.bench.child; sys.exit({loaded})"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
