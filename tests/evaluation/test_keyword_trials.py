"""The keyword task from corpora to report: with a net that hears without having been trained, and trained once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_cases import hearing_bundle, hearing_spec, hiss
from typer.testing import CliRunner

from edge_ser.audio import write_wav
from edge_ser.cli.main import app
from edge_ser.corpora.manifest import Manifest
from edge_ser.errors import CheckError, InputError
from edge_ser.evaluation import keyword_exams, keyword_trials
from edge_ser.evaluation.backends import BACKENDS
from edge_ser.evaluation.keyword_exams import KeywordExam
from edge_ser.evaluation.keyword_nets import FLOAT, HEADS, INT8, RECORD, Apart
from edge_ser.evaluation.keyword_trials import KeywordTrial
from edge_ser.files import read_json, write_json
from edge_ser.npz import npz_bytes
from edge_ser.spec import SILENCE, SystemSpec
from edge_ser.spec_file import load_spec

MODELS = Path(__file__).resolve().parents[2] / "models"
HERTZ = {"yes": 200.0, "river": 900.0}
"""The word and another word are hisses around these; the hearing net's head reads the two lowest bands."""


@contextmanager
def _quietly(_description: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _steps: None


def _corpus(root: Path, speakers: int = 8, words: tuple[str, ...] = ("yes", "river")) -> Path:
    rng = np.random.default_rng(speakers)
    rows = ["path,speaker,emotion,keyword,text"]
    for speaker in range(speakers):
        for word in words:
            for take in range(2):
                name = f"{speaker}-{word}-{take}.wav"
                write_wav(root / name, hiss(rng, HERTZ[word], 0.5), 16_000)
                rows.append(f"{name},s{speaker},,{word},{word}")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    return root


def _speech(root: Path) -> Path:
    """EMO-DB by its names: German sentences without the word."""
    rng = np.random.default_rng(5)
    for speaker in ("03", "08", "09"):
        write_wav(root / "wav" / f"{speaker}a01Na.wav", hiss(rng, 900.0, 2.0), 16_000)
    return root


def _trial(folder: Path, corpus: Path, **changes: Any) -> KeywordTrial:
    plain = KeywordTrial(
        spec=hearing_spec(),
        protocol="split",
        target=("folder", corpus),
        sources=(),
        others=(),
        free=(),
        folder=folder,
        seeds=(1, 2),
        folds=None,
        backends=BACKENDS,
        jobs=1,
        keep=False,
        command="edge-ser evaluate",
    )
    return replace(plain, **changes)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Manifest]]:
    """Puts the hearing net where a training would leave one, and notes what was asked for."""
    asked: list[tuple[int, Manifest]] = []
    bundle = hearing_bundle({})

    def stand_in(spec: SystemSpec, words: Manifest, folder: Path, _threads: int | None) -> None:
        asked.append((spec.training.seed, words))
        folder.mkdir(parents=True)
        heads = {
            name: value for name, value in bundle.arrays("fusion.npz").items() if name.startswith("words")
        }
        heads |= {"float_weights": np.eye(3, 8) * 40, "float_bias": np.zeros(3)}
        (folder / HEADS).write_bytes(npz_bytes(heads))
        (folder / INT8).write_bytes(bundle.member(INT8))
        (folder / FLOAT).write_bytes(bundle.member("float/keyword.tflite"))
        record = {"params": 1000, "bytes": 5, "keras_difference": 0.0, "commit": None}
        write_json(folder / RECORD, record)

    monkeypatch.setattr(keyword_trials, "train_words", stand_in)
    return asked


def test_the_report_holds_every_table_and_the_rows_of_every_backend(
    tmp_path: Path, untrained: list[tuple[int, Manifest]]
) -> None:
    trial = _trial(tmp_path / "out", _corpus(tmp_path / "mine"), free=(("emo-db", _speech(tmp_path / "de")),))
    told: list[str] = []
    record = keyword_trials.report(trial, _quietly, told.append)
    assert [seed for seed, _ in untrained] == [1, 2]
    assert list(record["tables"]) == ["words and unknown", "words, unknown and silence", "words alone"]
    first = record["tables"]["words and unknown"]
    assert list(first["pooled"]) == ["float", "litert", "tflm", "constant"]
    assert first["pooled"]["litert"]["n"] == 2 * first["seeds"]["1"]["litert"]["n"]
    assert record["accuracy"] == first["pooled"]["litert"]["accuracy"]
    assert first["pooled"]["litert"]["per_class"]["yes"]["recall"] == 1.0
    assert 0.3 < first["pooled"]["constant"]["accuracy"] < 0.7
    assert record["tables"]["words alone"]["pooled"]["litert"]["n"] == 2 * 4
    assert len(json.dumps(record)) < 60_000  # it goes into a repository
    assert {row["class"] for row in record["origins"]} == {"yes", "_unknown_", "_silence_"}
    assert record["tflm_from_litert_lsb"] <= 2
    rows = record["stream"]["mean"]
    assert rows[0]["hours"] == {"emo-db": pytest.approx(6 / 3600, abs=1e-4)}
    assert rows[0]["words"] == 4 * 4
    assert set(record["stream"]["seeds"]) == {"1", "2"}
    assert read_json(tmp_path / "out" / "evaluation.json") == json.loads(json.dumps(record))
    assert not (tmp_path / "out" / "work").exists()


