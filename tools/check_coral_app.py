"""Builds the generated coralmicro application with a user's SDK, links it, and says what is left of every memory.

    .venv/bin/python tools/check_coral_app.py path/to/coralmicro

Ends with 3 and says why where there is no SDK. Nothing is written to the checkout: everything that is built goes to
--build. A bundle without files compiled for the Edge TPU has its int8 files stand in for them, because the size of the
image does not depend on what is in the models; such an image is of no use on a board.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.errors import CheckError, EdgeSerError
from firmware_bridge.app_folder import write_app_folder
from firmware_bridge.coral_sdk import CoralSdk, default_jobs
from firmware_bridge.elf_image import read_elf
from firmware_bridge.generate import firmware_app
from firmware_bridge.image_check import ImageReport, check_image


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("coralmicro", nargs="?", type=Path, help="a checkout with its submodules")
    parser.add_argument(
        "--bundle", type=Path, help="a bundle (.edgeser); the one that ships where none is named"
    )
    parser.add_argument("--build", type=Path, default=Path("build/coral-app"), help="where everything goes")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="files compiled at once")
    parser.add_argument("--only", choices=("cpu", "tpu"), help="one of the two builds")
    parser.add_argument("--image", type=Path, help="only read this image, linked before (with --only)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    try:
        reports = _check(options)
        _print(reports, as_json=options.json)
        problems = [f"{name}: {problem}" for name, report in reports.items() for problem in report.problems]
        if problems:
            raise CheckError("; ".join(problems))
    except EdgeSerError as error:
        print(f"check_coral_app: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _check(options: argparse.Namespace) -> dict[str, ImageReport]:
    sdk = CoralSdk.find(options.coralmicro)
    regions = sdk.regions()
    reports = {}
    for name in (options.only,) if options.only else ("cpu", "tpu"):
        image = options.image or _built(sdk, options, cpu_fallback=name == "cpu")
        reports[name] = check_image(read_elf(image), regions, edge_tpu=name == "tpu")
    return reports


def _built(sdk: CoralSdk, options: argparse.Namespace, *, cpu_fallback: bool) -> Path:
    folder = options.build.resolve()
    app = firmware_app(read_bundle(options.bundle or shipped_bundle()), stand_in=True)
    write_app_folder(folder / "app", app.files)
    place = folder / ("cpu" if cpu_fallback else "tpu")
    return sdk.build(folder / "app", place, cpu_fallback=cpu_fallback, jobs=options.jobs)


def _print(reports: dict[str, ImageReport], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({name: _data(report) for name, report in reports.items()}))
        return
    for name, report in reports.items():
        print(f"{name}: {'region':14} {'length':>10} {'used':>10} {'left':>10}")
        for use in report.uses:
            print(f"     {use.region.name:14} {use.region.length:10,} {use.used:10,} {use.left:10,}")
            for section in use.sections:
                print(f"       {section.name:24} {section.size:10,}")
            for section in use.loaded:
                print(f"       {section.name:24} {section.size:10,} waits here to be moved")


def _data(report: ImageReport) -> dict[str, Any]:
    return {
        "regions": {
            use.region.name: {
                "length": use.region.length,
                "used": use.used,
                "left": use.left,
                "sections": {section.name: section.size for section in use.sections},
                "loaded": {section.name: section.size for section in use.loaded},
            }
            for use in report.uses
        },
        "problems": list(report.problems),
    }


if __name__ == "__main__":
    main()
