"""Sizes, arena, flash, latency and int8 drop of a bundle against what its spec allows."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from edge_ser.bundle import Bundle
from edge_ser.edgetpu.arena import arena_bytes
from edge_ser.edgetpu.latency import Estimate, together
from edge_ser.edgetpu.model import Model, read_model
from edge_ser.edgetpu.package import read_compiled
from edge_ser.edgetpu.payload import Payload, compiled_payload, predicted_payload
from edge_ser.edgetpu.prediction import CompiledPrediction, predict_compiled
from edge_ser.edgetpu.rules import check_model
from edge_ser.edgetpu.targets import Target, target_named
from edge_ser.errors import MissingError
from edge_ser.spec import BudgetSpec

NETS = ("keyword", "acoustic")
"""The two nets of a bundle, in the order in which they are compiled."""

MICRO = "coral-micro"


@dataclass(frozen=True)
class BudgetItem:
    """One item of the budget.

    Attributes:
        name: what it is; units in the name.
        value: the amount in the unit that the name ends in, ``None`` where it cannot be told here.
        limit: the most it may be, in the same unit, ``None`` where the spec sets none.
        predicted: whether the amount is a prediction and not a measurement.
        detail: the range of a prediction, or why there is no amount.
    """

    name: str
    value: float | None
    limit: float | None
    predicted: bool
    detail: str

    @property
    def ok(self) -> bool:
        """Whether it is within its limit; an item without amount or limit breaks nothing."""
        return self.value is None or self.limit is None or self.value <= self.limit


@dataclass(frozen=True)
class BudgetReport:
    """A bundle against its budget."""

    items: tuple[BudgetItem, ...]

    @property
    def within(self) -> bool:
        """Whether every item is within its limit."""
        return all(item.ok for item in self.items)

    @property
    def broken(self) -> tuple[BudgetItem, ...]:
        """The items over their limit."""
        return tuple(item for item in self.items if not item.ok)


def budget(bundle: Bundle, limits: BudgetSpec) -> BudgetReport:
    """Hold a bundle against its budget.

    Latency is that of one decision: one inference of each net, on the Micro at its default clock (earlier
    keyword windows of a segment ran while its audio came in). The middle of the estimate is held against
    the limit, because its upper end is a pessimistic prior that no board has confirmed; the range stands
    beside it.

    Args:
        bundle: the system.
        limits: its budget.

    Raises:
        InputError: a model in the bundle cannot be read.
    """
    models = nets(bundle)
    # The arena is planned by a program of its own, which takes as long as all the rest.
    with ThreadPoolExecutor(max_workers=1) as beside:
        arena = beside.submit(_arena, bundle, limits)
        return BudgetReport(
            (
                _compiled_bytes(bundle, models, limits),
                _int8_bytes(bundle),
                _table_bytes(bundle),
                _latency(bundle, models, limits),
                _drop(bundle, limits),
                arena.result(),
            )
        )


def nets(bundle: Bundle) -> dict[str, Model]:
    """The uncompiled nets of a bundle by name.

    Raises:
        InputError: one is missing or cannot be read.
    """
    return {name: read_model(bundle.member(f"{name}.tflite"), f"{name}.tflite") for name in NETS}


def predictions(models: dict[str, Model]) -> dict[str, CompiledPrediction]:
    """What the compiler will probably make of each net."""
    return {name: predict_compiled(model, check_model(model)) for name, model in models.items()}


def payloads(bundle: Bundle, models: dict[str, Model]) -> dict[str, Payload]:
    """What one inference of each net moves: exact where the bundle holds the compiled files.

    Args:
        bundle: the system.
        models: its uncompiled nets.

    Raises:
        InputError: a compiled file in the bundle cannot be read.
    """
    if not _is_compiled(bundle):
        return {name: predicted_payload(model) for name, model in models.items()}
    return {
        name: compiled_payload(
            read_compiled(bundle.member(f"{name}_edgetpu.tflite"), f"{name}_edgetpu.tflite"), model
        )
        for name, model in models.items()
    }


def decision(bundle: Bundle, target: Target, clock_mhz: float | None = None) -> Estimate:
    """Estimated latency of one decision: one inference of each net, one after the other, then fusion.

    Raises:
        InputError: a model in the bundle cannot be read, or the target has no such clock.
    """
    return _decision(bundle, nets(bundle), target, clock_mhz)


def _decision(bundle: Bundle, models: dict[str, Model], target: Target, clock_mhz: float | None) -> Estimate:
    weights = sum(array.size for array in bundle.arrays("fusion.npz").values())
    return together(tuple(payloads(bundle, models).values()), target, clock_mhz, weights)


def _is_compiled(bundle: Bundle) -> bool:
    return all(f"{name}_edgetpu.tflite" in bundle.members for name in NETS)


def _compiled_bytes(bundle: Bundle, models: dict[str, Model], limits: BudgetSpec) -> BudgetItem:
    if _is_compiled(bundle):
        size = sum(len(bundle.member(f"{name}_edgetpu.tflite")) for name in NETS)
        return BudgetItem("compiled_bytes", size, limits.compiled_bytes, False, "both compiled files")
    size = sum(prediction.bytes for prediction in predictions(models).values())
    return BudgetItem("compiled_bytes", size, limits.compiled_bytes, True, "predicted: not compiled yet")


def _int8_bytes(bundle: Bundle) -> BudgetItem:
    size = sum(len(bundle.member(f"{name}.tflite")) for name in NETS)
    return BudgetItem("int8_bytes", size, None, False, "both int8 files")


def _table_bytes(bundle: Bundle) -> BudgetItem:
    """Flash of what the firmware computes with beside the nets: the front end's tables, the fusion head."""
    tables = sum(array.nbytes for array in bundle.arrays("frontend_tables.npz").values())
    head = sum(array.nbytes for array in bundle.arrays("fusion.npz").values())
    detail = (
        f"in the M7's code flash: front end {tables:,}, fusion head {head:,}; the nets lie in the file system"
    )
    return BudgetItem("table_bytes", tables + head, None, False, detail)


