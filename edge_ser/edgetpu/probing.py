"""Asks the person's own compiler about every probe model, or writes the pack for a machine that has one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_ser.edgetpu.compiler import (
    MAPPED,
    ModelLog,
    compile_models,
    compiler_version,
    failure_reason,
    parse_console,
)
from edge_ser.edgetpu.compilers import compiler_named
from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.op_table import OpTable, ProbeResult, one_line
from edge_ser.edgetpu.probe import PROBES, probe_files
from edge_ser.edgetpu.rules import check_model
from edge_ser.errors import CheckError, InputError
from edge_ser.files import reason, write_atomically

SCRIPT = "compile.sh"
_VERSION_FILE = "version.txt"
_MAX_ANSWER_BYTES = 64 * 1024
_REFUSALS = ("Didn't find op", "out of range", "could not be parsed", "Invalid model")
_SCRIPT = """#!/bin/sh
# Run this where edgetpu_compiler is installed; then: edge-ser doctor --import THIS_FOLDER
cd "$(dirname "$0")" || exit 1
edgetpu_compiler --version > version.txt || exit 1
out=$(mktemp -d)
for model in *.tflite; do
  edgetpu_compiler -s -o "$out" "$model" > "${model%.tflite}.txt" 2>&1
done
rm -r "$out"
"""


def ask_compiler(compiler: Path, advance: Callable[[int], None]) -> OpTable:
    """Compile the probe pack, one model at a time, since one that is refused would refuse its neighbours.

    Args:
        compiler: from :func:`edge_ser.edgetpu.compiler.find_compiler`.
        advance: told after each model, for a progress bar.

    Raises:
        CheckError: the compiler does not run, or maps none of the probe models.
    """
    version = compiler_version(compiler)
    results = []
    for name, data in probe_files().items():
        try:
            # After a search the log counts only the part that compiled.
            log = compile_models(compiler, {name: data}, search=False).models[name].log
        except CheckError as error:
            results.append(_failure(name, str(error)))
        else:
            results.append(_result(name, log))
        advance(1)
    if not any(result.mapped for result in results):
        message = (
            f"{compiler}: maps none of the probe models ({results[0].status}); run it by hand to see why"
        )
        raise CheckError(message)
    return OpTable(version, tuple(results))


def write_pack(folder: Path) -> None:
    """Write every probe model and a script that compiles them, for a machine that has the compiler.

    Raises:
        InputError: the folder cannot be written.
    """
    for name, data in probe_files().items():
        write_atomically(folder / f"{name}.tflite", data)
    write_atomically(folder / SCRIPT, _SCRIPT.encode())
    (folder / SCRIPT).chmod(0o755)


def read_answers(folder: Path) -> OpTable:
    """The table from a folder in which the pack's script was run.

    Raises:
        InputError: an answer is missing or not readable.
    """
    version = one_line(_read(folder / _VERSION_FILE).rpartition("version ")[2])
    compiler_named(version)
    results = []
    for probe in PROBES:
        text = _read(folder / f"{probe.name}.txt")
        try:
            log = parse_console(text).get(probe.name)
        except CheckError:
            log = None
        results.append(
            _failure(probe.name, failure_reason(text)) if log is None else _result(probe.name, log)
        )
    if not any(result.mapped for result in results):
        message = f"{folder}: the compiler mapped none of the probe models; see {PROBES[0].name}.txt there"
        raise InputError(message)
    return OpTable(version, tuple(results))


def predictions() -> dict[str, str]:
    """What the rules say about each probe model where nobody was asked: mapped, host, unknown or refused."""
    return {name: _prediction(data, name) for name, data in probe_files().items()}


def _prediction(data: bytes, name: str) -> str:
    report = check_model(read_model(data, name))
    if report.refused:
        return "refused"
    verdicts = {verdict.verdict for verdict in report.ops}
    return next(verdict for verdict in ("host", "unknown", "mapped") if verdict in verdicts)


def _result(name: str, log: ModelLog) -> ProbeResult:
    mapped = log.operations > 0 and log.mapped == log.operations
    refusal = next((row.status for row in log.table if row.status != MAPPED), "Operation not supported")
    return ProbeResult(name, True, mapped, MAPPED if mapped else one_line(refusal))


def _failure(name: str, words: str) -> ProbeResult:
    # A parser that refuses the file is told from a compiler that gives up on it: only the first is about versions.
    refused = any(mark in words for mark in _REFUSALS)
    return ProbeResult(name, not refused, False, one_line(words))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_ANSWER_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        message = (
            f"{path}: cannot be read ({reason(error)}); run {SCRIPT} of the probe pack in its folder first"
        )
        raise InputError(message) from None
