"""The vendor's `edgetpu_compiler`: find it, run it on both models in one call, read what it says.

Console shapes: versions 2.0, 2.1 and 14 to 16, as they stand in published logs
(github.com/google-coral/edgetpu issues 60, 173, 427, 518, 572, 651); of version 1 the ``.log`` files are known
and the console is not, so that lines about memory may be missing. Both models are compiled in one call, so that
they share one parameter-caching token. The switch ``-a`` (several Edge TPU parts) is never
used: such models do not run on the Coral Dev Board Micro (github.com/google-coral/coralmicro issues 45 and
46).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_ser.errors import CheckError, InputError

NAME = "edgetpu_compiler"
NOT_FOUND = f"not compiled for the Edge TPU: {NAME} not found"
INSTALL_HINT = (
    "install the Debian package edgetpu-compiler from Google's Coral apt repository coral-edgetpu-stable"
    " (x86-64 Linux only; coral.ai/docs/edgetpu/compiler), or name one with --compiler or EDGETPU_COMPILER"
)
MAPPED = "Mapped to Edge TPU"

_TRIES = 3
_GRACE_S = 30
# A search compiles one part after the other, each with the compiler's own limit.
_SEARCH_FACTOR = 5
_INTERNAL = "Internal compiler error"
_TOO_LARGE = "large activation tensors"
_FIRST_WITH_TIMEOUT = 16
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_VERSION = re.compile(r"Edge TPU Compiler version (\d+(?:\.\d+)*)")
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(B|KiB|MiB|GiB)$")
_ROW = re.compile(r"^([A-Z][A-Z0-9_]*)\s+(\d+)\s+(\S.*?)\s*$")
_SUCCESS = re.compile(r"^Input model: ", re.MULTILINE)
# Signals by which a program ends that crashed: SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGILL; from a shell 128 more.
_CRASHES = frozenset((4, 6, 7, 8, 11))
_REASON = re.compile(
    r"^(?:ERROR: .*|Compilation failed: .*|Invalid model: .*|Model not quantized.*"
    r"|Model could not be parsed.*|Internal compiler error.*)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class TableRow:
    """One row of the compiler's operation table.

    Attributes:
        op: operator name.
        count: how many of them.
        status: the compiler's words.
    """

    op: str
    count: int
    status: str


@dataclass(frozen=True)
class ModelLog:
    """What the compiler says about one model.

    Attributes:
        name: stem of the input file.
        on_chip_bytes: parameters cached on the chip, as the compiler rounds them; ``None`` where it does not say.
        remaining_bytes: room left on the chip for further parameters; ``None`` where it does not say.
        streamed_bytes: parameters sent at every inference; ``None`` where it does not say.
        subgraphs: Edge TPU parts; 0 where the version does not say.
        operations: operations of the model.
        mapped: operations on the Edge TPU.
        table: the operation table; empty where it was not printed.
    """

    name: str
    on_chip_bytes: int | None
    remaining_bytes: int | None
    streamed_bytes: int | None
    subgraphs: int
    operations: int
    mapped: int
    table: tuple[TableRow, ...]


@dataclass(frozen=True)
class CompilerOutput:
    """What the compiler made of one model: the file and the log that goes with it."""

    data: bytes
    log: ModelLog


@dataclass(frozen=True)
class CompileResult:
    """What one call of the compiler gave.

    Attributes:
        version: the compiler's version, e.g. ``"16.0.384591198"``.
        models: by the name that was asked for.
        tries: calls that it took.
        searched: whether the search for a smaller part (``--search_delegate``) was needed.
    """

    version: str
    models: Mapping[str, CompilerOutput]
    tries: int
    searched: bool


def find_compiler(explicit: str | None) -> Path | None:
    """Find the compiler: the one named, else the environment's EDGETPU_COMPILER, else the one on the path.

    Args:
        explicit: the value of ``--compiler``.

    Returns:
        An executable file, or ``None``. One that is named and is not there is not replaced by another.
    """
    named = explicit or os.environ.get("EDGETPU_COMPILER")
    found = shutil.which(named or NAME)
    return Path(found).absolute() if found else None


def compiler_version(compiler: Path) -> str:
    """The version that a compiler says it has.

    Raises:
        CheckError: it does not run or does not answer as the compiler does.
    """
    code, text = _run([str(compiler), "--version"], 30)
    match = _VERSION.search(text)
    if code != 0 or match is None:
        message = f"{compiler}: is not {NAME} (exit {code}: {_first_line(text)}); {INSTALL_HINT}"
        raise CheckError(message)
    return match.group(1)


def compile_models(
    compiler: Path, files: Mapping[str, bytes], timeout_s: int = 180, search: bool = True
) -> CompileResult:
    """Compile models together.

    An internal error or a crash of the compiler is tried again, since the same file has compiled on the third try
    (github.com/google-coral/edgetpu/issues/211); then the compiler searches for a smaller part.

    Args:
        compiler: from :func:`find_compiler`.
        files: models by name (letters, digits, ``_`` and ``-``), in the order in which they get the chip's
            memory.
        timeout_s: seconds for one model.
        search: whether it may search for a smaller part; its log then counts the operations of that part only.

    Raises:
        InputError: no model, or a name that cannot be a file's.
        CheckError: the compiler refuses a model, fails, or says what cannot be read.
    """
    if not files or not all(re.fullmatch(r"[\w-]+", name) for name in files):
        message = f"models to compile: {', '.join(files) or 'none'}; expected letters, digits, _ and -"
        raise InputError(message)
    version = compiler_version(compiler)
    modern = int(version.split(".")[0]) >= _FIRST_WITH_TIMEOUT
    switches = ["-s", *(["-t", str(timeout_s)] if modern else [])]
    with tempfile.TemporaryDirectory(prefix="edge-ser-compile-") as folder:
        inputs = []
        for name, data in files.items():
            path = Path(folder) / f"{name}.tflite"
            path.write_bytes(data)
            inputs.append(path)
        text, code, crashed = "", 0, False
        calls = 0
        for searching in [False] * _TRIES + [True] * (modern and search):
            if _TOO_LARGE in text and not searching:
                continue
            calls += 1
            out = Path(folder) / f"out{calls}"
            out.mkdir()
            extra = ["--search_delegate"] if searching else []
            command = [str(compiler), *switches, *extra, "-o", str(out), *(str(path) for path in inputs)]
            limit_s = timeout_s * len(files) * (_SEARCH_FACTOR if searching else 1) + _GRACE_S
            code, text = _run(command, limit_s)
            # Not by "Compilation failed": a search prints that for every part that it gives up (issue 651).
            if code == 0 and _SUCCESS.search(text):
                models = _collect(files, parse_console(text), out)
                return CompileResult(version, models, calls, searching)
            crashed = -code in _CRASHES or code - 128 in _CRASHES
            if not crashed and _INTERNAL not in text and _TOO_LARGE not in text:
                break
    ended = f"it crashed (exit {code})" if crashed else failure_reason(text)
    message = f"{NAME} {version} failed on {', '.join(files)}: {ended}"
    raise CheckError(message)


def parse_console(text: str) -> dict[str, ModelLog]:
    """Read the console output of a successful call.

    Args:
        text: what the compiler printed, with ``-s``.

    Returns:
        One log per model, by the stem of its file, in the order of the output.

    Raises:
        CheckError: a line that every version prints is missing or not readable.
    """
    logs = {}
    for block in re.split(r"(?m)^(?=Input model: )", text)[1:]:
        log = _parse_block(block)
        logs[log.name] = log
    if not logs:
        message = f"{NAME}: its output names no model ({_first_line(text)}); expected a line 'Input model: …'"
        raise CheckError(message)
    return logs


def parse_table(text: str) -> tuple[TableRow, ...]:
    """The rows of the operation table, from the console or from a ``.log`` file; none without a table."""
    matches = map(_ROW.match, text.splitlines())
    return tuple(TableRow(match.group(1), int(match.group(2)), match.group(3)) for match in matches if match)


def failure_reason(text: str) -> str:
    """The compiler's own words about a failure, on one line; its last line where no known words are among them."""
    lines = dict.fromkeys(match.group(0).strip() for match in _REASON.finditer(text))
    last = [line for line in text.strip().splitlines()[-1:] if line != "Compilation failed!"]
    return "; ".join(lines or last) or "it gives no reason"


