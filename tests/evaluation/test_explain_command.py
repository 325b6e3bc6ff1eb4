"""`edge-ser explain`: the contract's keys, the picture, a corpus, real speech, and bad input."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_cases import hearing_bundle, learned_from_nobody
from explain_cases import RATE, burst, vowel

from edge_ser.audio import write_wav
from edge_ser.bundle import read_bundle, write_bundle
from edge_ser.bundle_shipped import SHIPPED
from edge_ser.cli.main import main
from edge_ser.evaluation.condensed import folders_named
from edge_ser.evaluation.explain import explain
from edge_ser.evaluation.explain_corpus import Study, study
from edge_ser.evaluation.explain_cues import CUE_NAMES
from edge_ser.evaluation.explain_neutral import Neutral, Usual, with_neutral
from edge_ser.runtime.pipeline import load_pipeline

SPEAKERS = ("f1", "m1", "f2", "m2")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run(...)``: exit code, standard output and error of the command in this process, which is quicker."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edge-ser", "explain", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(str(ended.value.code or 0)), printed.out, printed.err

    return call


def _neutral() -> Neutral:
    """Neutral speech at 120 Hz of men and 210 Hz of women, of middling everything."""
    means = {
        "f0": 30.0,
        "f0_range": 4.0,
        "loudness": 3.0,
        "slope": -15.0,
        "hnr": 10.0,
        "jitter": 0.01,
        "shimmer": 0.5,
    }
    usual = {name: Usual(mean, max(abs(mean) / 10, 0.01), 50) for name, mean in means.items()}
    men = {**usual, "f0": Usual(25.5, 2.0, 25)}
    return Neutral(("crema-d",), 50, 5, {"all": usual, "f": usual, "m": men})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that hears hisses, with neutral speech in it."""
    path = tmp_path_factory.mktemp("hearing") / "hearing.edgeser"
    write_bundle(path, with_neutral(hearing_bundle(learned_from_nobody()), _neutral()))
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A soft voice at 250 Hz whose high harmonics, which the bundle takes for anger, ring out for a moment."""
    time = np.arange(RATE) / RATE
    ringing = sum(np.sin(2 * np.pi * 250 * k * time) for k in range(16, 23)) * 1500
    samples = vowel(250.0, 1.0, 30) + np.where((time > 0.4) & (time < 0.8), ringing, 0)
    write_wav(tmp_path / "hum.wav", samples.astype(np.int16), RATE)
    return tmp_path / "hum.wav"


def _json(found: tuple[int, str, str]) -> dict[str, Any]:
    assert found[0] == 0, found[2]
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_keys_of_the_contract(bundle: Path, recording: Path, run: Run) -> None:
    data = _json(run(bundle, recording, "--sex", "m", "--json"))
    assert {"file", "emotion", "score", "windows", "cues", "verdict", "keyword", "neutral", "remarks"} <= set(
        data
    )
    assert [cue["name"] for cue in data["cues"]] == list(CUE_NAMES)
    best = data["windows"][0]
    assert best["start"] < 0.6 < best["end"]
    assert best["effect"] == pytest.approx(data["score"] - best["without"], abs=2e-4)
    pitch = data["cues"][0]
    assert pitch["hertz"] == pytest.approx(250, abs=3)
    assert (pitch["neutral_mean"], pitch["words"]) == (25.5, "much higher")
    assert data["neutral"]["group"] == "m"
    assert data["verdict"]["emotion"] == data["emotion"]


def test_the_tables_say_it_in_words(bundle: Path, recording: Path, run: Run) -> None:
    code, out, _ = run(bundle, recording)
    assert code == 0
    for words in ("the windows it hangs on", "In words: ", "Verdict: ", "Keywords: ", "--sex"):
        assert words in out


def test_a_bundle_without_neutral_speech_still_explains(recording: Path, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "bare.edgeser"
    write_bundle(path, hearing_bundle(learned_from_nobody()))
    data = _json(run(path, recording, "--json"))
    assert data["windows"]
    assert (data["verdict"], data["neutral"]) == (None, None)
    assert all(cue["z"] is None for cue in data["cues"])
    assert data["cues"][0]["value"] is not None
    assert any("--neutral CORPUS=DIR" in remark for remark in data["remarks"])


def _chunks(png: bytes) -> dict[bytes, bytes]:
    found, at = {}, 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        found.setdefault(png[at + 4 : at + 8], b"")
        found[png[at + 4 : at + 8]] += png[at + 8 : at + 8 + size]
        at += 12 + size
    return found


def test_the_picture_says_what_it_shows(bundle: Path, recording: Path, tmp_path: Path, run: Run) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib (the plot extra) is not installed")
    strange = recording.rename(tmp_path / "a $x_$ 怒.wav")
    pictures = []
    for name in ("one.png", "two.png"):
        data = _json(run(bundle, strange, "-o", tmp_path / name, "--json"))
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    chunks = _chunks(pictures[0])
    assert struct.unpack(">II", chunks[b"IHDR"][:8])[0] > 1000
    alt = data["picture"]["alt"]
    assert "decided as anger" in alt
    assert b"decided as anger" in chunks.get(b"tEXt", b"") + chunks.get(b"iTXt", b"")


def test_a_stretch_of_a_long_recording(bundle: Path, tmp_path: Path, run: Run) -> None:
    long = np.concatenate([burst(0.4, "sadness", 20.0), burst(12.4, seconds=15.0)])
    write_wav(tmp_path / "long.wav", long, RATE)
    data = _json(run(bundle, tmp_path / "long.wav", "--json"))
    assert data["seconds"] == 30
    assert "only 0 to 30 s of 35.0 s" in data["remarks"][0]
    data = _json(run(bundle, tmp_path / "long.wav", "--start", 32, "--end", 33, "--json"))
    assert (data["emotion"], data["start"], data["seconds"]) == ("anger", 32, 1.0)
    assert data["windows"][0]["start"] < 0.6 < data["windows"][0]["end"]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(RATE, np.int16), "the recording is silent"),
        (np.zeros(1, np.int16), "shorter than one window"),
        ((np.random.default_rng(1).normal(size=RATE) * 3000).astype(np.int16), "hardly any voice"),
        (np.full(RATE, 32767, np.int16), "hardly any voice"),
        (burst(0.0)[:1600], "shorter than one window"),
    ],
    ids=["silence", "one sample", "noise", "constant", "a tenth of a second"],
)
def test_what_is_no_speech_is_explained_with_a_remark(
    samples: np.ndarray, said: str, bundle: Path, tmp_path: Path, run: Run
) -> None:
    write_wav(tmp_path / "odd.wav", samples, RATE)
    data = _json(run(bundle, tmp_path / "odd.wav", "-o", tmp_path / "odd.png", "--json"))
    assert any(said in remark for remark in data["remarks"]), data["remarks"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected one"),
        (("a.wav", "b.wav"), "2 recordings are named"),
        (("absent.wav",), "absent.wav"),
        (("broken.wav",), "broken.wav"),
        (("a.wav", "-o", "a.pdf"), "ends in .png"),
        (("a.wav", "--sex", "x"), "expected f or m"),
        (("a.wav", "--neutral", "crema-d"), "expected CORPUS=DIR"),
        (("a.wav", "--limit", "3"), "goes with --corpus"),
        (("a.wav", "--corpus", "emo-db", "--root", "x"), "give it or one recording"),
        (("--corpus", "emo-db"), "go together"),
        (("--corpus", "emo-db", "--root", "x", "--sex", "f"), "goes with a FILE"),
        (("a.wav", "--start", "9"), "lasts"),
        (("a.wav", "--start", "0.5", "--end", "0.2"), "mend start or end"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: tuple[str, ...],
    said: str,
    bundle: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_wav(Path("a.wav"), burst(0.3), RATE)
    Path("broken.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt nonsense")
    code, out, err = run(bundle, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def _study(corpus: Path, **changes: Any) -> dict[str, Any]:
    told = {
        "corpora": {
            "emotions": {"name": "folder", "speakers": {"train": ["f1"], "validation": [], "test": []}}
        }
    }
    bundle = hearing_bundle(told)
    asked = replace(Study(bundle, "folder", corpus, _neutral(), draws=4), **changes)
    return study(asked, lambda _what, _total: nullcontext(lambda _steps: None))


def test_a_corpus_is_explained_on_those_who_taught_nothing(hissing: Callable[..., Path]) -> None:
    report = _study(hissing(*SPEAKERS))
    assert (report["speakers"], report["untaught"]) == (3, True)
    assert report["left_out"]["speakers_that_taught"] == 1
    assert report["clips"] == report["clips_there"] == 18
    assert 0 < report["right"] <= 18
    for key in ("deletion", "insertion"):
        assert report[key]["clips"] + report["clips_without_windows"] == 18
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert not list(folders_named([report]))
    assert set(report["cues"]["right"]) == {"shown", "random", "whole"}


def test_a_limit_draws_the_same_clips_for_the_same_seed(hissing: Callable[..., Path]) -> None:
    corpus = hissing(*SPEAKERS)
    reports = [_study(corpus, limit=5, seed=seed, jobs=jobs) for seed, jobs in ((3, 1), (3, 2), (4, 1))]
    assert reports[0] == reports[1]
    assert reports[0]["clips"] == 5
    assert reports[0] != reports[2]


def test_a_bundle_of_unknown_schooling_is_said_to_be_that(hissing: Callable[..., Path]) -> None:
    report = _study(hissing(*SPEAKERS), bundle=hearing_bundle({}), neutral=None, limit=4)
    assert (report["untaught"], report["cues"], report["neutral"]) == (False, None, None)


def test_the_corpus_report_of_the_command(bundle: Path, hissing: Callable[..., Path], run: Run) -> None:
    corpus = hissing(*SPEAKERS)
    options = (bundle, "--corpus", "folder", "--root", corpus, "--limit", 4, "--draws", 2, "--seed", 0)
    data = _json(run(*options, "--json"))
    assert (data["clips"], data["draws"], data["seed"]) == (4, 2, 0)
    assert "edge-ser explain hearing.edgeser" in data["command"]
    assert str(corpus) not in json.dumps(data)
    code, out, _ = run(*options)
    assert code == 0
    assert "falls when they are hidden" in out


@pytest.mark.slow
def test_the_shipped_bundle_leans_on_what_it_shows(shared_data: Callable[[str], Path]) -> None:
    """EMO-DB, which taught it nothing: without the shown windows the score falls twice as fast as without others."""
    asked = Study(read_bundle(SHIPPED), "emo-db", shared_data("EMO-DB"), None, limit=16, draws=5)
    report = study(asked, lambda _what, _total: nullcontext(lambda _steps: None))
    assert report["untaught"]
    assert report["deletion"]["times"] >= 2
    assert report["insertion"]["times"] > 1


def test_the_same_recording_gives_the_same_explanation(recording: Path) -> None:
    from edge_ser.audio import read_audio

    pipeline, samples = load_pipeline(hearing_bundle(learned_from_nobody())), read_audio(recording)
    assert (
        explain(pipeline, samples, _neutral()).to_dict() == explain(pipeline, samples, _neutral()).to_dict()
    )
