"""The tables of `edge-ser evaluate`, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge_ser.cli.abstaining import render_abstaining
from edge_ser.cli.keyword_gains import render_gains
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
    parts: list[RenderableType] = [predictors(title + note, record["rows"])]
    if "among_shared" in record:
        shared = record["among_shared"]
        words = f"Decided only among the corpus' own classes ({', '.join(shared['classes'])}){note}"
        parts.append(predictors(words, shared["rows"]))
    parts += [recalls(record["rows"]), _gaps(record["rows"])]
    if "keywords" in record:
        parts.append(render_gains(record["keywords"], note, None))
    if "votes" in record:
        parts.append(_votes(record["votes"], record["votes"]["mean_of"], note))
    if record.get("abstaining"):
        parts.append(render_abstaining(record["abstaining"], note))
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
        parts.append(predictors(title, found["pooled"], found["spread"]))
        parts += [recalls(found["pooled"]), _gaps(found["pooled"]), _agreement(found["agreement"])]
        if "keywords" in found:
            parts.append(render_gains(found["keywords"], note, record.get("keywords_left_out")))
        if record.get("abstaining", {}).get(name):
            parts.append(render_abstaining(record["abstaining"][name], note))
        if name in record.get("votes", {}):
            parts.append(_votes(record["votes"][name], "training", note))
        if name in record.get("vad", {}):
            parts.append(_concordance(record["vad"][name], note))
    return Group(*parts)


def predictors(
    title: str, rows: Mapping[str, Any], spread: Mapping[str, Any] | None = None
) -> RenderableType:
    """One line per predictor; with ``spread`` the mean over seeds and its deviation."""
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


def recalls(rows: Mapping[str, Any]) -> RenderableType:
    """The recall of every class, one line per predictor."""
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
        source = f"{test['source']} microphone" if test["kind"] == "channel" else test["source"]
        lines.append((source or test["kind"], decibels, *uars, "" if same is None else _percent(same)))
    return table(f"Noise and simulated channels (SNR), and level; never trained on{note}", columns, lines)


def _votes(found: Mapping[str, Any], mean_of: str, note: str) -> RenderableType:
    """The six measures of label distribution learning; arrows say where better lies."""
    lines = []
    for name, row in found["rows"].items():
        title = f"constant mean of the {mean_of} clips" if name == "constant_mean" else _title(name, row)
        told = found.get("spread", {}).get(name, {})
        lines.append((title, *(_number(value, told.get(measure)) for measure, value in row.items())))
    columns = ("", "Chebyshev ↓", "Clark ↓", "Canberra ↓", "KL ↓", "cosine ↑", "intersection ↑")
    title = f"Probabilities against the raters' votes, {found['n']} clips with votes{note}"
    return table(title, columns, lines)


def _concordance(found: Mapping[str, Any], note: str) -> RenderableType:
    """Concordance with the ratings; a head that is not deployed, so in float."""
    spread = found["spread"]
    cells = [_number(told["mean"], told) for told in spread.values()]
    title = f"CCC with the ratings of {found['n']} clips, FLOAT: the head is not in what ships{note}"
    lines = [("float, training head", *cells), ("any constant", *("0.000" for _ in cells))]
    return table(title, ("", *spread), lines)


def _number(value: float, told: Mapping[str, Any] | None) -> str:
    """A number, or its mean over seeds and deviation where there are several."""
    if told is not None and told["sd"] is not None:
        return f"{told['mean']:.3f} ± {told['sd']:.3f}"
    return f"{value:.3f}"


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
