"""`edge-ser check`: will all of it map?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.edgetpu.model import Model
    from edge_ser.edgetpu.rules import CheckReport, OpVerdict


def check(
    path: Annotated[
        Path, typer.Argument(metavar="MODEL|BUNDLE", help="A .tflite model, or a bundle for both nets.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Predict what the Edge TPU compiler 16.0 maps: each operation, its verdict, the reason, the rewrite.

    Ends with 1 where not everything maps. Where the compiler is installed, `edge-ser compile` is the truth.

    Example: edge-ser check build/tiny/acoustic.tflite
    """
    from edge_ser.edgetpu.rules import check_model
    from edge_ser.errors import CheckError

    reports = {name: check_model(model) for name, model in models_of(path).items()}
    whole = all(report.maps_fully for report in reports.values())
    data = {
        "maps_fully": whole,
        "ops": [row for name, report in reports.items() for row in _rows(name, report)],
        "host_ops": [op for report in reports.values() for op in report.host_ops],
        "refused": any(report.refused for report in reports.values()),
        "split_at": {name: report.split_at for name, report in reports.items()},
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
    }
    emit(data, as_json, lambda: _render(reports))
    if not whole:
        message = f"{path}: predicted not to map fully; {_worst(reports)}"
        raise CheckError(message)


def models_of(path: Path) -> dict[str, Model]:
    """The model in a .tflite file, or both nets of a bundle, by name.

    Raises:
        InputError: it is neither, or it is damaged.
    """
    from edge_ser.edgetpu.model import load_model

    if path.suffix == ".edgeser":
        from edge_ser.bundle import read_bundle
        from edge_ser.edgetpu.budget import nets

        return nets(read_bundle(path))
    return {path.stem: load_model(path)}


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


def _worst(reports: dict[str, CheckReport]) -> str:
    """The first operation that does not map and is not a mere consequence of another."""
    verdicts = [verdict for report in reports.values() for verdict in report.ops if not verdict.mapped]
    first = next((verdict for verdict in verdicts if verdict.rule != "one-partition"), verdicts[0])
    return f"operation {first.index} {first.op} ({first.rule}): {first.reason} To mend: {first.hint}"


def _render(reports: dict[str, CheckReport]) -> RenderableType:
    from rich.console import Group
    from rich.markup import escape
    from rich.text import Text

    parts: list[RenderableType] = []
    for name, report in reports.items():
        rows = [(v.index, escape(v.op), v.verdict, v.rule, v.confidence) for v in report.ops]
        mapped = sum(verdict.mapped for verdict in report.ops)
        title = f"{escape(name)}: {mapped} of {len(rows)} operations predicted to map"
        parts.append(table(title, ("#", "operation", "verdict", "rule", "known"), rows))
        # Names of tensors come from the file: Text does not read them as markup.
        parts.extend(Text(sentence) for sentence in _sentences(report))
        parts.extend(Text(f"note ({note.confidence}): {note.text}") for note in report.notes)
    return Group(*parts)


def _sentences(report: CheckReport) -> list[str]:
    """What there is to say, once for each operation and rule, with every operator that it is about."""
    groups: dict[tuple[str, str], list[OpVerdict]] = {}
    for verdict in report.ops:
        if verdict.reason:
            groups.setdefault((verdict.op, verdict.rule), []).append(verdict)
    sentences = []
    for (op, rule), verdicts in groups.items():
        first = verdicts[0]
        which = ", ".join(str(verdict.index) for verdict in verdicts)
        mend = f" To mend: {first.hint}." if first.hint else ""
        sentences.append(f"{which} {op}, {rule} (first: {first.tensor}): {first.reason}{mend}")
    return sentences
