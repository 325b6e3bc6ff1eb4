"""What `edge-ser doctor` reports, and the part of it that is Python packages and edge-ser's own pieces."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Final, Literal

Group = Literal["packages", "edge-ser", "Edge TPU", "board", "microphone", "build tools"]
"""What an item belongs to; the order is the one in which they are shown."""


@dataclass(frozen=True)
class Item:
    """One thing that a command may need.

    Attributes:
        name: what it is called.
        found: whether it is here.
        version: its version or place; ``""`` where not found.
        needed_for: the commands or purposes that need it.
        how: how to get it; ``""`` where it is here and well.
        required: whether nothing works without it.
        group: what it belongs to.
    """

    name: str
    found: bool
    version: str
    needed_for: str
    how: str
    required: bool = False
    group: Group = "packages"


_DISTRIBUTIONS: Final = (
    Item("numpy", False, "", "everything", "pip install edge-ser", required=True),
    Item(
        "ai-edge-litert",
        False,
        "",
        "classify, listen, evaluate, bench",
        "pip install edge-ser",
        required=True,
    ),
    Item("soundfile", False, "", "reading recordings", "pip install edge-ser", required=True),
    Item("soxr", False, "", "recordings at another sample rate", "pip install edge-ser", required=True),
    Item("scipy", False, "", "evaluate, explain, corpus synth, train", "pip install 'edge-ser[evaluate]'"),
    Item("scikit-learn", False, "", "evaluate, train", "pip install 'edge-ser[evaluate]'"),
    Item("tensorflow-cpu", False, "", "train, quantize", "pip install 'edge-ser[train]'"),
    Item("keras", False, "", "train, quantize", "pip install 'edge-ser[train]'"),
    Item("espeakng-loader", False, "", "corpus synth", "pip install 'edge-ser[train]'"),
    Item(
        "matplotlib",
        False,
        "",
        "features --plot, explain's picture, report, bench -o FILE.svg",
        "pip install 'edge-ser[plot]'",
    ),
    Item("sounddevice", False, "", "listen, tools/rerecord.py", "pip install 'edge-ser[mic]'"),
    Item("pyserial", False, "", "a board on its serial port", "pip install 'edge-ser[board]'"),
    Item("tflite-micro", False, "", "arena in budget, bench --backend tflm", "pip install 'edge-ser[micro]'"),
)
# Distributions that serve in place of the one that is named.
_INSTEAD: Final = {
    "tensorflow-cpu": ("tensorflow", "tensorflow-gpu"),
    "ai-edge-litert": ("tflite-runtime",),
}
_GOOGLE_PYCORAL_FILE: Final = "pycoral/utils/edgetpu.py"
_PYCORAL_HOW: Final = (
    "uninstall it: the pycoral of PyPI is an unrelated tool; Google's is on google-coral.github.io/py-repo"
)
_CHILD_LIMIT_S: Final = 10.0
_SHIPPED_SCRIPT: Final = """
from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import shipped_bundle
place = shipped_bundle()
print(read_bundle(place).spec.name)
print(place.stat().st_size)
"""


def packages() -> tuple[Item, ...]:
    """Python and the distributions that the extras name, by their metadata: none of them is imported."""
    return (_python(), *map(_distribution, _DISTRIBUTIONS), _pycoral())


def own_pieces() -> tuple[Item, ...]:
    """What comes with edge-ser: its version, the shipped bundle, the C extensions, the voices of the synthesiser."""
    from edge_ser import __version__

    return (
        Item("edge-ser", True, __version__, "everything", "", group="edge-ser"),
        _shipped(),
        _native_front_end(),
        _native_listener(),
        _voices(),
    )


def installed(name: str) -> str:
    """Version of an installed distribution, ``""`` where there is none."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def ask_child(script: str, *arguments: str) -> list[str] | None:
    """What a script prints in a process of its own, line by line; ``None`` where it fails, crashes or hangs.

    A library that was built for another machine or another TensorFlow may end the process that loads it.
    """
    command = [sys.executable, "-c", script, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_CHILD_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None


def _python() -> Item:
    import platform

    how = "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer"
    return Item("python", not how, platform.python_version(), "everything", how, required=True)


def _distribution(item: Item) -> Item:
    for name in (item.name, *_INSTEAD.get(item.name, ())):
        version = installed(name)
        if version:
            other = "" if name == item.name else f" ({name})"
            return replace(item, found=True, version=f"{version}{other}", how="")
    return item


def _pycoral() -> Item:
    from importlib import metadata

    purpose = "nothing here; a trap to know of"
    version = installed("pycoral")
    if not version:
        return Item("pycoral", False, "", purpose, "")
    files = {str(file) for file in metadata.files("pycoral") or ()}
    how = "" if _GOOGLE_PYCORAL_FILE in files else _PYCORAL_HOW
    return Item("pycoral", True, version, purpose, how)


def _shipped() -> Item:
    """The bundle that comes with the package, read as every command reads it: each hash in it is checked."""
    name, purpose = "shipped bundle", "every command that is given no bundle"
    told = ask_child(_SHIPPED_SCRIPT)
    if told is None:
        how = "this copy came without one, or it is damaged: reinstall edge-ser, or name a bundle (.edgeser)"
        return Item(name, False, "", purpose, how, group="edge-ser")
    return Item(name, True, f"{told[0]}, {int(told[1]) / 1e6:.1f} MB, whole", purpose, "", group="edge-ser")


def _native_front_end() -> Item:
    from edge_ser.frontend.extension import BUILT, WHY_NOT

    version = "built" if BUILT else ""
    purpose = "speed; without it NumPy's works"
    return Item("native front end", BUILT, version, purpose, WHY_NOT, group="edge-ser")


def _native_listener() -> Item:
    from importlib.util import find_spec

    found = find_spec("edge_ser.runtime._native") is not None
    how = "" if found else "install a C compiler (apt install gcc libc6-dev), then reinstall edge-ser"
    purpose = "stream parity; without it Python's listener works"
    return Item("native listener", found, "built" if found else "", purpose, how, group="edge-ser")


def _voices() -> Item:
    """The synthesiser's data: a wheel for another platform, or one cut down, has the package and lacks the voices."""
    name, purpose = "espeak-ng voices", "corpus synth"
    if not installed("espeakng-loader"):
        return Item(name, False, "", purpose, "pip install 'edge-ser[train]'", group="edge-ser")
    script = (
        "import espeakng_loader, pathlib; data = pathlib.Path(espeakng_loader.get_data_path()); "
        "pathlib.Path(espeakng_loader.get_library_path()).open('rb').close(); "
        "print(len(list((data / 'voices' / '!v').iterdir())))"
    )
    told = ask_child(script)
    if told is None:
        return Item(
            name, False, "", purpose, "pip install --force-reinstall espeakng-loader", group="edge-ser"
        )
    return Item(name, True, f"{told[0]} variants", purpose, "", group="edge-ser")
