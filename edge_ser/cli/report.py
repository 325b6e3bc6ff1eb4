"""`edge-ser report`: one page about a bundle, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_ser.cli.output import JsonFlag, say
from edge_ser.errors import InputError

_FORMATS = ("html", "md")
_NAMES = {"html": "index.html", "md": "report.md"}


def report(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="A bundle (.edgeser); the shipped one if not given."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder for the page; md goes to the terminal without."
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option("--format", help="html: one page, needs nothing else; md: short, for a pull request."),
    ] = "html",
    bench: Annotated[
        list[Path] | None,
        typer.Option("--bench", metavar="FILE.json", help="Of edge-ser bench -o FILE.json; repeatable."),
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            "--scores",
            metavar="FILE.json",
            help="Of edge-ser evaluate --json, whole or condensed; repeatable. Those of one protocol stand side by "
            "side, the first as their baseline.",
        ),
    ] = None,
    parity: Annotated[
        Path | None, typer.Option("--parity", metavar="FILE.json", help="Of edge-ser parity --json.")
    ] = None,
    training: Annotated[
        Path | None,
        typer.Option(
            "--training", metavar="DIR", help="The folder that edge-ser train wrote, for its curves."
        ),
    ] = None,
    example: Annotated[
        list[Path] | None,
        typer.Option("--example", metavar="RECORDING", help="Decided, explained and playable; repeatable."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write one self-contained page about a bundle: card, budget, mapping, latency, parity, scores, examples.

    What is not known is named with the command that finds it out; nothing is measured anew but the golden vectors.

    Example: edge-ser report -o build/report
    Example: edge-ser report build/base/base.edgeser -o build/report --bench bench.json --example call.wav
    """
    import json
    import sys

    from edge_ser.bundle_shipped import shipped_bundle
    from edge_ser.edgetpu.op_table import table_path
    from edge_ser.files import write_atomically
    from edge_ser.report.gather import gather
    from edge_ser.report.html import html_page
    from edge_ser.report.markdown import markdown_report
    from edge_ser.report.sources import Sources

    if form not in _FORMATS:
        message = f"--format: {form!r} is not known; expected one of {', '.join(_FORMATS)}"
        raise InputError(message)
    if output is None and (form == "html" or as_json):
        message = "no folder for the page; give one: -o DIR"
        raise InputError(message)
    table = table_path()
    sources = Sources(
        bench=tuple(bench or ()),
        scores=tuple(scores or ()),
        parity=parity,
        training=training,
        examples=tuple(example or ()),
        op_table=table if table is not None and table.exists() else None,
    )
    found = gather(bundle or shipped_bundle(), sources)
    data = html_page(found) if form == "html" else markdown_report(found).encode()
    if output is None:
        sys.stdout.write(data.decode())
        return
    place = output / _NAMES[form]
    write_atomically(place, data)
    if as_json:
        sys.stdout.write(json.dumps({"file": str(place), "format": form, "bytes": len(data)}) + "\n")
    else:
        say(f"{place} written, {len(data):,} bytes")
