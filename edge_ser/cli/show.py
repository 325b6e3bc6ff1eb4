"""`edge-ser show`: what a bundle holds, how big it is, how good it is, and whether it is compiled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.bundle import Bundle


def show(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="A bundle, e.g. build/base/base.edgeser; the shipped one if not given."),
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Print its model card: data, licences, scores, what it is not for.")
    ] = False,
    require_compiled: Annotated[
        bool,
        typer.Option(
            "--require-compiled", help="End with 3 where the bundle is not compiled for the Edge TPU."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print one table of a bundle: files and their bytes against the budget, scores, and the Edge TPU's part.

    Example: edge-ser show build/base/base.edgeser
    Example: edge-ser show --card
    """
    from edge_ser.bundle import read_bundle
    from edge_ser.bundle_shipped import shipped_bundle

    place = bundle or shipped_bundle()
    opened = read_bundle(place)
    if card:
        _show_card(place, opened, as_json)
        return
    data = _facts(place, opened)
    emit(data, as_json, lambda: _render(data))
    if require_compiled and not data["compiled"]:
        from edge_ser.edgetpu.compiler import INSTALL_HINT, NOT_FOUND
        from edge_ser.errors import MissingError

        message = f"{NOT_FOUND}; {INSTALL_HINT}"
        raise MissingError(message)


def _show_card(path: Path, bundle: Bundle, as_json: bool) -> None:
    """The card that the bundle holds, or the one that its reports make where it was written before there were cards."""
    import sys

    from edge_ser.bundle_card import CARD, model_card

    held = bundle.members.get(CARD)
    text = model_card(bundle) if held is None else held.decode("utf-8", errors="replace")
    if as_json:
        emit({"bundle": str(path), "card": text}, as_json, lambda: text)
    else:
        # As it is: a table wider than the terminal is still Markdown.
        sys.stdout.write(text)


def _facts(path: Path, bundle: Bundle) -> dict[str, Any]:
    from edge_ser.bundle_float import float_bytes
    from edge_ser.edgetpu.budget import budget

    quantized = bundle.report("quantize") or {}
    report = budget(bundle, bundle.spec.budget)
    names = ("keyword.tflite", "acoustic.tflite", "keyword_edgetpu.tflite", "acoustic_edgetpu.tflite")
    scores = {
        name: {"uar": quantized[name]["uar"], "macro_f1": quantized[name]["macro_f1"]}
        for name in ("float", "int8", "constant")
        if name in quantized
    }
    return {
        "bundle": str(path),
        "bytes": path.stat().st_size,
        "float_bytes": float_bytes(bundle),
        "build_id": bundle.build_id,
        "files": {name: len(bundle.members[name]) for name in names if name in bundle.members},
        "params": bundle.provenance.get("params"),
        "corpus": bundle.provenance.get("corpora", {}).get("emotions", {}).get("name"),
        "synthetic": bool(bundle.provenance.get("synthetic")),
        "scores": scores,
        "agreement": quantized.get("agreement"),
        "per_class": quantized.get("int8", {}).get("per_class", {}),
        "compiled": "acoustic_edgetpu.tflite" in bundle.members,
        "within": report.within,
        "budget": [
            {
                "name": i.name,
                "value": i.value,
                "limit": i.limit,
                "ok": i.ok,
                "predicted": i.predicted,
                "detail": i.detail,
            }
            for i in report.items
        ],
    }


def _budget_row(item: dict[str, Any]) -> tuple[str, str, str]:
    value = "–" if item["value"] is None else f"{item['value']:,}"
    note = item["detail"]
    if item["value"] is not None and item["limit"] is not None:
        note = f"{'within' if item['ok'] else 'OVER'} the limit of {item['limit']:,}; {note}"
    return item["name"].replace("_", " "), value, note


def _render(data: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    from edge_ser.edgetpu.compiler import INSTALL_HINT, NOT_FOUND

    rows: list[tuple[str, str, str]] = [(name, f"{size:,} bytes", "") for name, size in data["files"].items()]
    rows.append((Path(data["bundle"]).name, f"{data['bytes']:,} bytes", "the whole bundle"))
    if data["float_bytes"]:
        rows.append(
            (
                "float nets in it",
                f"{data['float_bytes']:,} bytes",
                "not deployed: for training on",
            )
        )
    if data["params"]:
        rows.append(("parameters", f"{data['params']:,}", ""))
    rows.extend(_budget_row(item) for item in data["budget"])
    where = "SYNTHETIC test speakers" if data["synthetic"] else f"{data['corpus']}, test speakers"
    for name, score in data["scores"].items():
        rows.append(
            (f"{name}: UAR, macro-F1", f"{100 * score['uar']:.1f} %, {100 * score['macro_f1']:.1f} %", where)
        )
    if data["agreement"] is not None:
        rows.append(("float and int8 decide alike", f"{100 * data['agreement']:.1f} %", where))
    parts: list[RenderableType] = [table(data["bundle"], ("what", "value", "note"), rows)]
    if data["per_class"]:
        classes = [
            (label, row["clips"], f"{100 * row['recall']:.1f}", f"{100 * row['f1']:.1f}")
            for label, row in data["per_class"].items()
        ]
        parts.append(table(f"int8 per class ({where})", ("class", "clips", "recall %", "F1 %"), classes))
    if data["synthetic"]:
        parts.append(
            "Scores on the synthetic corpus say that the line works, never how good the model is on people."
        )
    if not data["compiled"]:
        parts.append(
            f"{NOT_FOUND}\n{INSTALL_HINT}\n"
            f"The bundle runs on this CPU: edge-ser classify {data['bundle']} FILE.wav"
        )
    return Group(*parts)
