"""`edge-ser evaluate` on a bundle: the contract's keys, who is left out, stress, and the exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evaluation_cases import hearing_bundle, learned_from_nobody

from edge_ser.bundle import Bundle, write_bundle
from edge_ser.cli.main import main
from edge_ser.evaluation.condensed import folders_named
from edge_ser.npz import npy_bytes

SPEAKERS = ("f1", "m1", "f2", "m2", "f3", "m3")
MODELS = Path(__file__).resolve().parents[2] / "models"


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge_ser.cli.main", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """``wrong(...)``: exit code, standard output and error of the command in this process, which is quicker."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edge-ser", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(str(ended.value.code)), printed.out, printed.err

    return run


def _json(*arguments: object) -> dict[str, Any]:
    done = _run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _bundle(folder: Path, train: list[str], carries_float: bool = True) -> Path:
    """A bundle that says it learned from those speakers of a corpus of the layout ``folder``."""
    speakers = {"train": train, "validation": ["m1"], "test": []}
    told = {"corpora": {"emotions": {"name": "folder", "speakers": speakers}}}
    path = folder / "hearing.edgeser"
    write_bundle(path, hearing_bundle(told, carries_float=carries_float))
    return path


@pytest.fixture(scope="module")
def corpus(hissing: Callable[..., Path]) -> Path:
    return hissing(*SPEAKERS)


