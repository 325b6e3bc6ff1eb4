"""`edge-ser estimate`: latency without a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.edgetpu.latency import Estimate
    from edge_ser.edgetpu.targets import Interval


def estimate(
    path: Annotated[
        Path, typer.Argument(metavar="MODEL|BUNDLE", help="A .tflite model, or a bundle for both nets.")
    ],
    target: Annotated[str, typer.Option(help="coral-micro, usb2 or usb3.")] = "coral-micro",
    clock_mhz: Annotated[
        float | None, typer.Option(help="Clock of the Edge TPU; the target's own if not given.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Estimate the latency of an uncompiled model: an interval and its terms, predicted, not measured.

    For a bundle it is one inference of each net, one after the other; front end and fusion are not in it.

    Example: edge-ser estimate build/tiny/tiny.edgeser --target coral-micro
    """
    from edge_ser.cli.check import models_of
    from edge_ser.edgetpu import latency
    from edge_ser.edgetpu.targets import target_named

    chosen = target_named(target)
    models = models_of(path)
    estimates = {name: latency.estimate(model, chosen, clock_mhz) for name, model in models.items()}
    total = latency.sum_intervals(*(item.ms for item in estimates.values()))
    first = latency.sum_intervals(*(item.first_ms for item in estimates.values()))
    data = {
        "predicted": True,
        "target": chosen.name,
        "source": chosen.source,
        "ms": _numbers(total),
        "first_ms": _numbers(first),
        "terms": [
            {"model": name, "term": term, "ms": _numbers(interval)}
            for name, item in estimates.items()
            for term, interval in item.terms
        ],
        "operations": {name: len(model.operators) for name, model in models.items()},
        "host_ops": {name: list(item.host_ops) for name, item in estimates.items()},
    }
    emit(data, as_json, lambda: _render(estimates, total, first))


def _numbers(interval: Interval) -> dict[str, float]:
    return {"low": round(interval.low, 4), "mid": round(interval.mid, 4), "high": round(interval.high, 4)}


def _render(estimates: dict[str, Estimate], total: Interval, first: Interval) -> RenderableType:
    from rich.console import Group

    rows: list[tuple[Any, ...]] = [
        (name, term, *(f"{value:.3f}" for value in (interval.low, interval.mid, interval.high)))
        for name, item in estimates.items()
        for term, interval in item.terms
    ]
    for label, interval in (("steady state", total), ("first inference", first)):
        rows.append(
            ("all", label, *(f"{value:.3f}" for value in (interval.low, interval.mid, interval.high)))
        )
    any_item = next(iter(estimates.values()))
    title = (
        f"estimate for {any_item.target} at {any_item.clock_mhz:g} MHz, milliseconds; predicted, not measured"
    )
    left = [
        f"{name}: on the host and not in the estimate: {', '.join(item.host_ops)}"
        for name, item in estimates.items()
        if item.host_ops
    ]
    return Group(table(title, ("model", "term", "low", "mid", "high"), rows), *left)
