"""Nearness to raters' votes: the six measures by hand, the constant mean, and the tables of a bundle and of folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_cases import CLASSES, HERTZ, hearing_bundle, hearing_spec, hiss, learned_from_nobody
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edge_ser.audio import write_wav
from edge_ser.bundle import write_bundle
from edge_ser.cli.evaluate_tables import render_bundle, render_trial
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.crema_d import read
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.votes import vote_shares
from edge_ser.errors import InputError
from edge_ser.evaluation import exams, one_fold, trials
from edge_ser.evaluation.decided import ClipName, Decided
from edge_ser.evaluation.distributions import (
    CONSTANT_MEAN,
    MEASURES,
    Votes,
    measures,
    over_seeds,
    table_of,
    votes_from_dict,
    votes_of,
)
from edge_ser.spec import SystemSpec

VOTES = {"A": "anger", "N": "neutral", "S": "sadness"}


def _clip(emotion: str, votes: tuple[tuple[str, float], ...] | None = None) -> Clip:
    return Clip("crema-d", Path("a.wav"), "1", emotion=emotion, soft_label=votes)


def test_the_measures_by_hand() -> None:
    found = measures(np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.25, 0.5]]))
    assert tuple(found) == MEASURES
    assert found["chebyshev"][0] == pytest.approx(0.5)
    assert found["clark"][0] == pytest.approx((1 / 9 + 1 / 9 + 1) ** 0.5)
    assert found["canberra"][0] == pytest.approx(1 / 3 + 1 / 3 + 1)
    assert found["kl"][0] == pytest.approx(np.log(2))
    assert found["cosine"][0] == pytest.approx(0.25 / (0.5**0.5 * 0.375**0.5))
    assert found["intersection"][0] == pytest.approx(0.5)


def test_a_perfect_prediction_and_a_certain_mistake() -> None:
    votes = np.array([[0.6, 0.3, 0.1], [1.0, 0.0, 0.0]])
    found = measures(votes, np.array([[0.6, 0.3, 0.1], [0.0, 1.0, 0.0]]))
    perfect, wrong = ({name: values[row] for name, values in found.items()} for row in (0, 1))
    assert list(perfect.values()) == pytest.approx([0, 0, 0, 0, 1, 1])
    # A probability of 0 counts as 1e-5: nothing is infinite.
    assert wrong["kl"] == pytest.approx(np.log(1e5))
    assert wrong["canberra"] == pytest.approx(3, abs=1e-4)
    assert wrong["intersection"] == pytest.approx(1e-5)
    with pytest.raises(InputError, match="one shape"):
        measures(votes, votes[:, :2])


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), min_size=2, max_size=2))
def test_the_measures_stay_in_their_ranges(rows: list[list[float]]) -> None:
    votes, predicted = (np.array([row]) / sum(row) for row in rows)
    found = {name: float(values[0]) for name, values in measures(votes, predicted).items()}
    assert 0 <= found["chebyshev"] <= 1
    assert 0 <= found["clark"] <= 2
    assert found["clark"] <= found["canberra"] + 1e-12 <= 4 + 1e-9
    assert found["kl"] >= -1e-9
    assert 0 <= found["cosine"] <= 1 + 1e-9
    # Half the sum of differences is what the intersection lacks.
    assert found["intersection"] == pytest.approx(1 - np.abs(votes - predicted).sum() / 2)


def test_votes_count_among_the_classes_alone() -> None:
    clips = [
        _clip("anger", (("anger", 0.25), ("fear", 0.5), ("sadness", 0.25))),
        _clip("anger", (("fear", 1.0),)),
        _clip("anger"),
    ]
    assert vote_shares(clips, CLASSES).tolist() == [[0.5, 0, 0.5], [0, 0, 0], [0, 0, 0]]


def test_the_constant_mean_is_that_of_the_training() -> None:
    taught = [_clip("anger", (("anger", 0.5), ("neutral", 0.5))), _clip("sadness")]
    test = [_clip("neutral", (("neutral", 1.0),)), _clip("anger")]
    votes = votes_of(test, taught, CLASSES)
    assert votes is not None
    assert votes.mean.tolist() == [0.25, 0.25, 0.5]
    assert votes.shares.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert votes_of([_clip("anger")], taught, CLASSES) is None


def _decided(rows: list[list[float]], name: str = "litert") -> Decided:
    clips = tuple(ClipName("crema-d", f"{at}.wav", 0.0, "1", "f") for at in range(len(rows)))
    return Decided(CLASSES, clips, np.zeros(len(rows), np.int64), {name: np.array(rows)}, 0)


def test_clips_without_votes_do_not_count_and_folds_are_pooled_by_clip() -> None:
    perfect, off = [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]
    votes = Votes(np.array([perfect, [0.0, 0, 0]]), np.array([0.5, 0.5, 0]))
    other = Votes(np.array([perfect] * 3), np.array([1.0, 0, 0]))
    found = table_of([(_decided([perfect, off]), votes), (_decided([off] * 3), other)])
    assert found["n"] == 4
    assert found["rows"]["litert"]["chebyshev"] == pytest.approx(3 * 0.5 / 4, abs=1e-4)
    assert found["rows"][CONSTANT_MEAN]["chebyshev"] == pytest.approx(3 * 0.5 / 4, abs=1e-4)
    seeds = over_seeds({1: [(_decided([perfect] * 3), other)], 2: [(_decided([off] * 3), other)]})
    spread = seeds["spread"]["litert"]["chebyshev"]
    assert spread == {"mean": 0.25, "sd": pytest.approx(0.5 / 2**0.5, abs=1e-4)}
    assert seeds["spread"][CONSTANT_MEAN]["chebyshev"]["sd"] == 0
    json.dumps(seeds)


def test_votes_survive_their_file_and_broken_ones_are_named() -> None:
    votes = Votes(np.array([[0.5, 0.5, 0.0]]), np.array([0.2, 0.3, 0.5]))
    plain = json.loads(json.dumps(votes.to_dict()))
    again = votes_from_dict(plain, (1, 3), "fold")
    assert (again.shares == votes.shares).all()
    assert (again.mean == votes.mean).all()
    for broken in (
        {"shares": plain["shares"]},
        plain | {"mean": "x"},
        plain | {"mean": [1.0]},
        plain | {"shares": []},
    ):
        with pytest.raises(InputError, match=r"fold-00\.json"):
            votes_from_dict(broken, (1, 3), "fold-00.json")


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus in CREMA-D's layout that can be told apart by ear, and whose raters heard what there is to hear."""
    root = tmp_path_factory.mktemp("voted")
    rng = np.random.default_rng(0)
    rows = ["FileName,VoiceVote"]
    for actor in ("1001", "1002", "1003", "1004", "1005", "1006"):
        for letter, emotion in VOTES.items():
            name = f"{actor}_IEO_{ {'A': 'ANG', 'N': 'NEU', 'S': 'SAD'}[letter] }_XX"
            write_wav(root / "AudioWAV" / f"{name}.wav", hiss(rng, HERTZ[emotion], 0.6), 16_000)
            rows.append(f"{name},{letter}:S" if letter == "A" else f"{name},{letter}")
    (root / "processedResults").mkdir()
    (root / "processedResults" / "summaryTable.csv").write_text("\n".join(rows) + "\n")
    return root


