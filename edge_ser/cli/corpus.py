"""``edge-ser corpus``: the known layouts, what one on disk holds, and the synthetic corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, progress, say, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.corpora.check import CorpusCheck

corpus_app = typer.Typer(
    help="Speech corpora: list the known layouts, check one on disk, make the synthetic one."
)

SHOWN_OF_A_KIND = 10
"""Problems of one kind that the table shows; ``--json`` holds them all."""


@corpus_app.command("list")
def list_corpora(as_json: JsonFlag = False) -> None:
    """The corpora whose layout is known, and on what terms.

    Weights that ship with the project may come from "shippable" corpora only. Example: edge-ser corpus list
    """
    from edge_ser.corpora.registry import layouts

    known = [
        {
            "name": form.name,
            "title": form.title,
            "kind": form.kind,
            "language": form.language,
            "licence": form.licence,
            "publisher": form.publisher,
            "shippable": form.shippable,
            "expects": form.hint,
        }
        for form in layouts()
    ]

    def render() -> RenderableType:
        columns = ("name", "kind", "language", "licence", "shippable")
        rows = [
            [
                ("yes" if form["shippable"] else "no") if name == "shippable" else form[name]
                for name in columns
            ]
            for form in known
        ]
        return table("Known corpora", columns, rows)

    emit({"corpora": known}, as_json, render)


@corpus_app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="Layout, e.g. crema-d; see edge-ser corpus list.")],
    root: Annotated[Path, typer.Option("--root", help="Folder of the unpacked corpus.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Read the headers only; silence and clipping are not looked for.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Count the clips, speakers and labels of a corpus on disk, and list what is wrong with it.

    Fails (exit 1) when a file is missing, cannot be read or is shorter than its labels say. Silent and
    clipped recordings, duplicates and files of other names are listed and do not fail.
    Example: edge-ser corpus check crema-d --root ~/corpora/CREMA-D
    """
    from edge_ser.corpora.check import check_corpus

    found = check_corpus(name, root, deep=not quick, track=_track)
    emit(_as_json(found), as_json, lambda: _render(found))
    if found.failed:
        raise typer.Exit(1)


@corpus_app.command("synth")
def synth(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make the corpus in.")],
    spec: Annotated[
        Path, typer.Option("--spec", help="System spec that says words, emotions and size.")
    ] = Path("models/base.toml"),
    as_json: JsonFlag = False,
) -> None:
    """Make the synthetic corpus: espeak-ng voices, offline, to run the whole line without a real corpus.

    An earlier synthetic corpus in that folder is replaced; a folder that holds anything else is left alone.
    Scores on it say that the line works, never how good a model is.
    Example: edge-ser corpus synth -o build/synthetic --spec models/tiny.toml
    """
    from edge_ser.corpora.synthetic import NOTE, make_corpus
    from edge_ser.spec_file import load_spec

    _check_replaceable(output)
    system = load_spec(spec)
    size = system.corpora.synthetic
    with progress("Speaking", size.voices) as advance:
        made = make_corpus(output, size, system.keyword.words, system.acoustic.classes, advance)
    data = {
        "name": "synthetic",
        "root": str(output),
        "clips": made.clips,
        "keyword_clips": made.keyword_clips,
        "speakers": made.speakers,
        "labels": dict(made.labels),
        "minutes": made.minutes,
        "problems": [],
        "note": NOTE,
    }

    def render() -> RenderableType:
        size = f"{made.speakers} voices, {made.minutes:.1f} minutes, {made.keyword_clips} keyword clips"
        return table(size, ("label", "clips"), list(made.labels.items()))

    emit(data, as_json, render)
    if not as_json:
        say(f"Note: {NOTE}")


def _check_replaceable(output: Path) -> None:
    """Making the corpus replaces the whole folder: only an earlier synthetic corpus may be in it."""
    from edge_ser.corpora.synthetic_layout import UTTERANCES_FILE
    from edge_ser.errors import InputError

    if output.is_dir() and any(output.iterdir()) and not (output / UTTERANCES_FILE).is_file():
        message = f"{output}: holds other files, which would be lost; give an empty or a new folder"
        raise InputError(message)


def _track(paths: Sequence[Path]) -> Iterator[Path]:
    with progress("Reading", len(paths)) as advance:
        for path in paths:
            yield path
            advance(1)


def _as_json(found: CorpusCheck) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": found.title,
        "kind": found.kind,
        "root": str(found.root),
        "clips": found.clips,
        "files": found.files,
        "speakers": found.speakers,
        "labels": dict(found.labels),
        "keywords": dict(found.keywords),
        "minutes": round(found.minutes, 3),
        "problems": [
            {"kind": each.kind, "path": each.path, "detail": each.detail} for each in found.problems
        ],
        "notes": list(found.notes),
        "failed": found.failed,
    }


def _render(found: CorpusCheck) -> RenderableType:
    from rich.console import Group
    from rich.markup import escape

    rows = [(escape(label), count) for label, count in {**found.labels, **found.keywords}.items()]
    parts: list[RenderableType] = [
        f"{escape(found.title)}: {found.clips} clips, {found.speakers} speakers, {found.minutes:.1f} minutes",
        table("Clips by label", ("label", "clips"), rows),
    ]
    if found.problems:
        rows_of_problems = _problem_rows(found)
        parts.append(table(f"{len(found.problems)} problems", ("problem", "file", "found"), rows_of_problems))
    else:
        parts.append("No problems.")
    parts += [f"Note: {escape(note)}" for note in found.notes]
    return Group(*parts)


def _problem_rows(found: CorpusCheck) -> list[tuple[str, str, str]]:
    from rich.markup import escape

    rows: list[tuple[str, str, str]] = []
    for kind, group in groupby(found.problems, key=lambda problem: problem.kind):
        problems = list(group)
        rows += [(kind, escape(each.path), escape(each.detail)) for each in problems[:SHOWN_OF_A_KIND]]
        if len(problems) > SHOWN_OF_A_KIND:
            rows.append((kind, f"and {len(problems) - SHOWN_OF_A_KIND} more", "--json holds them all"))
    return rows
