"""Rules about single layers that no file at hand breaks: each is broken here, and once not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tflite
from tflite_builder import Builder

from edge_ser.edgetpu.compilers import LATEST, compiler_named
from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.rules import OpVerdict, check_model


def _verdict(
    builder: Builder, source: int, result: int, name: str = "layer", compiler: str = "16"
) -> OpVerdict:
    model = read_model(builder.finish([source], [result]), name)
    return check_model(model, compiler_named(compiler)).ops[0]


def _unary(
    name: str,
    before: tuple[int, ...],
    after: tuple[int, ...],
    constants: tuple[Any, ...] = (),
    options: Any = None,
    version: int = 2,
) -> OpVerdict:
    builder = Builder()
    source, result = builder.tensor(before), builder.tensor(after)
    builder.op(name, [source, *(builder.constant(c) for c in constants)], [result], options, version)
    return _verdict(builder, source, result)


def _weighted(
    weights: np.ndarray, name: str = "CONV_2D", dilation: int = 1, compiler: str = "16"
) -> OpVerdict:
    builder = Builder()
    source = builder.tensor((1, 80, 80, weights.shape[-1]))
    options = tflite.Conv2DOptionsT() if name == "CONV_2D" else tflite.DepthwiseConv2DOptionsT()
    options.strideH = options.strideW = 1
    options.dilationHFactor = options.dilationWFactor = dilation
    result = builder.tensor((1, 80, 80, weights.shape[0] if name == "CONV_2D" else weights.shape[-1]))
    builder.op(name, [source, builder.constant(weights, "int8", 1)], [result], options, 3)
    return _verdict(builder, source, result, compiler=compiler)


@pytest.mark.parametrize(("side", "rule"), [(63, ""), (64, "kernel-size")])
def test_kernels(side: int, rule: str) -> None:
    assert _weighted(np.ones((1, side, 64, 4))).rule == rule


def test_weights_that_are_all_zero() -> None:
    weights = np.zeros((4, 3, 3, 4))
    assert _weighted(weights).rule == "weights-not-all-zero"
    weights[3, 2, 2, 3] = 1
    assert _weighted(weights).mapped


def test_dilated_depthwise_layers_by_compiler() -> None:
    weights = np.ones((1, 3, 3, 4))
    assert _weighted(weights, "DEPTHWISE_CONV_2D", 2).mapped
    assert _weighted(weights, "DEPTHWISE_CONV_2D", 2, "1").rule == "no-dilated-depthwise"
    assert _weighted(weights, "DEPTHWISE_CONV_2D", 1, "1").mapped


def test_dense_layers_on_rows_by_compiler_and_format() -> None:
    def dense(compiler: str, weights_format: int = 0) -> OpVerdict:
        builder = Builder()
        source, result = builder.tensor((12, 32)), builder.tensor((12, 8))
        options = tflite.FullyConnectedOptionsT()
        options.weightsFormat = weights_format
        weights = builder.constant(np.ones((8, 32)), "int8", 1)
        builder.op("FULLY_CONNECTED", [source, weights, -1], [result], options, 4)
        return _verdict(builder, source, result, compiler=compiler)

    assert dense("2.1").rule == "dense-one-row"
    assert (dense("16").rule, dense("16").mapped) == ("dense-over-rows", True)
    assert dense("16", 1).rule == "default-weights-format"


@pytest.mark.parametrize(("shape", "rule"), [((1, 1, 8), ""), ((8,), ""), ((8, 8, 8), "prelu-alpha")])
def test_slopes_of_prelu(shape: tuple[int, ...], rule: str) -> None:
    builder = Builder()
    source, result = builder.tensor((1, 8, 8, 8)), builder.tensor((1, 8, 8, 8))
    builder.op("PRELU", [source, builder.constant(np.ones(shape), "int8", 1)], [result])
    assert _verdict(builder, source, result).rule == rule


@pytest.mark.parametrize(
    ("values", "inputs", "rule"),
    [(0, 2, ""), (1, 2, "concatenation-constant"), (0, 3, "concatenation-constant")],
)
def test_constants_in_concatenations(values: int, inputs: int, rule: str) -> None:
    builder = Builder()
    source = builder.tensor((1, 4, 4, 4))
    constant = builder.constant(np.full((1, 4, 4, 4), values), "int8", 1)
    result = builder.tensor((1, 4, 4, 4 * inputs))
    options = tflite.ConcatenationOptionsT()
    options.axis = 3
    builder.op("CONCATENATION", [source] * (inputs - 1) + [constant], [result], options, 2)
    assert _verdict(builder, source, result).rule == rule


@pytest.mark.parametrize(
    ("pads", "rule"),
    [([[0, 0], [1, 1], [0, 2], [0, 3]], ""), ([[0, 1], [0, 0], [0, 0], [0, 0]], "no-padding-of-batch")],
)
def test_pads(pads: list[list[int]], rule: str) -> None:
    assert _unary("PAD", (1, 8, 8, 8), (1, 9, 9, 9), (pads,)).rule == rule


@pytest.mark.parametrize(("axis", "rule"), [(0, "no-pack-over-batch"), (-4, "no-pack-over-batch"), (2, "")])
def test_packs(axis: int, rule: str) -> None:
    builder = Builder()
    parts = [builder.tensor((1, 8, 8)), builder.tensor((1, 8, 8))]
    result = builder.tensor((1, 8, 2, 8))
    options = tflite.PackOptionsT()
    options.axis, options.valuesCount = axis, 2
    builder.op("PACK", parts, [result], options, 2)
    assert _verdict(builder, parts[0], result).rule == rule


@pytest.mark.parametrize(
    ("shape", "axis", "parts", "rule"),
    [
        ((1, 8, 8, 8), 3, 2, ""),
        ((1, 8, 8, 8), -1, 2, ""),
        ((1, 8, 8, 8), 0, 1, ""),
        ((2, 8), 0, 2, "no-split-of-batch"),
        ((2, 8), 1, 2, "split-of-image"),
    ],
)
def test_splits(shape: tuple[int, ...], axis: int, parts: int, rule: str) -> None:
    builder = Builder()
    source = builder.tensor(shape)
    results = [builder.tensor(shape) for _ in range(parts)]
    builder.op("SPLIT", [builder.constant(axis), source], results, version=2)
    assert _verdict(builder, source, results[0]).rule == rule


@pytest.mark.parametrize(
    ("stride", "mask", "rule"),
    [(1, 0, ""), (2, 0, "plain-slice"), (1, 1, "plain-slice"), (-1, 0, "plain-slice")],
)
def test_strided_slices(stride: int, mask: int, rule: str) -> None:
    options = tflite.StridedSliceOptionsT()
    options.newAxisMask = mask
    ends = ([0, 0, 0, 0], [1, 8, 4, 8], [1, 1, stride, 1])
    assert _unary("STRIDED_SLICE", (1, 8, 8, 8), (1, 8, 4, 8), ends, options).rule == rule


def test_transposes_that_move_the_batch_are_doubtful() -> None:
    assert _unary("TRANSPOSE", (1, 8, 4, 2), (8, 1, 4, 2), ([1, 0, 2, 3],)).rule == "three-inner-dimensions"
    moved = _unary("TRANSPOSE", (1, 8, 4), (8, 1, 4), ([1, 0, 2],))
    assert (moved.rule, moved.verdict) == ("transpose-keeps-batch", "unknown")
    kept = _unary("TRANSPOSE", (1, 8, 4, 2), (1, 2, 8, 4), ([0, 3, 1, 2],))
    assert (kept.rule, kept.verdict, kept.confidence) == ("transpose-order", "mapped", "logged")


def test_resizes_by_a_large_factor_are_doubtful() -> None:
    assert _unary("RESIZE_BILINEAR", (1, 8, 8, 8), (1, 32, 32, 8), ([32, 32],)).mapped
    far = _unary("RESIZE_BILINEAR", (1, 8, 8, 8), (1, 64, 64, 8), ([64, 64],))
    assert (far.rule, far.verdict) == ("resize-factor", "unknown")


def test_constants_per_channel_are_broadcast() -> None:
    builder = Builder()
    source, result = builder.tensor((1, 8, 8, 8)), builder.tensor((1, 8, 8, 8))
    builder.op("MUL", [source, builder.constant(np.ones(8), "int8", 1)], [result], version=2)
    found = _verdict(builder, source, result)
    assert (found.rule, found.verdict, found.confidence) == ("broadcast-of-constant", "mapped", "logged")


def test_a_version_that_no_compiled_file_shows_is_said() -> None:
    newest = LATEST.newest_version("SOFTMAX")
    assert newest is not None
    found = _unary("SOFTMAX", (1, 16), (1, 16), version=newest)
    assert (found.rule, found.verdict, found.confidence) == ("operation-version-seen", "mapped", "inferred")


def test_files_with_several_graphs_are_named() -> None:
    import flatbuffers

    builder = Builder()
    source = builder.tensor((1, 8, 8, 4))
    model = tflite.ModelT.InitFromPackedBuf(builder.finish([source], [builder.conv(source, 8)]), 0)
    model.subgraphs = [model.subgraphs[0], model.subgraphs[0]]
    writer = flatbuffers.Builder(1024)
    writer.Finish(model.Pack(writer), b"TFL3")
    report = check_model(read_model(bytes(writer.Output()), "two"))
    assert [note.name for note in report.notes] == ["several-graphs"]
    assert report.notes[0].text.startswith("the file holds 2 graphs: Only the first graph")
