"""A rule of averaging and a threshold in the spec: what classify says of a recording, what evaluate prints of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from evaluation_cases import HERTZ, hearing_bundle, hiss

from edge_ser.audio import write_wav
from edge_ser.bundle import write_bundle
from edge_ser.cli.main import main
from edge_ser.evaluation.beside import tables_beside
from edge_ser.spec import DecisionSpec

if TYPE_CHECKING:
    from edge_ser.evaluation.plan import Plan

Command = Callable[..., str]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Standard output of a command that succeeds, in this process."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["edge-ser", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert not ended.value.code, printed.err
        return printed.out

    return run


def _bundle(folder: Path, decision: DecisionSpec, thresholds: dict[str, float] | None = None) -> Path:
    speakers = {"train": ["f1"], "validation": ["m1"], "test": []}
    told: dict[str, Any] = {"corpora": {"emotions": {"name": "folder", "speakers": speakers}}}
    if thresholds:
        told["fusion"] = {"abstain": thresholds}
    path = folder / "hearing.edgeser"
    made = hearing_bundle(told)
    write_bundle(path, replace(made, spec=replace(made.spec, decision=decision)))
    return path


def _recording(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    path = folder / "two.wav"
    sound = np.concatenate([hiss(rng, HERTZ["anger"], 1.0), hiss(rng, HERTZ["sadness"], 0.8)])
    write_wav(path, sound, 16_000)
    return path


def test_by_default_classify_says_what_it_always_said(command: Command, tmp_path: Path) -> None:
    said = json.loads(command("classify", _bundle(tmp_path, DecisionSpec()), _recording(tmp_path), "--json"))
    (one,) = said["files"]
    assert set(one) == {"file", "segments", "error"}
    assert all(set(row) == {"start", "end", "emotion", "scores", "keyword"} for row in one["segments"])


def test_classify_answers_for_the_recording_and_keeps_silent(command: Command, tmp_path: Path) -> None:
    recording = _recording(tmp_path)
    rule = DecisionSpec(averaging="entropy")
    (one,) = json.loads(command("classify", _bundle(tmp_path, rule), recording, "--json"))["files"]
    assert len(one["segments"]) == 2
    assert one["recording"]["emotion"] == "anger"
    assert not one["recording"]["abstained"]
    strict = _bundle(tmp_path, replace(rule, abstain=0.999))
    (one,) = json.loads(command("classify", strict, recording, "--json"))["files"]
    assert one["recording"]["abstained"]
    assert "the whole recording: not sure enough (anger" in command("classify", strict, recording)


def test_evaluate_prints_coverage_by_the_thresholds_of_the_training(
    command: Command, hissing: Callable[..., Path], tmp_path: Path
) -> None:
    root = hissing("f1", "m1", "f2", "m2")
    arguments = ("--corpus", "folder", "--root", root, "--backends", "float,litert")
    plain = json.loads(command("evaluate", _bundle(tmp_path, DecisionSpec()), *arguments, "--json"))
    assert "abstaining" not in plain
    told = _bundle(tmp_path, DecisionSpec(), {"0.9": 0.0, "0.5": 1.0})
    record = json.loads(command("evaluate", told, *arguments, "--json"))
    assert record["rows"] == plain["rows"]
    assert set(record["abstaining"]) == {"float", "litert"}
    whole, most, none = record["abstaining"]["litert"]
    assert (whole["coverage"], most["coverage"], none["coverage"]) == (1.0, 1.0, 0.0)
    assert whole["accuracy"] == plain["accuracy"]
    assert "Saying nothing below a threshold" in command("evaluate", told, *arguments)


def test_every_fold_keeps_by_the_thresholds_of_its_own_training(tmp_path: Path) -> None:
    clips = [["c", f"{at}.wav", 0.0, "s", ""] for at in range(2)]
    for seed, threshold in ((1, 0.95), (2, 0.5)):
        decided = {
            "classes": ["anger", "calm"],
            "constant": "calm",
            "clips": clips,
            "labels": [0, 1],
            "probabilities": {"litert": [[0.9, 0.1], [0.6, 0.4]]},
        }
        folder = tmp_path / f"seed-{seed}"
        folder.mkdir()
        file = {"decided": decided, "fusion": {"abstain": {"0.5": threshold}}}
        (folder / "fold-00.json").write_text(json.dumps(file))
    spec = SimpleNamespace(decision=DecisionSpec())
    fold = SimpleNamespace(name="fold-00", table="c")
    plan = SimpleNamespace(seeds=(1, 2), folds=(fold,), folder=tmp_path, spec=spec)
    whole, half = tables_beside(cast("Plan", plan))["abstaining"]["c"]["litert"]
    assert (whole["coverage"], whole["accuracy"]) == (1.0, 0.5)
    assert (half["wished"], half["coverage"], half["accuracy"]) == (0.5, 0.5, 0.5)
