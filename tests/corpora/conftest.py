"""Small corpora in the official layouts, written by the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def plant(tmp_path: Path) -> Callable[..., Path]:
    """``plant("a/b.wav", ...)``: empty files below a corpus root, which is returned (readers go by name)."""

    def write(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return write


@pytest.fixture
def write_audio() -> Callable[..., None]:
    """``write_audio(path, samples or seconds of a tone)``: a 16 kHz recording that can be read."""

    def write(
        path: Path, samples: np.ndarray | None = None, seconds: float = 0.25, kind: str = "WAV"
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if samples is None:
            samples = (8000 * np.sin(np.arange(round(16_000 * seconds)) * 0.2)).astype(np.int16)
        # AIFF inside a .wav is one of the traps, so the kind is said rather than taken from the name.
        soundfile.write(path, samples, 16_000, subtype="PCM_16", format=kind)

    return write
