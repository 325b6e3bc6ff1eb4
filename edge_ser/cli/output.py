"""What every command prints, and where: JSON or a table on standard output, words on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else there.")
]

_LOG_WIDTH = 120


def stderr_console() -> Console:
    """The console for progress and words."""
    from rich.console import Console

    return Console(stderr=True)


def say(text: str) -> None:
    """One line of words, on standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def emit(data: dict[str, Any], as_json: bool, render: Callable[[], RenderableType]) -> None:
    """Print a command's result.

    Args:
        data: the JSON object of the command's contract.
        as_json: whether the person asked for JSON.
        render: makes what a person reads instead; called only then.
    """
    if as_json:
        sys.stdout.write(json.dumps(data, allow_nan=False) + "\n")
        return
    from rich.console import Console

    # A log file has no width; rich would fold at 80 columns.
    width = None if sys.stdout.isatty() else _LOG_WIDTH
    Console(width=width, markup=False, highlight=False).print(render())


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> RenderableType:
    """A plain table; columns whose cells are all numbers (or look like them) are set flush right."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table()
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows]
        grid.add_column(
            column, justify="right" if cells and all(_numeric(cell) for cell in cells) else "left"
        )
    for row in rows:
        # As text: rich would take "[micro]" in a cell for markup and swallow it.
        grid.add_row(*(Text(str(cell)) for cell in row))
    # Not as the table's own title, which would be wrapped at the table's width.
    return Group(Text(title, style="bold"), grid)


def _numeric(cell: object) -> bool:
    return isinstance(cell, int | float) or (isinstance(cell, str) and cell[:1].isdigit())


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; yields ``advance(steps)``. One line where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = stderr_console()
    if not console.is_terminal:
        say(f"{description} …")
        yield lambda _steps: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=False) as bar:
        task = bar.add_task(description, total=total)

        def advance(steps: int) -> None:
            bar.advance(task, steps)

        yield advance