def _parse_block(block: str) -> ModelLog:
    name = Path(_value(block, "Input model")).stem
    table = parse_table(block)
    counted = sum(row.count for row in table) if table else None
    operations = _count(block, "Total number of operations", counted)
    mapped = _count(block, "Number of operations that will run on Edge TPU", operations)
    if table and sum(row.count for row in table if row.status == MAPPED) != mapped:
        message = f"{NAME}: its table and its count of operations on the Edge TPU differ for {name}"
        raise CheckError(message)
    used = _size(block, "On-chip memory used for caching model parameters")
    # Version 2.0 names the whole room in place of what is left of it.
    room = _size(block, "On-chip memory available for caching model parameters")
    left = _size(block, "On-chip memory remaining for caching model parameters")
    return ModelLog(
        name=name,
        on_chip_bytes=used,
        remaining_bytes=room - used if room is not None and used is not None else left,
        streamed_bytes=_size(block, "Off-chip memory used for streaming uncached model parameters"),
        subgraphs=_count(block, "Number of Edge TPU subgraphs", 0),
        operations=operations,
        mapped=mapped,
        table=table,
    )


def _value(block: str, label: str, default: str | None = None) -> str:
    match = re.search(rf"^{re.escape(label)}: (.+?)\s*$", block, re.MULTILINE)
    if match is not None:
        return match.group(1)
    if default is None:
        message = f"{NAME}: its output has no line {label!r}; expected the output of version 1 to 16"
        raise CheckError(message)
    return default


