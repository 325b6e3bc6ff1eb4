"""Lowering operation versions: what is needed stays, what is not goes, and nothing else in the file changes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tflite
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_builder import Builder, small_net

from edge_ser.edgetpu import schema
from edge_ser.edgetpu.compilers import LATEST, compiler_named
from edge_ser.edgetpu.flatbuffer import Flatbuffer
from edge_ser.edgetpu.lower_versions import Inputs, example_inputs, lower_versions, prove_same
from edge_ser.edgetpu.model import load_model, read_model
from edge_ser.edgetpu.op_versions import needed_version
from edge_ser.errors import CheckError, InputError

SOURCES = (
    "coralmicro/yamnet_spectra_in.tflite",
    "edgetpu_2020/deeplabv3_mnv2_dm05_pascal_quant.tflite",
    "edgetpu_2020/mobilenet_v1_0.25_128_quant.tflite",
    "lstm/keras_lstm_mnist_ptq.tflite",
    "tcn/quantized_model.tflite",
    "conv_dense/model_dense_2x2x3x100x100.tflite",
    "stride_padding/model_padding_stride_2x2x3.tflite",
)


def run_litert(model: bytes, examples: Sequence[Inputs]) -> Sequence[Inputs]:
    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    entries, results = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for example in examples:
        for entry, value in zip(entries, example, strict=True):
            interpreter.set_tensor(entry["index"], value)
        interpreter.invoke()
        found.append(tuple(interpreter.get_tensor(result["index"]) for result in results))
    return found


def _versions(data: bytes) -> list[tuple[str, int]]:
    return [(op.name, op.version) for op in read_model(data, "x").operators]


def _runnable_net(extra: int) -> bytes:
    """A net that LiteRT runs, of ``extra`` on top of the versions that it needs."""
    builder = Builder()
    entry = builder.tensor((1, 8, 8, 4), "uint8", name="in")
    signed = builder.tensor((1, 8, 8, 4))
    builder.op("QUANTIZE", [entry], [signed], version=1 + extra)
    middle = builder.conv(signed, 6, version=3 + extra)
    for tensor in builder.tensors:
        if tensor.type == 2:
            # A bias has the product of the scales of input and weights.
            tensor.quantization.scale = [0.25] * len(tensor.quantization.scale)
    gate, product, total = (builder.tensor((1, 8, 8, 6)) for _ in range(3))
    builder.tensors[gate].quantization.scale = [1 / 256]
    builder.tensors[gate].quantization.zeroPoint = [-128]
    builder.op("LOGISTIC", [middle], [gate], version=2 + min(extra, 1))
    builder.op("MUL", [middle, gate], [product], tflite.MulOptionsT(), version=2 + extra)
    builder.op("ADD", [product, middle], [total], tflite.AddOptionsT(), version=2 + extra)
    mean = builder.tensor((1, 1, 1, 6))
    options = tflite.ReducerOptionsT()
    options.keepDims = True
    builder.op("MEAN", [total, builder.constant([1, 2])], [mean], options, version=2 + min(extra, 1))
    result = builder.tensor((1, 1, 1, 6), "uint8", name="out")
    builder.op("QUANTIZE", [mean], [result], version=1 + extra)
    return builder.finish([entry], [result])


def test_a_file_of_newer_versions_is_lowered_and_proven() -> None:
    before = _runnable_net(extra=2)
    lowered = lower_versions(before, "net")
    assert _versions(lowered.data) == _versions(_runnable_net(extra=0))
    assert {(item.op, item.before, item.after) for item in lowered.lowered} == {
        ("QUANTIZE", 3, 1),
        ("CONV_2D", 5, 3),
        ("LOGISTIC", 3, 2),
        ("MUL", 4, 2),
        ("ADD", 4, 2),
        ("MEAN", 3, 2),
    }
    assert lowered.kept == ()
    assert len(lowered.data) == len(before)
    changed = sum(one != other for one, other in zip(before, lowered.data, strict=True))
    assert changed == 7
    assert prove_same(before, lowered.data, "net", run_litert) == 16


def test_a_file_that_needs_its_versions_is_left_alone() -> None:
    for data in (_runnable_net(extra=0), small_net(4)):
        lowered = lower_versions(data, "net")
        assert lowered.data == data
        assert (lowered.lowered, lowered.kept) == ((), ())


@pytest.mark.parametrize("name", SOURCES)
def test_the_rules_give_the_versions_that_converters_wrote(
    name: str, shared_models: Callable[[str], Path]
) -> None:
    path = shared_models(name)
    data, model = path.read_bytes(), load_model(path)
    compared = 0
    for op in model.operators:
        need = needed_version(op)
        # The converter of yamnet wrote an int8 DEQUANTIZE as version 1, lower than it needs.
        if need is not None and op.name != "DEQUANTIZE":
            assert op.version == need.version, (op.index, op.name)
            compared += 1
    assert compared >= len(model.operators) - 2
    assert lower_versions(data, name).data == data


def _one(name: str, data: Any, *others: Any, version: int, options: Any = None, out: Any = None) -> bytes:
    """A model of one operator; tensors as (shape, type) or (shape, type, scales)."""
    builder = Builder()
    tensors = [
        builder.tensor(item[0], item[1], scales=item[2] if len(item) > 2 else None)
        for item in (data, *others)
    ]
    target = out or data
    result = builder.tensor(target[0], target[1], scales=target[2] if len(target) > 2 else None)
    builder.op(name, tensors, [result], options, version)
    return builder.finish(tensors[:1], [result])


def _options(kind: str, **values: Any) -> Any:
    item = getattr(tflite, f"{kind}T")()
    for key, value in values.items():
        setattr(item, key, value)
    return item


IMAGE, WIDE, WEIGHTS = ((1, 8, 8, 4), "int8"), ((1, 2, 3, 4, 5), "int8"), ((6, 3, 3, 4), "int8", 6)
PLAIN = ((1, 8, 8, 4), "uint8")
HALF = {"halfPixelCenters": True}
DENSE = ((1, 16), "int8")
ROWS = ((3, 16), "int8")
BIAS = ((3,), "int32")

# Operator, its tensors, options, what it needs; each is written as version 20 and must come out as this.
NEEDS = [
    ("CONV_2D", (IMAGE, WEIGHTS), None, 3),
    ("CONV_2D", (PLAIN, ((6, 3, 3, 4), "uint8")), None, 1),
    ("CONV_2D", (IMAGE, ((6, 3, 3, 2), "int8", 6)), None, 6),
    ("DEPTHWISE_CONV_2D", (IMAGE, ((1, 3, 3, 4), "int8", 4)), None, 3),
    (
        "DEPTHWISE_CONV_2D",
        (PLAIN, ((1, 3, 3, 4), "uint8")),
        ("DepthwiseConv2DOptions", {"dilationHFactor": 1}),
        1,
    ),
    (
        "DEPTHWISE_CONV_2D",
        (PLAIN, ((1, 3, 3, 4), "uint8")),
        ("DepthwiseConv2DOptions", {"dilationHFactor": 2}),
        2,
    ),
    ("FULLY_CONNECTED", (DENSE, ROWS, BIAS), None, 4),
    ("FULLY_CONNECTED", (DENSE, ROWS), None, 6),
    ("FULLY_CONNECTED", (DENSE, ROWS, BIAS), ("FullyConnectedOptions", {"keepNumDims": True}), 5),
    ("FULLY_CONNECTED", (((1, 16), "uint8"), ((3, 16), "uint8"), BIAS), None, 1),
    ("TRANSPOSE_CONV", (((4,), "int32"), WEIGHTS, IMAGE), ("TransposeConvOptions", {}), 2),
    ("TRANSPOSE_CONV", (((4,), "int32"), WEIGHTS, IMAGE, BIAS), ("TransposeConvOptions", {}), 3),
    (
        "TRANSPOSE_CONV",
        (((4,), "int32"), WEIGHTS, IMAGE),
        ("TransposeConvOptions", {"fusedActivationFunction": 1}),
        4,
    ),
    ("RESIZE_BILINEAR", (IMAGE, ((2,), "int32")), ("ResizeBilinearOptions", {}), 2),
    ("RESIZE_BILINEAR", (IMAGE, ((2,), "int32")), ("ResizeBilinearOptions", HALF), 3),
    ("RESIZE_NEAREST_NEIGHBOR", (IMAGE, ((2,), "int32")), ("ResizeNearestNeighborOptions", {}), 2),
    ("RESIZE_NEAREST_NEIGHBOR", (IMAGE, ((2,), "int32")), ("ResizeNearestNeighborOptions", HALF), 3),
    (
        "RESIZE_NEAREST_NEIGHBOR",
        (PLAIN, ((2,), "int32")),
        ("ResizeNearestNeighborOptions", {"alignCorners": True}),
        3,
    ),
    ("STRIDED_SLICE", (IMAGE,), ("StridedSliceOptions", {}), 2),
    ("STRIDED_SLICE", (IMAGE,), ("StridedSliceOptions", {"newAxisMask": 1}), 6),
    ("STRIDED_SLICE", (IMAGE,), ("StridedSliceOptions", {"ellipsisMask": 1}), 6),
    ("STRIDED_SLICE", (IMAGE,), ("StridedSliceOptions", {"offset": True}), 8),
    ("STRIDED_SLICE", (WIDE,), ("StridedSliceOptions", {}), 4),
    ("SLICE", (WIDE,), None, 5),
    ("PAD", (IMAGE,), None, 2),
    ("PAD", (WIDE,), None, 4),
    ("TRANSPOSE", (IMAGE,), None, 2),
    ("TRANSPOSE", (WIDE,), None, 4),
    ("TRANSPOSE", (((1, 1, 2, 3, 4, 5), "int8"),), None, 6),
    ("SUB", (IMAGE, IMAGE), None, 2),
    ("SUB", (WIDE, ((5,), "int8")), None, 3),
    ("MAXIMUM", (WIDE, WIDE), None, 2),
    ("MAXIMUM", (WIDE, ((5,), "int8")), None, 3),
    ("ADD", (IMAGE, IMAGE), None, 2),
    ("ADD", (PLAIN, PLAIN), None, 1),
    ("RELU", (PLAIN,), None, 2),
    ("SOFTMAX", (IMAGE,), None, 2),
    ("SOFTMAX", (PLAIN,), None, 1),
    ("RESHAPE", (IMAGE,), None, 1),
    ("SPLIT", (((1,), "int32"), IMAGE), None, 2),
]


@pytest.mark.parametrize(("name", "tensors", "options", "needed"), NEEDS)
def test_what_an_operator_needs_stays(
    name: str, tensors: tuple[Any, ...], options: tuple[str, dict[str, Any]] | None, needed: int
) -> None:
    made = _options(options[0], **options[1]) if options else None
    main = {"TRANSPOSE_CONV": 2, "SPLIT": 1}.get(name, 0)
    data = _one(name, *tensors, version=20, options=made, out=tensors[main])
    lowered = lower_versions(data, "net")
    assert _versions(lowered.data) == [(name, needed)]
    newest = LATEST.newest_version(name)
    assert bool(lowered.kept) == (newest is not None and needed > newest)


@pytest.mark.parametrize(("scale", "needed"), [(0.5, 2), (2.0, 3), (1.0, 3)])
def test_a_product_whose_scale_is_not_below_the_outputs_needs_version_3(scale: float, needed: int) -> None:
    builder = Builder()
    one, other, result = (builder.tensor((1, 8)) for _ in range(3))
    builder.tensors[one].quantization.scale = [scale]
    builder.tensors[other].quantization.scale = [1.0]
    builder.tensors[result].quantization.scale = [1.0]
    builder.op("MUL", [one, other], [result], version=7)
    assert _versions(lower_versions(builder.finish([one, other], [result]), "x").data) == [("MUL", needed)]


@pytest.mark.parametrize(
    ("name", "tensors", "out"),
    [
        ("FULLY_CONNECTED", (DENSE, ((3, 16), "int8", 3), BIAS), ((1, 3), "int8")),
        ("CONV_2D", (((1, 8, 8, 4), "int16"), WEIGHTS), ((1, 8, 8, 6), "int16")),
        ("CONV_2D", (((1, 8, 8, 4), "float32"), WEIGHTS), ((1, 8, 8, 6), "float32")),
        ("ADD", (IMAGE, PLAIN), IMAGE),
        ("QUANTIZE", (((1, 8), "float32"),), ((1, 8), "int16")),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", (DENSE,), DENSE),
        ("BATCH_MATMUL", (IMAGE, IMAGE), IMAGE),
    ],
)
def test_what_no_rule_is_known_for_is_left_alone(name: str, tensors: tuple[Any, ...], out: Any) -> None:
    data = _one(name, *tensors, version=9, out=out)
    lowered = lower_versions(data, "net")
    assert lowered.data == data
    assert lowered.lowered == ()
    newest = LATEST.newest_version(name)
    assert [kept.version for kept in lowered.kept] == ([9] if newest is not None and newest < 9 else [])


def test_quantize_with_a_scale_per_channel_keeps_version_3() -> None:
    made = _one("QUANTIZE", ((4, 8), "float32"), version=3, out=((4, 8), "int8", 4))
    (kept,) = lower_versions(made, "x").kept
    assert (kept.version, kept.newest) == (3, 2)
    assert "a scale per channel" in str(kept)
    assert (
        lower_versions(_one("QUANTIZE", ((4, 8), "float32"), version=3, out=((4, 8), "int8")), "x").kept == ()
    )


def test_a_grouped_convolution_is_said_to_be_refused() -> None:
    data = _one("CONV_2D", IMAGE, ((6, 3, 3, 2), "int8", 6), version=6, out=((1, 8, 8, 6), "int8"))
    lowered = lower_versions(data, "x")
    assert lowered.data == data
    assert "grouped convolution (4 channels, filters of 2)" in str(lowered.kept[0])
    assert "versions up to 5" in str(lowered.kept[0])
    assert "versions up to 3" in str(lower_versions(data, "x", compiler_named("2.1")).kept[0])


def test_sparse_weights_keep_version_8() -> None:
    builder = Builder()
    entry, result = builder.tensor((1, 16)), builder.tensor((1, 3))
    weights = builder.constant(np.ones((3, 16)), "int8", scales=1)
    sparsity = tflite.SparsityParametersT()
    sparsity.traversalOrder = [0, 1]
    builder.tensors[weights].sparsity = sparsity
    builder.op("FULLY_CONNECTED", [entry, weights, -1], [result], version=12)
    assert _versions(lower_versions(builder.finish([entry], [result]), "x").data) == [("FULLY_CONNECTED", 8)]


def test_operators_that_share_a_code_get_the_highest_version_that_one_of_them_needs() -> None:
    builder = Builder()
    image, wide = builder.tensor(*IMAGE), builder.tensor(*WIDE)
    padded, broad = builder.tensor(*IMAGE), builder.tensor(*WIDE)
    builder.op("PAD", [image], [padded], version=9)
    builder.op("PAD", [wide], [broad], version=9)
    builder.operators[1].opcodeIndex = 0
    lowered = lower_versions(builder.finish([image, wide], [padded, broad]), "x")
    assert _versions(lowered.data) == [("PAD", 4), ("PAD", 4)]
    assert lowered.lowered[0].indices == (0, 1)


def test_a_code_that_another_graph_uses_is_left_alone() -> None:
    model = tflite.ModelT.InitFromPackedBuf(_one("SOFTMAX", IMAGE, version=3), 0)
    model.subgraphs.append(model.subgraphs[0])
    import flatbuffers

    writer = flatbuffers.Builder(1024)
    writer.Finish(model.Pack(writer), b"TFL3")
    data = bytes(writer.Output())
    assert lower_versions(data, "x").data == data


def test_a_version_that_is_also_something_else_is_refused() -> None:
    data = bytearray(_one("LOGISTIC", IMAGE, version=9))
    code = Flatbuffer(bytes(data), schema.IDENTIFIER).root().tables(1)[0]
    vtable = code.position - struct.unpack_from("<i", data, code.position)[0]
    # The builtin code, in both fields, lies where the version lies.
    version = struct.unpack_from("<H", data, vtable + 4 + 2 * 2)[0]
    struct.pack_into("<H", data, vtable + 4 + 2 * 3, version)
    struct.pack_into("<H", data, vtable + 4, 0)
    struct.pack_into("<i", data, code.position + version, schema.OPERATORS.index("LOGISTIC"))
    with pytest.raises(InputError, match="used for something else"):
        lower_versions(bytes(data), "x")


def test_a_proof_fails_where_outputs_differ() -> None:
    data = _runnable_net(0)
    calls = 0

    def differs(model: bytes, examples: Sequence[Inputs]) -> Sequence[Inputs]:
        nonlocal calls
        calls += 1
        found = run_litert(model, examples)
        if calls == 2:
            found[7][0].flat[-1] ^= 1
        return found

    with pytest.raises(CheckError, match="output 0 differs on input 7"):
        prove_same(data, data, "net", differs)


def test_example_inputs_cover_the_edges() -> None:
    model = read_model(_runnable_net(0), "net")
    found = [example[0] for example in example_inputs(model)]
    assert len(found) == 16
    assert all(array.dtype == np.uint8 and array.shape == (1, 8, 8, 4) for array in found)
    assert (found[0].min(), found[0].max(), found[1].min(), found[1].max()) == (0, 0, 255, 255)
    assert not found[2].any()
    assert set(found[3].ravel()) == {0, 255}
    assert len(np.unique(found[4])) > 200
    # The zero point of uint8 inputs may be the smallest value.
    assert len({array.tobytes() for array in found}) >= 15
    signed = example_inputs(read_model(small_net(4), "net"), random=2)
    assert signed[0][0].max() == -128
    assert signed[1][0].min() == 127
    with pytest.raises(InputError, match="to be run"):
        example_inputs(read_model(_one("SOFTMAX", ((2,), "int64"), version=1), "net"))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 2**32 - 1)), min_size=1, max_size=6))
def test_damaged_files_end_in_input_error_or_in_a_file_of_the_same_length(
    changes: list[tuple[int, int]],
) -> None:
    data = bytearray(_runnable_net(2))
    for place, value in changes:
        struct.pack_into("<I", data, place % (len(data) - 4), value)
    try:
        lowered = lower_versions(bytes(data), "damaged")
    except InputError as error:
        assert "damaged" in str(error)  # noqa: PT017
        return
    assert len(lowered.data) == len(data)
