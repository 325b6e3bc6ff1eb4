"""What every command keeps to: quick help with an example, exit codes, JSON alone on standard output."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMANDS = (
    ("corpus", "list"),
    ("corpus", "check"),
    ("corpus", "synth"),
    ("features",),
    ("parity",),
    ("train",),
    ("quantize",),
    ("check",),
    ("compile",),
    ("inspect",),
    ("estimate",),
    ("calibrate",),
    ("bench",),
    ("budget",),
    ("evaluate",),
    ("show",),
    ("classify",),
    ("report",),
    ("listen",),
    ("explain",),
    ("init",),
    ("doctor",),
)


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge_ser.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    done = _run(*command, "--help")
    assert done.returncode == 0
    assert "Example: edge-ser " + " ".join(command) in " ".join(done.stdout.split())


def test_help_needs_nothing_heavy() -> None:
    """Under half a second on a quiet machine; the cause of a slow help is an import, and that is what is tested."""
    heavy = "{'tensorflow', 'keras', 'scipy', 'sklearn', 'soundfile', 'ai_edge_litert', 'numpy'}"
    script = f"import sys, edge_ser.cli.main; sys.exit(' '.join(sorted({heavy} & set(sys.modules))) or 0)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"imported for --help: {done.stderr}"


def test_help_is_quick() -> None:
    def once() -> float:
        started = time.monotonic()
        _run("--help")
        return time.monotonic() - started

    # The best of five: other work on the machine only ever adds.
    assert min(once() for _ in range(5)) < 1.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("classify", "absent.edgeser", "a.wav"), "absent.edgeser"),
        (("train", "absent.toml", "--root", ".", "--words-root", ".", "-o", "out"), "absent.toml"),
        (("quantize", "absent-folder"), "absent-folder"),
        (("check", "absent.tflite"), "absent.tflite"),
        (("corpus", "check", "no-such-corpus", "--root", "."), "no-such-corpus"),
        (("features", "absent.wav", "-o", "out.npy"), "absent.wav"),
        (("parity", "--spec", "absent.toml"), "absent.toml"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = _run(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert words in line
    assert not Path("out").exists()


def test_json_is_alone_on_standard_output() -> None:
    for command in (("corpus", "list"), ("doctor",)):
        done = _run(*command, "--json")
        assert done.returncode == 0
        assert isinstance(json.loads(done.stdout), dict)


def test_version() -> None:
    from edge_ser import __version__

    assert _run("--version").stdout.strip() == f"edge-ser {__version__}"


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from edge_ser.cli import main as command_line

    def stopped(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_ser.bundle.read_bundle", stopped)
    monkeypatch.setattr(sys, "argv", ["edge-ser", "show", "any.edgeser"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 130
    assert "stopped" in capsys.readouterr().err


_STOPPED_FROM_OUTSIDE = """
import os, signal, sys, time
from edge_ser.cli import main

@main.app.command()
def wait() -> None:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
    finally:
        print("tidied up")

sys.argv = ["edge-ser", "wait"]
main.main()
"""


def test_ended_from_outside_it_tidies_up_as_after_ctrl_c() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STOPPED_FROM_OUTSIDE], capture_output=True, text=True, timeout=25, check=False
    )
    assert (done.returncode, done.stdout) == (130, "tidied up\n")
    assert done.stderr.splitlines()[-1] == "edge-ser: stopped; nothing half-written was left behind"


def test_training_the_float_reference_says_at_once_that_no_bundle_comes_of_it(tmp_path: Path) -> None:
    places = ("--root", str(tmp_path / "absent"), "--words-root", str(tmp_path / "absent"))
    asked = ("train", "models/base.toml", *places, "-o", str(tmp_path / "out"))
    assert "no bundle" not in _run(*asked).stderr
    assert "make no bundle of it" in _run(*asked, "--set", "acoustic.mixing=attention").stderr
