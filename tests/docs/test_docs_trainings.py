"""The command blocks that train work, too: the real commands in a miniature (``miniature.py``)."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_cases import REPOSITORY, Block, block_name
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


@pytest.mark.slow
@pytest.mark.parametrize("block", [block for block in STOOD_IN_FOR if is_training(block)], ids=block_name)
def test_blocks_that_train_run_in_a_miniature(
    block: Block, sandbox: Path, request: pytest.FixtureRequest
) -> None:
    run_stood_in(block, sandbox, request.getfixturevalue)


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
