"""The tables of `edge-ser bench`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_ser.cli.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.bench.estimated import Beside
    from edge_ser.bench.result import BenchResult
    from edge_ser.bench.timing import Statistics

_COLUMNS = ("", "first ms", "p50 ms", "p95 ms", "p99 ms", "slowest ms")


def render(result: BenchResult, other: BenchResult | None, beside: Sequence[Beside]) -> RenderableType:
    """Times by stage, what they took, and what stands beside them."""
    from rich.console import Group

    parts: list[RenderableType] = []
    if result.p50_ms is not None:
        parts.append(_times(result))
    if result.instructions:
        rows = [
            (f"{part} {name}".replace("_", " "), f"{count:,}")
            for part, counts in result.instructions.items()
            for name, count in counts.items()
        ]
        parts.append(table(result.title, ("", "instructions"), rows))
    parts.append(_sentences(result))
    if beside:
        parts.append(_against(beside))
    if other is not None:
        parts.append(_compared(result, other))
    return Group(*parts)


def _times(result: BenchResult) -> RenderableType:
    rows = [_row(name, one) for name, one in result.stages.items()]
    numbers = (result.first_ms, result.p50_ms, result.p95_ms, result.p99_ms, result.most_ms)
    rows.append(("decision", *map(_ms, numbers)))
    if "whole" in result.segment:
        rows.append(_row("segment at once", result.segment["whole"]))
    return table(f"{result.title}, {result.runs} runs", _COLUMNS, rows)


def _row(name: str, one: Statistics) -> tuple[str, ...]:
    return (name, *map(_ms, (one.first_ms, one.p50_ms, one.p95_ms, one.p99_ms, one.most_ms)))


def _sentences(result: BenchResult) -> str:
    words = [
        f"A decision: {result.what}.",
        f"On {result.device}; {result.machine.cpu}, {result.machine.system}.",
    ]
    usage = result.usage
    if usage is not None:
        line = f"Processor time {usage.cpu_ms_per_decision:.3f} ms a decision, {usage.cpu_s:.2f} s in all"
        if usage.memory_peak_bytes is not None and usage.memory_before_bytes is not None:
            line += (
                f"; memory at most {usage.memory_peak_bytes / 1e6:.1f} MB, of which "
                f"{usage.memory_before_bytes / 1e6:.1f} MB before the bundle was read"
            )
        words.append(f"{line}; loaded in {usage.load_ms:.0f} ms.")
    if result.file is not None:
        times = ", ".join(f"{seconds:.2f}" for seconds in result.file.wall_s)
        words.append(
            f"A file of {result.file.audio_s:.1f} s: {result.file.times_real_time:.0f} times real time "
            f"(the slowest of {times} s)."
        )
    from edge_ser.bench.result import STREAM_BYTES

    told = ", ".join(
        f"{name} {'not run' if value is None else value}"
        for name, value in result.agreement.differences.items()
        if name != STREAM_BYTES
    )
    words.append(f"Largest difference from the golden vectors: {told}.")
    if STREAM_BYTES in result.agreement.differences:
        differ = result.agreement.differences[STREAM_BYTES]
        words.append(f"Bytes of net inputs and records that differ from the listener in Python: {differ}.")
    return "\n".join(words)


def _against(rows: Sequence[Beside]) -> RenderableType:
    lines = [
        (
            row.name,
            f"{row.measured_ms:.3f}",
            f"{row.predicted_ms.low:.3f} – {row.predicted_ms.mid:.3f} – {row.predicted_ms.high:.3f}",
            "yes" if row.inside else "NO",
        )
        for row in rows
    ]
    return table(
        "Measured (p50) beside predicted, milliseconds", ("", "measured", "predicted", "inside"), lines
    )


def _compared(result: BenchResult, other: BenchResult) -> RenderableType:
    from edge_ser.bench.compare import compare

    lines = [
        (row.name, *map(_figure, (row.first, row.second)), "–" if row.ratio is None else f"{row.ratio:.2f}")
        for row in compare(result, other)
    ]
    title = f"This bench beside {other.title}; milliseconds where nothing else is said"
    return table(title, ("", "this", "other", "this / other"), lines)


def _figure(value: float | None) -> str:
    """Counts are integers, everything else is not."""
    return f"{value:,}" if isinstance(value, int) else _ms(value)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
