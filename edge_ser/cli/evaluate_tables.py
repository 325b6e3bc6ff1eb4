"""The tables of `edge-ser evaluate`, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge_ser.cli.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

_SYNTHETIC = " — SYNTHETIC corpus: says that the line works, not how good a model is"


def render_bundle(record: Mapping[str, Any]) -> RenderableType:
    """Scores of a bundle: the predictors' table, recalls per class, gaps, and the stress tests."""
    from rich.console import Group

    note = _SYNTHETIC if record["synthetic"] else ""
    if record["trained_on_synthetic"] and not note:
        note = " — the bundle learned emotions from SYNTHETIC speech"
    title = f"{record['bundle']['name']} on {record['corpus']}: {record['n']} clips, {record['speakers']} speakers"
    parts: list[RenderableType] = [_predictors(title + note, record["rows"])]
    if "among_shared" in record:
        shared = record["among_shared"]
        words = f"Decided only among the corpus' own classes ({', '.join(shared['classes'])}){note}"
        parts.append(_predictors(words, shared["rows"]))
    parts += [_recalls(record["rows"]), _gaps(record["rows"])]
    if "stress" in record:
        parts.append(_stress(record["stress"], note))
    if isinstance(record["baseline"], str):
        parts.append(f"No hand-crafted row: {record['baseline']}.")
    parts.append(_agreement(record["agreement"]))
    return Group(*parts)


def render_trial(record: Mapping[str, Any]) -> RenderableType:
    """Scores of a protocol: per table the predictors pooled over folds and seeds, and the spread over seeds."""
    from rich.console import Group

    note = _SYNTHETIC if record["synthetic"] else ""
    parts: list[RenderableType] = []
    for name, found in record["tables"].items():
        seeds = ", ".join(str(seed) for seed in record["seeds"])
        title = f"{record['spec']['name']}, {name}, {record['protocol']}, seeds {seeds}{note}"
        parts.append(_predictors(title, found["pooled"], found["spread"]))
        parts += [_recalls(found["pooled"]), _gaps(found["pooled"]), _agreement(found["agreement"])]
    return Group(*parts)


def _predictors(
    title: str, rows: Mapping[str, Any], spread: Mapping[str, Any] | None = None
) -> RenderableType:
    columns = ("", "UAR %", "95 % interval", "macro-F1 %", "accuracy %", "ECE %")
    lines = []
    for name, row in rows.items():
        told = (spread or {}).get(name, {})
        interval = "–".join(_percent(bound) for bound in row["interval"])
        cells = [_with_sd(row, told, key) for key in ("uar", "macro_f1", "accuracy", "ece")]
        lines.append((_title(name, row), cells[0], interval, *cells[1:]))
    return table(title, columns, lines)


def _with_sd(row: Mapping[str, Any], told: Mapping[str, Any], key: str) -> str:
    """The mean over seeds and its deviation where there are several, else the number itself."""
    if key not in row:
        return ""
    if key in told and told[key]["sd"] is not None:
        return f"{_percent(told[key]['mean'])} ± {_percent(told[key]['sd'])}"
    return _percent(row[key])


def _recalls(rows: Mapping[str, Any]) -> RenderableType:
    classes = list(next(iter(rows.values()))["per_class"])
    lines = [
        (_title(name, row), *(_percent(row["per_class"][label]["recall"]) for label in classes))
        for name, row in rows.items()
    ]
    return table("Recall %", ("", *classes), lines)


def _gaps(rows: Mapping[str, Any]) -> RenderableType:
    """Largest distance between groups: of UAR, of a class' recall, of how often a class is named."""
    lines = []
    for name, row in rows.items():
        for by, gap in row.get("gaps", {}).items():
            if gap is None:
                continue
            largest = [
                max(gap[key].items(), key=lambda item: item[1], default=("", 0.0))
                for key in ("recall_gap", "parity_gap", "label_gap")
            ]
            cells = [f"{_percent(value)} ({label})" if label else "–" for label, value in largest]
            lines.append((_title(name, row), by, _percent(gap["uar_gap"]), *cells))
    columns = ("", "by", "UAR gap", "recall gap, worst class", "parity gap", "the labels' own")
    return table("Gaps between groups, points", columns, lines)


def _stress(tests: list[dict[str, Any]], note: str) -> RenderableType:
    names = list(tests[0]["rows"])
    columns = ("", "dB", *(f"{_short(name)} UAR %" for name in names), "int8 decides as clean %")
    lines = []
    for test in tests:
        decibels = "" if test["db"] is None else f"{test['db']:+g}"
        uars = [_percent(test["rows"][name]["uar"]) for name in names]
        same = test["rows"].get("litert", {}).get("as_clean")
        lines.append(
            (test["source"] or test["kind"], decibels, *uars, "" if same is None else _percent(same))
        )
    return table(f"Noise (SNR) and level, never trained on{note}", columns, lines)


def _agreement(shares: Mapping[str, float]) -> str:
    told = "; ".join(f"{pair}: {_percent(share)} %" for pair, share in shares.items())
    return f"Same decision: {told}." if told else ""


def _title(name: str, row: Mapping[str, Any]) -> str:
    from edge_ser.evaluation import backends
    from edge_ser.evaluation.handcrafted import baseline

    if name == "constant":
        return f"constant predictor ({row['label']})"
    titles = {str(key): title for key, title in (*backends.TITLES.items(), *baseline.TITLES.items())}
    return titles[name]


def _short(name: str) -> str:
    return {"litert": "int8", "lr": "LR", "mlp": "MLP"}.get(name, name)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
