"""What ships: refused by licence before any work, checked by what really taught it, dressed with its own scores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from evaluation_cases import hearing_bundle, hearing_spec, learned_from_nobody

from edge_ser.bundle import Bundle
from edge_ser.bundle_card import CARD
from edge_ser.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL = REPOSITORY / "tools" / "ship_base.py"
sys.path.append(str(TOOL.parent))

import ship_base  # noqa: E402


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return hearing_bundle(learned_from_nobody())


def _row() -> dict[str, Any]:
    one = {"clips": 2, "recall": 0.5, "precision": 0.5, "f1": 0.5}
    scores = {"uar": 0.5, "macro_f1": 0.5, "accuracy": 0.5, "interval": [0.4, 0.6]}
    return {**scores, "per_class": {"anger": one}, "gaps": {"sex": None, "speaker": None}}


def _evaluation(bundle: Bundle) -> dict[str, Any]:
    told = {"corpus": "crema-d", "synthetic": False, "n": 2, "speakers": 1, "command": "edge-ser evaluate x"}
    return {**told, "bundle": {"name": "hearing", "build": bundle.build_id}, "rows": {"litert": _row()}}


def _trial(**spec: Any) -> dict[str, Any]:
    tables = {"crema-d": {"pooled": {"litert": _row()}, "spread": {}, "seeds": {"1": {"litert": _row()}}}}
    told = {"seeds": [1], "protocol": "folds", "command": "edge-ser evaluate y"}
    return {**told, "spec": {**hearing_spec().to_dict(), **spec}, "tables": tables}


@pytest.mark.parametrize(("corpus", "words"), [("emo-db", "synthetic-words"), ("crema-d", "emospeech")])
def test_a_licence_that_forbids_it_is_refused_before_any_work(
    corpus: str, words: str, tmp_path: Path
) -> None:
    places = ("--corpus", f"{corpus}=nowhere", "--words", f"{words}=nowhere", "--folder", tmp_path / "work")
    command = [sys.executable, TOOL, REPOSITORY / "models" / "tiny.toml", *places, "-o", tmp_path / "out"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "does not allow weights trained on it to ship" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_what_taught_it_decides_and_not_what_was_asked_for(bundle: Bundle) -> None:
    ship_base.check_origins(bundle)
    speakers = {"train": ["1"], "validation": [], "test": []}
    told = learned_from_nobody()
    told["corpora"]["start"] = [{"name": "ravdess", "speakers": speakers}]
    with pytest.raises(InputError, match=r"^ravdess: its licence"):
        ship_base.check_origins(hearing_bundle(told))


def test_a_teacher_of_unknown_schooling_is_refused() -> None:
    told = {**learned_from_nobody(), "teachers": [{"kind": "huggingface", "corpora": []}]}
    with pytest.raises(InputError, match="a huggingface teacher does not say"):
        ship_base.check_origins(hearing_bundle(told))
    ship_base.check_origins(hearing_bundle(told), "MIT")


def test_a_folder_of_this_machine_is_refused() -> None:
    told = {**learned_from_nobody(), "note": "/data/teachers/one.edgeser"}
    with pytest.raises(InputError, match="folder of this machine"):
        ship_base.check_origins(hearing_bundle(told))


def test_the_card_carries_the_scores(bundle: Bundle) -> None:
    # Another seed and another division of the speakers are the same recipe.
    trial = _trial()
    trial["spec"]["training"] = {**trial["spec"]["training"], "seed": 77}
    dressed = ship_base.dress(bundle, {"crema-d": _evaluation(bundle)}, {"folds": trial})
    card = dressed.member(CARD).decode()
    assert "| int8, what ships | 50.0 (40.0–60.0) | 50.0 | 50.0 |" in card
    assert "`edge-ser evaluate y`" in card
    assert dressed.report("evaluation-crema-d") == _evaluation(bundle)
    assert {name: dressed.members[name] for name in bundle.members} == dict(bundle.members)


def test_scores_of_another_bundle_are_refused(bundle: Bundle) -> None:
    other = hearing_bundle(learned_from_nobody(), carries_float=False)
    with pytest.raises(InputError, match="evaluate this bundle"):
        ship_base.dress(bundle, {"crema-d": _evaluation(other)}, {})


@pytest.mark.parametrize("key", ["acoustic", "training"])
def test_scores_of_another_recipe_are_refused(key: str, bundle: Bundle) -> None:
    told = hearing_spec().to_dict()[key]
    changed = (
        {**told, "dropout": 0.44}
        if key == "acoustic"
        else {**told, "keyword": {**told["keyword"], "epochs": 99}}
    )
    with pytest.raises(InputError, match=rf"its \[{key}\] is not that of the spec"):
        ship_base.dress(bundle, {}, {"folds": _trial(**{key: changed})})
