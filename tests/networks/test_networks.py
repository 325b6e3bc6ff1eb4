"""Both nets: sizes inside the spec's promises, and only operations that the Edge TPU maps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np
import pytest

from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.rules import check_model
from edge_ser.errors import CheckError
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.keyword import build_keyword
from edge_ser.networks.layers import BatchNorm, computed_in, with_classifier
from edge_ser.networks.mixing import mix
from edge_ser.quantization.convert import convert_net
from edge_ser.quantization.layer_error import layer_errors
from edge_ser.quantization.system import require_device
from edge_ser.runtime.interpreters import LiteRtNet, output_quantization
from edge_ser.spec import Mixing, SystemSpec
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


SMALL = replace(
    TINY,
    acoustic=replace(TINY.acoustic, segment_s=1.0, hop_s=1.0, stem=(8, 12), dim=16, embedding=8),
    keyword=replace(TINY.keyword, window_s=0.5, gates="fused"),
)


@pytest.fixture(scope="module")
def mixings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Int8 files of small acoustic nets, one per mixing, and of a keyword net with fused gates."""
    folder = tmp_path_factory.mktemp("mixings")
    varied: dict[str, dict[str, str]] = {
        "gated": {"gates": "fused"},
        "external": {"pooling": "attention"},
        "fixed": {"gates": "fused", "pooling": "attention"},
        "temporal": {"gates": "fused"},
        "none": {"pooling": "deviation"},
        "attention": {},
    }
    jobs: list[tuple[str, Literal["keyword", "acoustic"], SystemSpec]] = [("keyword", "keyword", SMALL)]
    for mixing, options in varied.items():
        fields: dict[str, Any] = {"mixing": mixing, **options}
        jobs.append((mixing, "acoustic", replace(SMALL, acoustic=replace(SMALL.acoustic, **fields))))
    for title, net, spec in jobs:
        if net == "keyword":
            model, classes = build_keyword(spec), len(spec.keyword.classes)
        else:
            model, classes = build_acoustic(spec), len(spec.acoustic.classes)
        with_classifier(model, classes, 0.0).save_weights(folder / f"{title}.weights.h5")

    def convert(job: tuple[str, Literal["keyword", "acoustic"], SystemSpec]) -> bytes:
        title, net, spec = job
        frames = spec.keyword_frames if net == "keyword" else spec.segment_frames
        features = np.random.default_rng(1).integers(0, 256, size=(8, frames, 40), dtype=np.uint8)
        return convert_net(spec, net, folder / f"{title}.weights.h5", features).int8

    with ThreadPoolExecutor(2) as pool:
        return dict(zip((title for title, _, _ in jobs), pool.map(convert, jobs), strict=True))


@pytest.mark.parametrize("title", ["gated", "external", "fixed", "temporal", "none", "keyword"])
def test_every_mixing_maps(title: str, mixings: dict[str, bytes]) -> None:
    report = check_model(read_model(mixings[title], title))
    assert report.maps_fully, [verdict for verdict in report.ops if not verdict.mapped]


def test_fused_gates_and_shares_are_what_they_say(mixings: dict[str, bytes]) -> None:
    names = {title: [op.name for op in read_model(data, title).operators] for title, data in mixings.items()}
    for title in ("gated", "fixed", "temporal", "keyword"):
        assert "LOGISTIC" not in names[title]
    assert names["external"].count("SOFTMAX") == 1
    assert names["fixed"].count("DEPTHWISE_CONV_2D") == 1
    # Three operations of each of the three squeeze-and-excites, where logistic gates take five.
    assert names["temporal"].count("MUL") == 4
    assert names["none"].count("LOGISTIC") == 3
    assert (names["none"].count("SUB"), names["none"][-3:-1]) == (1, ["SUB", "MEAN"])
    assert "RELU" not in names["none"]


def test_the_check_says_why_attention_stays_on_the_host(mixings: dict[str, bytes]) -> None:
    report = check_model(read_model(mixings["attention"], "attention"))
    assert not report.maps_fully
    reasons = [verdict.reason for verdict in report.ops if verdict.rule == "product-of-activations"]
    assert reasons
    assert "computed at run time does not map" in reasons[0]


def test_no_bundle_is_made_of_attention_and_why_is_told() -> None:
    require_device(SMALL)
    with pytest.raises(CheckError, match="multiplies two activations"):
        require_device(replace(SMALL, acoustic=replace(SMALL.acoustic, mixing="attention")))


