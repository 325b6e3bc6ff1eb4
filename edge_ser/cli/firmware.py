"""`edge-ser firmware`: a bundle as an application for the Coral Dev Board Micro."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, say, table

if TYPE_CHECKING:
    from rich.console import RenderableType


def firmware(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle (.edgeser).")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the application; replaced.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Write a coralmicro application: C++ sources, the portable core, generated tables, models, golden vectors.

    The SDK is not in it: build with your own checkout of github.com/google-coral/coralmicro, see DIR/README.md or
    `make firmware CORALMICRO=path`. A bundle without files compiled for the Edge TPU gives firmware that runs on the
    Cortex-M7 alone. Ends with 1 where the board can run neither.

    Example: edge-ser firmware build/base/base.edgeser -o build/base/firmware
    """
    from edge_ser.bundle import read_bundle
    from firmware_bridge.app_folder import write_app_folder
    from firmware_bridge.generate import firmware_app

    app = firmware_app(read_bundle(bundle))
    write_app_folder(output, app.files)
    data = {
        "name": app.name,
        "build_id": app.build_id,
        "files": {name: len(contents) for name, contents in app.files.items()},
        "bytes": sum(len(contents) for contents in app.files.values()),
        "builds": [
            {
                "where": build.where,
                "cpu_fallback": build.cpu,
                "possible": not build.problem,
                "problem": build.problem,
                "operations": list(build.calls),
            }
            for build in app.builds
        ],
    }
    emit(data, as_json, lambda: _render(output, data))
    for build in app.builds:
        if build.problem:
            say(f"{bundle}: not for the {build.where}: {build.problem}")


def _render(output: Path, data: dict[str, Any]) -> RenderableType:
    folders: dict[str, list[int]] = {}
    for name, size in data["files"].items():
        folder = name.split("/")[0] if "/" in name else "."
        folders.setdefault(folder, []).append(size)
    rows = [(folder, len(sizes), sum(sizes)) for folder, sizes in sorted(folders.items())]
    return table(
        f"{output}: {data['name']}, build {data['build_id'][:16]}", ("folder", "files", "bytes"), rows
    )
