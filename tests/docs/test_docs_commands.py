"""Every command block of README.md and docs/ works: run where a test machine can, else held against the real one."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from docs_cases import (
    AVAILABLE,
    CORPORA,
    LANGUAGES,
    NOT_A_SPEC,
    PAGES,
    REPOSITORY,
    Block,
    blocks,
    command_of,
    inline_commands,
    logical_lines,
    options_of,
    page_name,
    problem_with,
    script,
    simple_commands,
)

from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import SHIPPED
from edge_ser.corpora.folder import OPTIONAL, REQUIRED
from edge_ser.spec_file import spec_from_dict

EMOTIONS = ("anger", "neutral", "sadness")
_LIMIT_S = 600


def _with(language: str) -> list[Path]:
    return [page for page in PAGES if any(block.language == language for block in blocks(page))]


def _runs(block: Block) -> bool:
    return block.language == "sh" and not block.mark


RUN = [page for page in PAGES if any(map(_runs, blocks(page)))]
WITH_NEEDS = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.language == "sh" and block.mark in (*AVAILABLE, *CORPORA)
]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has at hand: recordings of real speech, a corpus of them, a bundle and its nets."""
    if not SHIPPED.is_file():
        pytest.skip("no shipped bundle")
    folder = tmp_path_factory.mktemp("docs") / "stock"
    bundle = read_bundle(SHIPPED)
    samples = bundle.array("golden/samples.npy")
    rate = bundle.spec.frontend.sample_rate_hz
    (folder / "recordings").mkdir(parents=True)
    soundfile.write(folder / "call.wav", samples, rate)
    soundfile.write(folder / "meeting.flac", np.tile(samples, 2), rate)
    rows = ["path,speaker,emotion"]
    for speaker in range(8):
        for number, emotion in enumerate(EMOTIONS):
            name = f"{speaker}-{emotion}.wav"
            quieter = (samples // (2 + number + speaker)).astype(np.int16)
            soundfile.write(folder / "recordings" / name, np.roll(quieter, 1000 * speaker), rate)
            rows.append(f"{name},person{speaker},{emotion}")
    (folder / "recordings" / "clips.csv").write_text("\n".join(rows) + "\n")
    for net in ("keyword.tflite", "acoustic.tflite"):
        (folder / net).write_bytes(bundle.member(net))
    (folder / "build" / "base").mkdir(parents=True)
    shutil.copy(SHIPPED, folder / "build" / "base" / "base.edgeser")
    shutil.copy(SHIPPED, folder / "before.edgeser")
    shutil.copy(SHIPPED, folder / "now.edgeser")
    for name in ("models", "tools"):
        (folder / name).symlink_to(REPOSITORY / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, command in (("edge-ser", "-m edge_ser.cli.main"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {command} "$@"\n')
        program.chmod(0o755)
    return folder


@pytest.fixture
def sandbox(stock: Path, tmp_path: Path) -> Path:
    """A copy of it for one page."""
    return Path(shutil.copytree(stock, tmp_path / "sandbox", symlinks=True))


def _run(command: list[str], sandbox: Path) -> None:
    home = {"HOME": str(sandbox), "MPLCONFIGDIR": str(sandbox / ".matplotlib"), "EDGE_SER_OP_TABLE": ""}
    path = f"{sandbox / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **home, "PATH": path}
    done = subprocess.run(
        command, cwd=sandbox, env=environment, capture_output=True, text=True, check=False, timeout=_LIMIT_S
    )
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-1000:]}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block.place}: {block.language!r}; expected one of {LANGUAGES}"


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=page_name)
def test_the_commands_of_a_page_run(page: Path, sandbox: Path) -> None:
    for block in filter(_runs, blocks(page)):
        _run(["bash", "-c", script(block)], sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("block", WITH_NEEDS, ids=lambda block: f"{page_name(block.page)}-{block.line}")
def test_blocks_with_needs_run_where_these_are(
    block: Block, sandbox: Path, shared_data: Callable[[str], Path]
) -> None:
    if block.mark in CORPORA:
        (sandbox / "path" / "to").mkdir(parents=True)
        (sandbox / "path" / "to" / block.mark).symlink_to(shared_data(block.mark))
    elif not AVAILABLE[block.mark]():
        pytest.skip(f"{block.place} needs {block.mark}")
    _run(["bash", "-c", script(block)], sandbox)


@pytest.mark.parametrize("page", _with("sh"), ids=page_name)
def test_commands_that_are_not_run_could_be(page: Path) -> None:
    for block in blocks(page):
        if block.language == "sh":
            for line in logical_lines(block.text):
                for words in simple_commands(line):
                    assert not (said := problem_with(words)), f"{block.place}: {said}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_commands_in_the_text_exist(page: Path) -> None:
    for line in inline_commands(page):
        words = line.split()
        command, _ = command_of([word.rstrip("/,") for word in words[1:]])
        if command is None and words[1] == "corpus":
            continue  # the group itself
        assert command is not None, f"{page_name(page)}: {line}: no such command"
        used = {word.partition("=")[0] for word in re.findall(r"(?<![\w-])--[a-z][\w-]*", line)}
        lacking = used - options_of(command)
        assert not lacking, f"{page_name(page)}: {line}: no option {lacking}"


@pytest.mark.parametrize("page", _with("python"), ids=page_name)
def test_python_of_a_page_runs(page: Path, sandbox: Path) -> None:
    code = "\n".join(block.text for block in blocks(page) if block.language == "python")
    _run([sys.executable, "-c", code], sandbox)


@pytest.mark.parametrize("page", _with("toml"), ids=page_name)
def test_parts_of_specs_are_valid(page: Path) -> None:
    base = (REPOSITORY / "models" / "base.toml").read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language == "toml" and block.mark != NOT_A_SPEC:
            spec_from_dict(_merged(tomllib.loads(base), tomllib.loads(block.text)), block.place)


def _merged(ground: dict[str, object], top: dict[str, object]) -> dict[str, object]:
    for key, value in top.items():
        below = ground.get(key)
        ground[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return ground


def test_the_table_of_the_corpus_page_is_one() -> None:
    (table,) = (block for block in blocks(REPOSITORY / "docs" / "corpus.md") if block.language == "csv")
    columns = next(csv.reader(io.StringIO(table.text)))
    assert set(REQUIRED) <= set(columns) <= {*REQUIRED, *OPTIONAL}
    text = table.page.read_text(encoding="utf-8")
    assert all(f"`{column}`" in text for column in (*REQUIRED, *OPTIONAL))


def test_a_wrong_command_is_found() -> None:
    wrong = (
        "edge-ser clasify call.wav",
        "edge-ser classify call.wav --jsn",
        "edge-ser train models/base.toml",
        "make edgetpu SISTEM=tiny",
        "make edgtpu",
        "python tools/no_such_tool.py",
        "python tools/bench_estimator.py --no-such-option",
        "pip install 'edge-ser[trian]'",
        "curl example.org",
    )
    for line in wrong:
        assert any(problem_with(words) for words in simple_commands(line)), line


def test_a_failing_line_fails_its_block(sandbox: Path) -> None:
    def block(text: str) -> Block:
        return Block(REPOSITORY / "README.md", 1, "sh", "", text)

    _run(["bash", "-c", script(block("true\nfalse  # exit 1: as it should"))], sandbox)
    for text in ("false\ntrue", "true  # exit 1"):
        with pytest.raises(AssertionError, match=r"README\.md:1"):
            _run(["bash", "-c", script(block(text))], sandbox)
