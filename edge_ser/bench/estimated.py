"""Measured beside predicted, and the file that ``edge-ser calibrate`` reads."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_ser.bench.result import BenchResult
from edge_ser.bundle import Bundle
from edge_ser.edgetpu.budget import NETS, decision, nets, payloads
from edge_ser.edgetpu.interval import Interval
from edge_ser.edgetpu.latency import together
from edge_ser.edgetpu.targets import Target
from edge_ser.errors import InputError
from edge_ser.files import reason, write_atomically

TARGETS: Final = {"board": "coral-micro", "usb": "usb3"}
"""What an estimate is for, where nobody says; an Edge TPU is behind these backends alone."""

_COLUMNS: Final = ("model", "ms", "clock_mhz")
_LARGEST_FILE: Final = 10_000_000


@dataclass(frozen=True)
class Beside:
    """One measured latency beside its estimate.

    Attributes:
        name: a net, or ``"decision"``.
        measured_ms: its 50th percentile.
        predicted_ms: the estimate.
    """

    name: str
    measured_ms: float
    predicted_ms: Interval

    @property
    def inside(self) -> bool:
        """Whether the estimate's interval holds it."""
        return self.predicted_ms.low <= self.measured_ms <= self.predicted_ms.high


def check_comparable(backend: str) -> None:
    """Refuse backends without an Edge TPU.

    Raises:
        InputError: this is one.
    """
    if backend not in TARGETS:
        message = (
            f"--against estimate: estimates are of Edge TPUs, and {backend} runs none; expected --backend "
            f"{' or '.join(TARGETS)}"
        )
        raise InputError(message)


def beside(result: BenchResult, bundle: Bundle, target: Target, clock_mhz: float) -> tuple[Beside, ...]:
    """What a bench measured beside what ``edge-ser estimate`` says of the bundle.

    Args:
        result: measured on a board or an Edge TPU.
        bundle: what was measured.
        target: what the estimate is for.
        clock_mhz: clock of the Edge TPU.

    Raises:
        InputError: no Edge TPU was measured, the result is of another bundle, or the target has no such clock.
    """
    check_comparable(result.backend)
    if result.kind != "measured" or result.p50_ms is None:
        message = f"{result.title}: is no measurement; nothing can stand beside an estimate"
        raise InputError(message)
    if result.bundle.build != bundle.build_id:
        found_build, build = result.bundle.build[:12], bundle.build_id[:12]
        message = f"the bench is of build {found_build}, the bundle is {build}; bench it again"
        raise InputError(message)
    found = payloads(bundle, nets(bundle))
    rows = [
        Beside(name, result.stages[name].p50_ms, together([found[name]], target, clock_mhz).ms)
        for name in NETS
        if name in result.stages
    ]
    return (*rows, Beside("decision", result.p50_ms, decision(bundle, target, clock_mhz).ms))


def write_calibration(path: Path, rows: tuple[Beside, ...], bundle: Bundle, clock_mhz: float) -> int:
    """Add the nets' latencies to the CSV that ``edge-ser calibrate`` reads; the compiled nets go beside it.

    Rows of the same net at the same clock are replaced, others stay: benches of several bundles and clocks make
    one file.

    Args:
        path: the CSV.
        rows: what was measured.
        bundle: what was measured; holds the compiled nets.
        clock_mhz: clock of the Edge TPU.

    Returns:
        How many rows it now has.

    Raises:
        InputError: the bundle holds no compiled nets, the file is no such table, or cannot be written.
    """
    if path.suffix != ".csv":
        message = f"--calibration {path}: expected a name that ends in .csv"
        raise InputError(message)
    kept = _rows(path)
    folder = path.with_name(f"{path.stem}-models")
    for row in rows:
        if row.name not in NETS:
            continue
        if f"{row.name}_edgetpu.tflite" not in bundle.members:
            why = "holds no compiled nets, whose bytes calibrate needs"
            message = f"bundle {bundle.spec.name}: {why}; run: edge-ser compile"
            raise InputError(message)
        place = folder / f"{bundle.spec.name}-{bundle.build_id[:12]}-{row.name}_edgetpu.tflite"
        write_atomically(place, bundle.member(f"{row.name}_edgetpu.tflite"))
        source = place.with_name(place.name.replace("_edgetpu.tflite", ".tflite"))
        write_atomically(source, bundle.member(f"{row.name}.tflite"))
        name = place.relative_to(path.parent).as_posix()
        kept[name, f"{clock_mhz:g}"] = f"{row.measured_ms:.6f}"
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((name, ms, clock) for (name, clock), ms in kept.items())
    write_atomically(path, file.getvalue().encode())
    return len(kept)


def _rows(path: Path) -> dict[tuple[str, str], str]:
    """What the table holds already: milliseconds by model and clock."""
    if not path.exists():
        return {}
    try:
        if path.stat().st_size > _LARGEST_FILE:
            message = f"{path}: over {_LARGEST_FILE} bytes; expected a table of {','.join(_COLUMNS)}"
            raise InputError(message)
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        names = tuple(reader.fieldnames or ())
        if names != _COLUMNS:
            message = f"{path}: columns {','.join(names) or 'none'}; expected {','.join(_COLUMNS)}: name another file"
            raise InputError(message)
        return {(row["model"], row["clock_mhz"]): row["ms"] for row in reader}
    except (csv.Error, UnicodeDecodeError) as error:
        message = f"{path}: not a table ({error}); name another file"
        raise InputError(message) from None
    except OSError as error:
        message = f"{path}: cannot be read ({reason(error)})"
        raise InputError(message) from None
