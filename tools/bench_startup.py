"""How long a person waits for the first answer: `edge-ser --help`, and `edge-ser classify` of one short file.

python tools/bench_startup.py                      a made-up recording of 3 s
python tools/bench_startup.py RECORDING --runs 20  a recording of your own

Each runs in a process of its own, after one run that is not counted, in turns. Prints the median, the fastest and the
slowest of wall time and of processor time: on a busy machine the second is the one to look at. Ends with 1 where a
median of wall time is over its target.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from edge_ser.audio import SAMPLE_RATE_HZ, write_wav

TARGETS_S = {"--help": 0.5, "classify": 1.0}


@dataclass(frozen=True)
class Startup:
    """How long a command took, seconds.

    Attributes:
        command: which.
        target_s: the most that the median of wall time may be.
        wall_s: median, fastest and slowest.
        processor_s: the same of processor time.
    """

    command: str
    target_s: float
    wall_s: tuple[float, float, float]
    processor_s: tuple[float, float, float]

    @property
    def within(self) -> bool:
        """Whether the target is met."""
        return self.wall_s[0] <= self.target_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recording", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=9, help="of each (default 9)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recording = arguments.recording or _made_up(Path(folder) / "made-up.wav")
        found = measure({"--help": ["--help"], "classify": ["classify", str(recording)]}, arguments.runs)
    within = all(one.within for one in found)
    if arguments.json:
        print(json.dumps({"within": within, "commands": [asdict(one) for one in found]}))
    else:
        print("| edge-ser | wall s: median (fastest – slowest) | processor s | target |\n|---|---|---|---|")
        for one in found:
            print(f"| {one.command} | {_words(one.wall_s)} | {_words(one.processor_s)} | {one.target_s:g} |")
    sys.exit(0 if within else 1)


def measure(commands: dict[str, Sequence[str]], runs: int) -> list[Startup]:
    """Run commands in turns."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, arguments in commands.items():
            once = _once(arguments)
            if turn:
                taken[name].append(once)
    return [
        Startup(name, TARGETS_S[name], _spread([t[0] for t in times]), _spread([t[1] for t in times]))
        for name, times in taken.items()
    ]


def _once(arguments: Sequence[str]) -> tuple[float, float]:
    before, began = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "edge_ser.cli.main", *arguments]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        print(f"bench_startup: edge-ser {' '.join(arguments)}: {done.stderr.strip()}", file=sys.stderr)
        sys.exit(done.returncode)
    own = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, own


def _spread(times: list[float]) -> tuple[float, float, float]:
    return round(median(times), 3), round(min(times), 3), round(max(times), 3)


def _words(spread: tuple[float, float, float]) -> str:
    return f"{spread[0]:.2f} ({spread[1]:.2f} – {spread[2]:.2f})"


def _made_up(path: Path) -> Path:
    random = np.random.default_rng(0)
    write_wav(path, (3000 * random.standard_normal(3 * SAMPLE_RATE_HZ)).astype(np.int16), SAMPLE_RATE_HZ)
    return path


if __name__ == "__main__":
    main()