def _mixed(mixing: Mixing, tokens: np.ndarray) -> np.ndarray:
    """What mixing adds to the tokens, with the random weights of seed 1."""
    keras.utils.set_random_seed(1)
    entry = keras.Input(tokens.shape[1:])
    result = mix(entry, replace(SMALL.acoustic, mixing=mixing), "mix")
    return np.asarray(keras.Model(entry, result)(tokens))


@pytest.mark.parametrize("mixing", ["gated", "external", "fixed", "temporal", "attention"])
def test_a_token_hears_of_another_time_step(mixing: Mixing) -> None:
    """Without that it would not be mixing, whatever its name."""
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(1, 9, 2, 16)).astype(np.float32)
    other = tokens.copy()
    other[0, 2] += rng.normal(size=(2, 16))
    before, after = _mixed(mixing, tokens), _mixed(mixing, other)
    assert before.shape == tokens.shape
    assert np.abs(after[0, 4] - before[0, 4]).max() > 1e-4


def test_fixed_mixing_reaches_from_the_first_step_to_the_last() -> None:
    tokens = np.zeros((1, 12, 1, 4), np.float32)
    other = tokens.copy()
    other[0, 0] = 1
    assert np.abs(_mixed("fixed", other) - _mixed("fixed", tokens))[0, 11].max() > 0


def test_base_stays_within_sixty_operations(base_acoustic: bytes) -> None:
    model = read_model(base_acoustic, "acoustic")
    assert check_model(model).maps_fully
    assert len(model.operators) <= 60


@pytest.fixture
def base_acoustic(tmp_path: Path) -> bytes:
    spec = load_spec(MODELS / "base.toml")
    weights = tmp_path / "base.weights.h5"
    with_classifier(build_acoustic(spec), len(spec.acoustic.classes), 0.0).save_weights(weights)
    features = np.random.default_rng(1).integers(0, 256, size=(4, spec.segment_frames, 40), dtype=np.uint8)
    return convert_net(spec, "acoustic", weights, features).int8


def test_mixing_none_has_no_gates() -> None:
    spec = replace(TINY, acoustic=replace(TINY.acoustic, mixing="none"))
    assert build_acoustic(spec).count_params() < build_acoustic(TINY).count_params()


def test_batch_norm_is_keras_own_in_training_and_out_of_it() -> None:
    ours, theirs = BatchNorm(), keras.layers.BatchNormalization(momentum=0.9)
    inputs = np.random.default_rng(1).normal(3.0, 2.0, (4, 5, 6, 8)).astype(np.float32)
    for layer in (ours, theirs):
        layer.build(inputs.shape)
    assert np.allclose(ours(inputs, training=True), theirs(inputs, training=True), atol=1e-4)
    (mean, variance), (their_mean, their_variance) = (
        (layer.moving_mean.numpy(), layer.moving_variance.numpy()) for layer in (ours, theirs)
    )
    assert np.allclose(mean, their_mean, atol=1e-5)
    count = inputs[..., 0].size
    assert np.allclose(variance - 0.9, (their_variance - 0.9) * count / (count - 1), rtol=1e-3)
    theirs.moving_variance.assign(variance)
    assert np.allclose(ours(inputs, training=False), theirs(inputs, training=False), atol=1e-5)
    ours.trainable = False
    before = ours.moving_mean.numpy()
    ours(inputs, training=True)
    assert np.array_equal(ours.moving_mean.numpy(), before)


@pytest.mark.parametrize("mixing", ["temporal", "gated"])
def test_mixed_precision_keeps_weights_and_logits_in_float32(mixing: Mixing) -> None:
    spec = replace(TINY, acoustic=replace(TINY.acoustic, mixing=mixing))
    with computed_in("bfloat16"):
        model = with_classifier(build_acoustic(spec), 4, 0.1)
    inputs = np.random.default_rng(1).random((8, spec.segment_frames, 40, 1)).astype(np.float32)
    assert model.get_layer("stem0_conv").compute_dtype == "bfloat16"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model(inputs, training=True).dtype == "float32"
    plain = with_classifier(build_acoustic(spec), 4, 0.1)
    assert plain.get_layer("stem0_conv").compute_dtype == "float32"
    plain.set_weights(model.get_weights())
    exact, mixed = plain.predict(inputs, verbose=0), model.predict(inputs, verbose=0)
    assert 0 < np.abs(exact - mixed).max() < 0.05 * np.abs(exact).max() + 0.02
