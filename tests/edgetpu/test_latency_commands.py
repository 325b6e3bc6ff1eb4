"""The commands estimate, calibrate and budget: keys, exit codes, words, and how quickly they start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from package_builder import Compiled, Layer
from tflite_builder import small_net
from typer.testing import CliRunner

from edge_ser.cli.budget import budget
from edge_ser.cli.calibrate import calibrate
from edge_ser.cli.estimate import estimate
from edge_ser.edgetpu.targets import load_target
from edge_ser.errors import EdgeSerError

MakeBundle = Callable[..., Path]
app = typer.Typer()
for name, function in (("budget", budget), ("calibrate", calibrate), ("estimate", estimate)):
    app.command(name)(function)


def _run(*words: object) -> tuple[int, str, str]:
    """Exit code by the contract, standard output, and the error's text."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, EdgeSerError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.output


def _json(*words: object) -> dict[str, Any]:
    code, text, error = _run(*words, "--json")
    assert code == 0, error
    return json.loads(text)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(small_net())
    return path


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """What the model beside it could have been compiled to."""
    path = tmp_path / "net_edgetpu.tflite"
    path.write_bytes(Compiled(inputs=(Layer("in", 1024, (16, 16, 4)),), instructions=(7000,)).data())
    return path


def test_an_uncompiled_model_gives_a_range_and_says_predicted(net: Path) -> None:
    data = _json("estimate", net, "--target", "usb2")
    assert (data["estimate"], data["predicted"], data["target"]) == (True, True, "usb2")
    assert data["operations"] == {"net": 2}
    size = data["bytes"]["net"]
    assert not size["exact"]
    assert size["instructions"]["low"] < size["instructions"]["mid"] < size["instructions"]["high"]
    assert (size["inputs"], size["outputs"], size["streamed"]) == (1024, 4096, 0)
    assert data["first_ms"]["mid"] > data["ms"]["mid"]
    assert data["dominant"] in {term["term"] for term in data["terms"]}
    assert data["energy"] is None


def test_a_compiled_file_gives_exact_bytes_and_is_still_an_estimate(net: Path, compiled: Path) -> None:
    data = _json("estimate", compiled)
    assert (data["estimate"], data["predicted"]) == (True, False)
    assert data["operations"] == {"net_edgetpu": 2}
    assert data["bytes"]["net_edgetpu"]["instructions"] == {"low": 7000, "mid": 7000, "high": 7000}
    assert data["bytes"]["net_edgetpu"]["exact"] is True
    assert data == _json("estimate", compiled, "--source", net)
    words = " ".join(_run("estimate", compiled)[1].split())
    assert "7,000 bytes of instructions, read from the compiled file" in words
    assert "--source" not in words
    net.unlink()
    assert _json("estimate", compiled)["operations"] == {"net_edgetpu": 0}
    assert "--source names what it was compiled from" in " ".join(_run("estimate", compiled)[1].split())


def test_sources_that_are_none_are_refused(net: Path, compiled: Path, make_bundle: MakeBundle) -> None:
    assert _run("estimate", net, "--source", net)[0] == 2
    assert _run("estimate", compiled, "--source", compiled)[0] == 2
    code, _, text = _run("estimate", make_bundle(), "--source", net)
    assert code == 2
    assert "a bundle holds its own sources" in text


def test_energy_is_named_model_based(net: Path) -> None:
    data = _json("estimate", net, "--period-s", "5")
    energy = data["energy"]
    assert (energy["model_based"], energy["period_s"]) == (True, 5.0)
    for key in ("decision_mj", "first_mj", "average_w_kept_powered", "average_w_switched_off"):
        assert 0 < energy[key]["low"] < energy[key]["mid"] < energy[key]["high"]
    words = " ".join(_run("estimate", net)[1].split())
    assert "predicted, not measured" in words
    assert "Energy, model-based" in words
    assert "CONV_2D" in words
    code, _, text = _run("estimate", net, "--period-s", "0.0001")
    assert code == 2
    assert "what a decision takes" in text


