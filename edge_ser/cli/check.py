"""`edge-ser check`: will all of it map?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, say
from edge_ser.cli.output import table as text_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from edge_ser.edgetpu.checking import Check
    from edge_ser.edgetpu.rules import CheckReport, OpVerdict


_NAME_WIDTH = 32


def check(
    path: Annotated[
        Path, typer.Argument(metavar="MODEL|BUNDLE", help="A .tflite model, or a bundle for both nets.")
    ],
    compiler_version: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION", help="Edge TPU compiler to predict: 16 (default), 15, 14, 2.1, 2.0 or 1."
        ),
    ] = None,
    op_table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Answers of your own compiler; default: what doctor --probe stored, if anything.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Predict what the Edge TPU compiler maps: each operation, its verdict, the reason, the rewrite.

    Says too whether the uncompiled file would run on the Micro's Cortex-M7. Ends with 1 where not everything
    maps. Where the compiler is installed, `edge-ser compile` is the truth.

    Example: edge-ser check build/tiny/acoustic.tflite
    """
    from edge_ser.edgetpu.checking import check as checked
    from edge_ser.errors import CheckError

    found = checked(path, compiler_version=compiler_version, op_table=op_table)
    if found.unused_table is not None:
        say(f"{found.unused_table} holds answers of another compiler; not used for compiler {found.compiler}")
    reports, refusals = found.reports, found.refusals
    data = {
        "maps_fully": found.maps_fully,
        "compiler": found.compiler,
        "op_table": found.op_table,
        "ops": [row for name, report in reports.items() for row in _rows(name, report)],
        "host_ops": [op for report in reports.values() for op in report.host_ops],
        "refused": any(report.refused for report in reports.values()),
        "split_at": {name: report.split_at for name, report in reports.items()},
        "splits": [_split(name, report) for name, report in reports.items() if report.split_at is not None],
        "notes": [
            {
                "model": name,
                "note": note.name,
                "text": note.text,
                "ops": list(note.ops),
                "confidence": note.confidence,
            }
            for name, report in reports.items()
            for note in report.notes
        ],
        "board_cpu": {
            "runs": not any(refusals.values()),
            "reasons": [
                {"model": name, "index": index, "reason": reason}
                for name, found in refusals.items()
                for index, reason in found.items()
            ],
        },
    }
    emit(data, as_json, lambda: _render(found))
    if not found.maps_fully:
        message = f"{path}: predicted not to map fully; {_worst(reports)}"
        raise CheckError(message)


def _rows(name: str, report: CheckReport) -> list[dict[str, Any]]:
    return [
        {
            "model": name,
            "index": verdict.index,
            "op": verdict.op,
            "tensor": verdict.tensor,
            "mapped": verdict.mapped,
            "verdict": verdict.verdict,
            "rule": verdict.rule,
            "reason": verdict.reason,
            "hint": verdict.hint,
            "confidence": verdict.confidence,
        }
        for verdict in report.ops
    ]


def _split(name: str, report: CheckReport) -> dict[str, Any]:
    """The one place where the graph splits."""
    at = report.ops[report.split_at or 0]
    keys = {"index": at.index, "op": at.op, "tensor": at.tensor, "rule": at.rule, "hint": at.hint}
    return {"model": name, **keys}


def _worst(reports: Mapping[str, CheckReport]) -> str:
    """The first operation that does not map and is not a mere consequence of another."""
    verdicts = [verdict for report in reports.values() for verdict in report.ops if not verdict.mapped]
    first = next((verdict for verdict in verdicts if verdict.rule != "one-partition"), verdicts[0])
    return f"operation {first.index} {first.op} ({first.rule}): {first.reason} To mend: {first.hint}"


def _render(found: Check) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for name, report in found.reports.items():
        rows = [(v.index, v.op, v.tensor[:_NAME_WIDTH], v.verdict, v.rule, v.confidence) for v in report.ops]
        mapped = sum(verdict.mapped for verdict in report.ops)
        title = f"{name}: {mapped} of {len(rows)} operations predicted to map, by compiler {report.compiler}"
        parts.append(text_table(title, ("#", "operation", "tensor", "verdict", "rule", "known"), rows))
        # Names of tensors come from the file: Text does not read them as markup.
        parts.extend(Text(sentence) for sentence in _sentences(report))
        if report.split_at is not None:
            at = report.ops[report.split_at]
            parts.append(Text(f"the graph splits at operation {at.index} {at.op}, tensor {at.tensor}"))
        parts.extend(Text(f"note ({note.confidence}): {note.text}") for note in report.notes)
        parts.append(Text(_on_the_cpu(found.refusals[name])))
    if found.op_table is not None:
        parts.append(Text(f"answers of your compiler {found.op_table} win over the rules"))
    return Group(*parts)


def _on_the_cpu(refusals: Mapping[int, str]) -> str:
    """Whether the board's TensorFlow Lite Micro runs the file on the Cortex-M7, without the Edge TPU."""
    if not refusals:
        return "uncompiled, on the Micro's Cortex-M7: the board's TensorFlow Lite Micro has every operation"
    index, reason = next(iter(refusals.items()))
    more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
    return f"uncompiled, on the Micro's Cortex-M7: does not run: operation {index}: {reason}{more}"


def _sentences(report: CheckReport) -> list[str]:
    """What there is to say, once for each operation and rule, with every operator that it is about."""
    from edge_ser.edgetpu.rules import ONE_PARTITION

    groups: dict[tuple[str, str], list[OpVerdict]] = {}
    for verdict in report.ops:
        if verdict.reason:
            op = "operations" if verdict.rule == ONE_PARTITION else verdict.op
            groups.setdefault((op, verdict.rule), []).append(verdict)
    sentences = []
    for (op, rule), verdicts in groups.items():
        first = verdicts[0]
        which = ", ".join(str(verdict.index) for verdict in verdicts)
        mend = f" To mend: {first.hint}." if first.hint else ""
        sentences.append(f"{which} {op}, {rule} (first: {first.tensor}): {first.reason}{mend}")
    return sentences
