"""Reading .tflite files: the same values as LiteRT's own schema, and nothing but InputError on bad ones."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as tflite
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_builder import Builder, small_net

from edge_ser.edgetpu import schema
from edge_ser.edgetpu.latency import estimate
from edge_ser.edgetpu.model import load_model, read_model
from edge_ser.edgetpu.rules import check_model
from edge_ser.edgetpu.targets import TARGETS
from edge_ser.errors import InputError

REAL = (
    "coralmicro/yamnet_spectra_in.tflite",
    "edgetpu_2020/deeplabv3_mnv2_dm05_pascal_quant.tflite",
    "lstm/keras_lstm_mnist_ptq.tflite",
    "tcn/quantized_model.tflite",
    "coralmicro/yamnet_spectra_in_edgetpu.tflite",
)


_FEWEST_TYPES = 18
"""Of the schema that LiteRT 2.1 brings: float32 to int4."""


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if not name.startswith("_")}


def test_names_are_those_of_the_published_schema() -> None:
    operators = _names(tflite.BuiltinOperator)
    assert tuple(operators[code] for code in sorted(operators)) == schema.OPERATORS
    types = _names(tflite.TensorType)
    # An older LiteRT knows fewer types; those of sub-byte integers came last.
    known = tuple(types[code].lower() for code in sorted(types))
    assert len(known) >= _FEWEST_TYPES
    assert known == schema.TYPES[: len(known)]
    activations = _names(tflite.ActivationFunctionType)
    assert tuple(activations[code].lower() for code in sorted(activations)) == schema.ACTIVATIONS


@pytest.mark.parametrize("name", REAL)
def test_real_files_read_as_the_generated_module_reads_them(
    name: str, shared_models: Callable[[str], Path]
) -> None:
    path = shared_models(name)
    model = load_model(path)
    theirs = tflite.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = theirs.subgraphs[0]
    names = _names(tflite.BuiltinOperator)
    assert len(model.operators) == len(graph.operators)
    for op, other in zip(model.operators, graph.operators, strict=True):
        code = theirs.operatorCodes[other.opcodeIndex]
        assert op.name == names[max(code.deprecatedBuiltinCode, code.builtinCode)]
        assert op.version == code.version
        assert [-1 if t is None else t.index for t in op.inputs] == list(other.inputs)
        assert [t.index for t in op.outputs] == list(other.outputs)
        for tensor in (*op.activations, *op.outputs):
            their = graph.tensors[tensor.index]
            assert tensor.shape == (tuple(their.shape) if their.shape is not None else ())
            assert tensor.name == their.name.decode()
            scales = their.quantization.scale if their.quantization is not None else None
            assert tensor.scales == (0 if scales is None else len(scales))
        if isinstance(other.builtinOptions, tflite.Conv2DOptionsT):
            mine, want = op.options, other.builtinOptions
            assert (mine.stride_h, mine.stride_w) == (want.strideH, want.strideW)
            assert (mine.dilation_h, mine.dilation_w) == (want.dilationHFactor, want.dilationWFactor)
            assert (mine.padding, mine.fused_activation) == (want.padding, want.fusedActivationFunction)
    assert model.compiled == path.name.endswith("_edgetpu.tflite")


def test_constants_and_options_of_a_written_file() -> None:
    builder = Builder()
    source = builder.tensor((1, 8, 6, 4), signature=(-1, 8, 6, 4))
    axes = builder.constant([1, 2])
    result = builder.tensor((1, 1, 1, 4))
    settings_ = tflite.ReducerOptionsT()
    settings_.keepDims = True
    builder.op("MEAN", [source, axes, -1], [result], settings_, version=2)
    op = read_model(builder.finish([source], [result]), "mean").operators[0]
    assert op.inputs[2] is None
    data, constant = op.input(0), op.input(1)
    assert data is not None
    assert constant is not None
    assert data.dynamic
    assert not data.constant
    assert constant.constant_integers() == (1, 2)
    assert op.options.keep_dims == 1
    assert op.version == 2


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x08\0\0\0TFL3", b"PK\x03\x04" + bytes(100), bytes(4000)])
def test_what_is_no_model_is_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError, match="not a usable TFLite model"):
        read_model(data, "x")


def test_an_absent_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path / "absent.tflite")
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path)


def test_every_truncation_is_an_input_error_or_a_model() -> None:
    data = small_net(4)
    for size in range(0, len(data), 7):
        try:
            read_model(data[:size], "cut")
        except InputError:
            continue
        # The writer lays tables behind the root, so a file cut in its first half cannot be whole.
        assert size > len(data) // 2


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 2**32 - 1)), min_size=1, max_size=6))
def test_damaged_files_end_in_input_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(small_net(4))
    for place, value in changes:
        struct.pack_into("<I", data, place % (len(data) - 4), value)
    try:
        model = read_model(bytes(data), "damaged")
        report = check_model(model)
        assert len(report.ops) == len(model.operators)
        assert estimate(model, TARGETS["usb2"]).ms.mid > 0
    except InputError as error:
        assert "damaged" in str(error)  # noqa: PT017


def test_a_file_that_points_at_itself_ends_soon() -> None:
    # A root table whose vector of operator codes has a million entries, all of them the root table again.
    count = 1_000_000
    head = struct.pack("<I4s", 24, b"TFL3")
    vtable = struct.pack("<HHHHHHHH", 14, 8, 0, 4, 4, 0, 4, 0)
    root = struct.pack("<iI", 16, 4)
    vector = struct.pack("<I", count) + bytes(4 * count)
    data = head + vtable + root + vector
    begin = time.monotonic()
    with pytest.raises(InputError, match="steps"):
        read_model(data, "bomb")
    assert time.monotonic() - begin < 5
