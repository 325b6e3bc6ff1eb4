"""Two benches side by side, and what makes that unfair."""

from __future__ import annotations

from dataclasses import dataclass

from edge_ser.bench.machine import is_busy
from edge_ser.bench.result import BenchResult


@dataclass(frozen=True)
class Compared:
    """One figure of two benches.

    Attributes:
        name: e.g. ``"decision p95"``.
        first: of the new bench, milliseconds unless the name says otherwise; ``None`` where it has none.
        second: of the other one, milliseconds likewise.
    """

    name: str
    first: float | None
    second: float | None

    @property
    def ratio(self) -> float | None:
        """``first / second``: below 1 the new one is less."""
        if self.first is None or not self.second:
            return None
        return self.first / self.second


def compare(first: BenchResult, second: BenchResult) -> tuple[Compared, ...]:
    """The figures that either of them has, decision first; milliseconds unless the name says otherwise."""
    rows = [
        Compared(f"decision {name.removesuffix('_ms')}", getattr(first, name), getattr(second, name))
        for name in ("first_ms", "p50_ms", "p95_ms", "p99_ms", "most_ms")
    ]
    for stage in dict.fromkeys((*first.stages, *second.stages)):
        found = [one.stages[stage].p50_ms if stage in one.stages else None for one in (first, second)]
        rows.append(Compared(f"{stage} p50", *found))
    wholes = [one.segment["whole"].p95_ms if "whole" in one.segment else None for one in (first, second)]
    rows.append(Compared("segment at once p95", *wholes))
    used = [one.usage for one in (first, second)]
    costs = [use.cpu_ms_per_decision if use else None for use in used]
    rows.append(Compared("processor ms a decision", *costs))
    peaks = [use.memory_peak_bytes if use else None for use in used]
    rows.append(Compared("peak memory MB", *(peak and peak / 1e6 for peak in peaks)))
    times = [one.file.times_real_time if one.file else None for one in (first, second)]
    rows.append(Compared("file, times real time", *times))
    for part in dict.fromkeys((*first.instructions, *second.instructions)):
        counts = [one.instructions.get(part, {}).get("per_segment") for one in (first, second)]
        rows.append(Compared(f"{part.replace('_', ' ')}, instructions a segment", *counts))
    return tuple(row for row in rows if row.first is not None or row.second is not None)


def warnings(first: BenchResult, second: BenchResult) -> tuple[str, ...]:
    """Why the two should not be compared, or only with care; empty where nothing speaks against it."""
    found = []
    if first.kind != second.kind:
        found.append(f"one is {first.kind}, the other {second.kind}: they say nothing about each other")
    differences = first.machine.differences(second.machine)
    if differences:
        found.append(f"the machines differ ({'; '.join(differences)})")
    if first.device != second.device:
        found.append(f"they ran on different devices ({first.device}; {second.device})")
    if first.bundle.build != second.bundle.build:
        names = (f"{one.bundle.name} {one.bundle.build[:12]}" for one in (first, second))
        found.append(f"the bundles differ ({' and '.join(names)})")
    if first.settings != second.settings:
        found.append(f"the settings differ ({first.settings} and {second.settings})")
    if first.what != second.what:
        found.append("what a decision's time holds is not the same")
    for name, one in (("this bench", first), ("the other", second)):
        if one.usage is not None and is_busy(one.usage.load_before, one.machine.usable_cores):
            found.append(f"the machine was busy before {name} (load {one.usage.load_before:g})")
        if not one.agreement.within:
            found.append(f"{name} computes other values than the bundle's golden vectors")
    return tuple(found)
