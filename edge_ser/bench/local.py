"""Backends of this machine: LiteRT, TFLM, and an Edge TPU that a delegate drives, each in a process of its own.

A process of its own, because its memory and its first run are then those of the bundle and of nothing else, and
because a delegate built for another runtime ends the process that loads it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from edge_ser.bench.result import BenchResult, parse_result
from edge_ser.errors import CheckError, InputError, MissingError
from edge_ser.files import json_bytes, reason

DELEGATE: Final = "edgetpu"
_GET_DELEGATE: Final = (
    "libedgetpu, which drives a USB Accelerator, is not on this machine; get it: apt package libedgetpu1-std of "
    "coral-edgetpu-stable (or a newer build of libedgetpu), or name the library: --delegate FILE"
)
_GET_TFLM: Final = "TFLM is not installed; pip install 'edge-ser[micro]'"
_ERRORS: Final = {error.exit_code: error for error in (CheckError, InputError, MissingError)}
_OURS: Final = "edge-ser: "
_LEAST_LIMIT_S: Final = 120.0
_LIMIT_PER_RUN_S: Final = 5.0
"""A decision by TFLM's reference kernels takes a tenth of that on a slow computer."""


@dataclass(frozen=True)
class LocalJob:
    """What a child process is asked for.

    Attributes:
        bundle: path of the bundle.
        backend: ``"litert"``, ``"tflm"`` or ``"usb"``.
        threads: of one inference; LiteRT's alone.
        xnnpack: whether XNNPACK takes what it can; LiteRT's alone.
        delegate: the Edge TPU's library; ``""`` for the one on the library path.
        runs: timed runs.
        warm_up: runs before them.
        pause_ms: rest before each run.
        file: a recording to classify, ``""`` for none.
    """

    bundle: str
    backend: str
    threads: int
    xnnpack: bool
    delegate: str
    runs: int
    warm_up: int
    pause_ms: float
    file: str


def run_local(job: LocalJob, tell: Callable[[str], None]) -> BenchResult:
    """Bench in a child process.

    Args:
        job: what.
        tell: says one line of what the child says.

    Raises:
        MissingError: the backend is not on this machine; how to get it.
        CheckError: the process crashed or hangs, e.g. in a delegate.
        InputError: the bundle or the file cannot be used.
    """
    if job.backend == "usb":
        job = replace(job, delegate=find_delegate(job.delegate))
    if job.backend == "tflm":
        _require_tflm()
    with tempfile.TemporaryDirectory(prefix="edge-ser-bench-") as name:
        folder = Path(name)
        request, answer = folder / "job.json", folder / "result.json"
        request.write_bytes(json_bytes(vars(job)))
        limit_s = _LEAST_LIMIT_S + _LIMIT_PER_RUN_S * (job.runs + job.warm_up)
        _launch([sys.executable, "-m", "edge_ser.bench.child", str(request), str(answer)], limit_s, tell)
        try:
            data = answer.read_bytes()
        except OSError as error:
            message = f"bench of {job.backend}: left no result ({reason(error)})"
            raise CheckError(message) from None
        return parse_result(data, f"bench of {job.backend}")


def find_delegate(named: str) -> str:
    """The Edge TPU's library, without loading it.

    Args:
        named: a file that a person named, ``""`` for the one on the library path.

    Raises:
        MissingError: there is none.
    """
    if named:
        if not Path(named).is_file():
            message = f"--delegate {named}: no such file; expected libedgetpu.so.1"
            raise MissingError(message)
        return str(Path(named).resolve())
    found = find_library(DELEGATE)
    if found is None:
        raise MissingError(_GET_DELEGATE)
    return found


def _require_tflm() -> None:
    from importlib.util import find_spec

    if find_spec("tflite_micro") is None:
        raise MissingError(_GET_TFLM)


def _launch(command: list[str], limit_s: float, tell: Callable[[str], None]) -> None:
    """Run the child; its own line is the message where it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"the bench process did not end within {limit_s:g} s and was stopped; is the device stuck?"
        raise CheckError(message) from None
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    if done.returncode == 0:
        for line in lines:
            if line.startswith(_OURS):
                tell(line.removeprefix(_OURS))
        return
    # Not always the last line: a delegate that could not be loaded still complains when it is thrown away.
    ours = [line.removeprefix(_OURS) for line in lines if line.startswith(_OURS)]
    if done.returncode in _ERRORS and ours:
        raise _ERRORS[done.returncode](ours[-1])
    last = lines[-1] if lines else "it printed nothing"
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        how = f"was ended by {name}; a delegate that was built for another runtime does that"
    else:
        how = f"failed with exit code {done.returncode}"
    message = f"the bench process {how}; last words: {last}"
    raise CheckError(message)