@contextmanager
def _quiet(_description: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _steps: None


def _shown(what: Any) -> str:
    console = Console(width=160, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def test_a_bundle_is_measured_against_the_votes(voted: Path, tmp_path: Path) -> None:
    bundle = hearing_bundle(learned_from_nobody())  # it knows 1001 and 1002
    exam = exams.Exam(bundle, "crema-d", voted, (), None, None, (), None, ("float", "litert"), 1)
    record = exams.report(exam, tmp_path, _quiet, lambda _line: None)
    found = record["votes"]
    assert (found["n"], found["mean_of"]) == (12, "training")
    assert list(found["rows"]) == ["float", "litert", "lr", "mlp", CONSTANT_MEAN]
    # Of three clips one is half anger and half sadness: the mean is 1/6, 1/3, 1/2.
    expected = measures(
        np.array([[0.5, 0, 0.5], [0, 1, 0], [0, 0, 1]]), np.tile([[1 / 6, 1 / 3, 1 / 2]], (3, 1))
    )
    for name, values in expected.items():
        assert found["rows"][CONSTANT_MEAN][name] == pytest.approx(values.mean(), abs=2e-4)
    assert found["rows"]["litert"]["cosine"] > found["rows"][CONSTANT_MEAN]["cosine"]
    text = _shown(render_bundle(record))
    assert "raters' votes, 12 clips" in text
    assert "constant mean of the training clips" in text


def test_a_corpus_without_votes_has_no_such_table(hissing: Callable[..., Path], tmp_path: Path) -> None:
    bundle = hearing_bundle(learned_from_nobody())
    exam = exams.Exam(bundle, "folder", hissing("f1", "m1"), (), None, None, (), None, ("litert",), 1)
    record = exams.report(exam, tmp_path, _quiet, lambda _line: None)
    assert "votes" not in record
    assert "votes" not in _shown(render_bundle(record))


def test_folds_are_measured_against_votes_and_ratings(
    voted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training is replaced by one that takes no time; it tells ratings as the real one does."""

    def train_fold(
        spec: SystemSpec, emotions: Manifest, _words: Manifest, folder: Path, *_rest: object
    ) -> Path:
        told: dict[str, Any] = {"params": 5, "commit": "c"}
        told["keras_difference"] = {"keyword": 0.0, "acoustic": 0.0}
        rated = [[at / 10, -at / 10, 0.3] for at in range(len(emotions.test))]
        predicted = [[v, a + spec.training.seed, 0.1] for v, a, _ in rated]
        report = {"dimensions": ["valence", "arousal", "dominance"], "rated": rated, "predicted": predicted}
        bundle = hearing_bundle(told).with_members({"reports/vad.json": json.dumps(report).encode()})
        write_bundle(folder / "fold.edgeser", bundle)
        return folder / "fold.edgeser"

    monkeypatch.setattr(one_fold, "train_fold", train_fold)
    monkeypatch.setattr(one_fold, "KINDS", ("lr",))
    words = tmp_path / "commands"
    names = [f"yes/{at:08x}_nohash_0.wav" for at in range(9)]
    for name in names:
        write_wav(words / name, np.full(8000, 100, np.int16), 16_000)
    (words / "validation_list.txt").write_text("\n".join(names[:2]) + "\n")
    (words / "testing_list.txt").write_text("\n".join(names[2:4]) + "\n")
    spec = hearing_spec()
    trial = trials.Trial(
        spec=replace(spec, corpora=replace(spec.corpora, validation_share=0.3)),
        protocol="folds",
        target=("crema-d", voted),
        sources=(),
        words=("speech-commands", words),
        folder=tmp_path / "out",
        seeds=(1, 2),
        folds=2,
        both_ways=False,
        classes=(),
        level_dbfs=None,
        backends=("litert",),
        jobs=1,
        scheduler=None,
        keep=False,
    )
    record = trials.report(trial, _quiet, lambda _line: None)
    found = record["votes"]["crema-d"]
    assert found["n"] == 2 * 18
    assert list(found["rows"]) == ["litert", "lr", CONSTANT_MEAN]
    assert found["spread"]["litert"]["kl"]["sd"] == 0
    assert found["rows"]["litert"]["cosine"] > found["rows"][CONSTANT_MEAN]["cosine"]
    vad = record["vad"]["crema-d"]
    assert (vad["n"], vad["runs_in"]) == (18, "float")
    assert vad["seeds"]["1"]["valence"] == 1
    assert vad["seeds"]["1"]["arousal"] > vad["seeds"]["2"]["arousal"] > 0
    assert vad["seeds"]["1"]["dominance"] == 0
    assert vad["spread"]["arousal"]["sd"] > 0
    kept = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert kept["votes"] == record["votes"]
    text = _shown(render_trial(record))
    assert "constant mean of the training clips" in text
    assert "FLOAT: the head is not in what ships" in text


def test_the_constant_mean_of_real_votes_is_hard_to_beat(shared_data: Callable[[str], Path]) -> None:
    """On CREMA-D an oracle that says the intended emotion is further from the votes than the constant mean."""
    clips = [clip for clip in read(shared_data("CREMA-D")) if clip.emotion is not None]
    classes = tuple(sorted({str(clip.emotion) for clip in clips}))
    votes = votes_of(clips, clips, classes)
    assert votes is not None
    assert votes.mean.sum() == pytest.approx(1)
    labels = np.array([classes.index(str(clip.emotion)) for clip in clips])
    names = tuple(ClipName("crema-d", clip.path.name, 0.0, clip.speaker, clip.sex) for clip in clips)
    oracle = Decided(classes, names, labels, {"float": np.eye(len(classes))[labels]}, 0)
    rows = table_of([(oracle, votes)])["rows"]
    assert rows["float"]["kl"] > rows[CONSTANT_MEAN]["kl"]
    assert votes.mean.argmax() == classes.index("neutral")
