"""`edge-ser compile`, by a stand-in that is not the compiler: what it lowers, inspects and fails on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from ai_edge_litert import schema_py_generated as tflite
from tflite_builder import Builder
from typer.testing import CliRunner

from edge_ser.bundle import read_bundle
from edge_ser.cli.compile import compile_bundle
from edge_ser.edgetpu.model import read_model
from edge_ser.errors import EdgeSerError
from edge_ser.spec_file import load_spec

SPEC = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
MakeBundle = Callable[..., Path]
StandIn = Callable[..., Path]

app = typer.Typer()
app.command("compile")(compile_bundle)
app.command("other")(lambda: None)


def _run(*words: object) -> tuple[int, dict[str, Any], str, str]:
    """Exit code by the contract, the JSON object, the error's text and standard error."""
    result = CliRunner().invoke(app, ["compile", *map(str, words), "--json"])
    data = json.loads(result.stdout) if result.stdout.startswith("{") else {}
    if isinstance(result.exception, EdgeSerError):
        return result.exception.exit_code, data, str(result.exception), result.stderr
    return result.exit_code, data, result.output, result.stderr


def _pooled_net(frames: int, extra: int) -> bytes:
    """A net with the bundle's input that LiteRT runs; versions are ``extra`` higher than needed."""
    builder = Builder()
    entry = builder.tensor((1, frames, SPEC.frontend.channels, 1), "uint8", name="features")
    builder.tensors[entry].quantization.scale = [1 / 255]
    signed = builder.tensor((1, frames, SPEC.frontend.channels, 1))
    builder.tensors[signed].quantization.scale = [1 / 255]
    builder.tensors[signed].quantization.zeroPoint = [-128]
    mean, result = builder.tensor((1, 1, 1, 1)), builder.tensor((1, 1, 1, 1), "uint8")
    for tensor, zero_point in ((mean, -128), (result, 0)):
        builder.tensors[tensor].quantization.scale = [1 / 255]
        builder.tensors[tensor].quantization.zeroPoint = [zero_point]
    builder.op("QUANTIZE", [entry], [signed], version=1 + extra)
    options = tflite.ReducerOptionsT()
    options.keepDims = True
    builder.op("MEAN", [signed, builder.constant([1, 2])], [mean], options, version=2 + min(extra, 1))
    builder.op("QUANTIZE", [mean], [result], version=1 + extra)
    return builder.finish([entry], [result])


def _nets(extra: int) -> dict[str, bytes]:
    return {
        "keyword": _pooled_net(SPEC.keyword_frames, extra),
        "acoustic": _pooled_net(SPEC.segment_frames, extra),
    }


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "seen"
    folder.mkdir()
    monkeypatch.setenv("STAND_IN_SEEN", str(folder))
    return folder


def _versions(data: bytes) -> list[int]:
    return [op.version for op in read_model(data, "x").operators]


def test_versions_are_lowered_for_the_compiler_and_proven(
    make_bundle: MakeBundle, stand_in: StandIn, seen: Path
) -> None:
    nets = _nets(extra=2)
    path = make_bundle(**nets)
    code, data, text, words = _run(path, "--compiler", stand_in())
    assert code == 0, text
    for name, net in nets.items():
        assert _versions((seen / f"{name}.tflite").read_bytes()) == [1, 2, 1]
        assert read_bundle(path).member(f"{name}.tflite") == net
        assert f"{name}.tflite: lowered versions: QUANTIZE 3 → 1, MEAN 3 → 2, QUANTIZE 3 → 1" in words
    assert "same output on 16 inputs" in words
    assert data["lowered_versions"]["keyword"][1] == {"op": "MEAN", "operations": [1], "from": 3, "to": 2}


def test_versions_are_kept_on_request(make_bundle: MakeBundle, stand_in: StandIn, seen: Path) -> None:
    code, data, _, words = _run(make_bundle(**_nets(extra=2)), "--compiler", stand_in(), "--keep-versions")
    assert code == 0
    assert _versions((seen / "keyword.tflite").read_bytes()) == [3, 3, 3]
    assert data["lowered_versions"] == {}
    assert "lowered" not in words


