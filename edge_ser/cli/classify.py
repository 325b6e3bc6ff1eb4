"""`edge-ser classify`: the emotion of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, say
from edge_ser.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_ser.runtime.pipeline import Decision, Pipeline


def classify(
    bundle: Annotated[Path, typer.Argument(help="A bundle, e.g. build/base/base.edgeser.")],
    files: Annotated[
        list[Path], typer.Argument(help="Recordings: wav, flac, ogg; any rate and channel count.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Print the emotion of recordings, segment by segment.

    A file that cannot be read gets its reason; the others still get their answers (exit 2 at the end).

    Example: edge-ser classify build/base/base.edgeser call.wav meeting.flac
    """
    from edge_ser.bundle import read_bundle
    from edge_ser.runtime.golden import check_golden
    from edge_ser.runtime.pipeline import load_pipeline

    opened = read_bundle(bundle)
    pipeline = load_pipeline(opened)
    check_golden(opened, pipeline)
    failed = 0
    results: list[dict[str, Any]] = []
    for file in files:
        error = None
        found: list[dict[str, Any]] = []
        try:
            for row in _rows(pipeline, file):
                found.append(row)
                if not as_json:
                    _print_row(file, row, first=len(found) == 1)
        except InputError as problem:
            error = str(problem)
            failed += 1
            say(f"edge-ser: {error}")
        if as_json:
            results.append({"file": str(file), "segments": found, "error": error})
    if as_json:
        import json
        import sys

        sys.stdout.write(json.dumps({"files": results}, allow_nan=False) + "\n")
    if failed:
        raise typer.Exit(2)


def _rows(pipeline: Pipeline, file: Path) -> Iterator[dict[str, Any]]:
    labels = pipeline.spec.acoustic.classes
    for decision in pipeline.classify(file):
        yield _row(decision, labels)


def _row(decision: Decision, labels: tuple[str, ...]) -> dict[str, Any]:
    return {
        "start": round(decision.start_s, 3),
        "end": round(decision.end_s, 3),
        "emotion": decision.emotion,
        "scores": {label: round(score, 4) for label, score in zip(labels, decision.scores, strict=True)},
        "keyword": decision.keyword,
    }


def _print_row(file: Path, row: dict[str, Any], first: bool) -> None:
    """A line per segment as soon as it is decided: an hour of audio should not be silent until its end."""
    import sys

    if first:
        sys.stdout.write(f"{file}\n")
    best = sorted(row["scores"].items(), key=lambda item: -item[1])[:3]
    shares = "  ".join(f"{label} {share:.2f}" for label, share in best)
    word = f"   “{row['keyword']}”" if row["keyword"] else ""
    sys.stdout.write(f"  {row['start']:8.2f} – {row['end']:8.2f} s  {row['emotion']:<11} {shares}{word}\n")
    sys.stdout.flush()
