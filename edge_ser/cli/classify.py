"""`edge-ser classify`: the emotion of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, say
from edge_ser.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_ser.runtime.pipeline import Decision, Pipeline
    from edge_ser.spec import SystemSpec

_BUNDLE_SUFFIX = ".edgeser"
_ZIP = b"PK\x03\x04"


def classify(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="[BUNDLE] FILE",
            help="Recordings: wav, flac, ogg; any rate and channel count. A bundle (.edgeser) before them is taken "
            "instead of the shipped one.",
        ),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Print the emotion of recordings, segment by segment.

    A file that cannot be read gets its reason; the others still get their answers (exit 2 at the end). The model card
    says what must not be done with the answers: edge-ser show --card

    Example: edge-ser classify call.wav meeting.flac
    Example: edge-ser classify build/base/base.edgeser call.wav meeting.flac
    """
    from edge_ser.bundle_shipped import shipped_bundle
    from edge_ser.runtime.recordings import load

    bundle, files = (files[0], files[1:]) if is_bundle(files[0]) else (shipped_bundle(), files)
    if not files:
        message = f"{bundle} is a bundle and no recording is named; name recordings after it"
        raise InputError(message)
    pipeline = load(bundle)
    failed = 0
    results: list[dict[str, Any]] = []
    for file in files:
        error = None
        found: list[dict[str, Any]] = []
        decisions: list[Decision] = []
        try:
            for decision in pipeline.classify(file):
                decisions.append(decision)
                row = decision_row(decision, pipeline.spec)
                found.append(row)
                if not as_json:
                    _print_row(file, row, first=len(found) == 1)
        except InputError as problem:
            error = str(problem)
            failed += 1
            say(f"edge-ser: {error}")
        # The whole recording's answer where the spec says how to give one: a file read in part has none.
        whole = _whole(pipeline, decisions) if error is None else {}
        if as_json:
            results.append({"file": str(file), "segments": found, "error": error, **whole})
        elif whole:
            _print_whole(whole["recording"])
    if as_json:
        import json
        import sys

        sys.stdout.write(json.dumps({"files": results}, allow_nan=False) + "\n")
    if failed:
        raise typer.Exit(2)


def is_bundle(path: Path) -> bool:
    """By its name, or, whatever it is called, because it is a zip, which no recording is."""
    if path.suffix == _BUNDLE_SUFFIX:
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_ZIP)) == _ZIP
    except OSError:
        return False


def _whole(pipeline: Pipeline, decisions: Sequence[Decision]) -> dict[str, Any]:
    """What is said of a whole recording, under ``"recording"``; empty unless the spec has a rule of its own."""
    from edge_ser.spec import DecisionSpec

    if pipeline.spec.decision == DecisionSpec():
        return {}
    said = pipeline.recording(decisions)
    scores = zip(pipeline.spec.acoustic.classes, said.scores, strict=True)
    return {
        "recording": {
            "emotion": said.emotion,
            "scores": {label: round(score, 4) for label, score in scores},
            "abstained": said.abstained,
        }
    }


def _print_whole(said: dict[str, Any]) -> None:
    import sys

    best = max(said["scores"].values())
    guess = f"{said['emotion']} {best:.2f}"
    word = f"not sure enough ({guess})" if said["abstained"] else guess
    sys.stdout.write(f"  the whole recording: {word}\n")


def decision_row(decision: Decision, spec: SystemSpec) -> dict[str, Any]:
    """A decision as JSON has it, here and in `edge-ser listen`."""
    labels = spec.acoustic.classes
    silence = {"abstained": decision.abstained} if spec.decision.abstain > 0 else {}
    return {
        "start": round(decision.start_s, 3),
        "end": round(decision.end_s, 3),
        "emotion": decision.emotion,
        "scores": {label: round(score, 4) for label, score in zip(labels, decision.scores, strict=True)},
        "keyword": decision.keyword,
        **silence,
    }


def _print_row(file: Path, row: dict[str, Any], first: bool) -> None:
    """A line per segment as soon as it is decided: an hour of audio should not be silent until its end."""
    import sys

    if first:
        sys.stdout.write(f"{file}\n")
    sys.stdout.write(f"{decision_line(row)}\n")
    sys.stdout.flush()


def decision_line(row: dict[str, Any]) -> str:
    """A decision as a person reads it."""
    best = sorted(row["scores"].items(), key=lambda item: -item[1])[:3]
    shares = "  ".join(f"{label} {share:.2f}" for label, share in best)
    word = f"   “{row['keyword']}”" if row["keyword"] else ""
    if row.get("abstained"):
        word += "   (not sure enough)"
    return f"  {row['start']:8.2f} – {row['end']:8.2f} s  {row['emotion']:<11} {shares}{word}"
