"""The op rules: against every file that the real compiler compiled, and one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tflite
from tflite_builder import Builder, small_net

from edge_ser.edgetpu import limits, schema
from edge_ser.edgetpu.model import COMPILED_OP, load_model, read_model
from edge_ser.edgetpu.rules import ONE_PARTITION, RULES, CheckReport, check_model
from edge_ser.errors import InputError

PAIRS = (
    "conv_dense/model_conv_128x128x3x32x7x10",
    "conv_dense/model_dense_2x2x3x100x100",
    "coralmicro/yamnet_spectra_in",
    "edgetpu_2020/deeplabv3_mnv2_dm05_pascal_quant",
    "edgetpu_2020/mobilenet_v1_0.25_128_quant",
    "lstm/keras_lstm_mnist_ptq",
    "stride_padding/model_padding_128x128x3",
    "stride_padding/model_padding_2x2x3",
    "stride_padding/model_padding_stride_128x128x3",
    "stride_padding/model_padding_stride_2x2x3",
    "stride_padding/model_stride_128x128x3",
    "stride_padding/model_stride_2x2x3",
    "tcn/quantized_model",
    "test_data_2021/mobilenet_v1_0.25_128_quant",
)


@pytest.mark.parametrize("pair", PAIRS)
def test_predicted_host_operations_are_those_of_the_compiled_file(
    pair: str, shared_models: Callable[[str], Path]
) -> None:
    compiled = load_model(shared_models(f"{pair}_edgetpu.tflite"))
    report = check_model(load_model(shared_models(f"{pair}.tflite")))
    left = tuple(op.name for op in compiled.operators if op.custom_code != COMPILED_OP)
    assert report.host_ops == left
    assert all(verdict.verdict != "unknown" for verdict in report.ops)
    assert not report.refused
    assert report.maps_fully == (not left)


def test_a_branch_behind_the_split_still_maps(shared_models: Callable[[str], Path]) -> None:
    # The compiled DeepLab holds convolution 64, which stands behind the resize 63 and does not read it.
    report = check_model(load_model(shared_models("edgetpu_2020/deeplabv3_mnv2_dm05_pascal_quant.tflite")))
    assert report.split_at == 63
    assert report.ops[63].rule == "resize-from-one-pixel"
    assert report.ops[64].mapped
    assert report.ops[65].rule == ONE_PARTITION


def test_every_rule_says_what_to_do_and_where_it_is_from() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.text.endswith(".")
        assert rule.rewrite
        assert rule.source
        assert set(rule.ops) <= set(schema.OPERATORS)


def test_tables_name_real_operations() -> None:
    for names in (limits.SUPPORTED, limits.SEEN_VERSION, limits.REWRITES):
        assert set(names) <= set(schema.OPERATORS)
    assert not set(limits.REWRITES) & limits.SUPPORTED


def _one(
    name: str,
    shape: tuple[int, ...] = (1, 16, 16, 8),
    result: tuple[int, ...] | None = None,
    constants: tuple[Any, ...] = (),
    options: Any = None,
    version: int = 1,
    **tensor: Any,
) -> CheckReport:
    """The report on a graph of one operator with integer constants behind its data input."""
    builder = Builder()
    source = builder.tensor(shape, **tensor)
    target = builder.tensor(result or shape)
    builder.op(name, [source, *(builder.constant(c) for c in constants)], [target], options, version)
    return check_model(read_model(builder.finish([source], [target]), name))


@pytest.mark.parametrize(
    "name",
    ["HARD_SWISH", "LEAKY_RELU", "ELU", "EXP", "ABS", "CAST", "GATHER", "DEPTH_TO_SPACE", "SQRT", "DIV"],
)
def test_operations_outside_the_list_stay_on_the_host(name: str) -> None:
    report = _one(name)
    assert report.host_ops == (name,)
    assert report.ops[0].rule == "operation-in-list"
    assert report.ops[0].confidence == "documented"
    assert report.ops[0].hint
    assert not report.refused


def test_gelu_makes_the_compiler_refuse_the_file() -> None:
    report = check_model(read_model(small_net(extra="GELU"), "gelu"))
    assert report.refused
    assert not report.maps_fully
    assert report.ops[1].rule == "builtin-code-known"
    assert "1.702" in report.ops[1].hint
    assert report.notes[0].name == "refused"


@pytest.mark.parametrize(
    ("name", "version", "refused"),
    [
        ("TRANSPOSE", 5, False),
        ("TRANSPOSE", 6, True),
        ("QUANTIZE", 3, True),
        ("RSQRT", 2, False),
        ("EXP", 2, True),
    ],
)
def test_operation_versions_that_were_rejected(name: str, version: int, refused: bool) -> None:
    # Rejections: edgetpu issues 879 (QUANTIZE 3), fast-plate-ocr 38 (TRANSPOSE 6), libedgetpu 71 (EXP 2).
    report = _one(name, version=version, constants=([0, 1, 2, 3],) if name == "TRANSPOSE" else ())
    assert report.refused == refused


def test_conv_of_tensorflow_2_9_is_refused() -> None:
    builder = Builder()
    source = builder.tensor((1, 8, 8, 4))
    report = check_model(read_model(builder.finish([source], [builder.conv(source, 8, version=6)]), "conv"))
    assert report.ops[0].rule == "operation-version"
    assert report.refused


@pytest.mark.parametrize(
    ("dtype", "rule"),
    [("float32", "data-type"), ("int16", "data-type"), ("int32", "data-type"), ("uint8", "")],
)
def test_data_types(dtype: str, rule: str) -> None:
    assert _one("RELU", dtype=dtype).ops[0].rule == rule


def test_raw_integers_without_a_scale_do_not_map() -> None:
    assert _one("RELU", scales=0).ops[0].rule == "quantised-per-tensor"


def test_open_sizes_and_batches_do_not_map() -> None:
    assert _one("RELU", signature=(1, -1, 16, 8)).ops[0].rule == "static-shape"
    assert _one("RELU", shape=(2, 16, 16, 8), signature=(-1, 16, 16, 8)).ops[0].rule == "static-shape"
    assert _one("RELU", shape=(-1, 16, 16, 8)).ops[0].rule == "static-shape"
    assert _one("RELU", shape=(2, 16, 16, 8)).ops[0].rule == "three-inner-dimensions"
    assert _one("RELU", shape=(1, 1, 16, 16, 8)).maps_fully


def test_an_open_batch_is_compiled_as_the_one_that_stands_in_the_file() -> None:
    # As in LibrEdgeTPU's dense_256, which TensorFlow 2 exported with a signature of [-1, 256].
    report = _one("RELU", signature=(-1, 16, 16, 8))
    assert report.maps_fully
    assert (report.ops[0].rule, report.ops[0].confidence) == ("open-batch", "logged")


@pytest.mark.parametrize(
    ("name", "axes", "channels", "rule"),
    [
        ("MEAN", [1, 2], 7, ""),
        ("MEAN", [-1], 7, "mean-over-channels"),
        ("MEAN", [3], 8, ""),
        ("MEAN", [0], 8, "no-reduction-over-batch"),
        ("SUM", [-4], 8, "no-reduction-over-batch"),
        ("REDUCE_MAX", [1], 8, ""),
    ],
)
def test_axes_of_reductions(name: str, axes: list[int], channels: int, rule: str) -> None:
    report = _one(name, (1, 16, 16, channels), (1, 1, 1, channels), (axes,))
    assert report.ops[0].rule == rule


@pytest.mark.parametrize(
    ("rows", "verdict"), [(64, "mapped"), (65, "unknown"), (255, "unknown"), (256, "host")]
)
def test_means_over_large_areas(rows: int, verdict: str) -> None:
    report = _one("MEAN", (1, rows, 128, 4), (1, 1, 1, 4), ([1, 2],))
    assert report.ops[0].verdict == verdict
    assert report.maps_fully == (verdict == "mapped")
    assert report.host_ops == (("MEAN",) if verdict == "host" else ())


@pytest.mark.parametrize(
    ("side", "verdict"), [(27, "mapped"), (28, "unknown"), (47, "unknown"), (48, "host")]
)
def test_reshapes_that_lay_a_large_tensor_out_anew(side: int, verdict: str) -> None:
    shape, after = (1, side, side, 255), (1, 3 * side * side, 85)
    assert _one("RESHAPE", shape, after, (after,)).ops[0].verdict == verdict
    lifted = (1, 1, *shape[1:])
    assert _one("RESHAPE", shape, lifted, (lifted,)).maps_fully


def test_transposes_of_large_tensors() -> None:
    # YOLOv5s at 224 pixels by compiler 16: 784 rows refused, 196 and 49 mapped.
    for rows, rule in ((784, "transpose-of-large-tensor"), (196, "transpose-order"), (49, "transpose-order")):
        assert _one("TRANSPOSE", (1, rows, 3, 85), (1, 3, rows, 85), ([0, 2, 1, 3],)).ops[0].rule == rule


@pytest.mark.parametrize(
    ("shape", "axis", "rule"),
    [
        ((1, 1575, 85), 1, ""),
        ((1, 3087, 85), 1, "concatenation-of-many-rows"),
        ((1, 3087, 85), 2, ""),
        ((1, 28, 28, 512), 3, ""),
    ],
)
def test_concatenations_of_many_rows(shape: tuple[int, ...], axis: int, rule: str) -> None:
    options = tflite.ConcatenationOptionsT()
    options.axis = axis
    assert _one("CONCATENATION", shape, shape, options=options).ops[0].rule == rule


def test_an_efficientdet_head_maps() -> None:
    # All but DEQUANTIZE and the post-processing of an EfficientDet-Lite0 (19,206 anchors) map by compiler 16.
    assert _one("LOGISTIC", (1, 19_206, 5)).maps_fully
    assert _one("RESHAPE", (1, 40, 40, 45), (1, 14_400, 5), ((1, 14_400, 5),)).maps_fully


def test_a_tile_maps_only_from_one_pixel() -> None:
    assert _one("TILE", (1, 1, 1, 8), (1, 9, 9, 8), ([1, 9, 9, 1],)).maps_fully
    assert _one("TILE", (1, 3, 3, 8), (1, 9, 9, 8), ([1, 3, 3, 1],)).ops[0].rule == "tile-of-one-pixel"
    assert _one("TILE", (1, 1, 1, 8), (1, 1, 1, 16), ([1, 1, 1, 2],)).ops[0].rule == "tile-of-one-pixel"


def test_pooling_and_concatenation_take_no_activation() -> None:
    pool = tflite.Pool2DOptionsT()
    pool.fusedActivationFunction = tflite.ActivationFunctionType.RELU6
    assert _one("MAX_POOL_2D", options=pool).ops[0].rule == "no-fused-activation"
    pool.fusedActivationFunction = tflite.ActivationFunctionType.NONE
    assert _one("MAX_POOL_2D", options=pool).maps_fully
    fused = tflite.AddOptionsT()
    fused.fusedActivationFunction = tflite.ActivationFunctionType.TANH
    builder = Builder()
    source = builder.tensor((1, 8, 8, 8))
    result = builder.tensor((1, 8, 8, 8))
    builder.op("ADD", [source, source], [result], fused, 2)
    report = check_model(read_model(builder.finish([source], [result]), "add"))
    assert report.ops[0].rule == "fused-activation-in-list"


@pytest.mark.parametrize(
    ("kernel", "dilation", "rule"),
    [((3, 3), (2, 1), "equal-dilation"), ((3, 3), (2, 2), ""), ((3, 1), (4, 1), "")],
)
def test_dilation(kernel: tuple[int, int], dilation: tuple[int, int], rule: str) -> None:
    builder = Builder()
    source = builder.tensor((1, 16, 16, 4))
    result = builder.conv(source, 8, kernel, dilationHFactor=dilation[0], dilationWFactor=dilation[1])
    assert check_model(read_model(builder.finish([source], [result]), "conv")).ops[0].rule == rule


def _dense(scales: int, constant: bool, rows: int = 1) -> CheckReport:
    builder = Builder()
    source = builder.tensor((rows, 32))
    weights = builder.constant(np.ones((8, 32)), "int8", scales) if constant else builder.tensor((8, 32))
    result = builder.tensor((rows, 8))
    builder.op("FULLY_CONNECTED", [source, weights, -1], [result], tflite.FullyConnectedOptionsT(), 4)
    inputs = [source] if constant else [source, weights]
    return check_model(read_model(builder.finish(inputs, [result]), "dense"))


def test_dense_layers() -> None:
    assert _dense(1, True).maps_fully
    # As in LibrEdgeTPU's dense_256: the compiled file holds one multiplier for each of the file's scales.
    per_channel = _dense(8, True)
    assert per_channel.maps_fully
    assert (per_channel.ops[0].rule, per_channel.ops[0].confidence) == ("dense-per-channel", "logged")
    assert any(note.name == "per-channel-dense-on-micro" for note in per_channel.notes)
    dynamic = _dense(1, False)
    assert dynamic.ops[0].rule == "constant-parameters"
    assert dynamic.ops[0].confidence == "documented"
    rows = _dense(1, True, rows=12)
    assert rows.maps_fully
    assert rows.ops[0].confidence == "logged"


def test_a_product_of_two_activations_stays_on_the_host() -> None:
    builder = Builder()
    left, right = builder.tensor((1, 8, 16)), builder.tensor((1, 16, 8))
    result = builder.tensor((1, 8, 8))
    builder.op("BATCH_MATMUL", [left, right], [result])
    report = check_model(read_model(builder.finish([left, right], [result]), "attention"))
    assert report.host_ops == ("BATCH_MATMUL",)
    assert report.ops[0].rule == "product-of-activations"
    assert "1x1 CONV_2D" in report.ops[0].hint
    assert any(note.name == "several-inputs-on-micro" for note in report.notes)


@pytest.mark.parametrize(
    ("small", "verdict", "confidence"),
    [
        ((1, 1, 1, 8), "mapped", "inferred"),
        ((1, 16, 1, 1), "unknown", "inferred"),
        ((1, 16, 16, 8), "mapped", "documented"),
    ],
)
def test_broadcasts(small: tuple[int, ...], verdict: str, confidence: str) -> None:
    builder = Builder()
    big, gate = builder.tensor((1, 16, 16, 8)), builder.tensor(small)
    result = builder.tensor((1, 16, 16, 8))
    builder.op("MUL", [big, gate], [result], tflite.MulOptionsT(), 2)
    found = check_model(read_model(builder.finish([big, gate], [result]), "gate")).ops[0]
    assert (found.verdict, found.confidence) == (verdict, confidence)


def test_softmax_sizes() -> None:
    # 16,000 is documented; the compiled trackers of LibrEdgeTPU hold 16,384.
    assert _one("SOFTMAX", (1, 16_384)).maps_fully
    assert _one("SOFTMAX", (1, 16_385)).ops[0].rule == "softmax-size"
    assert _one("SOFTMAX", (1, 12, 16)).ops[0].confidence == "logged"


def test_everything_that_depends_on_a_host_operation_is_host() -> None:
    report = check_model(read_model(small_net(extra="HARD_SWISH"), "split"))
    assert [verdict.verdict for verdict in report.ops] == ["mapped", "host", "host"]
    assert report.ops[2].rule == ONE_PARTITION
    assert report.split_at == 1


def test_a_leading_quantize_from_float_does_not_cut_the_rest() -> None:
    builder = Builder()
    source = builder.tensor((1, 16, 16, 4), "float32")
    quantised = builder.tensor((1, 16, 16, 4))
    builder.op("QUANTIZE", [source], [quantised])
    result = builder.conv(quantised, 8)
    report = check_model(read_model(builder.finish([source], [result]), "float input"))
    assert report.host_ops == ("QUANTIZE",)
    assert report.ops[0].rule == "quantize-from-integers"
    assert report.ops[1].mapped
    assert report.split_at is None


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "named"),
    [
        ((5, 1), (2, 2), 0, True),
        ((1, 3), (2, 2), 0, True),
        ((5, 1), (2, 2), 1, False),
        ((5, 1), (2, 1), 0, False),
        ((3, 3), (2, 2), 0, False),
        ((1, 1), (2, 2), 0, False),
    ],
)
def test_the_layer_that_xnnpack_computes_wrongly_is_named(
    kernel: tuple[int, int], stride: tuple[int, int], padding: int, named: bool
) -> None:
    builder = Builder()
    source = builder.tensor((1, 16, 16, 4))
    result = builder.conv(source, 8, kernel, stride, padding=padding)
    report = check_model(read_model(builder.finish([source], [result]), "conv"))
    assert any(note.name == "xnnpack" for note in report.notes) == named
    assert report.maps_fully


def test_an_lstm_compiles_and_is_named_unusable_on_the_micro(shared_models: Callable[[str], Path]) -> None:
    report = check_model(load_model(shared_models("lstm/keras_lstm_mnist_ptq.tflite")))
    assert report.maps_fully
    assert [note.name for note in report.notes] == ["lstm-on-micro"]


def test_compiled_files_and_empty_graphs_are_input_errors(shared_models: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match="holds no operation"):
        check_model(read_model(Builder().finish([], []), "empty"))
    with pytest.raises(InputError, match="compiled already"):
        check_model(load_model(shared_models("tcn/quantized_model_edgetpu.tflite")))


def test_a_wide_flatten_says_how_much_it_streams(shared_models: Callable[[str], Path]) -> None:
    report = check_model(load_model(shared_models("tcn/quantized_model.tflite")))
    (note,) = report.notes
    assert note.name == "wide-flatten"
    # The compiled file streams 1,510,464 bytes: 16 padded rows of 94,400 weights and 64 bytes of biases.
    assert "94,400 inputs and 1 outputs, about 1,510,400 bytes" in note.text
    assert "pool before the dense layer" in note.text


def test_large_activations_are_a_risk_and_no_verdict() -> None:
    report = _one("RELU", (1, 1024, 1024, 8))
    assert [note.name for note in report.notes] == ["large-activations"]
    assert report.maps_fully
    assert _one("RELU", (1, 512, 512, 8)).notes == ()
