"""`edge-ser doctor`: what it finds, what it warns of, how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from edge_ser.cli.doctor import doctor, examine
from edge_ser.errors import MissingError

app = typer.Typer()
app.command()(doctor)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without compiler."""
    monkeypatch.delenv("EDGETPU_COMPILER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("only")
def test_items_and_keys() -> None:
    result = CliRunner().invoke(app, ["--json"])
    items = {item["name"]: item for item in json.loads(result.stdout)["items"]}
    assert result.exit_code == 0
    assert all({"name", "found", "version", "needed_for", "how"} <= set(item) for item in items.values())
    assert items["numpy"]["version"] == np.__version__
    assert items["numpy"]["how"] == ""
    assert items["edgetpu_compiler"]["found"] is False
    assert "coral-edgetpu-stable" in items["edgetpu_compiler"]["how"]
    assert {"python", "ai-edge-litert", "tensorflow-cpu", "keras", "libedgetpu", "pycoral"} <= set(items)


@pytest.mark.usefixtures("only")
def test_what_is_missing_comes_with_the_way_to_get_it() -> None:
    for item in examine():
        assert item.needed_for
        assert item.found or item.how or item.name == "pycoral"


def test_nothing_heavy_is_imported() -> None:
    script = "import sys; from edge_ser.cli.doctor import examine; examine(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras", "ai_edge_litert", "numpy"} & set(done.stdout.split())


def _install(folder: Path, files: tuple[str, ...], version: str) -> None:
    """A distribution named pycoral in a folder of the path."""
    info = folder / f"pycoral-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pycoral\nVersion: {version}\n")
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


@pytest.mark.usefixtures("only")
@pytest.mark.parametrize(
    ("files", "version", "warned"),
    [
        (("pycoral/cli.py",), "0.2.0", True),
        (("pycoral/utils/edgetpu.py", "pycoral/__init__.py"), "2.0.0", False),
    ],
)
def test_the_unrelated_pycoral_is_warned_of(
    files: tuple[str, ...], version: str, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path / "site", files, version)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0
    assert (f"warning: pycoral {version}" in result.stderr) == warned


@pytest.mark.usefixtures("only")
def test_a_missing_required_package_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    found = metadata.version

    def version(name: str) -> str:
        if name == "soxr":
            raise metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(metadata, "version", version)
    result = CliRunner().invoke(app, ["--json"])
    assert isinstance(result.exception, MissingError)
    assert "soxr" in str(result.exception)
    items = {item["name"]: item for item in json.loads(result.stdout)["items"]}
    assert (items["soxr"]["found"], items["soxr"]["required"]) == (False, True)


def test_a_broken_compiler_is_reported_and_not_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "edgetpu_compiler"
    program.write_text("#!/bin/sh\necho cannot open shared object\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setenv("EDGETPU_COMPILER", str(program))
    compiler = next(item for item in examine() if item.name == "edgetpu_compiler")
    assert not compiler.found
    assert "cannot open shared object" in compiler.how
