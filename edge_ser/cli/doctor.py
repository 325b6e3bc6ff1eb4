"""`edge-ser doctor`: what is installed, what is missing, how to get it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.doctor_hardware import DEFAULT_BOARD
from edge_ser.cli.doctor_probe import answer_lines, import_answers, probe_compiler
from edge_ser.cli.output import JsonFlag, emit, say, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from edge_ser.cli.doctor_items import Item


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
    board: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="A board to ask: rpc:HOST[:PORT], serial:PORT or tcp:HOST:PORT."
        ),
    ] = DEFAULT_BOARD,
    as_json: JsonFlag = False,
) -> None:
    """Say what is installed, what is missing and how to get it; ends with 3 where a needed one is missing.

    Packages, the compiler and the delegate of the Edge TPU, boards on USB, serial port and network, PortAudio
    and microphones, compilers and emulator; with the commands that need each. Nothing heavy is imported to
    find out, and nothing is changed. --probe and --import teach check what your compiler really maps.

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
    items = examine(board)
    data = {"items": [asdict(item) for item in items], **({"probe": answers} if answers else {})}
    emit(data, as_json, lambda: _render(items, answers))
    trap = next((item for item in items if item.name == "pycoral" and item.how), None)
    if trap is not None:
        say(f"warning: pycoral {trap.version}: {trap.how}")
    missing = [item.name for item in items if item.required and not item.found]
    if missing:
        message = f"missing: {', '.join(missing)}; run: pip install edge-ser"
        raise MissingError(message)


def examine(board: str = DEFAULT_BOARD) -> tuple[Item, ...]:
    """Look at this machine.

    Args:
        board: address of a board to ask, as for `edge-ser bench --board`.

    Returns:
        Every item, by group.
    """
    from edge_ser.cli.doctor_hardware import boards, build_tools, edge_tpu, microphone
    from edge_ser.cli.doctor_items import own_pieces, packages

    return (*packages(), *own_pieces(), *edge_tpu(), *boards(board), *microphone(), *build_tools())


def _render(items: tuple[Item, ...], answers: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    missing = [Text(f"{item.name} ({item.needed_for}): {item.how}") for item in items if item.how]
    title = [Text("Missing, and how to get it; you need what you use:", style="bold")] if missing else []
    return Group(*_tables(items), *title, *missing, *answer_lines(answers))


def _tables(items: tuple[Item, ...]) -> Iterator[RenderableType]:
    for group in dict.fromkeys(item.group for item in items):
        rows = [
            (item.name, "yes" if item.found else "no", item.version, item.needed_for)
            for item in items
            if item.group == group
        ]
        yield table(group, ("name", "found", "version", "needed for"), rows)
