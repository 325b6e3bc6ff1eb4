"""The command blocks that train work, too: the real commands in a miniature (``miniature.py``).

Each takes a minute or two. Without the variable ``EDGE_SER_EVERY_BLOCK`` those are left out whose every command (``make
edgetpu``, ``edge-ser evaluate``) an earlier one has run with other options; their options are held against the command
line by ``test_docs_commands.py``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from docs_cases import REPOSITORY, Block, block_name, logical_lines, simple_commands
from miniature import CORPORA, SMALLER, plant
from running import STOOD_IN_FOR, is_training, run_stood_in

from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import SHIPPED
from edge_ser.corpora.registry import read_clips
from edge_ser.spec_file import load_spec

LAYOUTS = {
    "CREMA-D": "crema-d",
    "EMO-DB": "emo-db",
    "URDU": "urdu",
    "EmoSpeech": "emospeech",
    "speech_commands": "speech-commands",
    "ESC-10": "esc-10",
}


EVERY_BLOCK = "EDGE_SER_EVERY_BLOCK"


def _commands(block: Block) -> set[tuple[str, ...]]:
    """The commands of a block, without what is given to them."""
    return {
        tuple(words[:2])
        for line in logical_lines(block.text)
        for words in simple_commands(line)
        if len(words) > 1
    }


def _with_a_new_command(trainings: Sequence[Block]) -> list[Block]:
    """The blocks in which a command is met for the first time."""
    seen: set[tuple[str, ...]] = set()
    found = []
    for block in trainings:
        if _commands(block) - seen:
            found.append(block)
        seen |= _commands(block)
    return found


TRAININGS = [block for block in STOOD_IN_FOR if is_training(block)]
ALWAYS = _with_a_new_command(TRAININGS)


@pytest.mark.slow
@pytest.mark.parametrize("block", TRAININGS, ids=block_name)
def test_blocks_that_train_run_in_a_miniature(
    block: Block, sandbox: Path, request: pytest.FixtureRequest
) -> None:
    if block not in ALWAYS and not os.environ.get(EVERY_BLOCK):
        pytest.skip(f"its commands were run with other options; {EVERY_BLOCK}=1 runs every block")
    run_stood_in(block, sandbox, request.getfixturevalue)


def test_every_command_that_trains_is_always_run() -> None:
    commands = set().union(*map(_commands, TRAININGS))
    assert commands == set().union(*map(_commands, ALWAYS))
    assert {("make", "edgetpu"), ("edge-ser", "train"), ("edge-ser", "evaluate")} < commands


@pytest.mark.parametrize("path", sorted((REPOSITORY / "models").glob("*.toml")), ids=lambda path: path.name)
def test_a_small_spec_is_the_real_one_but_for_a_few_values(path: Path, small_models: Path) -> None:
    real, small = path.read_text(), (small_models / path.name).read_text()
    load_spec(small_models / path.name)
    changed = [
        (before, after)
        for before, after in zip(real.splitlines(), small.splitlines(), strict=True)
        if before != after
    ]
    for before, after in changed:
        key, _, value = after.partition(" = ")
        assert before.startswith(f"{key} = ")
        assert value.partition("#")[0].strip() == SMALLER[key]


def test_every_smaller_value_is_one_of_a_spec() -> None:
    text = "\n".join(path.read_text() for path in (REPOSITORY / "models").glob("*.toml"))
    assert [key for key in SMALLER if f"\n{key} = " not in text] == []


@pytest.mark.parametrize("name", CORPORA)
def test_a_small_corpus_is_read_whole(name: str, tmp_path: Path) -> None:
    plant(tmp_path, name, read_bundle(SHIPPED).array("golden/samples.npy"))
    assert len(read_clips(LAYOUTS[name], tmp_path)) == len(CORPORA[name])
