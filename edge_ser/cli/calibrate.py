"""`edge-ser calibrate`: a target's constants from latencies of one's own board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_ser.cli.output import JsonFlag, emit, say, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.edgetpu.calibrate import Calibration, Measurement


def calibrate(
    measurements: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV with the columns model,ms[,clock_mhz], or JSON with a list of such objects.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="TARGET.toml", help="Where the target file goes.")
    ],
    target: Annotated[
        str, typer.Option(help="The target to start from: coral-micro, usb2, usb3 or a file (.toml).")
    ] = "coral-micro",
    as_json: JsonFlag = False,
) -> None:
    """Refit a target to latencies that you measured; `edge-ser estimate --target TARGET.toml` then uses it.

    Time ten models or so that differ in instructions, inputs, outputs and computation, steady state, and give
    the compiled files: their bytes are exact. What the measurements do not touch stays as it was.

    Example: edge-ser calibrate my-board.csv -o my-board.toml --target coral-micro
    """
    from edge_ser.edgetpu.calibrate import calibrate as fit
    from edge_ser.edgetpu.calibrate import target_text
    from edge_ser.edgetpu.measurements import read_measurements
    from edge_ser.edgetpu.targets import read_target, target_named
    from edge_ser.errors import InputError
    from edge_ser.files import write_atomically

    if output.suffix != ".toml":
        message = f"--output {output}: expected a name that ends in .toml, by which --target knows a file"
        raise InputError(message)
    start = target_named(target)
    found = read_measurements(measurements, start)
    result = fit(start, found, output.stem)
    text = target_text(result, measurements.name, start.name)
    read_target(text, str(output))
    write_atomically(output, text.encode())
    data = {
        "target": str(output),
        "from": start.name,
        "measurements": len(found),
        "median_error": round(result.median_error, 5),
        "errors": [
            {"model": item.payload.name, "ms": item.ms, "error": round(error, 5)}
            for item, error in zip(found, result.errors, strict=True)
        ],
    }
    emit(data, as_json, lambda: _render(result, found))
    say(f"{output} written; use it with: edge-ser estimate MODEL --target {output}")


def _render(result: Calibration, found: tuple[Measurement, ...]) -> RenderableType:
    rows = [
        (item.payload.name, f"{item.ms:.3f}", f"{item.ms * (1 + error):.3f}", f"{100 * error:+.1f} %")
        for item, error in zip(found, result.errors, strict=True)
    ]
    title = f"{result.target.name}: median error {100 * result.median_error:.1f} % after the fit"
    return table(title, ("model", "measured ms", "estimated ms", "error"), rows)
