"""`edge-ser bench`: latency of a bundle, measured in the same way on everything that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, say
from edge_ser.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_ser.bench.estimated import Beside
    from edge_ser.bench.local import LocalJob
    from edge_ser.bench.result import BenchResult
    from edge_ser.bundle import Bundle

_BACKENDS = ("litert", "tflm", "usb", "board", "host", "qemu")
_CLOCKS = ("low", "medium", "high", "max")
_ENDINGS = (".json", ".csv", ".png", ".svg")
_FEWEST_RUNS = 200


def bench(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="A bundle (.edgeser); the shipped one if not given."),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            help="litert, tflm (this CPU), usb (Edge TPU delegate), board, host (virtual board), qemu (instructions)."
        ),
    ] = "litert",
    threads: Annotated[int, typer.Option(min=1, max=64, help="litert: threads of one inference.")] = 1,
    xnnpack: Annotated[
        bool, typer.Option("--xnnpack/--no-xnnpack", help="litert: XNNPACK instead of the built-in kernels.")
    ] = False,
    delegate: Annotated[
        str, typer.Option(metavar="FILE", help="usb: libedgetpu, where it is not on the path.")
    ] = "",
    address: Annotated[
        str, typer.Option("--board", metavar="ADDRESS", help="board: rpc:10.10.10.1 or serial:/dev/ttyACM0.")
    ] = "rpc:10.10.10.1",
    clock: Annotated[str, typer.Option(help="board: clock of the Edge TPU: low, medium, high, max.")] = "",
    runs: Annotated[
        int, typer.Option(min=_FEWEST_RUNS, max=100_000, help="Timed runs, all of them kept.")
    ] = 300,
    warm_up: Annotated[int, typer.Option(min=0, max=10_000, help="Runs before them, after the first.")] = 20,
    pause_ms: Annotated[
        float,
        typer.Option(min=0, max=10_000, help="Rest before each run, as between decisions of a live system."),
    ] = 0.0,
    file: Annotated[
        Path | None, typer.Option(metavar="RECORDING", help="litert, tflm, usb: how fast it is classified.")
    ] = None,
    against: Annotated[
        str, typer.Option(help="board, usb: estimate, to see measured beside predicted.")
    ] = "",
    target: Annotated[
        str, typer.Option(help="What the estimate is for; coral-micro for board, usb3 for usb.")
    ] = "",
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="--against estimate: add to what edge-ser calibrate reads."),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="OTHER.json", help="Another bench, to stand beside this one.")
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help=".json, .csv (every run), .png or .svg; repeatable."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure the latency of a bundle: every run kept, the first one apart, stage by stage.

    A decision is what remains to be done when the audio of a segment is complete: front end over the newest hop, one
    inference of each net, fusion. Values that differ from the bundle's golden vectors fail the check (exit 1); a
    backend that is not here says what is missing (exit 3). A virtual or emulated board never measures a board.

    Example: edge-ser bench --backend litert -o quiet.json -o quiet.svg
    Example: edge-ser bench build/base/base.edgeser --backend board --against estimate --calibration my-board.csv
    """
    from edge_ser.bundle import read_bundle
    from edge_ser.bundle_shipped import shipped_bundle

    _one_of(backend, _BACKENDS, "--backend")
    places = tuple(output or ())
    _check_options(
        backend,
        against,
        {
            "--threads": (threads != 1, ("litert",)),
            "--xnnpack": (xnnpack, ("litert",)),
            "--delegate": (bool(delegate), ("usb",)),
            "--clock": (bool(clock), ("board", "host")),
            "--file": (file is not None, ("litert", "tflm", "usb")),
            "--pause-ms": (pause_ms > 0, ("litert", "tflm", "usb")),
            "--against": (bool(against), ("board", "usb")),
        },
    )
    if (target or calibration) and not against:
        option = "--target" if target else "--calibration"
        message = f"{option}: goes with --against estimate; add it, or leave this out"
        raise InputError(message)
    _check_places(places)
    other = None
    if compare is not None:
        from edge_ser.bench.result import read_result

        other = read_result(compare)
    path = bundle or shipped_bundle()
    opened = read_bundle(path)
    from edge_ser.bench.local import LocalJob

    job = LocalJob(
        str(path),
        backend,
        threads,
        xnnpack,
        delegate,
        runs,
        warm_up,
        pause_ms,
        "" if file is None else str(file),
    )
    result = _run(job, opened, address, clock)
    beside = _beside(result, opened, target, calibration) if against else ()
    for place in places:
        _write(place, result, other)
    data = _data(result, other, beside)
    from edge_ser.cli.bench_tables import render

    emit(data, as_json, lambda: render(result, other, beside))
    _tell(result, other)
    if not result.agreement.within:
        raise typer.Exit(1)


