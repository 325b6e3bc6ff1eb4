"""The report in short, as GitHub-flavoured Markdown: for the description or a comment of a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edge_ser.report import views, words
from edge_ser.report.contents import Report
from edge_ser.report.scores import CONSTANT, FLOAT, SHIPPED, Scored

_SPECIAL = re.compile(r"[\\`*_{}\[\]()<>#+!|~$&]")
"""What GitHub's Markdown may take for markup; the other signs mean something only at the start of a line."""

_BASELINES = ("lr", "mlp")

_INVISIBLE = "\u200b"
"""After an @ or between a # and a number it keeps GitHub from telling a person or linking an issue."""


def markdown_report(report: Report) -> str:
    """The report in short.

    Args:
        report: what it says.

    Returns:
        Markdown that ends in a line feed; the same report gives the same text.
    """
    parts = [*_head(report), *_budget(report), *_mapping(report), *_latency(report), *_parity(report)]
    parts += [*_scores(report), *_ablations(report), _end(report)]
    return "\n\n".join(parts) + "\n"


def plain(text: object) -> str:
    r"""A text of whatever origin on one line, every sign that could be markup made harmless.

    >>> print(plain("a|b <img> @you #1"))
    a\|b \<img\> @​you \#​1
    """
    line = " ".join(str(text).split())
    line = _SPECIAL.sub(lambda found: f"\\{found.group()}", line)
    line = re.sub(r"([@#])(?=\w)", rf"\1{_INVISIBLE}", line)
    # A bare address becomes a link by itself.
    return re.sub(r"(?i)(https?|www)(?=[:.])", rf"\1{_INVISIBLE}", line)


def _head(report: Report) -> Iterator[str]:
    it = report.identity
    yield f"### Report of {plain(it.name)}"
    verdict = "**Within its budget**" if report.within else "**OVER its budget**"
    told = [verdict]
    told.append(
        "compiled for the Edge TPU" if it.compiled else "not compiled: Edge TPU figures are **predicted**"
    )
    if report.golden:
        told.append("golden vectors agree" if report.agrees else "**golden vectors DIFFER on this machine**")
    yield "; ".join(told) + "."
    yield (
        f"Build `{words.digest(it.build_id)}`, {words.amount(it.params)} parameters, {it.segment_s:g} s segments: "
        f"{plain(', '.join(it.labels))}."
    )
    if it.synthetic:
        yield "> **Learned emotions from SYNTHETIC speech**: it shows that the line works, and is no model of people."


def _budget(report: Report) -> Iterator[str]:
    rows = []
    for item in report.budget:
        verdict = "skipped" if item.value is None else ("ok" if item.ok else "**over**")
        note = "predicted" if item.predicted else ""
        unit = words.unit(item.name)
        rows.append(
            (
                plain(f"{words.item(item.name)}, {unit}" if unit else words.item(item.name)),
                words.amount(item.value),
                words.amount(item.limit),
                verdict,
                note,
            )
        )
    yield _table(("budget", "value", "limit", "", ""), rows, numbers=(1, 2))


def _mapping(report: Report) -> Iterator[str]:
    told = []
    for one in report.mapping:
        stays = [verdict for verdict in one.report.ops if not verdict.mapped]
        why = "" if not stays else f"; first not: {stays[0].index} {stays[0].op} ({stays[0].rule})"
        told.append(plain(f"{one.net} {one.mapped} of {len(one.report.ops)}{why}"))
    yield f"**Mapping**, predicted: {'; '.join(told)}."


def _latency(report: Report) -> Iterator[str]:
    rows = [
        (
            plain(f"{one.title}, {one.clock_mhz:g} MHz"),
            "predicted",
            words.ms(one.ms.low),
            words.ms(one.ms.mid),
            words.ms(one.ms.high),
        )
        for one in report.estimates
    ]
    for bench in report.measured:
        result = bench.result
        if result.p50_ms is None:
            continue
        doubts = ["" if bench.same_build else "of another build", "busy machine" if bench.busy else ""]
        doubts.append("wrong values" if result.agreement.problem else "")
        note = ", ".join(doubt for doubt in doubts if doubt)
        rows.append(
            (
                plain(f"{result.backend}, {result.machine.cpu}"),
                f"{result.kind}{f' ({note})' if note else ''}",
                words.ms(result.p50_ms),
                words.ms(result.p95_ms),
                words.ms(result.p99_ms),
            )
        )
    yield _table(("ms a decision", "", "low, p50", "middle, p95", "high, p99"), rows, numbers=(2, 3, 4))


