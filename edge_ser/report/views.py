"""What tables and figures need beyond the contents: groups, scales and shares; still no markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_ser.bundle_curves import Curve
from edge_ser.edgetpu.interval import Interval
from edge_ser.edgetpu.rules import OpVerdict
from edge_ser.report.contents import Estimated, LayerError, Measured, NetMapping, Report
from edge_ser.report.scores import FLOAT, SHIPPED, Row, Scored

WORST_LAYERS = 6
"""Of each net, the tensors that int8 hurts most; the others are better than these."""

_ROOM = 1.05
"""The largest value stands a little inside the figure."""


@dataclass(frozen=True)
class OpKind:
    """Operations of one kind in one net.

    Attributes:
        op: their name.
        count: how many.
        mapped: how many of them map.
        rules: names of the rules that had something to say.
    """

    op: str
    count: int
    mapped: int
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Remark:
    """What a rule says of some operations of one net."""

    ops: tuple[int, ...]
    op: str
    rule: str
    reason: str
    hint: str
    confidence: str


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix: clips, and their share of the truth's clips in tenths."""

    count: int
    tenths: int


@dataclass(frozen=True)
class ClassRow:
    """One class in float and in int8.

    Attributes:
        label: its name.
        clips: how many have it.
        float_recall: share of them that the float system found; ``None`` where there are none.
        int8_recall: share of them that the int8 system found; ``None`` where there are none.
        f1: F1 score of the int8 system; ``None`` likewise.
    """

    label: str
    clips: int
    float_recall: float | None
    int8_recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Line:
    """A measure over the epochs of one stage.

    Attributes:
        name: what is measured.
        values: by epoch, in the measure's unit.
        points: (x, y) in per cent of the plot's width and height, y down.
        low: lower end of the scale, in the same unit as the values.
        high: upper end, in the same unit.
    """

    name: str
    values: tuple[float, ...]
    points: tuple[tuple[float, float], ...]
    low: float
    high: float


def kinds(mapping: NetMapping) -> tuple[OpKind, ...]:
    """Operations by kind, the commonest first."""
    groups: dict[str, list[OpVerdict]] = {}
    for verdict in mapping.report.ops:
        groups.setdefault(verdict.op, []).append(verdict)
    found = [
        OpKind(
            op,
            len(verdicts),
            sum(verdict.mapped for verdict in verdicts),
            tuple(dict.fromkeys(verdict.rule for verdict in verdicts if verdict.rule)),
        )
        for op, verdicts in groups.items()
    ]
    return tuple(sorted(found, key=lambda kind: (-kind.count, kind.op)))


def remarks(mapping: NetMapping) -> tuple[Remark, ...]:
    """What the rules say, once for each rule and kind."""
    groups: dict[tuple[str, str], list[OpVerdict]] = {}
    for verdict in mapping.report.ops:
        if verdict.reason:
            groups.setdefault((verdict.op, verdict.rule), []).append(verdict)
    return tuple(
        Remark(
            tuple(verdict.index for verdict in verdicts),
            op,
            rule,
            verdicts[0].reason,
            verdicts[0].hint,
            verdicts[0].confidence,
        )
        for (op, rule), verdicts in groups.items()
    )


def matrix(row: Row) -> tuple[tuple[Cell, ...], ...]:
    """The confusion matrix; a class without clips has no shares."""
    lines = []
    for counts in row.confusion:
        total = sum(counts)
        lines.append(tuple(Cell(count, round(10 * count / total) if total else 0) for count in counts))
    return tuple(lines)


def by_class(scored: Scored) -> tuple[ClassRow, ...]:
    """Float beside int8, class by class; empty where one of the two was not scored."""
    if not {FLOAT, SHIPPED} <= set(scored.rows):
        return ()
    before, after = scored.rows[FLOAT], scored.rows[SHIPPED]
    found = []
    for label in after.classes:
        old, new = before.per_class[label], after.per_class[label]
        there = new.clips > 0
        found.append(
            ClassRow(
                label,
                new.clips,
                old.recall if there else None,
                new.recall if there else None,
                new.f1 if there else None,
            )
        )
    return tuple(found)


def worst_layers(layers: Sequence[LayerError]) -> tuple[LayerError, ...]:
    """The tensors of each net that int8 hurts most, the worst first."""
    nets = dict.fromkeys(layer.net for layer in layers)
    return tuple(
        layer
        for net in nets
        for layer in sorted((one for one in layers if one.net == net), key=lambda one: one.snr_db)[
            :WORST_LAYERS
        ]
    )


def latency_scale(estimates: Sequence[Estimated], measured: Sequence[Measured], limit: float | None) -> float:
    """Milliseconds at the right end of the figures of latency."""
    ends = [one.ms.high for one in estimates]
    ends += [one.result.p99_ms for one in measured if one.result.p99_ms is not None]
    ends += [] if limit is None else [limit]
    return _ROOM * max(ends, default=1.0)


def terms(estimated: Estimated) -> tuple[tuple[str, Interval, float], ...]:
    """(name, milliseconds, share of the middle) of every term that takes time, the largest first."""
    whole = sum(ms.mid for _, ms in estimated.terms) or 1.0
    found = [(name, ms, ms.mid / whole) for name, ms in estimated.terms if ms.mid > 0]
    return tuple(sorted(found, key=lambda term: -term[2]))


def lines(curve: Curve) -> tuple[Line, ...]:
    """Loss and validation UAR over the epochs of a stage."""
    losses = tuple(epoch.loss for epoch in curve.epochs)
    shares = tuple(100 * epoch.validation_uar for epoch in curve.epochs)
    return (
        _line("loss on the training clips", losses, min(0.0, *losses), max(losses)),
        _line("UAR on validation speakers, %", shares, 0.0, 100.0),
    )


def latency_limit(report: Report) -> float | None:
    """Milliseconds that the budget allows for a decision."""
    return next((item.limit for item in report.budget if item.name == "latency_ms"), None)


def _line(name: str, values: tuple[float, ...], low: float, high: float) -> Line:
    width = max(1, len(values) - 1)
    height = (high - low) or 1.0
    points = tuple(
        (100 * index / width, 100 * (1 - (value - low) / height)) for index, value in enumerate(values)
    )
    return Line(name, values, points, low, high)
