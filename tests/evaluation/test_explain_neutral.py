"""Neutral speech: measured the same every time, carried by a bundle, refused where it is damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_cases import hearing_bundle, hearing_spec
from explain_cases import RATE, vowel

from edge_ser.audio import write_wav
from edge_ser.bundle import Bundle, read_bundle, write_bundle
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import read_clips
from edge_ser.errors import InputError
from edge_ser.evaluation import explain_neutral as module
from edge_ser.evaluation.explain_neutral import (
    chosen_clips,
    measure_neutral,
    neutral_corpus,
    neutral_of,
    scores_against,
    training_clips,
    with_neutral,
)
from edge_ser.spec import FrontendSpec

TOOL = Path(__file__).resolve().parents[2] / "tools" / "neutral_cues.py"
PITCHES = {"f": 210.0, "m": 120.0}


@pytest.fixture(scope="module")
def humming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of the layout ``folder``: women and men who hum, six neutral clips and one angry clip each."""
    root = tmp_path_factory.mktemp("humming")
    rng = np.random.default_rng(1)
    rows = ["path,speaker,emotion,sex"]
    for speaker in ("f1", "f2", "m1", "m2"):
        for take in range(7):
            name, sex = f"{speaker}-{take}.wav", speaker[0]
            pitch = PITCHES[sex] * 2 ** (rng.normal() / 12) * (1.5 if take == 6 else 1)
            write_wav(root / name, vowel(pitch, 1.6, rng.uniform(3000, 6000), noise_db=15), RATE)
            rows.append(f"{name},{speaker},{'anger' if take == 6 else 'neutral'},{sex}")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    return root


def _nothing(_steps: int) -> None:
    pass


def _told(train: list[str]) -> dict[str, Any]:
    speakers = {"train": train, "validation": ["m1"], "test": []}
    return {"corpora": {"emotions": {"name": "folder", "speakers": speakers}}}


def test_women_and_men_are_measured_apart(humming: Path) -> None:
    found = measure_neutral(read_clips("folder", humming), FrontendSpec(), _nothing)
    assert found is not None
    assert (found.clips, found.speakers, found.corpora) == (24, 4, ("folder",))
    for sex, pitch in PITCHES.items():
        assert found.of(sex)[1]["f0"].mean == pytest.approx(12 * np.log2(pitch / 27.5), abs=1)
        assert found.of(sex)[1]["f0"].clips == 12
    assert found.of("f")[0] == "f"
    assert found.of("")[0] == "all"
    assert found.of("")[1]["f0"].sd > 3 * found.of("m")[1]["f0"].sd


def test_the_same_clips_give_the_same_numbers(humming: Path) -> None:
    clips = read_clips("folder", humming)
    first = measure_neutral(clips, FrontendSpec(), _nothing)
    assert first is not None
    assert measure_neutral(clips[::-1], FrontendSpec(), _nothing, jobs=2) == first


def test_too_few_clips_are_none(humming: Path) -> None:
    clips = [clip for clip in read_clips("folder", humming) if clip.speaker == "f1"]
    assert measure_neutral(clips, FrontendSpec(), _nothing) is None
    assert measure_neutral([], FrontendSpec(), _nothing) is None


def test_clips_without_a_voice_count_for_nothing(tmp_path: Path, humming: Path) -> None:
    clips = [clip for clip in read_clips("folder", humming) if clip.emotion == "neutral"]
    write_wav(tmp_path / "silence.wav", np.zeros(RATE, np.int16), RATE)
    silent = [replace(clips[0], path=tmp_path / "silence.wav", start_s=at / 100) for at in range(12)]
    assert measure_neutral(silent, FrontendSpec(), _nothing) is None
    both = measure_neutral([*clips, *silent], FrontendSpec(), _nothing)
    assert both is not None
    assert (both.clips, both.groups["all"]["f0"].clips) == (36, 24)


def test_many_clips_are_thinned_at_equal_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [Clip("folder", Path(f"{at:03}.wav"), f"s{at // 10}", emotion="neutral") for at in range(100)]
    monkeypatch.setattr(module, "MOST_CLIPS", 10)
    chosen = chosen_clips(clips[::-1])
    assert [clip.path.stem for clip in chosen] == [f"{at:03}" for at in range(0, 100, 11)]
    assert chosen_clips([replace(clips[0], emotion="anger"), replace(clips[1], copy=True)]) == []


