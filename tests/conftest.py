"""Fixtures that every test may use: where the real recordings and the real Edge TPU files are."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from edge_ser.quantization.convert import Converted

REPOSITORY = Path(__file__).resolve().parents[1]

# How long one example takes says more about what else the machine is doing than about the code. In CI the same
# examples are drawn every time, so that a red run can be repeated.
settings.register_profile("edge-ser", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("edge-ser")


@pytest.fixture(autouse=True)
def _no_table_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer's own compiler once answered shall not change what the tests see."""
    monkeypatch.setenv("EDGE_SER_OP_TABLE", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The end-to-end test first: it takes longest, and the other worker does the rest meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_end_to_end.py")


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


@dataclass(frozen=True)
class ConvertedNet:
    """A net of the tiny system with random weights, converted as the product converts."""

    name: Literal["keyword", "acoustic"]
    files: Converted
    features: np.ndarray


@pytest.fixture(scope="session")
def tiny_nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ConvertedNet]:
    """Both nets of ``models/tiny.toml`` with random weights, through the converter's child process."""
    from edge_ser.networks.acoustic import build_acoustic
    from edge_ser.networks.keyword import build_keyword
    from edge_ser.networks.layers import with_classifier
    from edge_ser.quantization.convert import convert_net
    from edge_ser.spec_file import load_spec

    spec = load_spec(REPOSITORY / "models" / "tiny.toml")
    folder = tmp_path_factory.mktemp("tiny-nets")
    rng = np.random.default_rng(1)
    nets = {}
    for name, build, classes, frames in (
        ("keyword", build_keyword, len(spec.keyword.classes), spec.keyword_frames),
        ("acoustic", build_acoustic, len(spec.acoustic.classes), spec.segment_frames),
    ):
        weights = folder / f"{name}.weights.h5"
        with_classifier(build(spec), classes, 0.0).save_weights(weights)
        features = rng.integers(0, 256, size=(12, frames, spec.frontend.channels), dtype=np.uint8)
        nets[name] = ConvertedNet(name, convert_net(spec, name, weights, features), features)
    return nets
