"""Whether `edge-ser listen` keeps up: a recording is played to it at real-time speed, in a process of its own.

python tools/bench_listen.py                       ten minutes of made-up sound
python tools/bench_listen.py RECORDING             a recording of your own, as long as it is
python tools/bench_listen.py CORPUS_FOLDER         ten minutes of the recordings in it, joined

Prints dropped blocks; the delay of the decisions from the end of their hop to when their line could be read here; how
much the process grew from its warm-up (a minute, or a fifth of a shorter recording) to its end; and whether its
decisions are those of `edge-ser classify` on the same file. Ends with 1 where a target is missed. On a busy machine the
delays are those of the machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import SAMPLE_RATE_HZ, audio_info, read_audio, write_wav
from edge_ser.errors import EdgeSerError, InputError

MINUTES = 10
ENDINGS = (".wav", ".flac", ".ogg")
WARM_UP_S = 60.0
MOST_DROPPED = 0
MOST_DELAY_MS = 60.0
MOST_GROWTH_MB = 5.0
SAME = ("start", "end", "emotion", "scores", "keyword")
"""What a decision of `listen` has in common with one of `classify`."""


@dataclass(frozen=True)
class Measured:
    """How a recording was listened to.

    Attributes:
        seconds: length of the recording.
        decisions: lines that came.
        dropped_blocks: audio blocks that nobody heard.
        delay_ms: p50, p95 and largest delay, from the end of a decision's audio to when its line was read here.
        growth_mb: resident memory at the end less that after the warm-up, megabytes; ``None`` where the system does not
            tell.
        memory_mb: resident memory at the end.
        differences: decisions that are not those of `edge-ser classify`.
        processor_share: processor time of the process over the length of the recording.
    """

    seconds: float
    decisions: int
    dropped_blocks: int
    delay_ms: tuple[float, float, float]
    growth_mb: float | None
    memory_mb: float | None
    differences: int
    processor_share: float | None

    @property
    def missed(self) -> tuple[str, ...]:
        """The targets that were missed."""
        checks = (
            (
                self.dropped_blocks <= MOST_DROPPED,
                f"dropped blocks: {self.dropped_blocks}, at most {MOST_DROPPED}",
            ),
            (
                self.delay_ms[1] < MOST_DELAY_MS,
                f"p95 of the delay: {self.delay_ms[1]} ms, under {MOST_DELAY_MS:g}",
            ),
            (
                self.growth_mb is None or self.growth_mb < MOST_GROWTH_MB,
                f"memory grew by {self.growth_mb} MB, under {MOST_GROWTH_MB:g}",
            ),
            (self.differences == 0, f"decisions that are not classify's: {self.differences}, none"),
        )
        return tuple(words for met, words in checks if not met)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="?", type=Path, help="a recording, or a folder of them")
    parser.add_argument("--bundle", type=Path, help="another bundle than the shipped one")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            recording = _recording(arguments.source, Path(folder) / "ten-minutes.wav")
            found = measure(recording, arguments.bundle)
    except EdgeSerError as error:
        print(f"bench_listen: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if arguments.json:
        print(json.dumps({**asdict(found), "missed": found.missed}))
    else:
        print(_table(found))
    for words in found.missed:
        print(f"bench_listen: {words}", file=sys.stderr)
    sys.exit(1 if found.missed else 0)


def measure(recording: Path, bundle: Path | None) -> Measured:
    """Play a recording to `edge-ser listen` and compare with `edge-ser classify`.

    Raises:
        InputError: it is no recording, or one of the commands fails.
    """
    seconds = audio_info(recording).duration_s
    named = [] if bundle is None else [str(bundle)]
    command = [*_COMMAND, "listen", *named, "--from", str(recording), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        rows, delays_ms, warm_kb, last_kb, spent_s = [], [], None, None, None
        if child.stdout is None or child.stderr is None:
            message = "listen: no pipes to its output"
            raise InputError(message)
        for line in child.stdout:
            now = time.time()
            row = json.loads(line)
            rows.append(row)
            delays_ms.append(1000 * (now - row["ended_unix_s"]))
            # After its last line the process may be gone before it can be asked.
            last_kb, spent_s = _resident_kb(child.pid) or last_kb, _processor_s(child.pid) or spent_s
            if warm_kb is None and row["end"] >= min(WARM_UP_S, seconds / 5):
                warm_kb = last_kb
        words = child.stderr.read().strip()
    print(words, file=sys.stderr)
    if child.returncode or not rows:
        message = f"listen: ended with {child.returncode} after {len(rows)} decisions"
        raise InputError(message)
    spread = np.percentile(delays_ms, [50, 95, 100])
    return Measured(
        seconds=round(seconds, 1),
        decisions=len(rows),
        dropped_blocks=max(row["dropped_blocks"] for row in rows),
        delay_ms=(round(spread[0], 1), round(spread[1], 1), round(spread[2], 1)),
        growth_mb=None if warm_kb is None or last_kb is None else round((last_kb - warm_kb) / 1000, 2),
        memory_mb=None if last_kb is None else round(last_kb / 1000, 1),
        differences=_differences(rows, _classified(recording, named)),
        processor_share=None if spent_s is None else round(spent_s / seconds, 4),
    )


_COMMAND = [sys.executable, "-m", "edge_ser.cli.main"]


def _classified(recording: Path, named: list[str]) -> list[dict[str, Any]]:
    command = [*_COMMAND, "classify", *named, str(recording), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"classify: ended with {done.returncode}: {done.stderr.strip()}"
        raise InputError(message)
    segments: list[dict[str, Any]] = json.loads(done.stdout)["files"][0]["segments"]
    return segments


def _differences(heard: list[dict[str, Any]], classified: list[dict[str, Any]]) -> int:
    other = sum(
        any(row[key] != segment[key] for key in SAME) for row, segment in zip(heard, classified, strict=False)
    )
    return other + abs(len(heard) - len(classified))


def _resident_kb(process: int) -> int | None:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)


def _processor_s(process: int) -> float | None:
    import os

    try:
        # Behind the name, which may hold anything: proc(5), fields 14 and 15 are ticks of user and system time.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _recording(source: Path | None, place: Path) -> Path:
    if source is not None and not source.is_dir():
        return source
    wanted = MINUTES * 60 * SAMPLE_RATE_HZ
    pieces: list[NDArray[np.int16]] = []
    held = 0
    for samples in _made_up() if source is None else map(read_audio, _files(source)):
        pieces.append(samples)
        held += len(samples)
        if held >= wanted:
            break
    write_wav(place, np.resize(np.concatenate(pieces), wanted), SAMPLE_RATE_HZ)
    return place


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if not files:
        message = f"{folder}: holds no {', '.join(ENDINGS)}; name a recording or a folder of them"
        raise InputError(message)
    return files


def _made_up() -> Iterator[NDArray[np.int16]]:
    random = np.random.default_rng(0)
    while True:
        level = np.repeat(random.uniform(0, 6000, 600), SAMPLE_RATE_HZ // 10)
        yield (random.standard_normal(len(level)) * level).clip(-32_768, 32_767).astype(np.int16)


def _table(found: Measured) -> str:
    middle, most, largest = found.delay_ms
    grown = "not told by this system" if found.growth_mb is None else f"{found.growth_mb:+.2f} MB"
    share = "" if found.processor_share is None else f", {100 * found.processor_share:.1f} % of one processor"
    rows = (
        ("listened to", f"{found.seconds:g} s, {found.decisions} decisions{share}", ""),
        ("dropped blocks", str(found.dropped_blocks), str(MOST_DROPPED)),
        (
            "delay, ms: p50, p95, largest",
            f"{middle:g}, {most:g}, {largest:g}",
            f"p95 under {MOST_DELAY_MS:g}",
        ),
        ("memory", f"{found.memory_mb} MB; grew by {grown}", f"under {MOST_GROWTH_MB:g} MB"),
        ("decisions that are not classify's", str(found.differences), "0"),
    )
    return "\n".join(["| | found | target |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)])


if __name__ == "__main__":
    main()