def _parity(report: Report) -> Iterator[str]:
    if report.parity is not None:
        must = [pair for pair in report.parity.pairs if pair.must_agree]
        wrong = sum(pair.mismatches for pair in must)
        values = sum(pair.values for pair in must)
        yield (
            f"**Parity**: {wrong:,} mismatches in {values:,} values of {len(must)} pairs of front ends, "
            f"{report.parity.seconds:,.1f} s of audio."
        )


def _scores(report: Report) -> Iterator[str]:
    rows = []
    for one in report.scores:
        title = plain(one.title) + (" **SYNTHETIC**" if one.synthetic else "")
        for name in (SHIPPED, FLOAT, *_BASELINES, CONSTANT):
            if name in one.rows:
                row = one.rows[name]
                uar = words.measure(one, name, "uar")
                cells = (words.interval(row.interval), words.measure(one, name, "macro_f1"), f"{one.clips:,}")
                shown = f"**{uar}**" if name == SHIPPED else uar
                rows.append((title, plain(words.predictor(name, row)), shown, *cells))
                title = ""
    if not rows:
        return
    yield _table(("scores", "", "UAR %", "95 %", "macro-F1 %", "clips"), rows, numbers=(2, 3, 4, 5))
    if any(one.synthetic for one in report.scores):
        yield "> **SYNTHETIC** scores say that the line works, and nothing about people."
    inner = [_confusion(one) for one in report.scores]
    yield "<details><summary>Confusion, recall in float and int8</summary>"
    yield from inner
    yield "</details>"


def _confusion(one: Scored) -> str:
    row = one.shipped
    by_class = {line.label: line for line in views.by_class(one)}
    head = ["", *(plain(label) for label in row.classes), "recall %"]
    if by_class:
        head.append("float")
    lines = []
    for label, counts in zip(row.classes, row.confusion, strict=True):
        there = row.per_class[label].clips > 0
        cells = [
            plain(label),
            *map(str, counts),
            words.percent(row.per_class[label].recall if there else None),
        ]
        if by_class:
            cells.append(words.percent(by_class[label].float_recall))
        lines.append(cells)
    title = f"{plain(one.title)}{', SYNTHETIC' if one.synthetic else ''}: {plain(one.words)}"
    what = "int8" if SHIPPED in one.rows else plain(next(iter(one.rows)))
    together = f", {one.trainings} trainings together" if one.trainings > 1 else ""
    grid = _table(head, lines, numbers=range(1, len(head)))
    return f"{title} Rows are the truth, columns what {what} says{together}.\n\n{grid}"


def _ablations(report: Report) -> Iterator[str]:
    for one in report.ablations:
        rows = [
            (
                plain(row.name),
                words.spread(row.uar),
                words.NONE if row.points is None else words.signed(row.points.mean),
                words.spread(row.float_uar),
                words.amount(row.params),
            )
            for row in one.rows
        ]
        note = " **SYNTHETIC**" if one.synthetic else ""
        yield f"**Ablation**, {plain(one.title)}{note}, UAR %, mean ± sd over seeds:"
        yield _table(("recipe", "int8", "points", "float", "parameters"), rows, numbers=range(1, 5))


def _end(report: Report) -> str:
    it = report.identity
    commit = f", commit `{plain(words.digest(it.commit))}`" if it.commit else ""
    told = f"edge-ser {plain(report.written_by)} from {plain(it.file)}{commit}"
    return f"<sub>{told}; what it must not be used for: `edge-ser show --card`</sub>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    rule = ["--:" if index in numbers else "---" for index in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
