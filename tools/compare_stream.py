"""The same recordings through every listener, byte by byte: Python, C in this process, as a process, on a Cortex-M7.

python tools/compare_stream.py [--json] [--bundle BUNDLE] [--every N] [--no-m7] [--sanitize] FILE|FOLDER ...

Three settings of segments each: the bundle's own, overlapping ones with the bundle's nets, and short ones whose
embeddings are hashes of what the nets would read. Compared are which net is asked for on which frames, all of its
input, and every record. Ends with 1 where a single byte differs. The Cortex-M7 is emulated: the instructions that are
counted there are no times.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import read_audio
from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.cli.output import progress, say
from edge_ser.corpora.tree import AUDIO_EXTENSIONS, files_below
from edge_ser.errors import EdgeSerError, InputError
from edge_ser.runtime.native_stream import BUILT
from firmware_bridge.host_process import HostProcess
from firmware_bridge.qemu_m7 import QemuM7
from firmware_bridge.stream_job import STAGES
from firmware_bridge.stream_parity import StreamComparison, settings_of

BATCH_S = 120
"""Seconds of audio that go through the programs at once."""
_SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def main() -> None:
    """Compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE|FOLDER")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--bundle", type=Path, help="a bundle (.edgeser); without one that which ships")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th recording only")
    parser.add_argument("--no-m7", action="store_true", help="leave the emulated Cortex-M7 out")
    parser.add_argument("--sanitize", action="store_true", help="the process with address and UB sanitizers")
    parser.add_argument("--build", type=Path, help="folder for programs; without one a temporary one")
    arguments = parser.parse_args()
    try:
        comparison, files, unread = _compare(arguments)
    except EdgeSerError as error:
        print(f"compare_stream: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    report = {
        "recordings": files,
        "seconds": round(comparison.seconds, 1),
        "counts": [asdict(count) for count in comparison.counts.values()],
        "instructions_a_second": _costs(comparison),
        "unread": unread,
    }
    print(json.dumps(report, indent=2) if arguments.json else _table(report))
    sys.exit(1 if comparison.broken else 2 if unread else 0)


def _compare(arguments: argparse.Namespace) -> tuple[StreamComparison, int, list[str]]:
    files = [
        file
        for path in arguments.paths
        for file in (files_below(path, AUDIO_EXTENSIONS) if path.is_dir() else [path])
    ][:: max(1, arguments.every)]
    bundle = read_bundle(arguments.bundle or shipped_bundle())
    unread: list[str] = []
    with tempfile.TemporaryDirectory(prefix="edge-ser-stream-") as temporary:
        comparison = StreamComparison(
            settings_of(bundle),
            arguments.build or Path(temporary),
            HostProcess.find(*(_SANITIZE if arguments.sanitize else ())),
            None if arguments.no_m7 else QemuM7.find(),
            BUILT,
        )
        rate = bundle.spec.frontend.sample_rate_hz
        with progress("comparing listeners: recordings", len(files)) as advance:
            done = 0
            for batch in _batches(files, rate, unread):
                comparison.add(batch)
                advance(len(batch))
                done += len(batch)
                if not sys.stderr.isatty():
                    say(f"{done} of {len(files)} recordings, {len(comparison.broken)} listeners differ")
    return comparison, len(files) - len(unread), unread


def _batches(files: Sequence[Path], rate: int, unread: list[str]) -> Iterator[dict[str, NDArray[np.int16]]]:
    batch: dict[str, NDArray[np.int16]] = {}
    for file in files:
        try:
            batch[str(file)] = read_audio(file, rate)
        except InputError as error:
            unread.append(str(error))
        if sum(map(len, batch.values())) >= BATCH_S * rate:
            yield batch
            batch = {}
    if batch:
        yield batch


def _costs(comparison: StreamComparison) -> dict[str, dict[str, int]]:
    """Instructions per second of audio, by setting and stage, where the machine counts them."""
    costs = {}
    for count in comparison.counts.values():
        if any(count.instructions):
            seconds = comparison.seconds_of[count.setting]
            costs[count.setting] = {
                stage: round(spent / seconds) for stage, spent in zip(STAGES, count.instructions, strict=True)
            }
    return costs


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['recordings']} recordings, {report['seconds']:,} s of audio over all settings",
        f"{'setting':14}{'listener':10}{'recordings':>11}{'records':>9}{'bytes':>14}{'differ':>8}{'memory':>8}",
    ]
    for count in report["counts"]:
        numbers = (
            f"{count['recordings']:>11,}{count['records']:>9,}{count['bytes']:>14,}{count['differences']:>8,}"
        )
        lines.append(f"{count['setting']:14}{count['listener']:10}{numbers}{count['memory_bytes'] or '':>8}")
        if first := count["first"]:
            lines.append(f"  first in {first['recording']}, byte {first['byte']} of its events")
    for setting, stages in report["instructions_a_second"].items():
        parts = ", ".join(f"{stage} {count:,}" for stage, count in stages.items())
        lines.append(f"{setting}: {sum(stages.values()):,} instructions per second of audio ({parts})")
    return "\n".join([*lines, *(f"not read: {words}" for words in report["unread"])])


if __name__ == "__main__":
    main()
