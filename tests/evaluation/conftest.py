"""A corpus that can be told apart by ear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import HERTZ, hiss

from edge_ser.audio import write_wav


@pytest.fixture(scope="session")
def hissing(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``hissing(speakers)``: a corpus of the layout ``folder``, two clips per emotion and speaker."""
    made: dict[tuple[str, ...], Path] = {}

    def make(*speakers: str) -> Path:
        if speakers not in made:
            root = tmp_path_factory.mktemp("hissing")
            rng = np.random.default_rng(len(speakers))
            rows = ["path,speaker,emotion,sex"]
            for speaker in speakers:
                for emotion, hertz in HERTZ.items():
                    for take in range(2):
                        name = f"{speaker}-{emotion}-{take}.wav"
                        write_wav(root / name, hiss(rng, hertz * rng.uniform(0.9, 1.1), 0.6), 16_000)
                        rows.append(f"{name},{speaker},{emotion},{speaker[0]}")
            (root / "clips.csv").write_text("\n".join(rows) + "\n")
            made[speakers] = root
        return made[speakers]

    return make
