"""`edge-ser doctor`: what is installed, what is missing, how to get it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.doctor_probe import answer_lines, import_answers, probe_compiler
from edge_ser.cli.output import JsonFlag, emit, say, table

if TYPE_CHECKING:
    from rich.console import RenderableType


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
    """

    name: str
    found: bool
    version: str
    needed_for: str
    how: str
    required: bool = False


_DISTRIBUTIONS = (
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
    Item("tensorflow-cpu", False, "", "train, quantize", "pip install 'edge-ser[train]'"),
    Item("keras", False, "", "train, quantize", "pip install 'edge-ser[train]'"),
    Item("espeakng-loader", False, "", "corpus synth", "pip install 'edge-ser[train]'"),
    Item("matplotlib", False, "", "features --plot, bench -o FILE.svg", "pip install 'edge-ser[plot]'"),
    Item("sounddevice", False, "", "tools/rerecord.py", "pip install 'edge-ser[mic]'"),
    Item("pyserial", False, "", "bench and classify on a board", "pip install 'edge-ser[board]'"),
    Item("tflite-micro", False, "", "arena in budget, bench --backend tflm", "pip install 'edge-ser[micro]'"),
)
# Distributions that serve in place of the one that is named.
_INSTEAD = {"tensorflow-cpu": ("tensorflow", "tensorflow-gpu"), "ai-edge-litert": ("tflite-runtime",)}
_GOOGLE_PYCORAL_FILE = "pycoral/utils/edgetpu.py"
_PYCORAL_HOW = (
    "uninstall it: the pycoral of PyPI is an unrelated tool; Google's is on google-coral.github.io/py-repo"
)


def doctor(
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Compile the probe models with your compiler; check then uses its answers."
        ),
    ] = False,
    compiler: Annotated[
        str | None, typer.Option(metavar="PROGRAM", help="The edgetpu_compiler for --probe.")
    ] = None,
    pack: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Where --probe writes the models if there is no compiler."),
    ] = Path("probe-pack"),
    import_from: Annotated[
        Path | None,
        typer.Option(
            "--import",
            metavar="FILE|FOLDER",
            help="Take a table, or a compiled probe pack, of another machine.",
        ),
    ] = None,
    op_table: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the answers are kept; default: a place of your own."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what is installed, what is missing and how to get it; ends with 3 where a needed one is missing.

    Nothing heavy is imported to find out. --probe and --import teach check what your compiler really maps.

    Example: edge-ser doctor
    """
    from edge_ser.errors import InputError, MissingError

    if probe and import_from is not None:
        message = "--probe and --import together; expected one of them"
        raise InputError(message)
    answers: dict[str, Any] = {}
    if probe:
        answers = probe_compiler(compiler, pack, op_table)
    elif import_from is not None:
        answers = import_answers(import_from, op_table)
    items = examine()
    data = {"items": [asdict(item) for item in items], **({"probe": answers} if answers else {})}
    emit(data, as_json, lambda: _render(items, answers))
    trap = next((item for item in items if item.name == "pycoral" and item.how), None)
    if trap is not None:
        say(f"warning: pycoral {trap.version}: {trap.how}")
    missing = [item.name for item in items if item.required and not item.found]
    if missing:
        message = f"missing: {', '.join(missing)}; run: pip install edge-ser"
        raise MissingError(message)


def examine() -> tuple[Item, ...]:
    """Look at this machine."""
    return (
        _python(),
        *map(_distribution, _DISTRIBUTIONS),
        _pycoral(),
        *_libraries(),
        _compiler(),
        _op_table(),
        _native_front_end(),
        *_cortex_m7(),
    )


def _python() -> Item:
    import platform
    import sys

    how = "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer"
    return Item("python", not how, platform.python_version(), "everything", how, required=True)


def _distribution(item: Item) -> Item:
    from dataclasses import replace

    for name in (item.name, *_INSTEAD.get(item.name, ())):
        version = _installed(name)
        if version:
            other = "" if name == item.name else f" ({name})"
            return replace(item, found=True, version=f"{version}{other}", how="")
    return item


def _installed(name: str) -> str:
    """Version of an installed distribution, ``""`` where there is none."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _pycoral() -> Item:
    from importlib import metadata

    purpose = "nothing here; a trap to know of"
    version = _installed("pycoral")
    if not version:
        return Item("pycoral", False, "", purpose, "")
    files = {str(file) for file in metadata.files("pycoral") or ()}
    how = "" if _GOOGLE_PYCORAL_FILE in files else _PYCORAL_HOW
    return Item("pycoral", True, version, purpose, how)


def _libraries() -> tuple[Item, ...]:
    from ctypes.util import find_library

    wanted = (
        ("portaudio", "portaudio", "tools/rerecord.py", "apt install libportaudio2"),
        (
            "libedgetpu",
            "edgetpu",
            "bench --backend usb",
            "apt package libedgetpu1-std of coral-edgetpu-stable",
        ),
    )
    items = []
    for name, library, purpose, how in wanted:
        found = find_library(library)
        items.append(Item(name, found is not None, found or "", purpose, "" if found else how))
    return tuple(items)


def _compiler() -> Item:
    from edge_ser.edgetpu.compiler import INSTALL_HINT, NAME, compiler_version, find_compiler
    from edge_ser.errors import CheckError

    purpose = "compile"
    path = find_compiler(None)
    if path is None:
        return Item(NAME, False, "", purpose, INSTALL_HINT)
    try:
        return Item(NAME, True, compiler_version(path), purpose, "")
    except CheckError as error:
        return Item(NAME, False, "", purpose, str(error))


def _op_table() -> Item:
    from edge_ser.edgetpu.op_table import read_table, table_path
    from edge_ser.errors import InputError

    name, purpose, how = "op table", "check, with your compiler's own answers", "edge-ser doctor --probe"
    place = table_path()
    if place is None or not place.exists():
        return Item(name, False, "", purpose, how)
    try:
        table = read_table(place)
    except InputError as error:
        return Item(name, False, "", purpose, str(error))
    return Item(name, True, f"compiler {table.compiler}, {len(table.results)} answers", purpose, "")


def _native_front_end() -> Item:
    from edge_ser.frontend.extension import BUILT, WHY_NOT

    version = "built" if BUILT else ""
    return Item("native front end", BUILT, version, "speed; without it NumPy's works", WHY_NOT)


def _cortex_m7() -> tuple[Item, ...]:
    import shutil

    items = []
    for name in ("arm-none-eabi-g++", "qemu-system-arm"):
        path = shutil.which(name)
        how = (
            ""
            if path
            else "make m7-deps (Debian: gcc-arm-none-eabi, libstdc++-arm-none-eabi-newlib, qemu-system-arm)"
        )
        items.append(Item(name, path is not None, path or "", "parity on an emulated Cortex-M7", how))
    return tuple(items)


def _render(items: tuple[Item, ...], answers: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    rows = [(item.name, "yes" if item.found else "no", item.version, item.needed_for) for item in items]
    lines = [Text(f"{item.name}: {item.how}") for item in items if item.how]
    return Group(
        table("edge-ser doctor", ("name", "found", "version", "needed for"), rows),
        *lines,
        *answer_lines(answers),
    )