def _latency(bundle: Bundle, models: dict[str, Model], limits: BudgetSpec) -> BudgetItem:
    found = _decision(bundle, models, target_named(MICRO), None)
    ms = found.ms
    operations = sum(payload.operations for payload in found.payloads)
    detail = (
        f"an estimate, {ms.low:.1f} to {ms.high:.1f} ms: one inference of each net on the Micro at"
        f" {found.clock_mhz:g} MHz, {operations} operations, mostly {found.dominant}"
    )
    return BudgetItem("latency_ms", round(ms.mid, 3), limits.latency_ms, True, detail)


def _drop(bundle: Bundle, limits: BudgetSpec) -> BudgetItem:
    report = bundle.report("quantize")
    drop = report.get("drop") if report is not None else None
    if isinstance(drop, bool) or not isinstance(drop, int | float) or not math.isfinite(drop):
        detail = "skipped: the bundle holds no reports/quantize.json with a drop; run: edge-ser quantize"
        return BudgetItem("int8_drop_points", None, limits.int8_drop, False, detail)
    return BudgetItem("int8_drop_points", float(drop), limits.int8_drop, False, "macro-F1, float minus int8")


def _arena(bundle: Bundle, limits: BudgetSpec) -> BudgetItem:
    try:
        sizes = arena_bytes({name: bundle.member(f"{name}.tflite") for name in NETS})
    except MissingError as error:
        return BudgetItem("arena_bytes", None, limits.arena_bytes, False, f"skipped: {error}")
    detail = "the larger net, TensorFlow Lite Micro on this host"
    return BudgetItem("arena_bytes", max(sizes.values()), limits.arena_bytes, False, detail)