def test_what_is_done_is_used_again_unless_something_changed(
    tmp_path: Path, untrained: list[tuple[int, Manifest]]
) -> None:
    trial = _trial(tmp_path / "out", _corpus(tmp_path / "mine"))
    first = keyword_trials.report(trial, _quietly, lambda _line: None)
    assert keyword_trials.report(trial, _quietly, lambda _line: None)["tables"] == first["tables"]
    assert len(untrained) == 2
    wider = replace(trial.spec, keyword=replace(trial.spec.keyword, width=20))
    keyword_trials.report(replace(trial, spec=wider, seeds=(1,)), _quietly, lambda _line: None)
    assert len(untrained) == 3


def test_every_fold_is_tested_once(tmp_path: Path, untrained: list[tuple[int, Manifest]]) -> None:
    trial = _trial(tmp_path / "out", _corpus(tmp_path / "mine"), protocol="folds", folds=4, seeds=(1,))
    record = keyword_trials.report(trial, _quietly, lambda _line: None)
    tested = [manifest.speakers("test") for _, manifest in untrained]
    assert sorted(name for names in tested for name in names) == [f"s{speaker}" for speaker in range(8)]
    assert len(record["folds"]) == 4
    assert record["tables"]["words alone"]["pooled"]["litert"]["n"] == 16


def test_folds_that_test_more_words_than_others_keep_their_own_silence(
    tmp_path: Path, untrained: list[tuple[int, Manifest]]
) -> None:
    corpus = _corpus(tmp_path / "mine", speakers=6)
    talkative = [f"5-yes-{take}.wav" for take in range(2, 40)]
    rng = np.random.default_rng(9)
    for name in talkative:
        write_wav(corpus / name, hiss(rng, HERTZ["yes"], 0.5), 16_000)
    with (corpus / "clips.csv").open("a") as rows:
        rows.writelines(f"{name},s5,,yes,yes\n" for name in talkative)
    trial = _trial(tmp_path / "out", corpus, protocol="folds", folds=3, seeds=(1,))
    keyword_trials.report(trial, _quietly, lambda _line: None)
    silent = [
        [clip.path for clip in manifest.part("test") if clip.keyword == SILENCE] for _, manifest in untrained
    ]
    assert len({len(paths) for paths in silent}) > 1
    assert all(path.is_file() for paths in silent for path in paths)


def test_one_corpus_teaches_and_another_is_tested(
    tmp_path: Path, untrained: list[tuple[int, Manifest]]
) -> None:
    sources = (("folder", _corpus(tmp_path / "voices")),)
    heard = _corpus(tmp_path / "heard", speakers=4)
    trial = _trial(tmp_path / "out", heard, protocol="cross", sources=sources, seeds=(1,))
    with pytest.raises(InputError, match="in both"):  # the speakers of two folders may be the same people
        keyword_trials.report(trial, _quietly, lambda _line: None)
    with pytest.raises(InputError, match="go together"):
        keyword_trials.report(replace(trial, sources=()), _quietly, lambda _line: None)
    words = tmp_path / "sc"
    for speaker in ("aa", "bb"):
        write_wav(
            words / "yes" / f"{speaker}_nohash_0.wav", hiss(np.random.default_rng(1), 200.0, 0.5), 16_000
        )
    record = keyword_trials.report(
        replace(trial, target=("speech-commands", words)), _quietly, lambda _line: None
    )
    assert record["sources"] == ["folder"]
    assert {clip.corpus for clip in untrained[0][1].train} == {"folder", "synthetic-quiet"}
    assert set(record["tables"]) == {"words and unknown", "words, unknown and silence", "words alone"}
    assert not untrained[0][1].speakers("train")[0].startswith("aa")