def test_a_bundle_is_scored_on_those_whom_it_has_not_heard(corpus: Path, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, ["f1", "f2"])
    done = _run(bundle, "--corpus", "folder", "--root", corpus, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    contract = {"uar", "macro_f1", "per_class", "confusion", "n", "speakers", "interval"}
    assert contract <= set(record)
    assert (record["n"], record["speakers"]) == (18, 3)
    assert record["uar"] > 0.9
    assert record["left_out"]["speakers"] == ["f1", "f2", "m1"]
    assert "LEFT OUT: 18 clips of 3 speakers" in done.stderr
    assert list(record["rows"]) == ["float", "litert", "tflm", "lr", "mlp", "constant"]
    assert record["rows"]["constant"]["uar"] == pytest.approx(1 / 3, abs=1e-4)
    assert record["agreement"]["litert, tflm"] == 1
    assert record["golden"]["tflm"]["problem"] == ""
    assert record["synthetic"] is False
    assert record["command"] == "edge-ser evaluate hearing.edgeser --corpus folder --root FOLDER"
    assert {len(record["spec_sha256"]), len(record["code_sha256"])} == {64}
    assert not list(folders_named(record))


def test_a_foreign_corpus_has_no_baseline_and_says_so(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "foreign.edgeser"
    write_bundle(path, hearing_bundle(learned_from_nobody(), carries_float=False))
    done = _run(path, "--corpus", "folder", "--root", corpus)
    assert done.returncode == 0, done.stderr
    assert "no hand-crafted row: crema-d, which taught the bundle, is not at hand" in done.stderr
    assert "no float row" in done.stderr
    assert "constant predictor" in done.stdout
    assert "logistic regression" not in done.stdout


def test_stress_stands_beside_the_clean_test(corpus: Path, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, ["f1"])
    places = ("--corpus", "folder", "--root", corpus, "--speakers", "f2,f3")
    record = _json(bundle, *places, "--stress", "noise,level", "--backends", "litert")
    tests = record["stress"]
    assert tests[0]["kind"] == "clean"
    assert len(tests) == 1 + 3 * 4 + 7
    assert all({"litert", "constant", "lr", "mlp"} == set(test["rows"]) for test in tests)
    by = {(test["source"], test["db"]): test["rows"]["litert"] for test in tests}
    # These emotions are frequency bands: a quieter one is still in its band.
    assert by["", -6.0]["uar"] > 0.9
    assert tests[0]["rows"]["litert"]["as_clean"] == 1
    assert all(test["rows"]["constant"]["uar"] == pytest.approx(1 / 3, abs=1e-4) for test in tests)


def test_two_jobs_and_one_decide_alike(corpus: Path, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, ["f1", "f2"])
    places = (bundle, "--corpus", "folder", "--root", corpus, "--backends", "litert", "--speakers", "f3,m2")
    one, two = _json(*places), _json(*places, "--jobs", 2)
    assert one["rows"] == two["rows"]


def test_a_level_is_applied(corpus: Path, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, ["f1"])
    places = ("--corpus", "folder", "--root", corpus, "--speakers", "f2,f3", "--backends", "litert")
    record = _json(bundle, *places, "--level", -30)
    assert record["level_dbfs"] == -30
    assert record["n"] == 12


def test_another_arithmetic_fails_the_check_after_its_table(corpus: Path, tmp_path: Path) -> None:
    good = hearing_bundle(learned_from_nobody())
    name = "golden/acoustic_embedding.npy"
    path = tmp_path / "other.edgeser"
    write_bundle(path, _changed(good, name))
    done = _run(path, "--corpus", "folder", "--root", corpus, "--backends", "litert", "--json")
    assert done.returncode == 1
    assert "DO NOT BELIEVE" in done.stderr
    assert json.loads(done.stdout)["golden"]["litert"]["acoustic"] == 3


def _changed(bundle: Bundle, name: str) -> Bundle:
    array = bundle.array(name).copy()
    array.flat[0] = array.flat[0] + 3 if array.flat[0] < 100 else array.flat[0] - 3
    return bundle.with_members({name: npy_bytes(array)})


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--speakers", "f1"), "speaker f1 taught the bundle"),
        (("--speakers", "nobody"), "'nobody' is not in the corpus"),
        (("--stress", "wind"), "'wind' is not known"),
        (("--backends", ""), "--backends is empty"),
        (("--protocol", "loso"), "is no spec"),
        (("--noise-corpus", "esc-10"), "go together"),
        (("--noise-corpus", "crema-d", "--noise-root", "."), "is no noise corpus"),
        (("--taught-root", "."), "expected one corpus other than folder"),
    ],
)
def test_wrong_use_of_a_bundle_is_one_line_and_exit_2(
    extra: tuple[str, ...],
    words: str,
    corpus: Path,
    tmp_path: Path,
    wrong: Callable[..., tuple[int, str, str]],
) -> None:
    bundle = _bundle(tmp_path, ["f1"])
    code, out, errors = wrong(bundle, "--corpus", "folder", "--root", corpus, *extra)
    assert code == 2, errors
    assert out == ""
    assert words in errors.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ((), "needs --words-root"),
        (("--words-root", "."), "needs --output"),
        (("--words-root", ".", "-o", "out", "--speakers", "a"), "is a spec"),
        (("--words-root", ".", "-o", "out", "--protocol", "cross"), "cross needs --source"),
        (("--words-root", ".", "-o", "out", "--source", "x"), "expected NAME=DIR"),
        (("--words-root", ".", "-o", "out", "--seeds", "one"), "expected whole numbers"),
        (("--words-root", ".", "-o", "out", "--both-ways"), "--both-ways goes with"),
        (("--words-root", ".", "-o", "out", "--classes", "joy"), "'joy' is not known"),
        (("--words-root", ".", "-o", "out", "--classes", "anger,fear"), "no clip of fear"),
    ],
)
def test_wrong_use_of_a_spec_is_one_line_and_exit_2(
    extra: tuple[str, ...], words: str, corpus: Path, wrong: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, errors = wrong(MODELS / "tiny.toml", "--corpus", "folder", "--root", corpus, *extra)
    assert code == 2, errors
    assert out == ""
    assert words in errors.strip().splitlines()[-1]
    assert not Path("out").exists()


def test_an_absent_corpus_is_missing(tmp_path: Path, wrong: Callable[..., tuple[int, str, str]]) -> None:
    code, _, errors = wrong(_bundle(tmp_path, ["f1"]), "--corpus", "emo-db", "--root", tmp_path / "nowhere")
    assert code == 3
    assert "nowhere" in errors
