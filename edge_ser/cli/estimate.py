"""`edge-ser estimate`: latency and energy without a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.edgetpu.energy import Energy
    from edge_ser.edgetpu.interval import Interval
    from edge_ser.edgetpu.latency import Estimate
    from edge_ser.edgetpu.payload import Payload
    from edge_ser.edgetpu.targets import Target

_KINDS_SHOWN = 6


def estimate(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL|BUNDLE", help="A .tflite model, compiled or not, or a bundle for a whole decision."
        ),
    ],
    target: Annotated[
        str, typer.Option(help="coral-micro, usb2, usb3, or a hardware description file (.toml).")
    ] = "coral-micro",
    clock_mhz: Annotated[
        float | None, typer.Option(help="Clock of the Edge TPU; the target's own if not given.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="What a compiled file was compiled from; default: the model beside it without _edgetpu.",
        ),
    ] = None,
    period_s: Annotated[
        float, typer.Option(help="Seconds from one decision to the next, for the average power.")
    ] = 3.0,
    as_json: JsonFlag = False,
) -> None:
    """Estimate the latency of a model: an interval and its terms, predicted, not measured.

    A compiled file gives exact bytes, an uncompiled one a range. For a bundle it is one decision: one
    inference of each net, one after the other, then the fusion; the front end ran while audio came in.
    Constants of your own board: `edge-ser calibrate`.

    Example: edge-ser estimate build/tiny/tiny.edgeser --target coral-micro
    """
    from edge_ser.edgetpu.budget import NETS
    from edge_ser.edgetpu.energy import energy_of
    from edge_ser.edgetpu.estimating import estimate as estimated
    from edge_ser.edgetpu.targets import target_named

    chosen = target_named(target)
    found = estimated(path, chosen, clock_mhz=clock_mhz, source=source)
    names = NETS if path.suffix == ".edgeser" else (path.stem,)
    payloads = dict(zip(names, found.payloads, strict=True))
    energy = None if chosen.power is None else energy_of(found, chosen.power, period_s)
    data = {
        "estimate": True,
        "predicted": not all(item.exact for item in payloads.values()),
        "target": chosen.name,
        "clock_mhz": found.clock_mhz,
        "source": chosen.source,
        "ms": _numbers(found.ms),
        "first_ms": _numbers(found.first_ms),
        "terms": [{"term": name, "ms": _numbers(interval)} for name, interval in found.terms],
        "dominant": found.dominant,
        "operations": {name: item.operations for name, item in payloads.items()},
        "bytes": {name: _bytes(item) for name, item in payloads.items()},
        "host_ops": {name: list(item.host_ops) for name, item in payloads.items()},
        "energy": None if energy is None else _energy(energy, period_s),
    }
    emit(data, as_json, lambda: _render(found, payloads, chosen, energy, period_s))


def _numbers(interval: Interval, digits: int = 4) -> dict[str, float]:
    return {
        "low": round(interval.low, digits),
        "mid": round(interval.mid, digits),
        "high": round(interval.high, digits),
    }


def _bytes(payload: Payload) -> dict[str, Any]:
    return {
        "exact": payload.exact,
        "instructions": _numbers(payload.instruction_bytes, 0),
        "inputs": payload.input_bytes,
        "outputs": payload.output_bytes,
        "streamed": payload.streamed_bytes,
        "first": payload.first_bytes,
    }


def _energy(energy: Energy, period_s: float) -> dict[str, Any]:
    return {
        "model_based": True,
        "period_s": period_s,
        "decision_mj": _numbers(energy.decision_mj),
        "first_mj": _numbers(energy.first_mj),
        "average_w_kept_powered": _numbers(energy.kept_w),
        "average_w_switched_off": None if energy.switched_w is None else _numbers(energy.switched_w),
    }


def _render(
    found: Estimate, payloads: dict[str, Payload], target: Target, energy: Energy | None, period_s: float
) -> RenderableType:
    from rich.console import Group

    def row(name: str, interval: Interval) -> tuple[str, ...]:
        return (name, *(f"{value:.3f}" for value in (interval.low, interval.mid, interval.high)))

    rows = [row(name, interval) for name, interval in found.terms]
    rows += [row("steady state", found.ms), row("first inference", found.first_ms)]
    title = f"estimate for {target.name} at {found.clock_mhz:g} MHz, milliseconds; predicted, not measured"
    words = [
        "The whole's range is narrower than the terms' together: their causes do not know of each other.",
        f"Most of it is {found.dominant}. Constants: {target.source}.",
        *(_sentence(name, payload) for name, payload in payloads.items()),
    ]
    if energy is not None:
        words.append(_power_words(energy, period_s))
    return Group(table(title, ("term", "low", "mid", "high"), rows), *words)


def _sentence(name: str, payload: Payload) -> str:
    size = payload.instruction_bytes
    if payload.exact:
        known = f"{name}: {size.mid:,.0f} bytes of instructions, read from the compiled file"
    else:
        known = (
            f"{name}: {payload.operations} operations, {size.low:,.0f} to {size.high:,.0f} bytes of instructions"
            f" predicted; most by {_most(payload)}"
        )
    if payload.unknown_cycles is not None:
        known += "; the computation is a guess from its parameters, --source names what it was compiled from"
    left = f"; on the host and not in the estimate: {', '.join(payload.host_ops)}" if payload.host_ops else ""
    return f"{known}{left}."


def _most(payload: Payload) -> str:
    """Kinds of operations by what their instructions take, largest first."""
    sums: dict[str, tuple[int, float]] = {}
    for part in payload.instructions:
        count, size = sums.get(part.op, (0, 0.0))
        sums[part.op] = count + 1, size + part.total.mid
    largest = sorted(sums.items(), key=lambda item: -item[1][1])[:_KINDS_SHOWN]
    return ", ".join(f"{count} {op} {size:,.0f}" for op, (count, size) in largest)


def _power_words(energy: Energy, period_s: float) -> str:
    def words(interval: Interval, unit: str) -> str:
        return f"{interval.mid:.2g} {unit} ({interval.low:.2g} to {interval.high:.2g})"

    kept = f"average {words(energy.kept_w, 'W')} with the Edge TPU powered all the time"
    off = (
        ""
        if energy.switched_w is None
        else f", {words(energy.switched_w, 'W')} switched off between decisions (each then uploads its parameters)"
    )
    return f"Energy, model-based: {words(energy.decision_mj, 'mJ')} a decision; one every {period_s:g} s: {kept}{off}."