def _run(job: LocalJob, bundle: Bundle, address: str, clock: str) -> BenchResult:
    from edge_ser.bench.local import run_local

    if job.backend in ("litert", "tflm", "usb"):
        say(f"{job.backend}: {job.runs} runs …")
        return run_local(job, say)
    if job.backend == "qemu":
        from edge_ser.bench.emulated import run_emulated

        say("qemu: counting instructions …")
        return run_emulated(bundle)
    from edge_ser.bench.board import run_board
    from firmware_bridge.messages import ClockMode

    mode = ClockMode[_one_of(clock, _CLOCKS, "--clock").upper()] if clock else None
    from firmware_bridge.link import open_board

    if job.backend == "host":
        import tempfile

        from firmware_bridge.virtual_board import VirtualBoard, build_virtual_board

        say(f"host, the VIRTUAL board: {job.runs} runs of each target …")
        with tempfile.TemporaryDirectory(prefix="edge-ser-virtual-") as folder:
            program = build_virtual_board(bundle, Path(folder))
            with VirtualBoard(program, bundle) as virtual, open_board(virtual.where["tcp"]) as board:
                return run_board(board, bundle, "host", job.runs, job.warm_up, mode)
    with open_board(address) as board:
        say(f"{address}: {job.runs} runs of each target …")
        return run_board(board, bundle, "board", job.runs, job.warm_up, mode)


def _beside(result: BenchResult, bundle: Bundle, target: str, calibration: Path | None) -> tuple[Beside, ...]:
    from edge_ser.bench.estimated import TARGETS, beside, write_calibration
    from edge_ser.edgetpu.targets import target_named

    chosen = target_named(target or TARGETS[result.backend])
    told = result.settings.get("clock_mhz")
    clock_mhz = float(told) if told is not None else chosen.clock_mhz
    rows = beside(result, bundle, chosen, clock_mhz)
    if calibration is not None:
        if not result.agreement.within:
            message = (
                f"{result.agreement.problem}; latencies of wrong values are not written to {calibration}"
            )
            raise InputError(message)
        count = write_calibration(calibration, rows, bundle, clock_mhz)
        say(f"{calibration} written, {count} rows; then: edge-ser calibrate {calibration} -o my-board.toml")
    return rows


def _data(result: BenchResult, other: BenchResult | None, beside: Sequence[Beside]) -> dict[str, Any]:
    from edge_ser.bench.compare import compare, warnings

    data = result.to_dict()
    if beside:
        data["against_estimate"] = [
            {
                "name": row.name,
                "measured_ms": row.measured_ms,
                "predicted_ms": {
                    "low": row.predicted_ms.low,
                    "mid": row.predicted_ms.mid,
                    "high": row.predicted_ms.high,
                },
                "inside": row.inside,
            }
            for row in beside
        ]
    if other is not None:
        data["compared"] = {
            "warnings": list(warnings(result, other)),
            "rows": [
                {"name": row.name, "this": row.first, "other": row.second, "ratio": row.ratio}
                for row in compare(result, other)
            ],
        }
    return data


def _write(place: Path, result: BenchResult, other: BenchResult | None) -> None:
    from edge_ser.bench.plot import draw
    from edge_ser.bench.result import csv_text
    from edge_ser.files import write_atomically, write_json

    if place.suffix == ".json":
        write_json(place, result.to_dict())
    elif place.suffix == ".csv":
        write_atomically(place, csv_text(result).encode())
    else:
        shown = (result,) if other is None else (result, other)
        write_atomically(place, draw(shown, "png" if place.suffix == ".png" else "svg"))
    say(f"{place} written")


def _tell(result: BenchResult, other: BenchResult | None) -> None:
    """What a reader of the figures must know."""
    from edge_ser.bench.compare import warnings
    from edge_ser.bench.machine import is_busy

    usage = result.usage
    if usage is not None and is_busy(usage.load_before, result.machine.usable_cores):
        say(
            f"warning: the machine was busy (load {usage.load_before:g} on {result.machine.usable_cores} processors "
            f"before, taken off the processor {usage.switched_away} times): measure again when it is quiet"
        )
    if other is not None:
        for words in warnings(result, other):
            say(f"warning: {words}")
    for note in result.notes:
        say(note)
    if result.agreement.problem:
        figures = "TIMES" if result.runs_ms else "COUNTS"
        say(f"{result.agreement.problem}: DO NOT BELIEVE THESE {figures}")


def _check_options(backend: str, against: str, given: dict[str, tuple[bool, tuple[str, ...]]]) -> None:
    for option, (is_given, goes_with) in given.items():
        if is_given and backend not in goes_with:
            message = f"{option}: goes with --backend {' or '.join(goes_with)}, not {backend}; leave it out"
            raise InputError(message)
    if against:
        _one_of(against, ("estimate",), "--against")


def _check_places(places: Sequence[Path]) -> None:
    """Before the work, not after it."""
    for place in places:
        if place.suffix not in _ENDINGS:
            message = f"--output {place}: expected a name that ends in {', '.join(_ENDINGS)}"
            raise InputError(message)
        if place.suffix in (".png", ".svg"):
            from edge_ser.bench.plot import require_matplotlib

            require_matplotlib()


def _one_of(value: str, known: Sequence[str], option: str) -> str:
    if value not in known:
        message = f"{option}: {value!r} is not known; expected one of {', '.join(known)}"
        raise InputError(message)
    return value
