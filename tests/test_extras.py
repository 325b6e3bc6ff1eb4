"""What `pip install edge-ser` alone leaves out, and what is said where a command needs it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.cli.extras import EXTRAS, missing_extra

PROJECT = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {"sklearn": "scikit-learn", "serial": "pyserial", "tensorflow": "tensorflow-cpu"}
INDIRECT = {"h5py"}
"""Comes with keras."""

WITHOUT = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("scipy", "sklearn", "joblib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Wall())
from edge_ser.cli.main import main
main()
"""


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!;\\[ ]", one, maxsplit=1)[0].lower() for one in requirements}


@pytest.mark.parametrize("module", sorted(set(EXTRAS) - INDIRECT))
def test_the_extra_that_is_named_brings_the_package(module: str) -> None:
    name = DISTRIBUTIONS.get(module, module.replace("_", "-"))
    assert name in _names(PROJECT["optional-dependencies"][EXTRAS[module]])
    assert name not in _names(PROJECT["dependencies"])


def test_what_trains_also_evaluates() -> None:
    assert "edge-ser[evaluate]" in PROJECT["optional-dependencies"]["train"]


def test_other_missing_modules_stay_a_fault_of_ours() -> None:
    assert missing_extra(ModuleNotFoundError("No module named 'edge_ser.typo'", name="edge_ser.typo")) is None
    assert missing_extra(ModuleNotFoundError("?")) is None
    found = missing_extra(ModuleNotFoundError("No module named 'scipy.signal'", name="scipy.signal"))
    assert found is not None
    assert "pip install 'edge-ser[evaluate]'" in str(found)


def test_a_command_that_needs_an_extra_says_so_in_one_line_and_ends_with_3(tmp_path: Path) -> None:
    command = ["evaluate", str(shipped_bundle()), "--corpus", "folder", "--root", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "pip install 'edge-ser[evaluate]'" in line


@pytest.mark.parametrize(
    "command",
    [
        ("check", str(shipped_bundle())),
        ("estimate", str(shipped_bundle())),
        ("corpus", "list"),
        ("show", "--card"),
    ],
    ids=" ".join,
)
def test_the_others_run_without(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *command, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
