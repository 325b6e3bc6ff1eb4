"""The command line in a report: what was asked for, without this machine's folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer

from edge_ser.cli.recorded import recorded_command


def _told(*arguments: str) -> str:
    """What a small command records of its own command line."""
    heard: list[str] = []
    app = typer.Typer()

    @app.callback()
    def _group() -> None:
        pass

    @app.command()
    def score(
        context: typer.Context,
        system: Path,
        root: Annotated[Path, typer.Option()],
        source: Annotated[list[str] | None, typer.Option()] = None,
        seeds: Annotated[str, typer.Option()] = "1",
        level: Annotated[float | None, typer.Option()] = None,
        output: Annotated[Path | None, typer.Option("--output", "-o")] = None,
        both: Annotated[bool, typer.Option("--both")] = False,
        jobs: Annotated[int, typer.Option()] = 1,
        changes: Annotated[list[str] | None, typer.Option("--set")] = None,
    ) -> None:
        heard.append(recorded_command(context, {"root": "CREMA-D", "output": "OUT"}))

    app(list(arguments), standalone_mode=False)
    return heard[0]


@pytest.mark.parametrize("root", [("--root", "/data/x y"), ("--root=/data/x y",)])
def test_folders_have_stand_ins(root: tuple[str, ...]) -> None:
    told = _told("score", "/home/me/models/base.toml", *root, "-o", "/scratch/a")
    assert told == "edge-ser score models/base.toml --root CREMA-D --output OUT"


def test_what_was_asked_for_is_there_and_defaults_are_not() -> None:
    given = ("--seeds", "1,2", "--level", "-26", "--both", "--source", "a=/x/y", "--source", "b=z")
    told = _told("score", "x.edgeser", "--root", "r", *given, "--jobs", "2")
    assert (
        told
        == "edge-ser score x.edgeser --root CREMA-D --source a=A --source b=B --seeds 1,2 --level -26.0 --both"
    )


def test_a_changed_key_of_the_spec_is_told_as_it_was_given() -> None:
    told = _told(
        "score",
        "models/base.toml",
        "--root",
        "r",
        "--set",
        "acoustic.mixing=none",
        "--set",
        "acoustic.dim = 8",
    )
    assert told == (
        "edge-ser score models/base.toml --root CREMA-D --set acoustic.mixing=none --set 'acoustic.dim = 8'"
    )
