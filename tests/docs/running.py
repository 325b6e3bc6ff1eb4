"""Running a block of the documentation in a sandbox, with what stands in for what it needs."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from docs_cases import AVAILABLE, PAGES, Block, blocks, logical_lines, script
from stand_ins import PROGRAMS, STAND_INS, TRAINING, Change, Fixture, Given

LIMIT_S = 1800
"""For a block; more than any takes on a machine that is busy with something else."""

STOOD_IN_FOR = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.language == "sh" and block.mark and block.mark not in AVAILABLE
]
"""The blocks for which something stands in."""


def is_training(block: Block) -> bool:
    """Whether a block trains: such blocks take longest and have a file of tests of their own."""
    return TRAINING in STAND_INS.get(block.mark, ())


def run(command: list[str], sandbox: Path, more: Mapping[str, str] | None = None) -> str:
    """Run a command in a sandbox; returns what it said."""
    home = {"HOME": str(sandbox), "MPLCONFIGDIR": str(sandbox / ".matplotlib"), "EDGE_SER_OP_TABLE": ""}
    path = f"{sandbox / PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    # A make that runs the tests says so to every make below it.
    outside = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}
    environment = {**outside, **home, "PATH": path, **(more or {})}
    done = subprocess.run(
        command, cwd=sandbox, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-1000:]}"
    return done.stdout


def _together(given: Sequence[Given]) -> dict[str, str]:
    """The variables of several stand-ins; each one's modules are found before those of the ones above it."""
    variables: dict[str, str] = {}
    for one in given:
        above = variables.get("PYTHONPATH", "")
        variables |= one.environment
        if above and one.environment.get("PYTHONPATH"):
            variables["PYTHONPATH"] = f"{one.environment['PYTHONPATH']}{os.pathsep}{above}"
    return variables


def _changed(block: Block, changes: Sequence[Change]) -> Block:
    text = "\n".join(logical_lines(block.text))
    for change in changes:
        text = re.sub(
            change.pattern, lambda _found, becomes=change.becomes: becomes, text, flags=re.MULTILINE
        )
    return replace(block, text=text)


def run_stood_in(block: Block, sandbox: Path, fixture: Fixture) -> None:
    """Run a block with the stand-ins of its mark; a mark that has none is an error."""
    stand_ins = STAND_INS[block.mark]
    with ExitStack() as stack:
        given = [stack.enter_context(one.given(sandbox, fixture)) for one in stand_ins]
        changes = [change for one in (*stand_ins, *given) for change in one.changes]
        run(["bash", "-c", script(_changed(block, changes))], sandbox, _together(given))
