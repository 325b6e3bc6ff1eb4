"""Throw damaged model and compiled files at everything that reads them, for as long as you like.

    python tools/fuzz_models.py --minutes 10 build/tiny/acoustic.tflite some_edgetpu.tflite
    python tools/fuzz_models.py --atheris --minutes 10          (guided by coverage; pip install atheris)

Without files it starts from the probe models. A file that ends in anything but an error of edge-ser, takes more than
some seconds or more than 200 MB is kept in the folder --keep, and the run ends with 1. The tests use the same damage.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import random
import resource
import signal
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from edge_ser.errors import EdgeSerError

LIMIT_S = 10
LIMIT_BYTES = 200 * 1024 * 1024

_KINDS = 8
_SIZES = (*range(2, 65), 96, 128, 224, 512)
_WORDS = (0, 1, 2, 4, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)


class Edit(NamedTuple):
    """One damage: its kind and two numbers, which may be anything."""

    kind: int
    place: int
    value: int


def damage(data: bytes, edits: Sequence[Edit]) -> bytes:
    """A damaged copy of a file; every edit can be applied to every file that is not empty."""
    damaged = bytearray(data)
    for kind, place, value in edits:
        if len(damaged) < 8:
            break
        here = place % (len(damaged) - 4)
        match kind % _KINDS:
            case 0:
                damaged[here] ^= 1 << (value % 8)
            case 1:
                struct.pack_into("<I", damaged, here // 4 * 4, value % 2**32)
            case 2:
                struct.pack_into("<I", damaged, here // 4 * 4, _WORDS[value % len(_WORDS)])
            case 3:
                struct.pack_into("<H", damaged, here // 2 * 2, value % 2**16)
            case 4:
                del damaged[here : here + 1 + value % 64]
            case 5:
                start = value % len(damaged)
                damaged[here:here] = damaged[start : start + 1 + value % 61]
            case 6:
                # Offsets that point at one another are what a length check does not see.
                word = struct.unpack_from("<I", damaged, value % (len(damaged) - 4) // 4 * 4)[0]
                struct.pack_into("<I", damaged, here // 4 * 4, word)
            case 7:
                # The next number that may be the size of a tensor becomes an impossible one.
                for at in range(here // 4 * 4, min(here + 4096, len(damaged) - 4), 4):
                    if struct.unpack_from("<I", damaged, at)[0] in _SIZES:
                        struct.pack_into("<I", damaged, at, _WORDS[value % len(_WORDS)])
                        break
    return bytes(damaged)


def examine(data: bytes) -> str:
    """Everything that edge-ser does with a file from elsewhere.

    Returns:
        ``"refused"`` or ``"read"``, and whether it is a compiled file.

    Raises:
        Exception: anything but an error of edge-ser, which is what is looked for.
    """
    from edge_ser.cli.inspect import inspection
    from edge_ser.edgetpu.latency import estimate, together
    from edge_ser.edgetpu.micro import micro_verdict
    from edge_ser.edgetpu.model import read_model
    from edge_ser.edgetpu.package import read_compiled
    from edge_ser.edgetpu.patterns import pattern_of
    from edge_ser.edgetpu.payload import compiled_payload
    from edge_ser.edgetpu.prediction import predict_compiled
    from edge_ser.edgetpu.rules import check_model
    from edge_ser.edgetpu.targets import TARGETS

    try:
        model = read_model(data, "fuzz")
        if model.compiled:
            compiled = read_compiled(data)
            inspection([compiled], micro_verdict([compiled]))
            together([compiled_payload(compiled)], TARGETS["usb2"])
            return "read, compiled"
        report = check_model(model)
        for op in model.operators:
            pattern_of(op)
        predict_compiled(model, report)
        estimate(model, TARGETS["usb2"])
    except EdgeSerError as error:
        if "\n" in str(error) or len(str(error)) > 2000:
            message = f"an error of {len(str(error))} characters, or more than one line"
            raise AssertionError(message) from error
        return "refused"
    return "read"


class TookTooLongError(Exception):
    """A file took longer than the limit."""


@contextmanager
def bounded(seconds: float = LIMIT_S, peak_bytes: int = LIMIT_BYTES) -> Iterator[None]:
    """End what takes too long, and say what took too much memory.

    Raises:
        TookTooLongError: the time is over.
        MemoryError: the process grew by more than ``peak_bytes``.
    """

    def ring(_signal: int, _frame: object) -> None:
        message = f"no end after {seconds} s"
        raise TookTooLongError(message)

    before = _largest_bytes()
    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    grown = _largest_bytes() - before
    if grown > peak_bytes:
        message = f"the process grew by {grown} bytes"
        raise MemoryError(message)


def _largest_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def random_edits(rng: random.Random) -> list[Edit]:
    """One to eight edits, mostly few."""
    count = min(rng.randrange(1, 9), rng.randrange(1, 9))
    return [Edit(rng.randrange(_KINDS), rng.getrandbits(32), rng.getrandbits(32)) for _ in range(count)]


def main() -> int:
    """Fuzz until the time is over; 1 where a file was found that breaks something."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--atheris", action="store_true")
    chosen = parser.parse_args()
    seeds = [path.read_bytes() for path in chosen.files] or list(_probes())
    if chosen.atheris:
        return _guided(seeds, chosen.minutes, chosen.keep)
    rng = random.Random(chosen.seed)
    outcomes: Counter[str] = Counter()
    ends = time.monotonic() + 60 * chosen.minutes
    while time.monotonic() < ends:
        data = damage(rng.choice(seeds), random_edits(rng))
        try:
            with bounded():
                outcomes[examine(data)] += 1
        except Exception:  # whatever it is: finding what was not foreseen is what this is for
            outcomes["BROKEN"] += 1
            print(f"{_keep(data, chosen.keep)}:\n{traceback.format_exc(limit=-4)}", file=sys.stderr)
    print(f"{outcomes.total()} files: " + ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items()))
    return int("BROKEN" in outcomes)


def _probes() -> Iterator[bytes]:
    from edge_ser.edgetpu.probe import probe_files

    yield from probe_files().values()


def _keep(data: bytes, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.tflite"
    path.write_bytes(data)
    return path


def _guided(seeds: Sequence[bytes], minutes: float, keep: Path) -> int:
    import tempfile

    try:
        # Has no types; a plain import would ask for them wherever it is installed.
        atheris: Any = importlib.import_module("atheris")
    except ImportError as error:
        print(f"fuzz_models: {error}; pip install atheris", file=sys.stderr)
        return 3
    with atheris.instrument_imports(include=["edge_ser.edgetpu"]):
        import edge_ser.edgetpu.micro
        import edge_ser.edgetpu.package
        import edge_ser.edgetpu.patterns
        import edge_ser.edgetpu.rules  # noqa: F401
    corpus = Path(tempfile.mkdtemp(prefix="edge-ser-fuzz-"))
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    keep.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={round(60 * minutes)}",
        f"-max_len={max(map(len, seeds)) + 1024}",
        f"-timeout={LIMIT_S}",
        # libFuzzer reads the largest size that the process ever had, and a process begins with its parent's.
        f"-rss_limit_mb={_largest_bytes() // 2**20 + 512 + LIMIT_BYTES // 2**20}",
        f"-artifact_prefix={keep}/",
    ]
    atheris.Setup(arguments, examine)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
