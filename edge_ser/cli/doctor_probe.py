"""`edge-ser doctor --probe` and `--import`: learn what the person's own compiler maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_ser.cli.output import progress, say, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.edgetpu.op_table import OpTable


def probe_compiler(compiler: str | None, pack: Path, place: Path | None) -> dict[str, Any]:
    """Compile the probe models and keep the answers.

    Args:
        compiler: the value of ``--compiler``.
        pack: folder for the models where there is no compiler.
        place: where the answers are kept, ``None`` for the person's own place.

    Returns:
        The answers, for ``--json``.

    Raises:
        MissingError: there is no compiler; the pack is then written for a machine that has one.
        CheckError: the compiler does not run.
        InputError: a place cannot be written.
    """
    from edge_ser.edgetpu.compiler import NAME, find_compiler
    from edge_ser.edgetpu.probe import PROBES
    from edge_ser.edgetpu.probing import SCRIPT, ask_compiler, write_pack
    from edge_ser.errors import MissingError

    target = _place(place)
    program = find_compiler(compiler)
    if program is None:
        write_pack(pack)
        message = (
            f"{compiler or NAME} not found; {len(PROBES)} probe models are in {pack}: run {SCRIPT} there on a machine"
            f" that has it, then here: edge-ser doctor --import {pack}"
        )
        raise MissingError(message)
    with progress("probe models", len(PROBES)) as advance:
        answers = ask_compiler(program, advance)
    return _keep(answers, target)


def import_answers(source: Path, place: Path | None) -> dict[str, Any]:
    """Take the answers that another machine found: an op table, or the folder of a compiled probe pack.

    Raises:
        InputError: it is neither, or a place cannot be written.
    """
    from edge_ser.edgetpu.op_table import read_table
    from edge_ser.edgetpu.probing import read_answers

    target = _place(place)
    return _keep(read_answers(source) if source.is_dir() else read_table(source), target)


def _place(place: Path | None) -> Path:
    from edge_ser.edgetpu.op_table import VARIABLE, table_path
    from edge_ser.errors import InputError

    target = place or table_path()
    if target is None:
        message = f"{VARIABLE} is empty, so no op table is used; name a place with --op-table"
        raise InputError(message)
    return target


def _keep(answers: OpTable, target: Path) -> dict[str, Any]:
    from edge_ser.edgetpu.op_table import write_table
    from edge_ser.edgetpu.probing import predictions

    write_table(target, answers)
    say(f"{len(answers.results)} answers of compiler {answers.compiler} are in {target}; check uses them")
    predicted = predictions()
    rows = [
        {
            "probe": probe.name,
            "op": probe.op,
            "accepted": result.accepted,
            "mapped": result.mapped,
            "status": result.status,
            "predicted": predicted[probe.name],
        }
        for probe, result in answers.by_probe()
    ]
    return {"compiler": answers.compiler, "path": str(target), "results": rows}


def answer_lines(answers: dict[str, Any]) -> list[RenderableType]:
    """The answers as a table; nothing where nobody was asked."""
    if not answers:
        return []
    rows = [
        (row["probe"], _word(row["accepted"], row["mapped"]), row["predicted"], row["status"])
        for row in answers["results"]
    ]
    mapped = sum(row["mapped"] for row in answers["results"])
    title = f"{mapped} of {len(rows)} probe models mapped by compiler {answers['compiler']}"
    return [table(title, ("probe", "compiler", "rules say", "the compiler's words"), rows)]


def _word(accepted: bool, mapped: bool) -> str:
    return "mapped" if mapped else "host" if accepted else "refused"
