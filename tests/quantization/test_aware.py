"""Fake quantisation rounds where the int8 file rounds, and what it trains ships as it was trained."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.rules import check_model
from edge_ser.errors import InputError
from edge_ser.files import write_json
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.keyword import build_keyword
from edge_ser.quantization.aware import RANGES, load_ranges, train_aware
from edge_ser.quantization.convert import Converted, convert_net
from edge_ser.quantization.fake_quant import (
    FakeQuant,
    Ranges,
    align_means,
    fake_quantized,
    leave_room,
    measure_ranges,
    ranges_of,
    rounded_weights,
    unfold,
)
from edge_ser.runtime.interpreters import REFERENCE, LiteRtNet
from edge_ser.runtime.tflm import TflmNet
from edge_ser.spec import Mixing, QuantizationSpec
from edge_ser.spec_file import load_spec
from edge_ser.spec_training import AugmentSpec, RecipeSpec
from edge_ser.training.examples import Epochs, Example
from edge_ser.training.loop import WEIGHTS, Validation, train_net

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
SPEC = replace(TINY, acoustic=replace(TINY.acoustic, classes=("anger", "neutral"), segment_s=1.5, hop_s=1.5))


def _random(net: keras.Model) -> keras.Model:
    """The net with BatchNorm statistics that folding must not ignore."""
    rng = np.random.default_rng(2)
    for layer in net.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            values = [
                rng.uniform(0.5, 1.5, shape),
                *rng.normal(0, 0.2, (2, *shape)),
                rng.uniform(0.2, 1, shape),
            ]
            layer.set_weights(values)
    return net


def _features(count: int = 12) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, SPEC.segment_frames, 40), dtype=np.uint8)


def _run(net: keras.Model, features: np.ndarray) -> np.ndarray:
    return np.asarray(net(features[..., np.newaxis] / np.float32(255), training=False))


@pytest.fixture(
    scope="module", params=["gated", "external", "fixed", "temporal", "none", "deviation", "keyword"]
)
def net(request: pytest.FixtureRequest) -> keras.Model:
    keras.utils.set_random_seed(1)
    if request.param == "keyword":
        return _random(build_keyword(replace(SPEC, keyword=replace(SPEC.keyword, window_s=1.5))))
    if request.param == "deviation":
        return _random(build_acoustic(replace(SPEC, acoustic=replace(SPEC.acoustic, pooling="deviation"))))
    mixing: Mixing = request.param
    return _random(build_acoustic(replace(SPEC, acoustic=replace(SPEC.acoustic, mixing=mixing))))


def test_folding_and_unfolding_change_nothing_but_rounding(net: keras.Model) -> None:
    features = _features()
    before = _run(net, features)
    quantized = fake_quantized(net, measure_ranges(net, features))
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in quantized.layers)
    noise = _run(quantized, features) - before
    # How far tokens swing is less than they are, and their steps are the same.
    limit = 0.2 if any(layer.name == "pool_above" for layer in net.layers) else 0.1
    assert 0 < np.abs(noise).max() < limit * np.abs(before).max()
    copy = keras.models.clone_model(net)
    unfold(quantized, copy)
    assert np.allclose(_run(copy, features), before, atol=1e-4)


def test_weights_have_127_steps_either_way_and_gradients() -> None:
    weights = tf.Variable(np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32))
    with tf.GradientTape() as tape:
        rounded = rounded_weights(weights)
    steps = np.abs(weights.numpy()).max(axis=(0, 1, 2)) / 127
    found = np.asarray(rounded) / steps
    assert np.allclose(found, np.rint(found), atol=1e-3)
    assert np.abs(found).max() == pytest.approx(127, abs=1e-2)
    assert np.all(np.abs(np.asarray(rounded) - weights.numpy()) <= steps / 2 + 1e-6)
    gradient = tape.gradient(rounded, weights)
    assert np.all(np.asarray(gradient) == 1)


def test_bounds_follow_the_tensor_in_training_only_and_hold_zero() -> None:
    layer = FakeQuant(-0.5, 1.0)
    high = np.full((4, 4), 3.0, np.float32)
    layer(high, training=False)
    assert np.allclose(layer.bounds, [-0.5, 1.0])
    layer(high, training=True)
    assert float(layer.bounds[0]) > -0.5
    assert float(layer.bounds[1]) == pytest.approx(1.0 + 0.05 * 2.0)
    fixed = FakeQuant(0.0, 1.0, fixed=True)
    fixed(high, training=True)
    assert np.allclose(fixed.bounds, [0.0, 1.0])


def test_what_it_does_not_know_is_told() -> None:
    attention = build_acoustic(replace(SPEC, acoustic=replace(SPEC.acoustic, mixing="attention")))
    with pytest.raises(InputError, match="knows nothing"):
        fake_quantized(attention, measure_ranges(attention, _features(2)))
    plain = build_acoustic(SPEC)
    ranges = measure_ranges(plain, _features(2))
    del ranges["pool"]
    with pytest.raises(InputError, match="range of 'pool' is missing"):
        fake_quantized(plain, ranges)


@pytest.mark.parametrize("bounds", [[1.0, 2.0], [0.0], "0 to 1", [0.0, float("inf")], None])
def test_broken_ranges_are_named(tmp_path: Path, bounds: object) -> None:
    (tmp_path / RANGES).write_text(json.dumps({"pool": bounds}))
    with pytest.raises(InputError, match=r"'pool'|ranges\.json"):
        load_ranges(tmp_path / RANGES)


@dataclass(frozen=True)
class _Aware:
    files: Converted
    features: np.ndarray
    ranges: Ranges
    float_net: keras.Model
    losses: list[float]
    quantized: keras.Model


@pytest.fixture(scope="module")
def aware(tmp_path_factory: pytest.TempPathFactory) -> _Aware:
    """A small acoustic net trained, trained on with fake quantisation, and converted."""
    folder = tmp_path_factory.mktemp("aware")
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    frames = SPEC.segment_frames
    examples = []
    for at in range(64):
        # Syllables of one to five a second: the faster ones are one class, and louder.
        rate = rng.uniform(1, 2.5) + 2.5 * (at % 2)
        pulses = 1 + np.sin(2 * np.pi * rate * np.arange(frames) / 50 + rng.uniform(0, 6))
        tilt = np.linspace(1, rng.uniform(0.3, 0.8), 40)
        level = rng.uniform(50, 70) + 20 * (at % 2)
        features = level * pulses[:, np.newaxis] * tilt + rng.uniform(10, 40, size=(frames, 40))
        examples.append(Example(at % 2, "s", (features.astype(np.uint8),), ((0, frames),)))
    stacked = np.stack([one.versions[0] for one in examples])
    recipe = RecipeSpec(
        epochs=10, batch_size=8, learning_rate=5e-3, augment=AugmentSpec(copies=0, mixup=0.0, channel_mask=0)
    )
    epochs = Epochs(examples, 2, frames, recipe, SPEC.frontend, seed=1, centred=False)
    watched = Validation(stacked, np.array([one.label for one in examples], dtype=np.int64))
    train_net(build_acoustic(SPEC), epochs, watched, recipe, 0.0, 1, folder / "acoustic", lambda _steps: None)
    quantization = QuantizationSpec(aware=True, aware_epochs=2)
    done: list[int] = []
    net = train_aware(
        lambda: build_acoustic(SPEC),
        folder / "acoustic" / WEIGHTS,
        epochs,
        stacked[:32],
        quantization,
        0.0,
        folder / "aware",
        done.append,
    )
    assert done == [1, 1]
    ranges = load_ranges(folder / "aware" / RANGES)
    # Calibrated on silence: whatever scale is right then, came from the ranges.
    files = convert_net(
        SPEC, "acoustic", folder / "aware" / WEIGHTS, np.zeros_like(stacked[:4]), folder / "aware" / RANGES
    )
    losses = [json.loads(line)["loss"] for line in (folder / "aware" / "log.jsonl").read_text().splitlines()]
    embedding = keras.Model(net.input, net.get_layer("pool").output)
    return _Aware(files, stacked, ranges, embedding, losses, fake_quantized(embedding, ranges))


def test_it_trains_and_maps(aware: _Aware) -> None:
    assert len(aware.losses) == 2
    assert all(np.isfinite(aware.losses))
    assert check_model(read_model(aware.files.int8, "acoustic")).maps_fully
    for name, bounds in ranges_of(aware.quantized).items():
        assert bounds == pytest.approx(aware.ranges[name])


def test_the_file_has_the_ranges_that_were_trained(aware: _Aware) -> None:
    model = read_model(aware.files.int8, "acoustic")
    scales = np.array([tensor.scale for op in model.operators for tensor in op.outputs])
    for name, (low, high) in aware.ranges.items():
        wanted = (high - low) / 255
        assert np.abs(scales / wanted - 1).min() < 1e-3, name


@pytest.mark.parametrize("runtime", [LiteRtNet, TflmNet])
def test_the_file_agrees_with_the_net_that_was_trained(
    aware: _Aware, runtime: Callable[..., LiteRtNet | TflmNet]
) -> None:
    """Nearly every value is within two steps of the output.

    Not every one: the runtimes round twice, each in its own way, and a step here or there grows on its way through the
    net. On this net LiteRT and TFLM are up to four steps apart themselves, with 99.8 % of the values within two.
    """
    runner = runtime(aware.files.int8, "acoustic", SPEC.segment_frames, 40)
    found = np.stack([runner.embed(one[np.newaxis]).ravel() for one in aware.features]).astype(int)
    real = _run(aware.quantized, aware.features).reshape(found.shape)
    scale, zero_point = runner.output.scale, runner.output.zero_point
    apart = np.abs(found - (np.rint(real / scale) + zero_point))
    assert (apart <= 2).mean() > 0.97
    assert apart.max() <= 10
    # Not because everything is the same: the embedding differs from clip to clip.
    assert found.std(axis=0).max() > 10


def test_the_difference_is_measured_by_the_conversion_itself(aware: _Aware) -> None:
    assert aware.files.fake_quant_difference_lsb <= 10


def test_means_are_aligned_by_widening_them() -> None:
    net = build_acoustic(replace(SPEC, acoustic=replace(SPEC.acoustic, mixing="gated")))
    before = measure_ranges(net, _features())
    after = align_means(net, before)
    moved = {name for name in before if before[name] != after[name]}
    assert moved
    assert moved <= {
        layer.name for layer in net.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    }
    assert all(1 < after[name][1] / before[name][1] < 2.001 for name in moved)
    # Behind a ReLU a sum is multiplied by a power of two, or a hair less.
    count = np.prod(net.get_layer("stem0_se_squeeze").input.shape[1:3])
    power = math.log2(count * after["stem0_se_squeeze"][1] / after["stem0_relu"][1])
    assert power == pytest.approx(round(power), abs=1e-5)
    assert power > round(power)
    # What is aligned stays as it is.
    again = align_means(net, after)
    assert all(again[name] == pytest.approx(after[name], rel=1e-5) for name in after)


def test_vectors_get_room_for_inputs_that_calibration_did_not_hear(net: keras.Model) -> None:
    before = measure_ranges(net, _features())
    after = leave_room(net, before)
    wider = {name for name in before if after[name] != before[name]}
    assert wider >= {"pool"}
    assert all(net.get_layer(name).output.shape[1:3] == (1, 1) for name in wider)
    for name, (low, high) in before.items():
        room = 1.2 if name in wider else 1.0
        assert after[name] == pytest.approx((low * room, high * room))


def test_means_of_louder_inputs_are_cut_off_without_room() -> None:
    keras.utils.set_random_seed(4)
    entry = keras.Input((SPEC.segment_frames, 40, 1), batch_size=1)
    x = keras.layers.ReLU()(keras.layers.Conv2D(8, 3, padding="same")(entry))
    net = keras.Model(entry, keras.layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x))
    others = _features(1)
    # What calibration saw: the same map, a mean that is a tenth smaller.
    ranges = measure_ranges(net, others)
    heard = {**ranges, "mean": (0.0, ranges["mean"][1] / 1.1)}
    real = _run(net, others)
    errors = [
        float(np.abs(_run(fake_quantized(net, one), others) - real).max())
        for one in (heard, leave_room(net, heard))
    ]
    step = leave_room(net, heard)["mean"][1] / 255
    assert errors[0] > 10 * step
    assert errors[1] < 2 * step


def _mean_of_relu(aligned: bool) -> tuple[bytes, np.ndarray]:
    """A net that ends in a mean behind a ReLU, in int8, and inputs whose sums are far apart."""
    keras.utils.set_random_seed(4)
    entry = keras.Input((SPEC.segment_frames, 40, 1), batch_size=1)
    x = keras.layers.Conv2D(16, 3, strides=4, padding="same")(entry)
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True, name="mean")
    net = keras.Model(entry, mean(keras.layers.ReLU()(x)))
    levels = np.random.default_rng(5).uniform(0, 1, (200, 1, 1))
    features = (_features(200) * levels).astype(np.uint8)
    ranges = measure_ranges(net, features)
    converter = tf.lite.TFLiteConverter.from_keras_model(
        fake_quantized(net, align_means(net, ranges) if aligned else ranges)
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter(
        [[np.linspace(0, 1, SPEC.segment_frames * 40, dtype=np.float32).reshape(entry.shape)]]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converter.convert(), features


def test_every_kernel_computes_the_same_mean_behind_a_relu() -> None:
    def computed(aligned: bool) -> list[np.ndarray]:
        model, features = _mean_of_relu(aligned)
        shape = (SPEC.segment_frames, 40)
        nets = [
            LiteRtNet(model, "mean", *shape),
            LiteRtNet(model, "mean", *shape, REFERENCE),
            TflmNet(model, "mean", *shape),
        ]
        return [net.embed(features) for net in nets]

    built_in, reference, tflm = computed(aligned=True)
    assert built_in.std() > 10
    assert np.array_equal(built_in, reference)
    assert np.array_equal(built_in, tflm)
    # And it is the alignment that does it.
    built_in, reference, tflm = computed(aligned=False)
    assert not np.array_equal(built_in, tflm)


def test_ranges_files_are_json_of_pairs(tmp_path: Path) -> None:
    write_json(tmp_path / RANGES, {"pool": [-1.0, 2.5], "stem0_relu": [0, 3]})
    assert load_ranges(tmp_path / RANGES) == {"pool": (-1.0, 2.5), "stem0_relu": (0.0, 3.0)}
