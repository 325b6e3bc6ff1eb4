"""Where the instructions of the core go: every one that the emulated Cortex-M7 runs, by function and by line."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_ser.errors import CheckError
from firmware_bridge.frontend_job import FrontendJob, write_jobs
from firmware_bridge.host_process import ENGINE, RUNNER
from firmware_bridge.programs import find_tool, run
from firmware_bridge.qemu_m7 import QemuM7

FRAMES = 10
"""Frames that are looked at: each instruction becomes a line of the emulator's log."""
_LINES = 25
_LIMIT_S = 120
_SINGLE_STEP_IS_OLD = (8, 1)
"""QEMU version in which -singlestep became an option of the accelerator."""


@dataclass(frozen=True)
class Profile:
    """Instructions per frame.

    Attributes:
        total: of all.
        functions: by function, with what the compiler inlined into it.
        lines: by line of the source, where the instruction itself comes from.
    """

    total: float
    functions: dict[str, float]
    lines: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """For ``json.dumps``."""
        return {"total": self.total, "functions": self.functions, "lines": self.lines}

    def to_text(self) -> str:
        """A table."""
        rows = [f"{self.total:10.0f}  all"]
        rows += [f"{count:10.0f}  {name}" for name, count in self.functions.items() if count >= 1]
        rows += [f"{count:10.0f}  {name}" for name, count in list(self.lines.items())[:_LINES]]
        return "\n".join(rows)


def profile_core(machine: QemuM7, job: FrontendJob, build: Path) -> Profile:
    """Run a few frames of a job, one instruction at a time.

    Args:
        machine: with ``-g`` among its flags.
        job: its first recording that is not silent is used.
        build: folder for what is built.

    Raises:
        CheckError: something cannot be built or run, or the log cannot be understood.
    """
    executable = machine.build("frontend_job", (*RUNNER, *ENGINE), build / "profile")
    tables = job.tables
    samples = tables.window_samples + (FRAMES - 1) * tables.step_samples
    sound = next(recording for recording in job.recordings if np.abs(recording[:samples]).max() > 1)[:samples]
    # At once: one call of the core, which begins and ends at two places of the log.
    places = _trace(machine, executable, write_jobs([replace(job, recordings=(sound,), chunk_samples=0)]))
    symbols = _symbols(executable)
    try:
        begin = places.index(symbols["eser_frontend_feed"])
        end = places.index(symbols["counter_stop"], begin)
    except (KeyError, ValueError):
        message = "the emulator's log does not show eser_frontend_feed and counter_stop; try another QEMU"
        raise CheckError(message) from None
    counts = Counter(places[begin:end])
    functions: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for place, stack in _source_of(executable, counts).items():
        for name in {name for name, _ in stack}:
            functions[name] += counts[place]
        lines[f"{stack[0][1]} {stack[0][0]}"] += counts[place]
    return Profile((end - begin) / FRAMES, _per_frame(functions), _per_frame(lines))


def _per_frame(counts: Counter[str]) -> dict[str, float]:
    return {name: count / FRAMES for name, count in counts.most_common()}


def _trace(machine: QemuM7, executable: Path, jobs: bytes) -> list[int]:
    """Addresses of all instructions, in order."""
    version = run([str(machine.emulator), "--version"], Path.cwd(), _LIMIT_S)
    match = re.search(r"version (\d+)\.(\d+)", version)
    old = match is not None and tuple(map(int, match.groups())) < _SINGLE_STEP_IS_OLD
    step = ["-singlestep"] if old else ["-accel", "tcg,one-insn-per-tb=on"]
    with tempfile.TemporaryDirectory(prefix="edge-ser-profile-") as name:
        folder = Path(name)
        (folder / "job.bin").write_bytes(jobs)
        log = [*step, "-d", "exec,nochain", "-D", "trace.log"]
        run([*machine.command(executable), *log], folder, _LIMIT_S)
        text = (folder / "trace.log").read_text(errors="replace")
    # Trace 0: 0x7f... [flags/pc/...] symbol
    return [int(pc, 16) for pc in re.findall(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", text, re.MULTILINE)]


def _symbols(executable: Path) -> dict[str, int]:
    nm = find_tool("arm-none-eabi-nm", "get it with: make m7-deps")
    listing = run([str(nm), str(executable)], Path.cwd(), _LIMIT_S)
    rows = (line.split() for line in listing.splitlines())
    return {row[2]: int(row[0], 16) & ~1 for row in rows if len(row) == 3}


def _source_of(executable: Path, places: Iterable[int]) -> dict[int, list[tuple[str, str]]]:
    """Function and line of each address, innermost first, then what it was inlined into."""
    tool = find_tool("arm-none-eabi-addr2line", "get it with: make m7-deps")
    command = [str(tool), "-a", "-f", "-i", "-s", "-e", str(executable)]
    addresses = "".join(f"{place:#x}\n" for place in places)
    done = subprocess.run(
        command, input=addresses, capture_output=True, text=True, check=True, timeout=_LIMIT_S
    )
    stacks: dict[int, list[tuple[str, str]]] = {}
    function = ""
    for line in done.stdout.splitlines():
        if line.startswith("0x"):
            stack = stacks.setdefault(int(line, 16), [])
        elif not function:
            function = line
        else:
            stack.append((function, line.split(" ")[0]))
            function = ""
    return stacks
