"""A training that starts from a bundle's acoustic net: what is taken over, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edge_ser.bundle import REQUIRED_MEMBERS, Bundle, write_bundle
from edge_ser.bundle_float import FLOAT_WEIGHTS
from edge_ser.errors import InputError
from edge_ser.frontend.tables import make_tables
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.layers import with_classifier
from edge_ser.npz import npz_bytes
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import load_spec
from edge_ser.spec_training import LossSpec
from edge_ser.training.objective import training_model
from edge_ser.training.start import read_start

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
SPEC = replace(TINY, acoustic=replace(TINY.acoustic, classes=("anger", "neutral"), stem=(8, 8), dim=8))
TOLD: dict[str, Any] = {
    "corpora": {"emotions": {"name": "crema-d", "speakers": {"train": ["1001"], "validation": ["1002"]}}}
}


def _model(spec: SystemSpec, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return with_classifier(build_acoustic(spec), len(spec.acoustic.classes), 0.0)


def _bundle(path: Path, provenance: dict[str, Any] = TOLD, weights: bytes | None = None) -> keras.Model:
    """Write a bundle that carries float weights; returns the model that has them."""
    model = _model(SPEC, 7)
    beside = path.with_name("source.weights.h5")
    model.save_weights(beside)
    members = dict.fromkeys(REQUIRED_MEMBERS, b"x")
    members["frontend_tables.npz"] = npz_bytes(make_tables(SPEC.frontend).to_arrays())
    members[FLOAT_WEIGHTS["acoustic"]] = beside.read_bytes() if weights is None else weights
    write_bundle(path, Bundle(SPEC, members, provenance))
    return model


def _same(one: keras.layers.Layer, other: keras.layers.Layer) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(left, right) for left, right in pairs)


def test_every_layer_is_taken_over_and_the_classifier_where_the_classes_are_the_same(tmp_path: Path) -> None:
    source = _bundle(tmp_path / "a.edgeser")
    start = read_start(tmp_path / "a.edgeser", SPEC)
    assert start.corpora == (TOLD["corpora"]["emotions"],)
    twin = _model(SPEC, 8)
    assert not _same(twin.get_layer("tokens_conv"), source.get_layer("tokens_conv"))
    start.into(twin, ("anger", "neutral"))
    assert all(_same(twin.get_layer(layer.name), layer) for layer in source.layers)
    swapped = _model(SPEC, 8)
    own = swapped.get_layer("classifier").get_weights()[0]
    start.into(swapped, ("neutral", "anger"))
    assert np.array_equal(swapped.get_layer("classifier").get_weights()[0], own)
    assert _same(swapped.get_layer("embedding_conv"), source.get_layer("embedding_conv"))


def test_other_classes_another_length_and_further_heads_take_the_rest(tmp_path: Path) -> None:
    source = _bundle(tmp_path / "a.edgeser")
    longer = replace(
        SPEC, acoustic=replace(SPEC.acoustic, classes=("anger", "fear", "neutral"), segment_s=2.0, hop_s=2.0)
    )
    model = training_model(build_acoustic(longer), 3, 0.1, LossSpec(centre=0.1))
    read_start(tmp_path / "a.edgeser", longer).into(model, longer.acoustic.classes)
    assert _same(model.get_layer("stem0_conv"), source.get_layer("stem0_conv"))
    assert model.get_layer("classifier").get_weights()[0].shape[1] == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dim": 16}, r"acoustic\.dim is 8, the spec's is 16.*--set acoustic\.dim=8$"),
        (
            {"mixing": "none"},
            r"acoustic\.mixing is 'gated', the spec's is 'none'.*--set 'acoustic\.mixing=\"gated\"'$",
        ),
        ({"pooling": "attention"}, r"acoustic\.pooling is 'mean', the spec's is 'attention'"),
        ({"stem": (8, 16)}, r"acoustic\.stem is \(8, 8\).*--set 'acoustic\.stem=\[8, 8\]'$"),
    ],
)
def test_another_net_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    _bundle(tmp_path / "a.edgeser")
    other = replace(SPEC, acoustic=replace(SPEC.acoustic, **change))
    with pytest.raises(InputError, match=words):
        read_start(tmp_path / "a.edgeser", other)


def test_another_pooling_without_weights_starts_from_the_same(tmp_path: Path) -> None:
    source = _bundle(tmp_path / "a.edgeser")
    other = replace(SPEC, acoustic=replace(SPEC.acoustic, pooling="deviation"))
    model = _model(other, 5)
    read_start(tmp_path / "a.edgeser", other).into(model, other.acoustic.classes)
    assert all(_same(model.get_layer(layer.name), layer) for layer in source.layers)


def test_another_front_end_is_refused(tmp_path: Path) -> None:
    _bundle(tmp_path / "a.edgeser")
    with pytest.raises(InputError, match="frontend"):
        read_start(tmp_path / "a.edgeser", replace(SPEC, frontend=replace(SPEC.frontend, upper_hz=7000.0)))


def test_a_bundle_without_weights_or_without_speakers_is_refused(tmp_path: Path) -> None:
    _bundle(tmp_path / "a.edgeser", provenance={})
    with pytest.raises(InputError, match="whom it learned from"):
        read_start(tmp_path / "a.edgeser", SPEC)
    members = dict.fromkeys(REQUIRED_MEMBERS, b"x")
    members["frontend_tables.npz"] = npz_bytes(make_tables(SPEC.frontend).to_arrays())
    write_bundle(tmp_path / "b.edgeser", Bundle(SPEC, members, TOLD))
    with pytest.raises(InputError, match="no float weights"):
        read_start(tmp_path / "b.edgeser", SPEC)


def test_damaged_weights_are_said(tmp_path: Path) -> None:
    _bundle(tmp_path / "a.edgeser", weights=b"no weights")
    start = read_start(tmp_path / "a.edgeser", SPEC)
    with pytest.raises(InputError, match="bundle tiny"):
        start.into(_model(SPEC, 1), SPEC.acoustic.classes)
