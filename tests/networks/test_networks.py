"""Both nets: sizes inside the spec's promises, and only operations that the Edge TPU maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.rules import check_model
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.keyword import build_keyword
from edge_ser.quantization.layer_error import layer_errors
from edge_ser.runtime.interpreters import LiteRtNet, output_quantization
from edge_ser.spec_file import load_spec

if TYPE_CHECKING:
    from conftest import ConvertedNet

MODELS = Path(__file__).resolve().parents[2] / "models"
TINY = load_spec(MODELS / "tiny.toml")


@pytest.mark.parametrize("name", ["base", "tiny", "crema-d"])
def test_sizes(name: str) -> None:
    spec = load_spec(MODELS / f"{name}.toml")
    keyword, acoustic = build_keyword(spec), build_acoustic(spec)
    assert keyword.output_shape == (None, 1, 1, spec.keyword.embedding)
    assert acoustic.output_shape == (None, 1, 1, spec.acoustic.embedding)
    assert keyword.count_params() <= 80_000
    assert acoustic.count_params() <= 600_000


@pytest.fixture(params=["keyword", "acoustic"])
def converted(request: pytest.FixtureRequest, tiny_nets: dict[str, ConvertedNet]) -> ConvertedNet:
    return tiny_nets[request.param]


def test_every_operation_maps(converted: ConvertedNet) -> None:
    net, files = converted.name, converted.files
    report = check_model(read_model(files.int8, net))
    assert report.maps_fully, [verdict for verdict in report.ops if not verdict.mapped]


def test_no_dense_layer_and_fixed_shapes(converted: ConvertedNet) -> None:
    net, files = converted.name, converted.files
    model = read_model(files.int8, net)
    names = {operator.name for operator in model.operators}
    assert "FULLY_CONNECTED" not in names
    assert not names & {"SHAPE", "STRIDED_SLICE", "PACK", "BATCH_MATMUL"}


def test_the_front_end_goes_in_as_it_is(converted: ConvertedNet) -> None:
    net, files, features = converted.name, converted.files, converted.features
    runner = LiteRtNet(files.int8, net, features.shape[1], features.shape[2])
    assert runner.embed(features).dtype == np.uint8
    assert runner.output == output_quantization(files.int8)


def test_float_file_equals_keras_and_int8_is_near(converted: ConvertedNet) -> None:
    files, features = converted.files, converted.features
    assert files.keras_difference < 1e-4
    errors = [
        row.snr_db for row in layer_errors(files.float32, files.int8, features[:4]) if row.snr_db is not None
    ]
    assert len(errors) > 10
    assert min(errors) > 9


def test_mixing_none_has_no_gates() -> None:
    spec = replace(TINY, acoustic=replace(TINY.acoustic, mixing="none"))
    assert build_acoustic(spec).count_params() < build_acoustic(TINY).count_params()
