"""How fast each front end is: one thread, one recording, side by side in one run.

python tools/bench_frontend.py                     ten minutes of made-up sound
python tools/bench_frontend.py RECORDING…          real recordings, joined and repeated to ten minutes

The implementations take turns, so that whatever else the machine does falls on all of them. Prints the median and
the spread of the speeds, in multiples of real time. The first table runs with everything on, as pymicro-features
has it; the second with the default front end, which pymicro-features cannot do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# Read when they start.
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from edge_ser.audio import read_audio
from edge_ser.errors import EdgeSerError, MissingError
from edge_ser.frontend.extension import BUILT, WHY_NOT
from edge_ser.frontend.native import NativeFrontend
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import make_tables
from edge_ser.spec import FrontendSpec, NoiseReductionSpec, PcanSpec

RATE_HZ = 16_000
MINUTES = 10
PYMICRO_CHUNK = 160

EVERYTHING = FrontendSpec(
    step_ms=10, lower_hz=125.0, noise_reduction=NoiseReductionSpec(True), pcan=PcanSpec(True)
)
"""What pymicro-features has built in."""

Samples = NDArray[np.int16]
Run = Callable[[Samples], int]
"""Processes the recording, returns how many frames came out."""


@dataclass(frozen=True)
class Speed:
    """One implementation's speed.

    Attributes:
        name: the implementation.
        times_real_time: median of the turns.
        slowest: of the turns.
        fastest: of the turns.
        frames: frames that it made.
    """

    name: str
    times_real_time: float
    slowest: float
    fastest: float
    frames: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--turns", type=int, default=7, help="measurements of each (default 7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        samples = _ten_minutes(arguments.recordings)
        with threadpool_limits(1):
            tables = {
                "everything on": _measure(
                    _implementations(EVERYTHING, with_pymicro=True), samples, arguments.turns
                ),
                "default front end": _measure(
                    _implementations(FrontendSpec(), with_pymicro=False), samples, arguments.turns
                ),
            }
    except EdgeSerError as error:
        print(f"bench_frontend: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if arguments.json:
        print(json.dumps({name: [vars(speed) for speed in speeds] for name, speeds in tables.items()}))
        return
    print(f"{len(samples) / RATE_HZ / 60:.0f} minutes of audio, one thread, {arguments.turns} turns each\n")
    for name, speeds in tables.items():
        print(
            f"| {name} | x real time (median) | slowest – fastest | native is faster by |\n|---|---|---|---|"
        )
        own = next(speed for speed in speeds if speed.name == "native")
        for speed in speeds:
            factor = own.times_real_time / speed.times_real_time
            print(
                f"| {speed.name} | {speed.times_real_time:,.0f} | {speed.slowest:,.0f} – {speed.fastest:,.0f} "
                f"| {factor:.1f} |"
            )
        print()


def _ten_minutes(recordings: list[Path]) -> Samples:
    if recordings:
        joined = np.concatenate([read_audio(path, RATE_HZ) for path in recordings])
    else:
        random = np.random.default_rng(0)
        level = np.repeat(random.uniform(0, 6000, 600), RATE_HZ // 10)
        joined = (random.standard_normal(len(level)) * level).clip(-32_768, 32_767).astype(np.int16)
    return np.resize(joined, MINUTES * 60 * RATE_HZ)


def _implementations(spec: FrontendSpec, with_pymicro: bool) -> dict[str, Run]:
    if not BUILT:
        raise MissingError(WHY_NOT)
    tables = make_tables(spec)
    c, numpy = NativeFrontend(tables), Frontend(tables)
    runs: dict[str, Run] = {
        "native": lambda samples: len(c.process(samples)),
        "NumPy reference": lambda samples: len(numpy.process(samples)),
        "TensorFlow's op": _tensorflow_op(spec),
    }
    if with_pymicro:
        runs["pymicro-features"] = _pymicro_features
    return runs


def _tensorflow_op(spec: FrontendSpec) -> Run:
    from edge_ser.training.tensorflow_frontend import op_features

    return lambda samples: len(op_features(spec, samples))


def _pymicro_features(samples: Samples) -> int:
    import pymicro_features

    frontend, data, frames = pymicro_features.MicroFrontend(), samples.tobytes(), 0
    for start in range(0, len(data), 2 * PYMICRO_CHUNK):
        frames += bool(frontend.process_samples(data[start : start + 2 * PYMICRO_CHUNK]).features)
    return frames


def _measure(runs: dict[str, Run], samples: Samples, turns: int) -> list[Speed]:
    seconds = len(samples) / RATE_HZ
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    frames = {name: run(samples) for name, run in runs.items()}  # a turn to warm up
    for _ in range(turns):
        for name, run in runs.items():
            start = time.perf_counter()
            run(samples)
            speeds[name].append(seconds / (time.perf_counter() - start))
    return [Speed(name, median(s), min(s), max(s), frames[name]) for name, s in speeds.items()]


if __name__ == "__main__":
    main()
