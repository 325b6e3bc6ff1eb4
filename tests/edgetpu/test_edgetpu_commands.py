"""The commands check, compile, budget and estimate: keys, exit codes, words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from tflite_builder import small_net
from typer.testing import CliRunner

from edge_ser.bundle import read_bundle
from edge_ser.cli.budget import budget
from edge_ser.cli.check import check
from edge_ser.cli.compile import compile_bundle
from edge_ser.cli.estimate import estimate
from edge_ser.errors import EdgeSerError

MakeBundle = Callable[..., Path]
app = typer.Typer()
for name, function in (
    ("check", check),
    ("compile", compile_bundle),
    ("budget", budget),
    ("estimate", estimate),
):
    app.command(name)(function)


def _run(*words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code by the contract, the JSON object and the error's text."""
    result = CliRunner().invoke(app, [*words, "--json"])
    data = json.loads(result.stdout) if result.stdout.startswith("{") else {}
    if isinstance(result.exception, EdgeSerError):
        return result.exception.exit_code, data, str(result.exception)
    return result.exit_code, data, result.output


def test_check_of_a_model_that_maps(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(small_net())
    code, data, _ = _run("check", str(path))
    assert code == 0
    assert data["maps_fully"] is True
    assert data["host_ops"] == []
    assert [op["op"] for op in data["ops"]] == ["CONV_2D", "CONV_2D"]
    assert {"index", "op", "tensor", "mapped", "rule", "hint"} <= set(data["ops"][0])


def test_check_of_a_model_that_does_not_map(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(small_net(extra="HARD_SWISH"))
    code, data, text = _run("check", str(path))
    assert code == 1
    assert data["maps_fully"] is False
    assert data["host_ops"] == ["HARD_SWISH", "CONV_2D"]
    assert data["ops"][1]["mapped"] is False
    assert "operation 1 HARD_SWISH" in text
    assert "\n" not in text


def test_check_for_people_shows_names_that_look_like_markup(tmp_path: Path) -> None:
    from tflite_builder import Builder

    builder = Builder()
    source = builder.tensor((1, 8, 8, 4))
    result = builder.tensor((1, 8, 8, 4), name="[/bold]x[red]")
    builder.op("CUSTOM", [source], [result], custom=b"[/nothing]Flex")
    path = tmp_path / "net.tflite"
    path.write_bytes(builder.finish([source], [result]))
    result_ = CliRunner().invoke(app, ["check", str(path)])
    assert "[/bold]x[red]" in result_.stdout
    assert "[/nothing]Flex" in result_.stdout


def test_check_of_a_bundle_covers_both_nets(make_bundle: MakeBundle) -> None:
    code, data, _ = _run("check", str(make_bundle()))
    assert code == 0
    assert {op["model"] for op in data["ops"]} == {"keyword", "acoustic"}


@pytest.mark.parametrize("command", ["check", "estimate"])
def test_bad_files_are_bad_input(command: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(b"RIFF....WAVE")
    assert _run(command, str(path))[0] == 2
    assert _run(command, str(tmp_path / "absent.tflite"))[0] == 2
    assert _run(command, str(tmp_path / "absent.edgeser"))[0] == 2


def test_estimate_of_a_bundle(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    code, data, _ = _run("estimate", str(path), "--target", "usb3")
    assert code == 0
    assert data["predicted"] is True
    assert 0 < data["ms"]["low"] < data["ms"]["mid"] < data["ms"]["high"]
    assert {term["term"] for term in data["terms"]} >= {"instructions", "compute", "outputs"}
    assert _run("estimate", str(path), "--target", "usb4")[0] == 2
    people = CliRunner().invoke(app, ["estimate", str(path)])
    assert "predicted, not measured" in " ".join(people.stdout.split())


@pytest.mark.usefixtures("no_compiler")
def test_compile_without_a_compiler_predicts_and_ends_with_3(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    before = path.read_bytes()
    code, data, text = _run("compile", str(path))
    assert code == 3
    assert text.startswith("not compiled for the Edge TPU: edgetpu_compiler not found")
    assert "coral-edgetpu-stable" in text
    assert "runs on the CPU" in text
    assert (data["compiled"], data["predicted"]) == (False, True)
    assert data["total_bytes"] > 0
    assert path.read_bytes() == before


def test_compile_writes_both_files_and_a_report_into_the_bundle(
    make_bundle: MakeBundle, stand_in: Callable[..., Path]
) -> None:
    path = make_bundle()
    code, data, _ = _run("compile", str(path), "--compiler", str(stand_in()))
    assert code == 0
    bundle = read_bundle(path)
    sizes = {name: len(bundle.member(f"{name}_edgetpu.tflite")) for name in ("keyword", "acoustic")}
    assert data["bytes"] == sizes
    assert data["total_bytes"] == sum(sizes.values())
    assert data["compiled"] is True
    assert data["versions"] == {"edgetpu_compiler": "16.0.384591198"}
    assert data["on_chip_bytes"] == 2 * 50_944
    assert data["mapped"]["acoustic"] == {"operations": 4, "mapped": 4}
    assert bundle.report("compile") == data
    assert _run("compile", str(path), "--compiler", str(stand_in()))[0] == 0


@pytest.mark.parametrize(
    ("behaviour", "words"), [("partial", "stay on the host"), ("streams", "sent at every inference")]
)
def test_compile_fails_the_check_where_the_micro_would_not_run_it_whole(
    behaviour: str, words: str, make_bundle: MakeBundle, stand_in: Callable[..., Path]
) -> None:
    path = make_bundle()
    code, data, text = _run("compile", str(path), "--compiler", str(stand_in(behaviour)))
    assert code == 1
    assert words in text
    assert data["compiled"] is True


def test_a_failed_compile_leaves_the_bundle_alone(
    make_bundle: MakeBundle, stand_in: Callable[..., Path]
) -> None:
    path = make_bundle()
    before = path.read_bytes()
    code, _, text = _run("compile", str(path), "--compiler", str(stand_in("refuses")))
    assert code == 1
    assert "Model could not be parsed" in text
    assert path.read_bytes() == before


def test_budget_within_and_over(make_bundle: MakeBundle) -> None:
    code, data, _ = _run("budget", str(make_bundle()))
    assert code == 0
    assert data["within"] is True
    assert {"compiled_bytes", "int8_bytes", "latency_ms", "arena_bytes"} <= {
        item["name"] for item in data["items"]
    }
    assert all({"name", "value", "limit", "ok"} <= set(item) for item in data["items"])
    code, data, text = _run("budget", str(make_bundle(reports__quantize=b'{"drop": 40.0}')))
    assert code == 1
    assert "int8_drop_points is 40" in text
    assert data["within"] is False


def test_commands_run_where_tensorflow_is_not_installed(make_bundle: MakeBundle) -> None:
    script = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None
from pathlib import Path
from edge_ser.cli.budget import budget
from edge_ser.cli.check import check
from edge_ser.cli.estimate import estimate
path = Path(sys.argv[1])
check(path, as_json=True)
estimate(path, as_json=True)
budget(path, as_json=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(make_bundle())], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
