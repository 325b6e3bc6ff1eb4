"""The keyword task of `edge-ser evaluate`, and its tables as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_ser.cli.evaluate_tables import predictors, recalls
from edge_ser.cli.output import emit, progress, say, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.corpora.keywords import Place
    from edge_ser.evaluation.backends import BackendName
    from edge_ser.evaluation.keyword_trials import KeywordTrial

_SYNTHETIC = " — TESTED ON SYNTHETIC voices: says that the line works, not how good a net is"


def train_and_score(trial: KeywordTrial, as_json: bool) -> None:
    """Train keyword nets under a protocol and show their scores."""
    from edge_ser.evaluation.keyword_trials import report

    record = report(trial, progress, say)
    emit(record, as_json, lambda: render_keyword(record))


def examine(
    bundle: Path,
    target: Place,
    others: tuple[Place, ...],
    free: tuple[Place, ...],
    backends: tuple[BackendName, ...],
    as_json: bool,
) -> None:
    """Score the keyword net of a bundle as it ships and show it."""
    from edge_ser.bundle import read_bundle
    from edge_ser.evaluation.keyword_exams import KeywordExam, report

    record = report(KeywordExam(read_bundle(bundle), target, others, free, backends), progress, say)
    emit(record, as_json, lambda: render_keyword(record))


def render_keyword(record: Mapping[str, Any]) -> RenderableType:
    """Scores per table, recall per class, what the classes were made of, and the threshold sweep."""
    from rich.console import Group

    note = _SYNTHETIC if record["synthetic"] else ""
    if record["trained_on_synthetic"] and not note:
        note = " — learned from SYNTHETIC voices"
    seeds = ", ".join(str(seed) for seed in record["seeds"])
    trained = f"seeds {seeds}" if seeds else "as it ships"
    parts: list[RenderableType] = []
    for name, found in record["tables"].items():
        title = f"{record['spec']['name']}, {record['corpus']}, {name}, {trained}{note}"
        parts.append(predictors(title, found["pooled"], found["spread"]))
    every = record["tables"].get("words, unknown and silence", next(iter(record["tables"].values())))
    parts += [recalls(every["pooled"]), _confusion(record, every["pooled"]), _origins(record)]
    if record["stream"] is not None:
        parts.append(_stream(record["stream"]["mean"], trained))
    size = f"{record['bytes']:,} bytes in int8."
    parts.append(f"{record['params']:,} parameters, {size}" if "params" in record else size)
    return Group(*parts)


def _confusion(record: Mapping[str, Any], rows: Mapping[str, Any]) -> RenderableType:
    row = rows.get("litert", next(iter(rows.values())))
    classes = list(row["per_class"])
    lines = [(label, *counts) for label, counts in zip(classes, row["confusion"], strict=True) if sum(counts)]
    title = f"Decisions on {record['corpus']}, all seeds: row = said, column = decided"
    return table(title, ("", *classes), lines)


def _origins(record: Mapping[str, Any]) -> RenderableType:
    lines = [
        (row["class"], row["from"], row["train"], row["validation"], row["test"]) for row in record["origins"]
    ]
    return table("What every class was made of", ("class", "from", "train", "validation", "test"), lines)


def _stream(rows: list[dict[str, Any]], trained: str) -> RenderableType:
    names = list(rows[0]["false_accepts_per_hour"])
    hours = {**rows[0]["hours"], "all": sum(rows[0]["hours"].values())}
    columns = (
        "threshold",
        *(f"{name} ({hours[name]:.2f} h)" for name in names),
        "false rejects %",
        "another word %",
    )
    lines = [
        (
            f"{row['threshold']:g}",
            *(f"{row['false_accepts_per_hour'][name]:.1f}" for name in names),
            f"{100 * row['false_rejects']:.1f}",
            f"{100 * row['confused']:.1f}",
        )
        for row in rows
    ]
    title = f"False accepts an hour in sound without keywords, against missed test words; int8, {trained}"
    return table(title, columns, lines)