def test_what_stays_on_the_host_is_said(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(small_net(extra="HARD_SWISH"))
    assert _json("estimate", path)["host_ops"] == {"net": ["HARD_SWISH", "CONV_2D"]}
    assert "on the host and not in the estimate: HARD_SWISH, CONV_2D" in " ".join(
        _run("estimate", path)[1].split()
    )


def test_all_clocks_of_the_micro(net: Path) -> None:
    middles = [_json("estimate", net, "--clock-mhz", clock)["ms"]["mid"] for clock in (63, 125, 250, 500)]
    assert middles == sorted(middles, reverse=True)
    assert len(set(middles)) == 4
    assert _run("estimate", net, "--clock-mhz", 400)[0] == 2


def test_a_board_is_measured_fitted_and_used(net: Path, tmp_path: Path) -> None:
    wide = tmp_path / "wide.tflite"
    wide.write_bytes(small_net(512))
    # Boards of the same kind, half as fast as the middle.
    models = (net, wide)
    times = {path: 2 * _json("estimate", path)["ms"]["mid"] for path in models}
    table = tmp_path / "mine.csv"
    rows = [f"{path.name},{times[path] * factor}" for path in models for factor in (0.98, 1.0, 1.02)]
    table.write_text("\n".join(["model,ms", *rows]) + "\n")
    target = tmp_path / "mine.toml"
    data = _json("calibrate", table, "-o", target)
    assert (data["from"], data["measurements"]) == ("coral-micro", 6)
    assert data["median_error"] < 0.1
    assert load_target(target).name == "mine"
    for path in models:
        assert _json("estimate", path, "--target", target)["ms"]["mid"] == pytest.approx(times[path], rel=0.1)
    assert _json("estimate", net, "--target", target)["target"] == "mine"
    assert "estimated ms" in _run("calibrate", table, "-o", target)[1]


def test_a_calibration_that_fails_writes_nothing(net: Path, tmp_path: Path) -> None:
    table, target = tmp_path / "mine.csv", tmp_path / "mine.toml"
    table.write_text("model,ms\nnet.tflite,3\n")
    code, _, text = _run("calibrate", table, "-o", target)
    assert code == 2
    assert "measurements: 1; expected at least 3" in text
    assert _run("calibrate", table, "-o", tmp_path / "mine.txt")[0] == 2
    assert not target.exists()


def test_a_budget_as_markdown(make_bundle: MakeBundle, tmp_path: Path) -> None:
    path = make_bundle()
    before = tmp_path / "before.json"
    code, text, _ = _run("budget", path, "--json")
    assert code == 0
    before.write_text(text)
    code, text, _ = _run("budget", path, "--markdown")
    assert code == 0
    assert text.startswith("### Budget of tiny\n")
    assert "| item | now | limit |" in text
    over = make_bundle(reports__quantize=b'{"drop": 40.0}')
    code, text, error = _run("budget", over, "--markdown", "--before", before)
    assert code == 1
    assert "int8_drop_points is 40" in error
    assert "| item | before | now | change |" in text
    assert "Over the budget: int8_drop_points." in text


def test_options_that_exclude_each_other_are_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    path = make_bundle()
    assert _run("budget", path, "--before", tmp_path / "x")[0] == 2
    assert _run("budget", path, "--markdown", "--json")[0] == 2
    assert _run("budget", path, "--markdown", "--before", tmp_path / "x")[0] == 2


QUICK = """
import sys
for name in ("tensorflow", "keras", "scipy", "sklearn", "ai_edge_litert"):
    sys.modules[name] = None
from pathlib import Path
from edge_ser.cli.budget import budget
from edge_ser.cli.estimate import estimate
globals()[sys.argv[1]](Path(sys.argv[2]), as_json=True)
"""


@pytest.mark.parametrize("command", ["estimate", "budget"])
def test_a_file_of_four_megabytes_takes_less_than_a_second(
    command: str, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    """Start included, without TensorFlow, scipy and scikit-learn."""
    large = small_net(670)
    assert len(large) > 4_000_000
    path = make_bundle(acoustic=large)
    if command == "estimate":
        path = tmp_path / "large.tflite"
        path.write_bytes(large)

    def once() -> float:
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-c", QUICK, command, str(path)], capture_output=True, text=True, check=False
        )
        # Over the 1.8 MB of the budget, and so not exit 0.
        assert done.stdout.startswith("{"), done.stderr
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # Processor time, of which other work on the machine takes nothing; a quiet machine takes no longer.
    assert min(once() for _ in range(5)) < 1.0
