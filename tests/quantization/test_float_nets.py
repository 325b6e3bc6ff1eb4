"""Keras weights of a bundle come back as the net that they were, and nothing else is let in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edge_ser.bundle_float import FLOAT_WEIGHTS, weights_members
from edge_ser.errors import InputError
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.keyword import build_keyword
from edge_ser.networks.layers import with_classifier
from edge_ser.quantization.float_nets import check_weights, load_float_net
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import load_spec

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def spec() -> SystemSpec:
    return load_spec(MODELS / "tiny.toml")


@pytest.fixture(scope="module")
def nets(spec: SystemSpec) -> dict[str, Any]:
    return {
        "acoustic": with_classifier(build_acoustic(spec), len(spec.acoustic.classes), 0.0),
        "keyword": with_classifier(build_keyword(spec), len(spec.keyword.classes), 0.0),
    }


@pytest.fixture(scope="module")
def members(nets: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("weights")
    files = {}
    for name, net in nets.items():
        files[name] = folder / f"{name}.weights.h5"
        net.save_weights(files[name])
    return weights_members(files)


@pytest.mark.parametrize("net", ["acoustic", "keyword"])
def test_the_net_comes_back_classifier_included(
    net: Any, spec: SystemSpec, nets: dict[str, Any], members: dict[str, bytes]
) -> None:
    loaded = load_float_net(spec, net, members[FLOAT_WEIGHTS[net]], "bundle")
    frames = spec.keyword_frames if net == "keyword" else spec.segment_frames
    features = np.random.default_rng(1).random((2, frames, spec.frontend.channels, 1), dtype=np.float32)
    expected, found = (np.asarray(one(features, training=False)) for one in (nets[net], loaded))
    assert np.array_equal(expected, found)
    assert found.shape == (2, len(spec.keyword.classes if net == "keyword" else spec.acoustic.classes))


def test_weights_of_another_net_are_refused(spec: SystemSpec, members: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match=r"here: not the weights of this system's keyword net"):
        load_float_net(spec, "keyword", members[FLOAT_WEIGHTS["acoustic"]], "here")


@pytest.mark.parametrize("data", [b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_what_is_no_hdf5_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^here: not a Keras weights file"):
        check_weights(data, "here")


def _hdf5(fill: Any) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        fill(opened)
    return file.getvalue()


@pytest.mark.parametrize(
    "fill",
    [
        lambda file: file.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/x")),
        lambda file: file.__setitem__("x", h5py.SoftLink("/elsewhere")),
        lambda file: file.create_dataset("x", (4,), "f4", external=[("/etc/passwd", 0, 16)]),
        lambda file: file.create_dataset("x", (10**6,), "f4", compression="gzip"),
        lambda file: file.create_dataset("x", data=np.zeros(4, np.float64)),
        lambda file: file.create_group("x").__setitem__("again", file["/"]),
        lambda file: file.create_dataset("x", (10**12,), "f4"),
    ],
)
def test_more_than_plain_arrays_is_refused(fill: Any) -> None:
    with pytest.raises(InputError, match=r"^here: .* again$"):
        check_weights(_hdf5(fill), "here")


def test_damage_is_an_error_or_harmless(members: dict[str, bytes]) -> None:
    whole = members[FLOAT_WEIGHTS["keyword"]]
    check_weights(whole, "here")
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        weights = bytearray(whole)
        for at in rng.integers(0, 8192, size=rng.integers(1, 6)):
            weights[at] = rng.integers(0, 256)
        try:
            check_weights(bytes(weights), "here")
        except InputError:
            refused += 1
    assert refused > 30