@pytest.mark.parametrize("duration", [0.3, 1.0, 1.1, 7.0])
def test_windows_are_laid_apart_and_inside(duration: float) -> None:
    for seed in range(50):
        laid = module._laid(duration, 0.2, np.random.default_rng(seed))
        assert laid[0][0] >= 0
        assert laid[-1][1] <= duration + 1e-9
        assert all(a[1] <= b[0] + 1e-9 for a, b in pairwise(laid))


def test_only_training_speakers_of_the_emotions_count(humming: Path) -> None:
    clips = read_clips("folder", humming)
    chosen = training_clips(hearing_bundle(_told(["f1", "m2"])), clips)
    assert {clip.speaker for clip in chosen} == {"f1", "m2"}
    assert {clip.emotion for clip in chosen} == {"neutral"}
    with pytest.raises(InputError, match="does not say what it learned from"):
        training_clips(hearing_bundle({}), clips)


def test_a_bundle_carries_it_and_stays_the_same_otherwise(humming: Path, tmp_path: Path) -> None:
    bundle = hearing_bundle(_told(["f1", "m2"]))
    assert neutral_of(bundle) is None
    found = measure_neutral(read_clips("folder", humming), bundle.spec.frontend, _nothing)
    assert found is not None
    for name in ("one", "two"):
        write_bundle(tmp_path / name, with_neutral(bundle, found))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    carried = read_bundle(tmp_path / "one")
    again = neutral_of(carried)
    assert again is not None
    assert again.to_dict() == found.to_dict()
    assert {name: carried.members[name] for name in bundle.members} == dict(bundle.members)


def _damaged(change: Callable[[dict[str, Any]], None]) -> Bundle:
    cue = {"mean": 1.0, "sd": 1.0, "clips": 12}
    report = {"version": 1, "corpora": ["x"], "clips": 12, "speakers": 2, "groups": {"all": {"f0": cue}}}
    change(report)
    return hearing_bundle({}).with_members({"reports/neutral_cues.json": json.dumps(report).encode()})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.pop("groups"), "quantize again"),
        (lambda one: one.update(groups=[1]), "quantize again"),
        (lambda one: one["groups"]["all"]["f0"].update(sd=0.0), "quantize again"),
        (lambda one: one["groups"]["all"]["f0"].update(mean="nan"), "quantize again"),
        (lambda one: one["groups"]["all"]["f0"].update(sd=None), "quantize again"),
        (lambda one: one.update(clips="many"), "quantize again"),
        (lambda one: one.update(version=2), "upgrade edge-ser"),
    ],
)
def test_a_damaged_report_is_refused(change: Callable[[dict[str, Any]], None], said: str) -> None:
    assert neutral_of(_damaged(lambda _one: None)) is not None
    with pytest.raises(InputError, match=said):
        neutral_of(_damaged(change))


def test_scores_are_standard_deviations() -> None:
    neutral = neutral_of(_damaged(lambda one: one["groups"]["all"]["f0"].update(mean=30.0, sd=2.0)))
    assert neutral is not None
    assert scores_against({"f0": 33.0, "hnr": 5.0, "slope": None}, neutral.of()[1]) == {"f0": 1.5}


def test_a_corpus_without_enough_neutral_speech_is_an_error(hissing: Callable[..., Path]) -> None:
    from contextlib import nullcontext

    with pytest.raises(InputError, match="fewer than 10 neutral clips with a voice"):
        neutral_corpus(
            "folder", hissing("f1", "m1"), FrontendSpec(), lambda _what, _total: nullcontext(_nothing)
        )


def test_the_tool_adds_it_to_a_bundle(humming: Path, tmp_path: Path) -> None:
    path = tmp_path / "hearing.edgeser"
    write_bundle(path, hearing_bundle(_told(["f1", "f2", "m2"])))
    before = read_bundle(path)
    command = [sys.executable, str(TOOL), str(path), "--corpus", f"folder={humming}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "18 neutral clips of 3 speakers of folder" in done.stdout
    after = read_bundle(path)
    assert neutral_of(after) is not None
    assert {name: after.members[name] for name in before.members} == dict(before.members)
    assert str(humming) not in after.members["reports/neutral_cues.json"].decode()


def test_the_tool_refuses_a_corpus_that_taught_nothing(humming: Path, tmp_path: Path) -> None:
    path = tmp_path / "hearing.edgeser"
    write_bundle(path, hearing_bundle(_told(["somebody"])))
    whole = path.read_bytes()
    command = [sys.executable, str(TOOL), str(path), "--corpus", f"folder={humming}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "0 neutral clips" in done.stderr
    assert path.read_bytes() == whole


def test_windows_are_as_long_as_the_shown_ones() -> None:
    assert module.COLUMN_FRAMES * hearing_spec().frontend.step_ms == 200
