"""What an evaluation says of teachers, and that each fold has its own.

The training is replaced by one that takes no time; the real one is tested in tests/training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation_cases import hearing_bundle, hearing_spec

from edge_ser.bundle import write_bundle
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest, write_manifest
from edge_ser.corpora.registry import read_clips
from edge_ser.errors import InputError
from edge_ser.evaluation import one_fold
from edge_ser.evaluation import plan as plan_module
from edge_ser.evaluation.plan import Plan
from edge_ser.evaluation.protocols import Corpus, within_corpus
from edge_ser.evaluation.runs import facts, run
from edge_ser.files import read_json, write_json
from edge_ser.spec import SystemSpec
from edge_ser.spec_training import TeacherSpec
from edge_ser.teacher_files import find_teachers, taught_corpora

SPEAKERS = ("f1", "f2", "m1", "m2")


def _plan(root: Path, folder: Path, teacher: TeacherSpec) -> Plan:
    spec = hearing_spec()
    acoustic = replace(spec.training.acoustic, teacher=teacher)
    spec = replace(spec, training=replace(spec.training, acoustic=acoustic))
    corpus = Corpus("folder", root, tuple(read_clips("folder", root)))
    rule = replace(spec.corpora, validation_share=0.3)
    parts = [(Clip("speech-commands", Path(f"/words/{part}.wav"), part, keyword="yes"),) for part in "abc"]
    words = Manifest("speech-commands", Path("/words"), "", *parts)
    return Plan(spec, within_corpus("folds", corpus, rule, 2), words, (1,), ("litert",), folder)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Paths of the teachers of every "training" there was."""
    calls: list[tuple[str, ...]] = []

    def train_fold(spec: SystemSpec, emotions: Manifest, _words: Any, folder: Path, *_rest: Any) -> Path:
        calls.append(spec.training.acoustic.teacher.paths)
        told = [one.told() for one in find_teachers(spec, emotions)]
        speakers = {part: list(emotions.speakers(part)) for part in ("train", "validation", "test")}
        provenance: dict[str, Any] = {"params": 5, "commit": "c", "teachers": told}
        provenance["keras_difference"] = {"keyword": 0.0, "acoustic": 0.0}
        own = {"name": "folder", "speakers": speakers}
        provenance["corpora"] = {"emotions": [own], "teachers": taught_corpora(told)}
        write_bundle(folder / "fold.edgeser", hearing_bundle(provenance))
        return folder / "fold.edgeser"

    monkeypatch.setattr(one_fold, "train_fold", train_fold)
    monkeypatch.setattr(plan_module, "told", lambda manifest: [str(clip.path) for clip in manifest.clips])
    monkeypatch.setattr(one_fold, "KINDS", ("lr",))
    return calls


def _run(plan: Plan) -> None:
    run(plan, 1, None, lambda _steps: None, lambda _line: None)


def test_every_fold_has_its_teacher_and_says_so(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[str, ...]]
) -> None:
    for fold in ("fold-00", "fold-01"):
        (tmp_path / f"{fold}.keras").write_bytes(fold.encode())
    path = f"{tmp_path}/{{fold}}.keras"
    plan = _plan(
        hissing(*SPEAKERS),
        tmp_path / "out",
        TeacherSpec((path,), "keras", "vector", learned_from="ten thousand hours of radio"),
    )
    _run(plan)
    assert trained == [(f"{tmp_path}/fold-0{fold}.keras",) for fold in (0, 1)]
    told = facts(plan)["teachers"]
    assert [one["name"] for one in told] == [f"fold-0{fold}.keras" for fold in (0, 1)]
    assert {one["learned_from"] for one in told} == {"ten thousand hours of radio"}
    assert all(len(one["sha256"]) == 64 for one in told)
    (of_fold,) = read_json(tmp_path / "out" / "seed-1" / "fold-01.json")["teachers"]
    assert of_fold == told[1]
    # A fold whose teacher has changed is done again, and no other.
    trained.clear()
    (tmp_path / "fold-01.keras").write_bytes(b"another net")
    _run(plan)
    assert trained == [(f"{tmp_path}/fold-01.keras",)]


def test_a_teacher_of_another_fold_is_refused_before_anything_is_trained(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[str, ...]]
) -> None:
    root = hissing(*SPEAKERS)
    plain = _plan(root, tmp_path / "out", TeacherSpec())
    # As `evaluate --keep` leaves the first fold.
    teacher, fold = tmp_path / "teachers" / "fold-00", plain.folds[0]
    write_manifest(fold.manifest, teacher / "emotions.json")
    write_json(teacher / "request.json", {"spec": plain.spec.to_dict(), "start": None})
    (teacher / "acoustic").mkdir()
    (teacher / "acoustic" / "weights.weights.h5").write_bytes(b"weights")
    first = replace(plain.folds[0])
    alone = replace(_plan(root, tmp_path / "one", TeacherSpec((str(teacher),))), folds=(first,))
    _run(alone)
    assert trained == [(str(teacher),)]
    heard = read_json(tmp_path / "one" / "seed-1" / "fold-00.json")["teachers"][0]["corpora"][0]["speakers"]
    assert heard["train"] == list(fold.manifest.speakers("train"))
    trained.clear()
    with pytest.raises(InputError, match=r"fold-01: .* has heard speaker folder/.*\{fold\}"):
        _run(_plan(root, tmp_path / "both", TeacherSpec((str(teacher),))))
    assert trained == []
