"""Fixtures that every test may use: where the real recordings and the real Edge TPU files are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def _finder(variable: str, default: Path) -> Callable[[str], Path]:
    root = Path(os.environ.get(variable, default))

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            pytest.skip(f"{path} is absent; set {variable} to the folder that holds {name}")
        return path

    return find


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """``shared_data("CREMA-D")``: folder of real recordings, or the test is skipped."""
    return _finder("EDGE_SER_DATA", REPOSITORY.parent / "shared" / "data")


@pytest.fixture(scope="session")
def shared_models() -> Callable[[str], Path]:
    """``shared_models("tcn")``: folder of files that the real compiler wrote, or the test is skipped."""
    return _finder("EDGE_SER_EDGETPU_MODELS", REPOSITORY.parent / "shared" / "edgetpu_models")