def test_interpreters_that_disagree_fail_the_check(
    tmp_path: Path, untrained: list[tuple[int, Manifest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyword_trials, "interpreters_apart", lambda _nets, _windows: Apart(17, 17))
    trial = _trial(tmp_path / "out", _corpus(tmp_path / "mine"), seeds=(1,))
    with pytest.raises(CheckError, match=r"seed 1, split: .*differ by 17 steps.*--backends float,litert"):
        keyword_trials.report(trial, _quietly, lambda _line: None)
    assert untrained


def test_a_few_steps_between_the_interpreters_are_told_and_no_failure(
    tmp_path: Path, untrained: list[tuple[int, Manifest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyword_trials, "interpreters_apart", lambda _nets, _windows: Apart(4, 9))
    trial = _trial(tmp_path / "out", _corpus(tmp_path / "mine"), seeds=(1,))
    assert keyword_trials.report(trial, _quietly, lambda _line: None)["tflm_from_litert_lsb"] == 9
    assert untrained


def test_a_bundles_net_is_scored_on_whom_it_does_not_know(tmp_path: Path) -> None:
    one = {"name": "folder", "speakers": {"train": ["s0"], "validation": ["s1"], "test": ["s2"]}}
    bundle = hearing_bundle({"corpora": {"emotions": one, "words": one}})
    free = (("emo-db", _speech(tmp_path / "de")),)
    exam = KeywordExam(bundle, ("folder", _corpus(tmp_path / "mine")), (), free, BACKENDS)
    record = keyword_exams.report(exam, _quietly, lambda _line: None)
    rows = record["tables"]["words alone"]["pooled"]
    assert list(rows) == ["litert", "tflm", "constant"]
    assert rows["litert"]["n"] == 6 * 2
    assert rows["litert"]["speakers"] == 6
    assert record["seeds"] == []
    assert record["stream"]["mean"][0]["false_accepts_per_hour"].keys() == {"emo-db", "all"}


@pytest.mark.slow
def test_the_command_trains_and_prints_its_contract(tmp_path: Path) -> None:
    spec = tmp_path / "words.toml"
    text = (MODELS / "tiny.toml").read_text().replace('extends = "base.toml"\n', "")
    base = (MODELS / "base.toml").read_text()
    (tmp_path / "base.toml").write_text(base)
    changed = text.replace("[keyword]\n", '[keyword]\nwords = ["yes"]\n').replace(
        "epochs = 10\nbatch_size = 32", "epochs = 24\nbatch_size = 4"
    )
    spec.write_text('extends = "base.toml"\n' + changed)
    corpus = _corpus(tmp_path / "mine", speakers=10)
    arguments = ["evaluate", str(spec), "--task", "keyword", "--corpus", "folder", "--root", str(corpus)]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "out"), "--json", "--keep"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert {"uar", "macro_f1", "accuracy", "per_class", "confusion", "n", "speakers", "interval"} <= set(
        record
    )
    assert record["params"] < 80_000
    assert record["keras_difference"] < 1e-3
    assert record["command"].startswith("edge-ser evaluate words.toml --corpus folder")
    assert str(tmp_path) not in record["command"]
    # Two hisses two octaves apart are told apart better than by a coin.
    assert record["accuracy"] > 0.6
    # Training hears the same clips by features cut after the front end, evaluation by samples cut before it: the frames
    # lie elsewhere by a part of a hop, and no more than two of sixteen decisions may turn on that.
    trained = read_json(tmp_path / "out" / "work" / "seed-1" / "split" / "keyword" / "done.json")
    every = record["tables"]["words, unknown and silence"]["pooled"]["float"]
    assert every["n"] == trained["test_clips"] == 16
    assert abs(every["accuracy"] - trained["test_accuracy"]) <= 2 / 16


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--stress", "noise"], "--stress: goes with emotions"),
        ([], "needs --output"),
        (["-o", "out", "--words", "crema-d"], "--words is 'crema-d'; expected NAME=DIR"),
        (["-o", "out", "--protocol", "loso"], "'loso' is not known; expected any of split, folds, cross"),
    ],
)
def test_what_the_keyword_task_refuses(extra: list[str], words: str, tmp_path: Path) -> None:
    arguments = ["evaluate", str(MODELS / "tiny.toml"), "--task", "keyword", "--corpus", "folder"]
    done = CliRunner().invoke(app, [*arguments, "--root", str(tmp_path), *extra])
    assert isinstance(done.exception, InputError)
    assert words in str(done.exception)


def test_the_shipped_spec_fits_its_score() -> None:
    spec = load_spec(MODELS / "speech-commands.toml")
    assert spec.keyword.words == ("bed", "cat", "happy")
