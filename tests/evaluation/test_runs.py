"""Folds and seeds: one file each, resumed where it stopped, done again where something changed.

The training is replaced by one that takes no time; the real one is tested in test_trials.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation_cases import hearing_bundle, hearing_spec

from edge_ser.bundle import write_bundle
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.registry import read_clips
from edge_ser.errors import CheckError, InputError, MissingError
from edge_ser.evaluation import one_fold
from edge_ser.evaluation import plan as plan_module
from edge_ser.evaluation.plan import Plan
from edge_ser.evaluation.protocols import Corpus, within_corpus
from edge_ser.evaluation.runs import facts, run
from edge_ser.evaluation.summary import over_seeds
from edge_ser.spec import SystemSpec

SPEAKERS = ("f1", "f2", "m1", "m2")


def _plan(root: Path, folder: Path, seeds: tuple[int, ...] = (1, 2)) -> Plan:
    spec = hearing_spec()
    corpus = Corpus("folder", root, tuple(read_clips("folder", root)))
    rule = replace(spec.corpora, validation_share=0.3)
    somewhere = Path("/words")
    words = Manifest(
        "speech-commands",
        somewhere,
        "",
        *(
            (Clip("speech-commands", somewhere / f"{part}.wav", part, keyword="yes"),)
            for part in ("a", "b", "c")
        ),
    )
    return Plan(spec, within_corpus("folds", corpus, rule, 2), words, seeds, ("float", "litert"), folder)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[str]]]:
    """Seeds and test speakers of every "training" there was."""
    calls: list[tuple[int, list[str]]] = []

    def train_fold(
        spec: SystemSpec,
        emotions: Manifest,
        words: Manifest,
        folder: Path,
        threads: int | None,
        start: Path | None,
        speech: Manifest | None,
    ) -> Path:
        calls.append((spec.training.seed, list(emotions.speakers("test"))))
        speakers = {part: list(emotions.speakers(part)) for part in ("train", "validation", "test")}
        zero = {"keyword": 0.0, "acoustic": 0.0}
        told: dict[str, Any] = {"params": 5, "keras_difference": zero, "commit": "c"}
        told["corpora"] = {"emotions": [{"name": "folder", "speakers": speakers}]}
        write_bundle(folder / "fold.edgeser", hearing_bundle(told))
        return folder / "fold.edgeser"

    monkeypatch.setattr(one_fold, "train_fold", train_fold)
    monkeypatch.setattr(plan_module, "told", _told_without_files)
    # The perceptron's two hundred epochs on thirty clips would be most of the time of these tests.
    monkeypatch.setattr(one_fold, "KINDS", ("lr",))
    return calls


def _told_without_files(manifest: Manifest) -> list[str]:
    return [str(clip.path) for clip in manifest.clips]


def _run(plan: Plan, jobs: int = 1, scheduler: str | None = None) -> tuple[Any, list[str]]:
    lines: list[str] = []
    return run(plan, jobs, scheduler, lambda _steps: None, lines.append), lines


def test_every_fold_and_seed_has_its_file_and_its_table(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    plan = _plan(hissing(*SPEAKERS), tmp_path)
    tables, _ = _run(plan)
    assert sorted(trained) == [(s, who) for s in (1, 2) for who in (["f1", "m1"], ["f2", "m2"])]
    report = over_seeds(tables["folder"])
    assert report["pooled"]["litert"]["uar"] > 0.9
    assert list(report["pooled"]) == ["float", "litert", "lr", "constant"]
    assert report["pooled"]["litert"]["n"] == 2 * 24
    assert report["pooled"]["constant"]["uar"] == pytest.approx(1 / 3, abs=1e-4)
    kept = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json"))
    assert kept == [f"seed-{seed}/fold-0{fold}.json" for seed in (1, 2) for fold in (0, 1)]
    assert facts(plan)["params"] == 5
    assert facts(plan)["golden"]["litert"] == {"acoustic": 0, "keyword": 0}


def test_what_is_done_is_not_done_again(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    plan = _plan(hissing(*SPEAKERS), tmp_path)
    first, _ = _run(plan)
    (tmp_path / "seed-2" / "fold-01.json").unlink()
    trained.clear()
    again, lines = _run(plan)
    assert trained == [(2, ["f2", "m2"])]
    assert len(lines) == 1
    for seed in (1, 2):
        for one, other in zip(first["folder"][seed], again["folder"][seed], strict=True):
            assert (one.probabilities["litert"] == other.probabilities["litert"]).all()


def test_other_settings_are_done_again_and_said(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    plan = _plan(hissing(*SPEAKERS), tmp_path, (1,))
    _run(plan)
    trained.clear()
    dropout = replace(plan.spec.acoustic, dropout=0.1)
    _, lines = _run(replace(plan, spec=replace(plan.spec, acoustic=dropout)))
    assert len(trained) == 2
    assert sum("done again" in line for line in lines) == 2


def test_a_failure_names_its_fold_and_leaves_the_others(
    hissing: Callable[..., Path],
    tmp_path: Path,
    trained: list[tuple[int, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = _plan(hissing(*SPEAKERS), tmp_path, (1,))
    good = one_fold.train_fold

    def fail_second(spec: Any, emotions: Manifest, *rest: Any) -> Path:
        if "f2" in emotions.speakers("test"):
            message = "the training process was ended by SIGKILL"
            raise CheckError(message)
        return good(spec, emotions, *rest)

    monkeypatch.setattr(one_fold, "train_fold", fail_second)
    with pytest.raises(CheckError, match=r"seed 1, fold-01: .*SIGKILL"):
        _run(plan)
    assert (tmp_path / "seed-1" / "fold-00.json").exists()
    monkeypatch.setattr(one_fold, "train_fold", good)
    trained.clear()
    _run(plan)
    assert trained == [(1, ["f2", "m2"])]


def test_a_file_whose_test_speaker_taught_is_an_error(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    plan = _plan(hissing(*SPEAKERS), tmp_path, (1,))
    _run(plan)
    path = tmp_path / "seed-1" / "fold-00.json"
    data = json.loads(path.read_text())
    data["learned_from"].append("folder/f1")
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="speaker folder/f1 taught and is tested"):
        _run(plan)


def test_a_dask_cluster_takes_the_folds(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    distributed = pytest.importorskip(
        "distributed", reason="dask is an optional extra: pip install 'edge-ser[cluster]'"
    )
    plan = _plan(hissing(*SPEAKERS), tmp_path, (1,))
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        tables, lines = _run(plan, scheduler=cluster.scheduler_address)
    assert len(trained) == 2
    assert len(lines) == 2
    assert over_seeds(tables["folder"])["pooled"]["litert"]["uar"] > 0.9


def test_a_scheduler_that_is_not_there_is_said(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    plan = _plan(hissing(*SPEAKERS), tmp_path, (1,))
    with pytest.raises(MissingError, match=r"dask|scheduler"):
        _run(plan, scheduler="tcp://127.0.0.1:9")
    assert not trained


def test_a_start_that_knows_a_tested_speaker_is_refused(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    told = {"corpora": {"emotions": [{"name": "folder", "speakers": {"train": ["f1"], "validation": []}}]}}
    write_bundle(tmp_path / "start.edgeser", hearing_bundle(told))
    plan = replace(_plan(hissing(*SPEAKERS), tmp_path / "out"), starts=(tmp_path / "start.edgeser",))
    with pytest.raises(InputError, match="learned from folder/f1, whom fold-00 tests"):
        run(plan, 1, None, lambda _folds: None, lambda _line: None)
    assert not trained
    # Nor are functionals computed for nothing.
    assert not list((tmp_path / "out").rglob("*.npz"))


def test_a_net_that_shall_stay_as_it_starts_needs_a_start_before_anything_is_done(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    plan = _plan(hissing(*SPEAKERS), tmp_path / "out")
    training = replace(plan.spec.training, acoustic=replace(plan.spec.training.acoustic, epochs=0))
    with pytest.raises(InputError, match="name one to start from: --start BUNDLE"):
        run(
            replace(plan, spec=replace(plan.spec, training=training)),
            1,
            None,
            lambda _n: None,
            lambda _t: None,
        )
    assert not trained


def test_whom_the_start_knows_is_written_down_and_another_start_is_another_result(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    told = {
        "corpora": {"emotions": [{"name": "folder", "speakers": {"train": ["x9"], "validation": ["x8"]}}]}
    }
    write_bundle(tmp_path / "start.edgeser", hearing_bundle(told))
    plan = _plan(hissing(*SPEAKERS), tmp_path / "out", (1,))
    begun = replace(plan, starts=(tmp_path / "start.edgeser",))
    run(begun, 1, None, lambda _folds: None, lambda _line: None)
    data = json.loads((tmp_path / "out" / "seed-1" / "fold-00.json").read_text())
    assert {"folder/x8", "folder/x9"} <= set(data["learned_from"])
    assert len(trained) == 2
    run(plan, 1, None, lambda _folds: None, lambda _line: None)
    assert len(trained) == 4


def test_every_seed_has_the_start_at_its_place_or_all_have_the_one(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    starts = []
    for speaker in ("x1", "x2"):
        told = {
            "corpora": {"emotions": [{"name": "folder", "speakers": {"train": [speaker], "validation": []}}]}
        }
        starts.append(tmp_path / f"{speaker}.edgeser")
        write_bundle(starts[-1], hearing_bundle(told))
    plan = replace(_plan(hissing(*SPEAKERS), tmp_path / "out", (1, 2)), starts=tuple(starts))
    run(plan, 1, None, lambda _folds: None, lambda _line: None)
    for seed, own, other in ((1, "folder/x1", "folder/x2"), (2, "folder/x2", "folder/x1")):
        learned = json.loads((tmp_path / "out" / f"seed-{seed}" / "fold-00.json").read_text())["learned_from"]
        assert own in learned
        assert other not in learned
    done = len(trained)
    # The first seed's start for both: its folds stay as they are, the other's are made again.
    run(replace(plan, starts=(starts[0],)), 1, None, lambda _folds: None, lambda _line: None)
    assert [seed for seed, _ in trained[done:]] == [2, 2]


def test_starts_for_some_of_the_seeds_are_refused(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    plan = replace(_plan(hissing(*SPEAKERS), tmp_path, (1, 2, 3)), starts=(tmp_path / "a", tmp_path / "b"))
    with pytest.raises(
        InputError, match="2 bundles to start from for 3 seeds; expected one for all of them, or one"
    ):
        run(plan, 1, None, lambda _folds: None, lambda _line: None)
    assert not trained


def test_what_another_evaluation_trains_in_the_same_folder_stays(
    hissing: Callable[..., Path], tmp_path: Path, trained: list[tuple[int, list[str]]]
) -> None:
    plan = _plan(hissing(*SPEAKERS), tmp_path / "out", (1,))
    other = tmp_path / "out" / "work" / "seed-2" / "fold-00" / "request.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    run(plan, 1, None, lambda _folds: None, lambda _line: None)
    assert trained
    assert other.exists()
    assert not (tmp_path / "out" / "work" / "seed-1").exists()
