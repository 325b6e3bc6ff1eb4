"""From what a person asks for to a report: corpora read, classes chosen, levels set, tables summed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_cases import CLASSES, MODELS, hearing_bundle, hearing_spec

from edge_ser.audio import write_wav
from edge_ser.bundle import write_bundle
from edge_ser.corpora.manifest import Manifest
from edge_ser.errors import InputError
from edge_ser.evaluation import one_fold
from edge_ser.evaluation.backends import BACKENDS
from edge_ser.evaluation.trials import Trial, make_plan, report
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import load_spec
from edge_ser.spec_training import TeacherSpec


@contextmanager
def _quiet(_description: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _steps: None


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keyword corpus in the layout of Speech Commands: one word, nine speakers, the publisher's lists."""
    root = tmp_path_factory.mktemp("commands")
    names = [f"yes/{at:08x}_nohash_0.wav" for at in range(9)]
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        write_wav(root / name, np.full(8000, 100, np.int16), 16_000)
    (root / "validation_list.txt").write_text("\n".join(names[:2]) + "\n")
    (root / "testing_list.txt").write_text("\n".join(names[2:4]) + "\n")
    return root


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Manifest]:
    """Stands in for the training, which has its own test; keeps what it was asked to learn from."""
    asked: list[Manifest] = []

    def train_fold(
        _spec: SystemSpec, emotions: Manifest, _words: Manifest, folder: Path, *_rest: object
    ) -> Path:
        asked.append(emotions)
        told: dict[str, Any] = {"params": 5, "commit": "c"}
        told["keras_difference"] = {"keyword": 0.0, "acoustic": 0.0}
        write_bundle(folder / "fold.edgeser", hearing_bundle(told))
        return folder / "fold.edgeser"

    monkeypatch.setattr(one_fold, "train_fold", train_fold)
    monkeypatch.setattr(one_fold, "KINDS", ("lr",))
    return asked


def _trial(target: Path, words: Path, folder: Path, **changes: Any) -> Trial:
    spec = hearing_spec()
    trial = Trial(
        spec=replace(spec, corpora=replace(spec.corpora, validation_share=0.3)),
        protocol="loso",
        target=("folder", target),
        sources=(),
        words=("speech-commands", words),
        folder=folder,
        seeds=(1,),
        folds=None,
        both_ways=False,
        classes=(),
        level_dbfs=None,
        backends=("float", "litert"),
        jobs=1,
        scheduler=None,
        keep=False,
    )
    return replace(trial, **changes)


def test_leaving_one_speaker_out(
    hissing: Callable[..., Path], words: Path, tmp_path: Path, trained: list[Manifest]
) -> None:
    trial = _trial(hissing("f1", "f2", "m1", "m2"), words, tmp_path)
    record = report(trial, _quiet, lambda _line: None)
    assert len(trained) == 4
    assert all(len(manifest.speakers("test")) == 1 for manifest in trained)
    assert (record["n"], record["speakers"]) == (24, 4)
    assert record["uar"] > 0.9
    assert record["synthetic"] is False
    assert record["words"] == {"corpus": "speech-commands", "synthetic": False}
    assert record["spec"]["acoustic"]["classes"] == list(CLASSES)
    assert json.loads((tmp_path / "evaluation.json").read_text())["uar"] == record["uar"]


def test_from_one_corpus_to_another_and_back(
    hissing: Callable[..., Path], words: Path, tmp_path: Path, trained: list[Manifest]
) -> None:
    source, target = hissing("f1", "f2", "m1", "m2"), hissing("f7", "f8", "m7", "m8", "f9")
    trial = _trial(target, words, tmp_path, protocol="cross", sources=(("folder", source),), both_ways=True)
    record = report(trial, _quiet, lambda _line: None)
    assert [len(manifest.speakers("test")) for manifest in trained] == [5, 4]
    # Both corpora are of one layout; the tables are told apart by their folders.
    forth, back = record["tables"].values()
    assert f"{source} to folder {target}" in next(iter(record["tables"]))
    assert (forth["pooled"]["litert"]["n"], back["pooled"]["litert"]["n"]) == (30, 24)
    assert record["n"] == 30


