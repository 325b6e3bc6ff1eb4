"""Conversion failures are messages, whatever the converter does."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_ser.errors import CheckError
from edge_ser.quantization import convert
from edge_ser.spec_file import load_spec

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
FEATURES = np.zeros((8, TINY.keyword_frames, 40), np.uint8)


def test_missing_weights_are_a_message(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="keyword: the converter failed"):
        convert.convert_net(TINY, "keyword", tmp_path / "absent.weights.h5", FEATURES)


def test_a_crash_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A converter that dies with a signal, as it does on some recurrent layers."""
    real = subprocess.run

    def dying(command: list[str], **options: Any) -> Any:
        return real([command[0], "-c", f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})"], **options)

    monkeypatch.setattr(convert.subprocess, "run", dying)
    with pytest.raises(CheckError, match="SIGSEGV"):
        convert.convert_net(TINY, "keyword", tmp_path / "any.weights.h5", FEATURES)
    assert not list(tmp_path.iterdir())
