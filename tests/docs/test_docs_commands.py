"""Every command block of README.md and docs/ works: each is run, some with what ``stand_ins.py`` provides."""

from __future__ import annotations

import csv
import io
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from docs_cases import (
    AVAILABLE,
    CORPORA,
    LANGUAGES,
    NOT_A_SPEC,
    PAGES,
    REPOSITORY,
    Block,
    block_name,
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
from running import STOOD_IN_FOR, is_training, run, run_stood_in
from stand_ins import STAND_INS

from edge_ser.corpora.folder import OPTIONAL, REQUIRED
from edge_ser.spec_file import spec_from_dict


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


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block.place}: {block.language!r}; expected one of {LANGUAGES}"


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=page_name)
def test_the_commands_of_a_page_run(page: Path, sandbox: Path) -> None:
    for block in filter(_runs, blocks(page)):
        run(["bash", "-c", script(block)], sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("block", WITH_NEEDS, ids=block_name)
def test_blocks_with_needs_run_where_these_are(
    block: Block, sandbox: Path, shared_data: Callable[[str], Path]
) -> None:
    if block.mark in CORPORA:
        (sandbox / "path" / "to").mkdir(parents=True)
        (sandbox / "path" / "to" / block.mark).symlink_to(shared_data(block.mark))
    elif not AVAILABLE[block.mark]():
        pytest.skip(f"{block.place} needs {block.mark}")
    run(["bash", "-c", script(block)], sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("block", [block for block in STOOD_IN_FOR if not is_training(block)], ids=block_name)
def test_blocks_run_with_what_stands_in(block: Block, sandbox: Path, request: pytest.FixtureRequest) -> None:
    run_stood_in(block, sandbox, request.getfixturevalue)


def test_every_mark_is_in_a_table() -> None:
    """No block falls back to being parsed only, and no stand-in is left of a block that is gone."""
    marks = {block.mark for block in STOOD_IN_FOR}
    assert marks == set(STAND_INS), "see STAND_INS in tests/docs/stand_ins.py"


def test_every_change_fits_a_line() -> None:
    """A change that fits nowhere would leave a block as it is, in silence."""
    for one in {stand_in for stand_ins in STAND_INS.values() for stand_in in stand_ins}:
        texts = [
            "\n".join(logical_lines(block.text)) for block in STOOD_IN_FOR if one in STAND_INS[block.mark]
        ]
        for change in one.changes:
            fits = [text for text in texts if re.search(change.pattern, text, re.MULTILINE)]
            assert fits, f"{one.real}: {change.pattern}"


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
    run([sys.executable, "-c", code], sandbox)


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

    run(["bash", "-c", script(block("true\nfalse  # exit 1: as it should"))], sandbox)
    for text in ("false\ntrue", "true  # exit 1"):
        with pytest.raises(AssertionError, match=r"README\.md:1"):
            run(["bash", "-c", script(block(text))], sandbox)