def test_nothing_is_said_where_nothing_needs_to_be_lowered(
    make_bundle: MakeBundle, stand_in: StandIn
) -> None:
    code, data, _, words = _run(make_bundle(**_nets(extra=0)), "--compiler", stand_in())
    assert code == 0
    assert data["lowered_versions"] == {}
    assert words == ""


def test_what_cannot_be_lowered_is_said_before_the_compiler_refuses(
    make_bundle: MakeBundle, stand_in: StandIn
) -> None:
    builder = Builder()
    entry = builder.tensor((1, 8, 8, 4))
    weights = builder.constant([[[[1, 1]]]] * 4, "int8", scales=4)
    result = builder.tensor((1, 8, 8, 4))
    builder.op("CONV_2D", [entry, weights], [result], version=6)
    path = make_bundle(keyword=builder.finish([entry], [result]))
    code, _, text, words = _run(path, "--compiler", stand_in("refuses"))
    assert code == 1
    assert "Model could not be parsed" in text
    assert "keyword.tflite: the compiler will refuse this file over CONV_2D version 6 (operation 0)" in words
    assert "grouped convolution" in words


def test_a_good_pair_is_inspected_and_reported(make_bundle: MakeBundle, stand_in: StandIn) -> None:
    path = make_bundle()
    code, data, _, _ = _run(path, "--compiler", stand_in())
    assert code == 0
    assert data["micro"] == {"runs": True, "reasons": [], "notes": []}
    assert data["on_chip_bytes"] == 2 * 50_944
    assert data["streamed_bytes"] == 0
    assert [item["file"] for item in data["inspected"]] == [
        "keyword_edgetpu.tflite",
        "acoustic_edgetpu.tflite",
    ]
    assert read_bundle(path).report("compile") == data


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("partial", ["1 of 4 operations stay on the host (LOGISTIC)"]),
        # The log of a search counts its part only: the file is what shows the rest.
        ("hides-host-ops", ["1 of 4 operations stay on the host (LOGISTIC)"]),
        ("streams", ["1509952 bytes of parameters are sent at every inference"]),
        ("two-parts", ["2 Edge TPU parts", "2 Edge TPU operations: the Micro runs models with one"]),
        ("scratch", ["672 bytes of scratch memory", "not deterministic"]),
        ("two-inputs", ["2 inputs: the driver reads all of them from the first tensor"]),
        ("two-tokens", ["2 caching tokens"]),
        ("large-file", ["the budget has 1800000"]),
    ],
)
def test_the_check_fails_and_says_why(
    behaviour: str, words: list[str], make_bundle: MakeBundle, stand_in: StandIn
) -> None:
    path = make_bundle()
    code, data, text, _ = _run(path, "--compiler", stand_in(behaviour))
    assert code == 1
    assert data["compiled"] is True
    for word in words:
        assert word in text
    assert "\n" not in text


def test_what_is_no_compiled_file_is_not_put_into_the_bundle(
    make_bundle: MakeBundle, stand_in: StandIn
) -> None:
    path = make_bundle()
    before = path.read_bytes()
    code, data, text, _ = _run(path, "--compiler", stand_in("garbage"))
    assert (code, data) == (1, {})
    assert "what it wrote cannot be used: keyword_edgetpu.tflite" in text
    assert path.read_bytes() == before


def test_a_real_compiled_file_goes_through(
    make_bundle: MakeBundle,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    shared_models: Callable[[str], Path],
) -> None:
    program = stand_in()
    monkeypatch.setenv("STAND_IN_COPY", str(shared_models("coralmicro/voice_commands_v0.7_edgetpu.tflite")))
    code, data, text, _ = _run(make_bundle(), "--compiler", program)
    assert code == 0, text
    assert data["on_chip_bytes"] == 2 * 487_168
    assert data["total_bytes"] == 2 * 578_096
    monkeypatch.setenv("STAND_IN_COPY", str(shared_models("lstm/keras_lstm_mnist_ptq_edgetpu.tflite")))
    code, data, text, _ = _run(make_bundle(), "--compiler", program)
    assert code == 1
    assert "keyword_edgetpu.tflite: 3 inputs" in text
    assert "acoustic_edgetpu.tflite: 672 bytes of scratch" in text
