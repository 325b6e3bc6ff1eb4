"""Fixtures of the Edge TPU tests: a stand-in compiler and a bundle of two small nets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tflite_builder import small_net

from edge_ser.bundle import Bundle, write_bundle
from edge_ser.npz import npz_bytes
from edge_ser.spec_file import load_spec

HERE = Path(__file__).resolve().parent
SPEC = HERE.parents[1] / "models" / "tiny.toml"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``stand_in("partial")``: a program that behaves like the compiler in that case; NOT the compiler."""

    def make(behaviour: str = "good", version: str = "16.0.384591198") -> Path:
        program = tmp_path / "bin" / "edgetpu_compiler"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "stand_in_compiler.py"}" "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("STAND_IN", behaviour)
        monkeypatch.setenv("STAND_IN_VERSION", version)
        monkeypatch.setenv("STAND_IN_CALLS", str(tmp_path / "calls"))
        return program

    return make


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without the compiler."""
    monkeypatch.delenv("EDGETPU_COMPILER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    """``make_bundle(keyword=…, acoustic=…, **members)``: a bundle on disk; the nets are small by default."""

    def make(keyword: bytes | None = None, acoustic: bytes | None = None, **members: bytes) -> Path:
        path = tmp_path / "tiny.edgeser"
        contents = {
            "keyword.tflite": keyword or small_net(8),
            "acoustic.tflite": acoustic or small_net(16),
            "frontend_tables.npz": npz_bytes({}),
            "fusion.npz": npz_bytes({}),
            **{name.replace("__", "/") + ".json": data for name, data in members.items()},
        }
        write_bundle(path, Bundle(spec=load_spec(SPEC), members=contents, provenance={}))
        return path

    return make
