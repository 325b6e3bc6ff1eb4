"""The Micro's verdict with every reason, the board's TFLM as data, and the command `edge-ser inspect`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from package_builder import TOKEN, Compiled, Exe, Hint, Layer, Number
from tflite_builder import Builder, small_net
from typer.testing import CliRunner

from edge_ser.cli.inspect import inspect
from edge_ser.edgetpu import schema
from edge_ser.edgetpu.micro import micro_verdict
from edge_ser.edgetpu.model import load_model, read_model
from edge_ser.edgetpu.package import CompiledModel, load_compiled, read_compiled
from edge_ser.edgetpu.tflm_ops import (
    ANY,
    BOARD_OPS,
    NEWEST_VERSION,
    board_refusal,
    board_refusals,
    board_runs,
)
from edge_ser.errors import EdgeSerError

GOOD = Compiled()
SIGNED = Layer("in", 16, (2, 2, 4), 145, dtype=8)
PAIR = "edgetpu_2020/mobilenet_v1_{}_quant_cocompiled_with_mobilenet_v1_{}_quant_edgetpu.tflite"

# One defect each, and a word of the only reason that it must give.
DEFECTS = [
    (replace(GOOD, ops=2), "2 Edge TPU operations"),
    (replace(GOOD, inputs=(Layer("in", 16), Layer("state", 16))), "2 inputs"),
    (replace(GOOD, scratch=672), "672 bytes of scratch"),
    (replace(GOOD, deterministic=False), "not deterministic"),
    (GOOD.with_inference(hints=None), "announces no transfers"),
    (GOOD.with_inference(batch=4), "4 inputs at once"),
    (GOOD.with_inference(chip="kestrel"), "chip 'kestrel'"),
    (GOOD.with_inference(fields={15: Number("B", 1)}), "beside the chip"),
    (replace(GOOD, runtime=15), "runtime 15"),
    (replace(GOOD, keys={"3": b"old"}), "old format"),
    (replace(GOOD, package={6: [{0: b"x"}]}), "split over 1 chips"),
    (replace(GOOD, inference=Exe(77)), "no executable that runs the net"),
    (replace(GOOD, host=("BATCH_MATMUL",)), "BATCH_MATMUL is not in the board's"),
    (
        replace(GOOD, inputs=(SIGNED,)).with_inference(hints=(Hint(1, "in", 8), Hint(1, "in", 8, 8))),
        "is int8 and sent in 2 pieces",
    ),
    (GOOD.with_inference(hints=(Hint(0, "out", 4), Hint(0, "out", 4, 4))), "comes in 2 pieces"),
    (GOOD.with_inference(hints=(Hint(0, "out", 16),)), "16 bytes and the driver has room for 8"),
    (GOOD.with_inference(outputs=()), "1 output tensors and 0 outputs"),
    (
        replace(GOOD, outputs=(Layer("a", 8), Layer("b", 8))).with_inference(
            outputs=(Layer("b", 8), Layer("a", 8))
        ),
        "outputs in another order",
    ),
]


def _read(made: Compiled) -> CompiledModel:
    return read_compiled(made.data(), "net")


def test_a_good_file_has_no_reasons_and_no_notes() -> None:
    verdict = micro_verdict([_read(GOOD)])
    assert verdict.runs
    assert (verdict.reasons, verdict.notes) == ((), ())


@pytest.mark.parametrize(("made", "words"), DEFECTS, ids=[words for _, words in DEFECTS])
def test_each_defect_gives_its_own_reason_and_no_other(made: Compiled, words: str) -> None:
    verdict = micro_verdict([_read(made)])
    assert not verdict.runs
    assert len(verdict.reasons) == 1
    assert words in verdict.reasons[0]


def test_all_reasons_are_given_together() -> None:
    made = replace(
        GOOD,
        inputs=(Layer("in", 16), Layer("state", 16)),
        scratch=1,
        deterministic=False,
        runtime=99,
        host=("DIV", "SUM"),
    )
    assert len(micro_verdict([_read(made)]).reasons) == 6


def test_two_packages_of_a_token_run_and_three_do_not() -> None:
    one = _read(GOOD)
    assert micro_verdict([one, one]) == micro_verdict([one])
    three = micro_verdict([one, one, one])
    assert not three.runs
    assert f"3 packages share the caching token {TOKEN:#018x}" in three.reasons[0]


def test_files_that_do_not_share_the_cache_are_noted() -> None:
    other = replace(GOOD, token=5)
    verdict = micro_verdict([_read(GOOD), _read(other)])
    assert verdict.runs
    assert "2 caching tokens" in verdict.notes[0]
    alone = replace(GOOD, cached=0)
    assert "forget" in micro_verdict([_read(GOOD), _read(alone)]).notes[0]


def test_a_signed_input_is_noted_where_the_application_fills_it() -> None:
    assert "before every Invoke" in micro_verdict([_read(replace(GOOD, inputs=(SIGNED,)))]).notes[0]


def test_operations_to_register_and_streams_are_noted() -> None:
    notes = micro_verdict([_read(replace(GOOD, host=("DEQUANTIZE",), streamed=64))]).notes
    assert any("must register DEQUANTIZE" in note for note in notes)
    assert any("64 bytes of parameters" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("coralmicro/yamnet_spectra_in_edgetpu.tflite", ()),
        ("coralmicro/voice_commands_v0.7_edgetpu.tflite", ()),
        ("coralmicro/testconv1-edgetpu.tflite", ()),
        ("tcn/quantized_model_edgetpu.tflite", ()),
        ("lstm/keras_lstm_mnist_ptq_edgetpu.tflite", ("3 inputs", "672 bytes", "not deterministic")),
        (
            "edgetpu_2020/deeplabv3_mnv2_dm05_pascal_quant_edgetpu.tflite",
            tuple(
                f"{op} of uint8"
                for op in (
                    "RESIZE_BILINEAR",
                    "CONCATENATION",
                    "CONV_2D",
                    "CONV_2D",
                    "RESIZE_BILINEAR",
                    "RESIZE_BILINEAR",
                    "ARG_MAX",
                )
            ),
        ),
    ],
)
def test_real_files(name: str, reasons: tuple[str, ...], shared_models: Callable[[str], Path]) -> None:
    verdict = micro_verdict([load_compiled(shared_models(name))])
    assert len(verdict.reasons) == len(reasons)
    assert all(words in reason for words, reason in zip(reasons, verdict.reasons, strict=True))


def test_the_real_co_compiled_pair_runs(shared_models: Callable[[str], Path]) -> None:
    sizes = ("0.25_128", "0.5_160")
    pair = [load_compiled(shared_models(PAIR.format(*order))) for order in (sizes, sizes[::-1])]
    verdict = micro_verdict(pair)
    assert (verdict.reasons, verdict.notes) == ((), ())


def test_the_list_of_the_board_is_of_builtin_operations() -> None:
    assert set(BOARD_OPS) <= set(schema.OPERATORS)
    assert len(BOARD_OPS) == 89
    types = set().union(*BOARD_OPS.values()) - {ANY}
    assert types <= set(schema.TYPES)
    assert set(NEWEST_VERSION) == set(BOARD_OPS)
    # What edge-ser's own nets are made of must be there, for the CPU path on the Cortex-M7.
    for op in (
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "MEAN",
        "MUL",
        "ADD",
        "LOGISTIC",
        "RESHAPE",
        "CONCATENATION",
        "PAD",
    ):
        assert "int8" in BOARD_OPS[op] | ({"int8"} if ANY in BOARD_OPS[op] else set())


@pytest.mark.parametrize(
    "op", ["BATCH_MATMUL", "SQUARED_DIFFERENCE", "SUM", "REDUCE_MIN", "DIV", "GELU", "LSTM"]
)
def test_operations_that_the_board_lacks(op: str) -> None:
    reason = board_runs(op)
    assert reason is not None
    assert "is not in the board's" in reason


@pytest.mark.parametrize(
    ("name", "version", "dtype", "words"),
    [
        ("CONV_2D", 3, "int8", None),
        ("CONV_2D", 7, "int8", "version 7 is newer"),
        ("CONV_2D", 1, "uint8", "of uint8"),
        ("TRANSPOSE_CONV", 4, None, "runs it as version 3"),
        ("MUL", 2, "int16", "of int16"),
        ("RESHAPE", 1, "uint8", None),
        ("EXP", 1, "int8", "takes float32"),
        ("edgetpu-custom-op", 1, "uint8", None),
        ("TFLite_Detection_PostProcess", 1, None, None),
        ("FlexErf", 1, None, "not in the board's"),
    ],
)
def test_versions_and_types(name: str, version: int, dtype: str | None, words: str | None) -> None:
    reason = board_runs(name, version, dtype)
    assert (reason is None) == (words is None)
    assert words is None or words in str(reason)


def test_quantize_goes_by_both_types_and_dense_by_its_scales() -> None:
    builder = Builder()
    signed, unsigned = builder.tensor((1, 8)), builder.tensor((1, 8), "uint8")
    builder.op("QUANTIZE", [signed], [unsigned])
    builder.op("QUANTIZE", [unsigned], [unsigned])
    single, several = (builder.constant([[1] * 8] * 3, "int8", scales=count) for count in (1, 3))
    result = builder.tensor((1, 3))
    builder.op("FULLY_CONNECTED", [signed, single], [result], version=4)
    builder.op("FULLY_CONNECTED", [signed, several], [result], version=4)
    ops = read_model(builder.finish([signed], [result]), "x").operators
    found = [board_refusal(op) for op in ops]
    assert found[0] is None
    assert "from uint8 to uint8" in str(found[1])
    assert found[2] is None
    assert "a scale per channel" in str(found[3])


def test_whole_models_on_the_cortex_m7(shared_models: Callable[[str], Path]) -> None:
    assert board_refusals(read_model(small_net(8), "net")) == {}
    assert list(board_refusals(read_model(small_net(8, extra="HARD_SWISH"), "net"))) == []
    assert board_refusals(load_model(shared_models("coralmicro/yamnet_spectra_in.tflite"))) == {}
    old = load_model(shared_models("edgetpu_2020/mobilenet_v1_0.25_128_quant.tflite"))
    assert board_refusals(old)[0].startswith("CONV_2D of uint8")


app = typer.Typer()
app.command("inspect")(inspect)
app.command("other")(lambda: None)


def _run(*words: object) -> tuple[int, dict[str, Any], str]:
    result = CliRunner().invoke(app, ["inspect", *map(str, words), "--json"])
    data = json.loads(result.stdout) if result.stdout.startswith("{") else {}
    if isinstance(result.exception, EdgeSerError):
        return result.exception.exit_code, data, str(result.exception)
    return result.exit_code, data, result.output


def _write(folder: Path, name: str, made: Compiled) -> Path:
    path = folder / f"{name}_edgetpu.tflite"
    path.write_bytes(made.data())
    return path


def test_the_command_gives_the_keys_of_the_contract(tmp_path: Path) -> None:
    made = replace(GOOD, host=("DEQUANTIZE",), streamed=32, token=2**64 - 1)
    code, data, _ = _run(_write(tmp_path, "net", made))
    assert code == 0
    assert (data["min_runtime"], data["cached_bytes"], data["streamed_bytes"]) == (13, 256, 32)
    assert data["instruction_bytes"] == 64
    assert data["host_ops"] == ["DEQUANTIZE"]
    assert data["micro"]["runs"] is True
    assert data["micro"]["reasons"] == []
    (entry,) = data["inputs"]
    assert (entry["name"], entry["shape"], entry["dtype"], entry["zero_point"]) == (
        "in",
        [2, 2, 4],
        "uint8",
        128,
    )
    (result,) = data["outputs"]
    assert (result["scale"], result["bytes"]) == (0.5, 8)
    (file,) = data["files"]
    assert file["caching_tokens"] == ["0xffffffffffffffff"]
    assert [item["type"] for item in file["executables"]] == ["execution-only", "parameter-caching"]
    assert file["host"][0]["outputs"] == ["after DEQUANTIZE"]
    assert file["host"][0]["board"] is None


def test_the_command_ends_with_1_where_the_micro_cannot_run_it(tmp_path: Path) -> None:
    code, data, text = _run(_write(tmp_path, "net", replace(GOOD, scratch=8, deterministic=False)))
    assert code == 1
    assert data["micro"]["runs"] is False
    assert len(data["micro"]["reasons"]) == 2
    assert "8 bytes of scratch" in text
    assert "and 1 more" in text


def test_the_command_takes_files_that_are_used_together(tmp_path: Path) -> None:
    paths = [_write(tmp_path, name, GOOD) for name in ("keyword", "acoustic", "third")]
    code, data, _ = _run(*paths[:2])
    assert code == 0
    assert data["cached_bytes"] == 512
    assert [item["file"] for item in data["inputs"]] == [str(path) for path in paths[:2]]
    code, data, _ = _run(*paths)
    assert code == 1
    assert "3 packages" in data["micro"]["reasons"][0]


def test_the_command_ends_with_2_on_what_is_not_compiled(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(small_net(4))
    code, data, text = _run(path)
    assert (code, data) == (2, {})
    assert "not compiled for the Edge TPU" in text
    path.write_bytes(b"RIFF....WAVE")
    assert _run(path)[0] == 2
    assert _run(tmp_path / "absent.tflite")[0] == 2


def test_the_command_for_people(tmp_path: Path) -> None:
    made = replace(GOOD, inputs=(Layer("[/bold]in[red]", 16),), host=("DIV",))
    result = CliRunner().invoke(app, ["inspect", str(_write(tmp_path, "net", made))])
    words = " ".join(result.stdout.split())
    assert "[/bold]in[red]" in words
    assert "cached parameters │ 256" in words
    assert "does NOT run this" in words
    assert "because: operation 1 is left to the host" in words
