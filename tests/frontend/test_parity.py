"""Counting of mismatches, and `edge-ser parity`: with implementations that are wrong in a known place."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from edge_ser.cli.parity import parity
from edge_ser.errors import CheckError, MissingError
from edge_ser.frontend.job_file import Refused, read_answers, read_job, write_answers, write_job
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import FrontendTables
from edge_ser.frontend.torture import random_specs
from edge_ser.spec import FrontendSpec
from firmware_bridge.frontend_job import FrontendJob
from firmware_bridge.implementations import (
    M7,
    NATIVE,
    NUMPY,
    STOCK,
    STOCK_OUR_TABLES,
    TENSORFLOW,
    Absent,
    Computed,
    Implementation,
    Outcome,
    TensorFlowOp,
    find_implementations,
)
from firmware_bridge.parity import Comparison, Place, Work, compare
from firmware_bridge.parity_work import make_cases

Features = np.ndarray
NOISE = np.random.default_rng(0).integers(-9000, 9000, 8000).astype(np.int16)


def unchanged(features: Features) -> Features:
    return features


def one_off(features: Features) -> Features:
    changed = features.copy()
    if len(changed) > 3:
        changed[3, 7] += 2
    return changed


@dataclass(frozen=True)
class Fake:
    """The reference under another name, bent."""

    name: str
    bend: Callable[[Features], Features] = unchanged
    tables: Callable[[FrontendTables], FrontendTables] | None = None
    refuses: str = ""

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[Outcome]:
        return [self._outcome(job) for job in jobs]

    def _outcome(self, job: FrontendJob) -> Outcome:
        if self.refuses and job.spec.channels == 12:
            return Refused(self.refuses)
        own = self.tables(job.tables) if self.tables else None
        process = Frontend(own or job.tables).process
        return Computed(tuple(self.bend(process(samples)) for samples in job.recordings), own)


def with_other_window(tables: FrontendTables) -> FrontendTables:
    window = tables.window.copy()
    window[200:240] -= 9
    return dataclasses.replace(tables, window=window)


def compared(*others: Implementation, folder: Path, channels: int = 40) -> Comparison:
    case = make_cases({"plain": FrontendSpec(channels=channels)}, 0)[0]
    recordings = {"click": NOISE[:500], "noise": NOISE}
    work = Work(case.name, FrontendJob(case.spec, case.tables, tuple(recordings.values())), tuple(recordings))
    return compare([Fake(NUMPY), *others], [[work], [work]], folder)


def test_equal_implementations_have_no_mismatch(tmp_path: Path) -> None:
    comparison = compared(Fake(NATIVE), Fake(M7), folder=tmp_path)
    assert [(pair.a, pair.b, pair.must_agree) for pair in comparison.pairs] == [
        (NUMPY, NATIVE, True),
        (NUMPY, M7, True),
        (NATIVE, M7, True),
    ]
    frames = 1 + FrontendSpec().frames_in(8000)  # of the click and of the noise
    assert {(pair.values, pair.mismatches, pair.first) for pair in comparison.pairs} == {
        (2 * frames * 40, 0, None)
    }
    assert not comparison.broken


def test_a_wrong_value_is_counted_and_its_first_place_named(tmp_path: Path) -> None:
    comparison = compared(Fake(NATIVE), Fake(M7, one_off), folder=tmp_path)
    right = int(Frontend(make_cases({"": FrontendSpec()}, 0)[0].tables).process(NOISE)[3, 7])
    fine, wrong, also_wrong = comparison.pairs
    assert fine.mismatches == 0
    assert (wrong.mismatches, wrong.largest) == (2, 2)  # one in each of two batches
    assert wrong.first == Place("plain", "noise", 3, 7, right, right + 2)
    assert comparison.broken == [wrong, also_wrong]


@pytest.mark.parametrize("shorter_side", [NUMPY, NATIVE])
def test_a_missing_frame_is_a_mismatch_of_all_its_values(tmp_path: Path, shorter_side: str) -> None:
    def bend(features: Features) -> Features:
        return np.zeros_like(features)[:-1] if len(features) > 1 else features

    sides = [Fake(name, bend if name == shorter_side else np.zeros_like) for name in (NUMPY, NATIVE)]
    case = make_cases({"plain": FrontendSpec()}, 0)[0]
    work = Work("plain", FrontendJob(case.spec, case.tables, (NOISE,)), ("noise",))
    (pair,) = compare(sides, [[work]], tmp_path).pairs
    last = case.spec.frames_in(8000) - 1
    assert (pair.values, pair.mismatches) == (40 * (last + 1), 40)
    assert pair.first is not None
    assert pair.first.frame == last
    assert (pair.first.a is None) == (shorter_side == NUMPY)
    assert (pair.first.b is None) == (shorter_side == NATIVE)


def test_the_stock_library_must_agree_with_our_tables_but_not_with_its_own(tmp_path: Path) -> None:
    comparison = compared(Fake(STOCK_OUR_TABLES, one_off), Fake(STOCK, one_off), folder=tmp_path)
    assert [(pair.b, pair.mismatches) for pair in comparison.broken] == [(STOCK_OUR_TABLES, 2)]


def test_a_judges_own_tables_are_compared_and_explain_its_values(tmp_path: Path) -> None:
    comparison = compared(Fake(STOCK, tables=with_other_window), folder=tmp_path)
    (count,) = comparison.tables
    assert dataclasses.astuple(count) == (STOCK, "window", 480, 40, 9, 1)
    (pair,) = comparison.pairs
    assert pair.mismatches > 0
    explanation = comparison.explanations[STOCK]
    assert (explanation.values, explanation.unexplained) == (pair.values, 0)


def test_what_its_tables_do_not_explain_is_counted(tmp_path: Path) -> None:
    comparison = compared(Fake(STOCK, one_off, with_other_window), folder=tmp_path)
    assert comparison.explanations[STOCK].unexplained == 2


def test_a_refused_spec_is_told_and_not_compared(tmp_path: Path) -> None:
    comparison = compared(Fake(NATIVE), Fake(TENSORFLOW, refuses="too narrow"), folder=tmp_path, channels=12)
    assert {pair.b: pair.values > 0 for pair in comparison.pairs} == {NATIVE: True, TENSORFLOW: False}
    assert comparison.refused == {(TENSORFLOW, "too narrow"): 1}


def test_jobs_and_answers_survive_their_files(tmp_path: Path) -> None:
    jobs = [(spec, [NOISE, NOISE[:index]]) for index, spec in enumerate(random_specs(5))]
    write_job(tmp_path / "job.npz", jobs)
    for (spec, recordings), (again, sounds) in zip(jobs, read_job(tmp_path / "job.npz"), strict=True):
        assert spec == again
        assert all(map(np.array_equal, recordings, sounds))
    answers = [Refused("no"), (np.zeros((0, 8), np.uint16), np.full((2, 8), 65_535, np.uint16)), ()]
    write_answers(tmp_path / "answers.npz", answers)
    refused, features, none = read_answers(tmp_path / "answers.npz")
    assert (refused, none) == (answers[0], ())
    assert [(array.shape, array.dtype) for array in features] == [((0, 8), np.uint16), ((2, 8), np.uint16)]
    assert features[1].min() == 65_535


# The command.

APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(parity)


@pytest.fixture
def implementations(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(*found: Implementation, absent: Sequence[Absent] = ()) -> None:
        monkeypatch.setattr(
            "firmware_bridge.implementations.find_implementations", lambda _m7: (list(found), list(absent))
        )

    return use


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "noise.flac", NOISE, 8000)
    return tmp_path / "noise.flac"


def test_parity_kept_is_exit_0_and_the_contract(implementations: Callable[..., None], noise: Path) -> None:
    implementations(Fake(NUMPY), Fake(NATIVE), absent=[Absent(M7, "get it")])
    result = CliRunner().invoke(APP, [str(noise.parent), str(noise), "--json"])
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    (pair,) = told["pairs"]
    assert pair | {"a": NUMPY, "b": NATIVE, "mismatches": 0} == pair
    # 1 s at 16 kHz in two specs, the file named twice and taken once.
    assert pair["values"] == 2 * FrontendSpec().frames_in(16_000) * 40
    assert told["absent"] == [{"name": M7, "how": "get it"}]
    assert (told["seconds"], told["errors"]) == (2.0, [])


def test_parity_broken_is_exit_1_and_names_the_place(
    implementations: Callable[..., None], noise: Path
) -> None:
    implementations(Fake(NUMPY), Fake(NATIVE, one_off))
    result = CliRunner().invoke(APP, [str(noise), "--json"])
    assert isinstance(result.exception, CheckError)
    for words in ("numpy and native differ in 2 of", "'default'", "noise.flac'", "frame 3, channel 7"):
        assert words in str(result.exception)
    assert json.loads(result.stdout)["pairs"][0]["first"]["frame"] == 3


def test_a_file_that_cannot_be_read_is_exit_2_and_the_others_are_compared(
    implementations: Callable[..., None], noise: Path, tmp_path: Path
) -> None:
    implementations(Fake(NUMPY), Fake(NATIVE))
    (tmp_path / "none").mkdir()
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    result = CliRunner().invoke(APP, [str(bad), str(tmp_path / "none"), str(noise), "--json"])
    assert result.exit_code == 2
    told = json.loads(result.stdout)
    assert [error["file"] for error in told["errors"]] == [str(tmp_path / "none"), str(bad)]
    assert told["pairs"][0]["values"] > 0
    assert "bad.wav: not audio" in result.stderr


def test_without_files_the_torture_set_of_given_and_random_specs(
    implementations: Callable[..., None], tmp_path: Path
) -> None:
    implementations(Fake(NUMPY), Fake(NATIVE))
    spec = tmp_path / "narrow.toml"
    spec.write_text(
        'name = "narrow"\n[frontend]\nchannels = 12\n'
        '[keyword]\nwords = ["yes"]\n[acoustic]\nclasses = ["anger", "neutral"]\n'
    )
    result = CliRunner().invoke(APP, ["--spec", str(spec), "--random-specs", "2", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["specs"] == [str(spec), "random 0", "random 1"]


def test_a_judge_is_counted_and_explained(implementations: Callable[..., None], noise: Path) -> None:
    implementations(
        Fake(NUMPY),
        Fake(STOCK, tables=with_other_window),
        Fake(TENSORFLOW),
        absent=[Absent(NATIVE, "install a C compiler"), Absent(M7, "install a C compiler")],
    )
    result = CliRunner().invoke(APP, [str(noise)])
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert "stock makes its own window, in single precision: 80 of 960 entries differ from ours" in words
    assert "with the tables of stock, numpy gives its values: 0 of" in words
    assert "not compared: native, m7: install a C compiler" in words


def test_a_lone_implementation_proves_nothing(implementations: Callable[..., None]) -> None:
    implementations(Fake(NUMPY), absent=[Absent(NATIVE, "install a C compiler")])
    result = CliRunner().invoke(APP, [])
    assert isinstance(result.exception, MissingError)
    assert "native: install a C compiler" in str(result.exception)


def test_m7_can_be_insisted_on_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError, match="arm-none-eabi-gcc"):
        find_implementations(m7=True)
    for choice, words in ((None, "arm-none-eabi-gcc: not found"), (False, "left out by --no-m7")):
        found, absent = find_implementations(choice)
        assert NUMPY in {implementation.name for implementation in found}
        assert words in next(lack.how for lack in absent if lack.name == M7)


def test_a_broken_tensorflow_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("firmware_bridge.implementations._TENSORFLOW_MODULE", "edge_ser.no_such_module")
    case = make_cases({"plain": FrontendSpec()}, 0)[0]
    with pytest.raises(CheckError, match=r"TensorFlow's op failed; last words: .*no_such_module") as caught:
        TensorFlowOp().run([FrontendJob(case.spec, case.tables, (NOISE,))], tmp_path)
    assert "\n" not in str(caught.value)


def test_the_command_itself_never_imports_tensorflow(noise: Path) -> None:
    """All that this machine has, end to end; TensorFlow's op, where it is here, judges from its own process."""
    script = (
        "import sys\n"
        "from edge_ser.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "assert 'edge_ser.frontend.reference' in sys.modules\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    command = [sys.executable, "-c", script, "parity", str(noise), "--no-m7", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for pair in json.loads(done.stdout)["pairs"]:
        assert pair["values"] == 2 * FrontendSpec().frames_in(16_000) * 40
        assert pair["mismatches"] == 0 or not pair["must_agree"]
