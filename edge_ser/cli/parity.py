"""`edge-ser parity`: the same audio through every implementation of the front end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, progress, say, table
from edge_ser.errors import CheckError, InputError, MissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from edge_ser.spec import FrontendSpec
    from firmware_bridge.implementations import Absent
    from firmware_bridge.parity import Comparison, PairCount


def parity(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE|FOLDER",
            help="Recordings at any rate and channel count; folders are searched for wav and flac.",
            show_default="the built-in torture set",
        ),
    ] = None,
    spec: Annotated[
        list[Path] | None,
        typer.Option(
            help="System spec to take the front end from; may be given again.",
            show_default="the default front end, and one with noise reduction and PCAN",
        ),
    ] = None,
    random_specs: Annotated[
        int, typer.Option(min=0, help="Also so many random front ends, the same ones every time.")
    ] = 0,
    m7: Annotated[
        bool | None,
        typer.Option(
            "--m7/--no-m7",
            help="Insist on the emulated Cortex-M7, or leave it out.",
            show_default="where present",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare every implementation of the front end, value by value.

    Ours (numpy, native, m7) must agree everywhere, and the stock C library must agree with them once it reads
    our tables: any mismatch there ends with 1. The stock library with tables of its own and TensorFlow's op are
    judges: their mismatches are counted and explained. A file that cannot be read is named, the others are
    compared, and the command ends with 2.

    Example: edge-ser parity recordings/ call.wav --spec models/base.toml
    """
    import tempfile

    from edge_ser.spec_file import load_spec
    from firmware_bridge.implementations import find_implementations
    from firmware_bridge.parity import compare
    from firmware_bridge.parity_work import DEFAULT_SPECS, make_cases, recording_batches, torture_batches

    named: dict[str, FrontendSpec] = {str(path): load_spec(path).frontend for path in spec or ()}
    cases = make_cases(named or DEFAULT_SPECS, random_specs)
    found, absent = find_implementations(m7)
    if len(found) == 1:
        hows = "; ".join(_lacking(absent))
        message = f"there is only {found[0].name}, nothing to compare it with; {hows}"
        raise MissingError(message)
    errors: dict[str, str] = {}

    def failed(path: Path, error: InputError) -> None:
        errors[str(path)] = str(error)
        say(f"edge-ser: {error}")

    if paths:
        files = _recordings(paths, failed)
        batches = recording_batches(cases, files, failed)
        total = round(len(cases) * sum(map(_seconds, files)))
    else:
        batches, total = torture_batches(cases), None
    names = ", ".join(implementation.name for implementation in found)
    words = f"comparing {names}: seconds of audio"
    with progress(words, total) as advance, tempfile.TemporaryDirectory(prefix="edge-ser-parity-") as folder:
        done = 0.0

        def moved(seconds: float) -> None:
            nonlocal done
            advance(int(done + seconds) - int(done))
            done += seconds

        comparison = compare(found, batches, Path(folder), moved)
    result = _result(comparison, absent, [case.name for case in cases], done, errors)
    emit(result, as_json, lambda: _render(comparison, absent, result))
    if comparison.broken:
        raise CheckError(" | ".join(_sentence(pair) for pair in comparison.broken))
    if errors:
        raise typer.Exit(2)


def _recordings(paths: Sequence[Path], failed: Any) -> list[Path]:
    """The files named and found, each once."""
    from edge_ser.corpora.tree import AUDIO_EXTENSIONS, files_below

    files: list[Path] = []
    for path in paths:
        below = files_below(path, AUDIO_EXTENSIONS) if path.is_dir() else [path]
        if not below:
            failed(
                path,
                InputError(f"{path}: no {' or '.join(AUDIO_EXTENSIONS)} file in it; name another folder"),
            )
        files += below
    return list(dict.fromkeys(files))


def _seconds(file: Path) -> float:
    """Length of a recording; 0 where it cannot be read, which is told when it is its turn."""
    from edge_ser.audio import audio_info

    try:
        return audio_info(file).duration_s
    except InputError:
        return 0.0


def _result(
    comparison: Comparison,
    absent: Sequence[Absent],
    specs: Sequence[str],
    seconds: float,
    errors: dict[str, str],
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "pairs": [asdict(pair) for pair in comparison.pairs],
        "tables": [asdict(count) for count in comparison.tables],
        "explanations": [asdict(explanation) for explanation in comparison.explanations.values()],
        "refused": [
            {"name": name, "reason": reason, "specs": specs}
            for (name, reason), specs in comparison.refused.items()
        ],
        "absent": [asdict(lack) for lack in absent],
        "specs": list(specs),
        "seconds": round(seconds, 3),
        "errors": [{"file": file, "error": error} for file, error in errors.items()],
    }


def _render(comparison: Comparison, absent: Sequence[Absent], result: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    rows = [
        (
            pair.a,
            pair.b,
            f"{pair.values:,}",
            f"{pair.mismatches:,}",
            pair.largest,
            "must be 0" if pair.must_agree else "counted",
        )
        for pair in comparison.pairs
    ]
    title = f"parity: {result['seconds']:,.1f} s of audio in all, {_specs(len(result['specs']))}"
    columns = ("a", "b", "values", "mismatches", "largest", "mismatches are")
    lines = [*_explained(comparison), *_lacking(absent)]
    return Group(table(title, columns, rows), *(Text(line) for line in lines))


def _lacking(absent: Sequence[Absent]) -> list[str]:
    hows = dict.fromkeys(lack.how for lack in absent)
    names = {how: ", ".join(lack.name for lack in absent if lack.how == how) for how in hows}
    return [f"not compared: {names[how]}: {how}" for how in hows]


def _explained(comparison: Comparison) -> list[str]:
    """Why judges differ: the tables that they make for themselves, and the specs that they refuse."""
    from firmware_bridge.implementations import TENSORFLOW

    lines = [
        f"{count.judge} makes its own {count.table}, in single precision: {count.differ:,} of {count.entries:,} "
        f"entries differ from ours, by {count.largest} at most, in {_specs(count.specs)}"
        for count in comparison.tables
    ]
    lines += [
        f"with the tables of {e.judge}, numpy gives its values: {e.unexplained:,} of {e.values:,} differ"
        for e in comparison.explanations.values()
    ]
    if any(pair.b == TENSORFLOW and pair.mismatches for pair in comparison.pairs):
        lines.append(
            f"{TENSORFLOW} does not tell its tables; they are made in double precision as ours are, and a build "
            "that fuses multiplication with addition rounds a few entries the other way"
        )
    for (name, reason), specs in comparison.refused.items():
        lines.append(f"{name} refuses {_specs(specs)}: {reason}")
    return lines


def _specs(count: int) -> str:
    return f"{count} spec" if count == 1 else f"{count} specs"


def _sentence(pair: PairCount) -> str:
    first = pair.first
    if first is None:
        return ""
    values = " and ".join("no frame" if value is None else str(value) for value in (first.a, first.b))
    return (
        f"parity is broken: {pair.a} and {pair.b} differ in {pair.mismatches:,} of {pair.values:,} values; first in "
        f"spec {first.spec_name!r}, recording {first.recording!r}, frame {first.frame}, channel {first.channel}: "
        f"{values}; mend the implementation that is wrong"
    )
