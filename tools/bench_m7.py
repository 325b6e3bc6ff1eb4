"""Count what the front end costs on a Cortex-M7: instructions per hop, ours and the stock library's, and memory.

python tools/bench_m7.py [--json] [--flag=-Os ...] [--profile] [--build build/m7]

The counts are of an emulator, which knows no caches and no waiting memory: they compare programs, they are no times.
With --profile it also says where the instructions of our core go, by function and by line of the source.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from m7_profile import profile_core

from edge_ser.errors import EdgeSerError, MissingError
from edge_ser.frontend.tables import FrontendTables, make_tables
from edge_ser.frontend.torture import torture_set
from edge_ser.spec import FrontendSpec, NoiseReductionSpec, PcanSpec
from firmware_bridge.frontend_job import FrontendJob, JobResult
from firmware_bridge.qemu_m7 import CoreSize, QemuM7
from firmware_bridge.stock import StockM7

HOP_MS = 10
_PLAIN = FrontendSpec(step_ms=HOP_MS)
SPECS = {
    "default": _PLAIN,
    "noise reduction and PCAN": replace(
        _PLAIN, noise_reduction=NoiseReductionSpec(enabled=True), pcan=PcanSpec(enabled=True)
    ),
}


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--flag", action="append", default=[], help="one more compiler flag for everything")
    parser.add_argument("--profile", action="store_true", help="where our instructions go")
    parser.add_argument("--build", type=Path, default=Path("build/m7"), help="folder for what is built")
    arguments = parser.parse_args()
    try:
        report = _measure(tuple(arguments.flag), arguments.build)
        profiles = {}
        if arguments.profile:
            machine = QemuM7.find("-g", *arguments.flag)
            profiles = {
                name: profile_core(machine, _job(spec), arguments.build) for name, spec in SPECS.items()
            }
    except EdgeSerError as error:
        print(f"bench_m7: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if arguments.json:
        print(json.dumps(report | {"profile": {n: p.to_json() for n, p in profiles.items()}}, indent=2))
        return
    print(_table(report))
    for name, profile in profiles.items():
        print(f"\n{name}\n{profile.to_text()}")


def _job(spec: FrontendSpec) -> FrontendJob:
    """The sounds of the torture set that last a second, fed hop by hop as a microphone gives them."""
    tables = make_tables(spec)
    sounds = tuple(sound for sound in torture_set(spec).values() if sound.size == spec.sample_rate_hz)
    return FrontendJob(spec, tables, sounds, tables.step_samples)


def _measure(flags: tuple[str, ...], build: Path) -> dict[str, Any]:
    machine = QemuM7.find(*flags)
    jobs = [_job(spec) for spec in SPECS.values()]
    ours = machine.run(jobs, build / "core")
    try:
        stock = StockM7.find(*flags).run(jobs, build / "stock", own_tables=False)
    except MissingError as error:
        print(f"bench_m7: without the stock library: {error}", file=sys.stderr)
        stock = []
    rows: dict[str, dict[str, Any]] = {}
    for index, (name, job) in enumerate(zip(SPECS, jobs, strict=True)):
        rows[name] = {"core": _per_hop(ours[index]), "size": _sizes(machine, job.tables, build)}
        if stock:
            rows[name]["stock"] = _per_hop(stock[index])
            rows[name]["mismatches"] = _mismatches(ours[index], stock[index])
    return {"hop_ms": HOP_MS, "flags": flags, "specs": rows}


def _per_hop(result: JobResult) -> dict[str, int]:
    """Instructions per frame of each sound: the mean, the cheapest and the dearest sound."""
    costs = [
        count / len(features) for count, features in zip(result.instructions, result.features, strict=True)
    ]
    return {"mean": round(sum(costs) / len(costs)), "least": round(min(costs)), "most": round(max(costs))}


def _mismatches(ours: JobResult, stock: JobResult) -> int:
    return sum(int((a != b).sum()) for a, b in zip(ours.features, stock.features, strict=True))


def _sizes(machine: QemuM7, tables: FrontendTables, build: Path) -> dict[str, Any]:
    size: CoreSize = machine.core_size(tables, build / "size")
    return {
        "flash_bytes": size.flash_bytes,
        "ram_bytes": size.ram_bytes,
        "state_bytes": size.state_bytes,
        "table_bytes": size.table_bytes,
        "objects": {name: {"text": t, "data": d, "bss": b} for name, (t, d, b) in size.objects.items()},
    }


def _table(report: dict[str, Any]) -> str:
    lines = [f"instructions per {report['hop_ms']} ms hop, mean (least, most) over the torture set"]
    for name, row in report["specs"].items():
        core, stock = row["core"], row.get("stock")
        line = f"{name:26}core {core['mean']:7} ({core['least']}, {core['most']})"
        if stock:
            line += f"   stock {stock['mean']:7} ({stock['least']}, {stock['most']})"
            line += f"   {core['mean'] / stock['mean']:.2f}, {row['mismatches']} mismatches"
        lines.append(line)
    size = next(iter(report["specs"].values()))["size"]
    lines += [
        "",
        f"flash {size['flash_bytes']} bytes of code and constants, {size['table_bytes']} of tables;",
        f"RAM {size['state_bytes']} bytes of state, {size['ram_bytes']} of the core's own variables",
    ]
    lines += [
        f"  {name:16}{o['text']:6} text {o['data']:4} data {o['bss']:4} bss"
        for name, o in size["objects"].items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
