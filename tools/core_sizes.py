"""What each part of the portable core takes on a Cortex-M7: flash, RAM and stack, with the data of one bundle.

python tools/core_sizes.py [BUNDLE] [--json] [--flag=-Os ...] [--build build/sizes]

Without a bundle it is the one that ships. The models and their arenas are not in it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.errors import EdgeSerError
from edge_ser.runtime.stream_system import stream_system
from firmware_bridge.core_parts import PartSize, part_sizes
from firmware_bridge.qemu_m7 import QemuM7


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, nargs="?", help="a bundle (.edgeser)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--flag", action="append", default=[], help="one more compiler flag for everything")
    parser.add_argument("--build", type=Path, default=Path("build/sizes"), help="folder for what is built")
    arguments = parser.parse_args()
    try:
        bundle = read_bundle(arguments.bundle or shipped_bundle())
        parts = part_sizes(QemuM7.find(*arguments.flag), stream_system(bundle), arguments.build)
    except EdgeSerError as error:
        print(f"core_sizes: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if arguments.json:
        print(json.dumps({"bundle": bundle.spec.name, "parts": [asdict(part) for part in parts]}, indent=2))
        return
    print("| part | flash, bytes | RAM, bytes | stack, at most |\n| --- | ---: | ---: | ---: |")
    whole = PartSize("together", *(sum(column) for column in zip(*map(_numbers, parts), strict=True)))
    for part in (*parts, whole):
        print(f"| {part.name} | {part.flash_bytes:,} | {part.ram_bytes:,} | {part.stack_bytes:,} |")


def _numbers(part: PartSize) -> tuple[int, int, int]:
    return part.flash_bytes, part.ram_bytes, part.stack_bytes


if __name__ == "__main__":
    main()
