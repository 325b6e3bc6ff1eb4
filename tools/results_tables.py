"""Markdown of what `edge-ser evaluate` reports: scores, details to unfold, and what made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from edge_ser.evaluation import backends
from edge_ser.evaluation.distributions import CONSTANT_MEAN
from edge_ser.evaluation.handcrafted import baseline
from edge_ser.evaluation.summary import CONSTANT, SHIPPED

Record = Mapping[str, Any]

_TITLES = {str(key): title for key, title in (*backends.TITLES.items(), *baseline.TITLES.items())}
_TITLES[CONSTANT_MEAN] = "mean of the votes, for every clip"
_DIGEST_DIGITS = 12
_SCORES = ("macro_f1", "accuracy", "ece")
_MEASURES = {
    "alone": "acoustic net alone",
    "fused": "with keywords",
    "shuffled": "with shuffled keywords",
    "swapped": "other keywords at the test",
}


def result(record: Record) -> str:
    """All tables of one report, the details folded, the command that made it below."""
    parts = [*(_trial(record) if "tables" in record else _exam(record)), made_by(record)]
    return "\n\n".join(parts)


def made_by(record: Record) -> str:
    """The command line, and the digests that say of what."""
    by_hand = " (command noted by hand)" if record.get("command_by_hand") else ""
    told = [f"edge-ser {record['versions']['edge-ser']}"] if "versions" in record else []
    for name, key in (("code", "code_sha256"), ("spec", "spec_sha256")):
        if key in record:
            told.append(f"{name} `{record[key][:_DIGEST_DIGITS]}`")
    commit = record.get("commit")
    told += [f"commit `{commit[:_DIGEST_DIGITS]}`"] if commit else []
    return f"Made by{by_hand}:\n\n```sh\n{record['command']}\n```\n\n{', '.join(told) or 'Digests unknown'}."


def ablation(rows: Sequence[tuple[str, Record]], base: str, table: str | None) -> str:
    """Reports of one protocol side by side, with the difference to one of them, paired by seed.

    Args:
        rows: name and report each.
        base: name of the one that the others are compared with.
        table: which table of the reports; ``None`` for the first.
    """
    records = dict(rows)
    name = table if table is not None else next(iter(records[base]["tables"]))
    reference = _by_seed(records[base]["tables"][name])
    lines = []
    for title, record in rows:
        one = record["tables"][name]
        own = _by_seed(one)
        shared = [seed for seed in own if seed in reference]
        points = [100 * (own[seed] - reference[seed]) for seed in shared]
        difference = "–" if title == base else _signed(points)
        lines.append(
            (
                f"**{title}**" if title == base else title,
                _spread(one, SHIPPED, "uar"),
                difference,
                _spread(one, SHIPPED, "macro_f1"),
                _spread(one, "float", "uar") if "float" in one["pooled"] else "–",
                f"{one['drop']:+.2f}" if "drop" in one else "–",
                f"{record['params']:,}",
                ", ".join(own),
            )
        )
    columns = (
        "",
        "int8 UAR %",
        f"minus {base}, points",
        "int8 macro-F1 %",
        "float UAR %",
        "int8 drop, points",
    )
    head = "Mean ± sd over seeds; the difference is of the same seeds, its sd over them. "
    head += _conditions(records[base], name)
    grid = markdown((*columns, "parameters", "seeds"), lines)
    commands = "\n".join(f"# {title}\n{record['command']}" for title, record in rows)
    return f"{head}\n\n{grid}\n\nMade by:\n\n```sh\n{commands}\n```"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; a bar inside a cell would end it."""
    cells = [[str(cell).replace("|", "/") for cell in row] for row in (columns, *rows)]
    lines = [cells[0], ["---", *["--:"] * (len(columns) - 1)], *cells[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _trial(record: Record) -> Iterator[str]:
    several = len(record["tables"]) > 1
    for name, one in record["tables"].items():
        yield (f"**{name}.** " if several else "") + _conditions(record, name)
        yield _predictors(one["pooled"], one)
        yield _int8(one)
        if "keywords" in one:
            yield from _gains(one["keywords"])
        if name in record.get("votes", {}):
            yield _votes(record["votes"][name])
        if name in record.get("vad", {}):
            yield _concordance(record["vad"][name])
        yield _details(one["pooled"])
    if record.get("stream"):
        yield _stream(record["stream"]["mean"])
    yield _sizes(record)


def _exam(record: Record) -> Iterator[str]:
    learned = ", ".join(record["trained_on"]["emotions"])
    yield (
        f"Bundle {record['bundle']['name']}, which learned emotions from {learned}, on {record['corpus']}: "
        f"{record['n']:,} clips of {record['speakers']} speakers that taught it nothing.{_level(record)}"
        f"{_synthetic(record['synthetic'] or record['trained_on_synthetic'])}"
    )
    yield _predictors(record["rows"], None)
    if isinstance(record["baseline"], str):
        yield f"No hand-crafted row: {record['baseline']}."
    yield _agreement(record["agreement"])
    if "keywords" in record:
        yield from _gains(record["keywords"])
    if "among_shared" in record:
        shared = record["among_shared"]
        yield f"Decided only among the corpus' own classes ({', '.join(shared['classes'])}):"
        yield _predictors(shared["rows"], None)
    if "votes" in record:
        yield _votes(record["votes"])
    if "stress" in record:
        yield _stress(record["stress"])
    yield _details(record["rows"])


def _conditions(record: Record, name: str) -> str:
    pooled = record["tables"][name]["pooled"]
    row = pooled.get(SHIPPED, next(iter(pooled.values())))
    seeds = record["seeds"]
    clips = row["n"] // max(1, len(seeds))
    parts = [f"{record['corpus']}: {clips:,} clips of {row['speakers']} speakers"]
    if record.get("sources"):
        parts.append(f"with {', '.join(record['sources'])}")
    if "protocol" in record:
        parts.append(f"protocol {record['protocol']}, {len(record['folds'])} trainings a seed")
    if seeds:
        parts.append(f"seeds {', '.join(map(str, seeds))}")
    return f"{'; '.join(parts)}.{_level(record)}{_synthetic(record['synthetic'])}"


def _level(record: Record) -> str:
    level = record.get("level_dbfs")
    return "" if level is None else f" Every clip brought to {level:g} dBFS first."


def _synthetic(synthetic: bool) -> str:
    return " **SYNTHETIC: says that the line works, not how good a model is.**" if synthetic else ""


def _predictors(rows: Mapping[str, Any], table: Record | None) -> str:
    """With a trial's table the mean and deviation over its seeds stand beside the pooled figure."""
    lines = []
    for name, row in rows.items():
        low, high = row["interval"]
        pooled = f"{_percent(row['uar'])} ({_percent(low)}–{_percent(high)})"
        cells = [_spread(table, name, key) if table else _maybe(row, key) for key in _SCORES]
        lines.append((_title(name, row), *([_spread(table, name, "uar")] if table else []), pooled, *cells))
    uar = (
        ("UAR %, mean ± sd", "UAR %, pooled (95 % over speakers)")
        if table
        else ("UAR % (95 % over speakers)",)
    )
    return markdown(("", *uar, "macro-F1 %", "accuracy %", "ECE %"), lines)


def _int8(one: Record) -> str:
    agreed = _agreement(one["agreement"])
    if "drop" not in one:
        return agreed
    side = "below" if one["drop"] >= 0 else "above"
    return f"int8 is {abs(one['drop']):.2f} points of UAR {side} float, pooled. {agreed}"


def _agreement(shares: Mapping[str, float]) -> str:
    told = "; ".join(f"{_pair(pair)}: {_percent(share)} %" for pair, share in shares.items())
    return f"Same class: {told}." if told else "One backend only."


def _pair(pair: str) -> str:
    short = {"litert": "int8 LiteRT", "tflm": "int8 TFLM"}
    return " and ".join(short.get(name, name) for name in pair.split(", "))


def _sizes(record: Record) -> str:
    size = record["bytes"]
    size = size if isinstance(size, dict) else {"keyword": size}
    files = " + ".join(f"{net} {count:,}" for net, count in size.items())
    told = [f"int8 files: {files} bytes"]
    if "params" in record:
        told.insert(0, f"{record['params']:,} parameters")
    difference = record.get("keras_difference")
    if isinstance(difference, dict):
        told.append(f"float TFLite differs from Keras by at most {max(difference.values()):.1g}")
    for name, far in record.get("golden", {}).items():
        told.append(f"{_pair(name)} from the golden vectors: at most {max(far.values())} steps of uint8")
    return "; ".join(told) + "."


def _gains(worth: Mapping[str, Any]) -> Iterator[str]:
    found = worth.get(SHIPPED)
    if found is None:
        return
    lines = []
    for name, row in found["rows"].items():
        gain = found["gains"].get(name)
        points = "–"
        if gain is not None:
            points = f"{gain['points']:+.2f} ({gain['interval'][0]:+.2f} to {gain['interval'][1]:+.2f})"
        lines.append((_MEASURES.get(name, name), _percent(row["uar"]), points))
    yield "What the keywords are worth, int8:"
    yield markdown(("", "UAR %", "points over the acoustic net alone (95 % over speakers)"), lines)


def _votes(votes: Record) -> str:
    measures = list(next(iter(votes["rows"].values())))
    lines = [
        (_title(name, {}), *(f"{row[measure]:.3f}" for measure in measures))
        for name, row in votes["rows"].items()
    ]
    return "Distance from (or likeness to) the raters' votes:\n\n" + markdown(("", *measures), lines)


def _concordance(found: Record) -> str:
    lines = [(name, _plain(one["mean"], one["sd"])) for name, one in found["spread"].items()]
    words = f"Concordance (CCC) with the ratings of {found['n']:,} clips, in {found['runs_in']}:"
    return f"{words}\n\n{markdown(('', 'CCC, mean ± sd'), lines)}"


def _stream(rows: Sequence[Record]) -> str:
    first = rows[0]
    sources = list(first["false_accepts_per_hour"])
    lines = [
        (
            f"{row['threshold']:g}",
            *(f"{row['false_accepts_per_hour'][name]:.1f}" for name in sources),
            _percent(row["false_rejects"]),
            _percent(row["confused"]),
        )
        for row in rows
    ]
    hours = ", ".join(f"{name} {value:.2f} h" for name, value in first["hours"].items())
    words = f"Running sound without keywords ({hours}, all trainings together) against test words:"
    columns = ("threshold", *(f"false accepts an hour, {name}" for name in sources))
    return f"{words}\n\n{markdown((*columns, 'false rejects %', 'another word %'), lines)}"


def _stress(tests: Sequence[Record]) -> str:
    names = list(tests[0]["rows"])
    lines = [
        (
            f"{test['source']} microphone" if test["kind"] == "channel" else test["source"] or test["kind"],
            "" if test["db"] is None else f"{test['db']:+g}",
            *(_percent(test["rows"][name]["uar"]) for name in names),
            _maybe(test["rows"].get(SHIPPED, {}), "as_clean"),
        )
        for test in tests
    ]
    columns = ("", "dB", *(f"{_title(name, {})}, UAR %" for name in names), "int8 decides as clean %")
    return f"Noise and simulated channels (SNR), and level, never trained on:\n\n{markdown(columns, lines)}"


def _details(rows: Mapping[str, Any]) -> str:
    row = rows.get(SHIPPED, next(iter(rows.values())))
    classes = list(row["per_class"])
    recall = [
        (_title(name, one), *(_of_class(one, label, "recall") for label in classes))
        for name, one in rows.items()
    ]
    f1 = (
        "F1 of int8" if SHIPPED in rows else "F1",
        *(_of_class(row, label, "f1") for label in classes),
    )
    confusion = [
        (f"is {label}", *map(str, counts)) for label, counts in zip(classes, row["confusion"], strict=True)
    ]
    parts = [
        "<details><summary>Recall, confusion, gaps</summary>",
        "Recall %:",
        markdown(("", *classes), [*recall, f1]),
        "Decisions of what ships, clips (of all seeds together):",
        markdown(("", *(f"called {label}" for label in classes)), confusion),
        *_gaps(row.get("gaps", {})),
        "</details>",
    ]
    return "\n\n".join(parts)


def _of_class(row: Record, label: str, key: str) -> str:
    """A class that the test does not have was neither found nor missed."""
    one = row["per_class"][label]
    return _percent(one[key]) if one["clips"] else "–"


def _gaps(gaps: Mapping[str, Any]) -> Iterator[str]:
    lines = []
    for by, gap in gaps.items():
        if gap is not None:
            worst = [max(gap[key].values(), default=0.0) for key in ("recall_gap", "parity_gap", "label_gap")]
            uars = ", ".join(f"{name} {_percent(uar)}" for name, uar in gap.get("uar", {}).items())
            lines.append((by, uars or "–", _percent(gap["uar_gap"]), *map(_percent, worst)))
    if lines:
        columns = (
            "by",
            "UAR %",
            "UAR gap",
            "recall gap, worst class",
            "parity gap, worst",
            "the labels' own",
        )
        yield "Gaps between groups, what ships, points:"
        yield markdown(columns, lines)


def _by_seed(table: Record) -> dict[str, float]:
    return {seed: float(rows[SHIPPED]["uar"]) for seed, rows in table["seeds"].items()}


def _spread(table: Record, name: str, key: str) -> str:
    told = table["spread"].get(name, {}).get(key)
    if told is None:
        return "–"
    deviation = None if told["sd"] is None else 100 * told["sd"]
    return _plain(100 * told["mean"], deviation, 1)


def _plain(middle: float, deviation: float | None, digits: int = 3) -> str:
    return f"{middle:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}")


def _signed(points: Sequence[float]) -> str:
    return f"{mean(points):+.1f}" + (f" ± {stdev(points):.1f}" if len(points) > 1 else "")


def _title(name: str, row: Mapping[str, Any]) -> str:
    if name == CONSTANT:
        return f"constant predictor ({row['label']})" if "label" in row else "constant predictor"
    return _TITLES.get(name, name)


def _maybe(row: Mapping[str, Any], key: str) -> str:
    return _percent(row[key]) if row.get(key) is not None else "–"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
