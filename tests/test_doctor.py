"""`edge-ser doctor`: what it finds, what it warns of, how it ends."""

from __future__ import annotations

import ctypes.util
import json
import shutil
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from edge_ser.cli.doctor import doctor, examine
from edge_ser.cli.doctor_hardware import boards, edge_tpu
from edge_ser.errors import MissingError

app = typer.Typer()
app.command()(doctor)

NOBODY = "rpc:127.0.0.1:1"
"""Where no board answers, whatever network the machine is on."""


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without compiler."""
    monkeypatch.delenv("EDGETPU_COMPILER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("only")
def test_items_and_keys() -> None:
    result = CliRunner().invoke(app, ["--json", "--board", NOBODY])
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
    for item in examine(NOBODY):
        assert item.needed_for
        assert item.found or item.how or item.name == "pycoral"


def test_nothing_heavy_is_imported() -> None:
    script = f"import sys; from edge_ser.cli.doctor import examine; examine({NOBODY!r}); print(*sys.modules)"
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
    result = CliRunner().invoke(app, ["--board", NOBODY])
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
    result = CliRunner().invoke(app, ["--json", "--board", NOBODY])
    assert isinstance(result.exception, MissingError)
    assert "soxr" in str(result.exception)
    items = {item["name"]: item for item in json.loads(result.stdout)["items"]}
    assert (items["soxr"]["found"], items["soxr"]["required"]) == (False, True)


def test_a_broken_compiler_is_reported_and_not_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "edgetpu_compiler"
    program.write_text("#!/bin/sh\necho cannot open shared object\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setenv("EDGETPU_COMPILER", str(program))
    compiler = next(item for item in examine(NOBODY) if item.name == "edgetpu_compiler")
    assert not compiler.found
    assert "cannot open shared object" in compiler.how


GROUPS = ("packages", "edge-ser", "Edge TPU", "board", "microphone", "build tools")


@pytest.mark.usefixtures("only")
def test_every_group_is_there_and_the_table_says_how() -> None:
    items = examine(NOBODY)
    assert tuple(dict.fromkeys(item.group for item in items)) == GROUPS
    shown = CliRunner().invoke(app, ["--board", NOBODY]).stdout
    assert all(group in shown for group in GROUPS)
    assert "Missing, and how to get it" in shown
    assert "sudo" not in shown


def _usb(folder: Path, port: str, vendor: str, product: str) -> Path:
    """A device as the kernel shows it below /sys."""
    device = folder / port
    device.mkdir(parents=True)
    (device / "idVendor").write_text(f"{vendor}\n")
    (device / "idProduct").write_text(f"{product}\n")
    return device


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (("18D1", "93ff"), "running"),
        (("1fc9", "013d"), "boot ROM"),
        (("18d1", "9302"), None),
        (("zz", "\x00"), None),
    ],
)
def test_a_board_on_usb(ids: tuple[str, str], words: str | None, tmp_path: Path) -> None:
    _usb(tmp_path / "usb", "1-1", *ids)
    _usb(tmp_path / "usb", "1-2", "1d6b", "0002")
    (tmp_path / "usb" / "1-2:1.0").mkdir()
    item = boards(NOBODY, tmp_path / "usb", tmp_path / "tty")[0]
    assert item.found == (words is not None)
    assert item.how if words is None else words in item.version


def test_a_board_on_a_serial_port(tmp_path: Path) -> None:
    device = _usb(tmp_path / "devices", "1-1", "18d1", "93ff")
    other = _usb(tmp_path / "devices", "1-2", "2341", "0043")
    for port, usb in (("ttyACM7", device), ("ttyACM3", other)):
        (usb / "interface").mkdir()
        (tmp_path / "tty" / port).mkdir(parents=True)
        (tmp_path / "tty" / port / "device").symlink_to(usb / "interface")
    item = boards(NOBODY, tmp_path / "usb", tmp_path / "tty")[1]
    assert (item.found, item.version) == (True, "/dev/ttyACM7")


def test_something_else_that_answers_is_no_board() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        started = time.monotonic()
        item = boards(f"rpc:127.0.0.1:{port}")[2]
    assert not item.found
    assert "edge-ser's firmware" in item.how
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("address", ["nonsense", "rpc:host:99999", "serial:/dev/no-such-port", "tcp:", ""])
def test_an_address_that_is_none(address: str) -> None:
    item = boards(address)[2]
    assert not item.found
    assert item.how


LIBRARY = """
#include <stddef.h>
void *edgetpu_list_devices(size_t *count) { *count = 2; return NULL; }
const char *edgetpu_version(void) { return "RuntimeVersion(14)"; }
"""
CRASHES = LIBRARY + "__attribute__((constructor)) static void crash(void) { *(volatile int *)0 = 0; }"


@pytest.mark.parametrize(("source", "found"), [(LIBRARY, True), (CRASHES, False), ("int nothing;", False)])
def test_the_delegates_library_is_loaded_elsewhere(
    source: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is absent; it builds a library that stands in for libedgetpu")
    (tmp_path / "library.c").write_text(source)
    library = tmp_path / "libedgetpu.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", str(tmp_path / "library.c"), "-o", str(library)], check=True
    )
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: str(library) if name == "edgetpu" else None)
    item = next(item for item in edge_tpu() if item.name == "libedgetpu")
    assert item.found == found
    if found:
        assert "RuntimeVersion(14), 2 devices" in item.version
    else:
        assert "does not load" in item.how


def test_the_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORALMICRO", str(tmp_path))
    item = boards(NOBODY)[3]
    assert not item.found
    assert "submodules" in item.how