def test_chosen_classes_and_one_level(
    hissing: Callable[..., Path], words: Path, tmp_path: Path, trained: list[Manifest]
) -> None:
    trial = _trial(
        hissing("f1", "f2", "m1", "m2"), words, tmp_path, classes=("anger", "sadness"), level_dbfs=-30.0
    )
    plan = make_plan(trial)
    clips = plan.folds[0].manifest.clips
    assert {clip.emotion for clip in clips} == {"anger", "sadness"}
    assert plan.spec.acoustic.classes == ("anger", "sadness")
    assert all(clip.path.is_relative_to(tmp_path / "levelled") for clip in clips)
    assert not trained


def test_speech_is_heard_beside_every_fold_but_of_nobody_whom_it_tests(
    hissing: Callable[..., Path], words: Path, tmp_path: Path, trained: list[Manifest]
) -> None:
    target, other = hissing("f1", "f2", "m1", "m2"), hissing("f1", "m7")
    trial = _trial(target, words, tmp_path, speech=(("folder", other),))
    with pytest.raises(InputError, match=r"12 clips .*teacher\.paths"):
        make_plan(trial)
    teacher = TeacherSpec(("vectors.npz",), kind="vectors", output="probe", learned_from="nothing")
    recipe = replace(trial.spec.training.acoustic, teacher=teacher)
    taught = replace(trial, spec=replace(trial.spec, training=replace(trial.spec.training, acoustic=recipe)))
    folds = make_plan(taught).folds
    for fold in folds:
        assert fold.speech is not None
        tested = set(fold.manifest.speakers("test"))
        assert set(fold.speech.speakers("train")) == {"f1", "m7"} - tested - set(
            fold.manifest.speakers("validation")
        )
    assert {"f1", "m7"} in [set(fold.speech.speakers("train")) for fold in folds if fold.speech]
    with pytest.raises(InputError, match="--speech and --level"):
        make_plan(replace(taught, level_dbfs=-30.0))
    assert not trained


def test_two_sources_of_one_layout_at_one_level(
    hissing: Callable[..., Path], words: Path, tmp_path: Path
) -> None:
    target, *others = hissing("f1", "f2", "m1", "m2"), hissing("f3", "m3"), hissing("f4", "m4")
    sources = tuple(("folder", root) for root in others)
    trial = _trial(target, words, tmp_path, sources=sources, level_dbfs=-30.0)
    taught = {clip.speaker for clip in make_plan(trial).folds[0].manifest.train}
    assert {"f3", "m3", "f4", "m4"} <= taught


@pytest.mark.parametrize(
    ("changes", "words_of_it"),
    [
        ({"protocol": "cross"}, "cross needs --source"),
        ({"both_ways": True}, "--both-ways goes with"),
        ({"classes": ("anger", "boredom")}, "no clip of boredom"),
        ({"protocol": "folds", "folds": 9}, "9 folds of 4 speakers"),
    ],
)
def test_what_does_not_fit_is_refused(
    hissing: Callable[..., Path], words: Path, tmp_path: Path, changes: dict[str, Any], words_of_it: str
) -> None:
    with pytest.raises(InputError, match=words_of_it):
        make_plan(_trial(hissing("f1", "f2", "m1", "m2"), words, tmp_path, **changes))


@pytest.mark.slow
def test_a_real_training_of_one_fold(hissing: Callable[..., Path], words: Path, tmp_path: Path) -> None:
    """The child process with TensorFlow, the smallest training there is."""
    tiny = load_spec(MODELS / "tiny.toml")
    still = replace(tiny.training.keyword.augment, copies=0)
    once = replace(tiny.training.keyword, epochs=1, augment=still)
    spec = replace(
        tiny,
        keyword=replace(tiny.keyword, words=("yes",)),
        training=replace(tiny.training, keyword=once, acoustic=once),
        corpora=replace(tiny.corpora, validation_share=0.3, test_fold=0),
    )
    target = hissing("f1", "f2", "m1", "m2")
    trial = _trial(target, words, tmp_path, protocol="split", folds=2, spec=spec, backends=BACKENDS)
    record = report(trial, _quiet, lambda _line: None)
    rows = record["tables"]["folder"]["pooled"]
    assert list(rows) == ["float", "litert", "tflm", "lr", "mlp", "constant"]
    assert record["n"] == 12
    assert record["keras_difference"]["acoustic"] < 1e-3
    assert record["golden"]["litert"] == {"acoustic": 0, "keyword": 0}
    # Training folders are large and go when their result is there.
    assert not (tmp_path / "work").exists()
