"""Predicted sizes against compiled files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tflite_builder import Builder, small_net

from edge_ser.edgetpu.compilers import compiler_named
from edge_ser.edgetpu.model import Model, load_model, read_model
from edge_ser.edgetpu.package import load_compiled
from edge_ser.edgetpu.parameters import parameter_bytes, place
from edge_ser.edgetpu.prediction import predict_compiled
from edge_ser.edgetpu.rules import check_model

CO = "mobilenet_v1_0.25_128_quant_cocompiled_with_mobilenet_v1_0.5_160_quant"
# Name, compiler, and how far the predicted instructions may be off: the operation that the file alone shows.
PAIRS = (
    ("coralmicro/yamnet_spectra_in", "16", 0.15),
    ("tcn/quantized_model", "16", 0.20),
    ("test_data_2021/mobilenet_v1_0.25_128_quant", "15", 0.15),
    ("lstm/keras_lstm_mnist_ptq", "16", 0.15),
    ("conv_dense/model_conv_128x128x3x32x7x10", "1.0", 0.15),
    ("conv_dense/model_dense_2x2x3x100x100", "1.0", 0.15),
    ("edgetpu_2020/mobilenet_v1_0.25_128_quant", "2.0", 0.15),
    ("edgetpu_2020/deeplabv3_mnv2_dm05_pascal_quant", "2.0", 0.20),
)


@pytest.mark.parametrize(("name", "compiler", "off"), PAIRS)
def test_sizes_are_those_of_the_compiled_file(
    name: str, compiler: str, off: float, shared_models: Callable[[str], Path]
) -> None:
    model = load_model(shared_models(f"{name}.tflite"))
    path = _compiled(name, shared_models)
    compiled = load_compiled(path)
    found = predict_compiled(model, check_model(model, compiler_named(compiler)))
    assert found.cached_bytes == pytest.approx(compiled.cached_bytes, rel=0.03)
    # The compiler of the LSTM sends 576 bytes of it anew every time.
    assert found.streamed_bytes == pytest.approx(compiled.streamed_bytes, abs=600)
    size = path.stat().st_size
    if size > 200_000:
        assert found.bytes == pytest.approx(size, rel=0.10)
    assert found.instruction_bytes.mid == pytest.approx(compiled.instruction_bytes, rel=off)
    assert found.instruction_bytes.holds(compiled.instruction_bytes)


def _compiled(name: str, shared_models: Callable[[str], Path]) -> Path:
    # Compiled alone, the 2020 MobileNet is not among the files; compiled with another it is the same.
    name = name.replace("mobilenet_v1_0.25_128_quant", CO) if name.startswith("edgetpu_2020/mob") else name
    return shared_models(f"{name}_edgetpu.tflite")


def _conv_bytes(outputs: int, kernel: int, inputs: int) -> int:
    builder = Builder()
    source = builder.tensor((1, 8, 8, inputs))
    model = read_model(
        builder.finish([source], [builder.conv(source, outputs, kernel=(kernel, kernel))]), "net"
    )
    return parameter_bytes(model.operators[0], 16)


@pytest.mark.parametrize(
    ("outputs", "kernel", "inputs", "size"),
    [
        # Rows of 16 up to 64 channels, then of 64; inputs padded to 4; 8 bytes behind a row per channel.
        (8, 3, 3, 16 * (9 * 4 + 8)),
        (64, 1, 32, 64 * (32 + 8)),
        (65, 1, 32, 128 * (32 + 8)),
        # Fewer than four kernels take the room of four, each padded to 16 bytes.
        (1, 1, 3, 64),
    ],
)
def test_a_convolution_pads_its_channels(outputs: int, kernel: int, inputs: int, size: int) -> None:
    assert _conv_bytes(outputs, kernel, inputs) == size


def _dense_stack(layers: int, units: int) -> Model:
    builder = Builder()
    source = result = builder.tensor((1, units))
    for _ in range(layers):
        weights = builder.constant(np.ones((units, units)), "int8", scales=1)
        bias = builder.constant(np.zeros(units), "int32", scales=1)
        result, before = builder.tensor((1, units)), result
        builder.op("FULLY_CONNECTED", [before, weights, bias], [result])
    return read_model(builder.finish([source], [result]), "net")


def test_matrices_fill_as_many_tiles_as_their_outputs_have_64() -> None:
    # 8 MiB hold all of it, but 100 outputs lie on two of the sixteen tiles.
    model = _dense_stack(100, 100)
    each = 128 * (100 + 4)
    assert all(parameter_bytes(op, 16) == each for op in model.operators)
    found = place(model.operators, 16)
    assert found.cached + found.streamed == 100 * each
    assert found.cached == pytest.approx(2 * 520_448, rel=0.02)
    assert len(found.streamed_ops) == found.streamed // each
    assert place(_dense_stack(70, 100).operators, 16).streamed == 0


def test_a_layer_is_never_cut_in_two() -> None:
    found = place(_dense_stack(3, 3000).operators, 16)
    assert found.cached % parameter_bytes(_dense_stack(1, 3000).operators[0], 16) == 0


def test_what_stays_on_the_host_is_not_predicted_as_compiled() -> None:
    whole = read_model(small_net(), "net")
    part = read_model(small_net(extra="HARD_SWISH"), "net")
    small, large = (predict_compiled(model, check_model(model)) for model in (part, whole))
    assert small.cached_bytes < large.cached_bytes
    assert small.instruction_bytes.mid < large.instruction_bytes.mid


def test_a_softmax_costs_parameters_and_instructions_since_compiler_14() -> None:
    builder = Builder()
    source = builder.tensor((1, 1001))
    result = builder.tensor((1, 1001))
    builder.op("SOFTMAX", [source], [result])
    model = read_model(builder.finish([source], [result]), "net")
    old, new, newest = (
        predict_compiled(model, check_model(model, compiler_named(version)))
        for version in ("2.0", "15", "16")
    )
    assert old.cached_bytes == 0
    # 1,001 classes are padded to 1,004.
    assert new.cached_bytes == newest.cached_bytes == 48 * 1004 + 64
    assert old.instruction_bytes.mid < newest.instruction_bytes.mid < new.instruction_bytes.mid


def test_predicted_files_are_whole_pages_and_the_container() -> None:
    model = read_model(small_net(), "net")
    found = predict_compiled(model, check_model(model))
    assert math.isclose((found.bytes - 800) % 4096, 0)