def _count(block: str, label: str, default: int | None) -> int:
    text = _value(block, label, None if default is None else str(default))
    # No compiler writes a tenth digit, and int() of thousands of them is slow.
    if not re.fullmatch(r"\d{1,9}", text):
        message = f"{NAME}: {label!r} is {text[:40]!r}; expected a count"
        raise CheckError(message)
    return int(text)


def _size(block: str, label: str) -> int | None:
    text = _value(block, label, "")
    if not text:
        return None
    match = _SIZE.match(text)
    if match is None:
        message = f"{NAME}: {label!r} is {text!r}; expected a size such as 49.75KiB"
        raise CheckError(message)
    return round(float(match.group(1)) * _UNITS[match.group(2)])


def _collect(
    files: Mapping[str, bytes], logs: Mapping[str, ModelLog], out: Path
) -> dict[str, CompilerOutput]:
    models = {}
    for name in files:
        path = out / f"{name}_edgetpu.tflite"
        if name not in logs or not path.is_file():
            message = f"{NAME}: says that it succeeded and left no {path.name}; run it by hand to see why"
            raise CheckError(message)
        models[name] = CompilerOutput(path.read_bytes(), _with_table(logs[name], out))
    return models


def _with_table(log: ModelLog, out: Path) -> ModelLog:
    """The log with the table of the ``.log`` file, where the console printed none."""
    path = out / f"{log.name}_edgetpu.log"
    if log.table or not path.is_file():
        return log
    table = parse_table(path.read_text(encoding="utf-8", errors="replace"))
    mapped = sum(row.count for row in table if row.status == MAPPED) if table else log.mapped
    return replace(log, table=table, mapped=mapped)


def _run(command: Sequence[str], timeout_s: int) -> tuple[int, str]:
    """Exit status and all that was printed; what still runs afterwards is stopped, with its children."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        message = f"{command[0]}: cannot be run ({error.strerror}); {INSTALL_HINT}"
        raise CheckError(message) from None
    with process:
        try:
            text, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            message = f"{command[0]}: no end after {timeout_s} s; try a smaller model or a longer --timeout"
            raise CheckError(message) from None
        finally:
            if process.poll() is None:
                # The compiler works in a child of its own, which keeps the pipe open.
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, text.decode("utf-8", errors="replace")


def _first_line(text: str) -> str:
    return next((line.strip()[:120] for line in text.splitlines() if line.strip()), "no output")
