"""The check finds each kind of bad file, and the command says so in its exit code."""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge_ser.cli.corpus import corpus_app
from edge_ser.corpora import synthetic
from edge_ser.corpora.check import check_corpus, longest_run
from edge_ser.corpora.registry import layouts
from edge_ser.errors import InputError, MissingError
from edge_ser.spec import SyntheticSpec

WriteAudio = Callable[..., None]


@given(st.lists(st.booleans(), max_size=60))
def test_longest_run(mask: list[bool]) -> None:
    expected = max((len(list(run)) for value, run in itertools.groupby(mask) if value), default=0)
    assert longest_run(np.array(mask, dtype=bool)) == expected


def full_scale(run: int, value: int) -> np.ndarray:
    """A tone at the middle of the range with a flat top of ``run`` samples."""
    samples = (8000 * np.sin(np.arange(4000) * 0.2)).astype(np.int16)
    samples[100 : 100 + run] = value
    return samples


@pytest.fixture
def crema(tmp_path: Path, write_audio: WriteAudio) -> Path:
    """A small CREMA-D with one of each problem; two clips are good, one of them AIFF in a ``.wav``."""
    audio = tmp_path / "AudioWAV"
    write_audio(audio / "1001_IEO_ANG_HI.wav", seconds=1.5)
    write_audio(audio / "1001_IEO_HAP_HI.wav", seconds=1.5, kind="AIFF")
    write_audio(audio / "1002_IEO_ANG_HI.wav", np.zeros(16_000, np.int16))
    write_audio(audio / "1002_TIE_ANG_XX.wav", np.full(16_000, -32, np.int16))  # -60.2 dBFS
    write_audio(audio / "1002_TSI_ANG_XX.wav", np.full(16_000, 33, np.int16))  # -59.9 dBFS
    write_audio(audio / "1002_IEO_SAD_HI.wav", full_scale(4, 32767))
    write_audio(audio / "1002_IEO_SAD_LO.wav", full_scale(4, -32768))
    write_audio(audio / "1002_IEO_SAD_MD.wav", full_scale(3, 32767))
    (audio / "1002_IEO_NEU_XX.wav").write_bytes(b"this is no audio")
    (audio / "1002_IEO_FEA_HI.wav").touch()
    write_audio(audio / "1001_IEO_ANG_HI.flac", kind="FLAC")
    write_audio(audio / "holiday.wav")
    (audio / ".DS_Store").touch()
    (audio / "._1001_IEO_ANG_HI.wav").touch()
    (tmp_path / "processedResults").mkdir()
    (tmp_path / "processedResults" / "summaryTable.csv").write_text(
        '"","FileName","VoiceVote"\n"1","1001_IEO_ANG_HI","A"\n"2","1001_IEO_DIS_HI","D"\n'
    )
    return tmp_path


def test_every_kind_of_problem(crema: Path) -> None:
    found = check_corpus("crema-d", crema)
    assert [(problem.kind, Path(problem.path).name) for problem in found.problems] == [
        ("missing", "1001_IEO_DIS_HI"),
        ("unreadable", "1002_IEO_FEA_HI.wav"),
        ("unreadable", "1002_IEO_NEU_XX.wav"),
        ("silent", "1002_IEO_ANG_HI.wav"),
        ("silent", "1002_TIE_ANG_XX.wav"),
        ("clipped", "1002_IEO_SAD_HI.wav"),
        ("clipped", "1002_IEO_SAD_LO.wav"),
        ("duplicate", "1001_IEO_ANG_HI.wav"),
        ("unrecognised", ".DS_Store"),
        ("unrecognised", "._1001_IEO_ANG_HI.wav"),
        ("unrecognised", "holiday.wav"),
    ]
    assert found.failed
    assert (found.clips, found.files, found.speakers) == (10, 10, 2)
    assert found.labels == {"anger": 4, "fear": 1, "happiness": 1, "neutral": 1, "sadness": 3}
    # The .flac is used (it sorts first): 0.25 s; then 1.5 s, three of 1 s, three of a quarter.
    assert found.minutes * 60 == pytest.approx(0.25 + 1.5 + 3 + 0.75)


def test_headers_only(crema: Path) -> None:
    found = check_corpus("crema-d", crema, deep=False)
    assert {problem.kind for problem in found.problems} == {
        "missing",
        "unreadable",
        "duplicate",
        "unrecognised",
    }
    assert found.minutes == pytest.approx(check_corpus("crema-d", crema).minutes)


def test_files_are_tracked_once_each(crema: Path) -> None:
    asked: list[Path] = []

    def track(paths: list[Path]) -> list[Path]:
        asked.extend(paths)
        return paths

    check_corpus("crema-d", crema, track=track)  # type: ignore[arg-type]
    assert len(asked) == len(set(asked)) == 10


def test_known_other_audio_is_no_problem(tmp_path: Path, write_audio: WriteAudio) -> None:
    write_audio(tmp_path / "Actor_01" / "03-01-01-01-01-01-01.wav")
    write_audio(tmp_path / "Actor_01" / "03-02-01-01-01-01-01.wav")  # a song
    found = check_corpus("ravdess", tmp_path)
    assert {problem.kind for problem in found.problems} == {"missing"}
    assert len(found.problems) == 59


def test_silence_of_the_silence_class_is_no_problem(tmp_path: Path, write_audio: WriteAudio) -> None:
    write_audio(tmp_path / "_background_noise_" / "dead_room.wav", np.zeros(32_000, np.int16))
    write_audio(tmp_path / "yes" / "0a7c2a8d_nohash_0.wav", np.zeros(16_000, np.int16))
    found = check_corpus("speech-commands", tmp_path)
    assert [(problem.kind, problem.path) for problem in found.problems] == [
        ("silent", "yes/0a7c2a8d_nohash_0.wav")
    ]
    assert found.labels == {"_silence_": 2, "yes": 1}


def test_own_table(tmp_path: Path, write_audio: WriteAudio) -> None:
    write_audio(tmp_path / "a.wav", seconds=2.0)
    (tmp_path / "clips.csv").write_text(
        "path,speaker,emotion,keyword,start_s,end_s\n"
        "a.wav,x,fear,no,0,0.5\na.wav,x,,yes,0.5,2.0\na.wav,x,fear,,1.9,2.2\na.wav,x,fear,,2.5,\nb.wav,y,fear,,,\n"
    )
    found = check_corpus("folder", tmp_path)
    assert [(problem.kind, problem.path) for problem in found.problems] == [
        ("missing", "b"),
        ("beyond-end", "a.wav"),
        ("beyond-end", "a.wav"),
    ]
    assert found.labels == {"(none)": 1, "fear": 3}
    assert found.keywords == {"no": 1, "yes": 1}
    assert found.minutes * 60 == pytest.approx(0.5 + 1.5 + 0.1)


def test_all_files_missing_is_still_told(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,speaker,emotion\nb.wav,y,fear\n")
    found = check_corpus("folder", tmp_path)
    assert (found.clips, [problem.kind for problem in found.problems]) == (0, ["missing"])


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no clip of musan found"):
        check_corpus("musan", tmp_path)
    with pytest.raises(MissingError, match="no such folder"):
        check_corpus("musan", tmp_path / "nowhere")


def test_real_recordings(shared_data: Callable[[str], Path]) -> None:
    found = check_corpus("emo-db", shared_data("EMO-DB"))
    assert found.problems == ()
    assert found.minutes == pytest.approx(24.8, abs=0.05)  # SOURCE.md of the data
    words = check_corpus("speech-commands", shared_data("speech_commands_v0.01"))
    assert words.minutes == pytest.approx(13.8, abs=0.05)
    assert not words.failed
    assert (words.kind, set(words.labels), words.keywords) == ("keyword", {"bed", "cat", "happy"}, {})


def test_check_command(crema: Path) -> None:
    result = CliRunner().invoke(corpus_app, ["check", "crema-d", "--root", str(crema), "--json"])
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert {"name", "clips", "speakers", "labels", "minutes", "problems"} <= set(data)
    assert (data["name"], data["clips"], data["speakers"]) == ("crema-d", 10, 2)
    assert data["problems"][0] == {
        "kind": "missing",
        "path": "1001_IEO_DIS_HI",
        "detail": "named by the corpus' own table or grid, not there",
    }
    words = CliRunner().invoke(corpus_app, ["check", "crema-d", "--root", str(crema), "--quick"])
    assert words.exit_code == 1
    # Without the two silent and the two clipped ones.
    assert "7 problems" in words.stdout
    assert "unreadable" in words.stdout


def test_check_command_passes_and_shows_only_some(tmp_path: Path, write_audio: WriteAudio) -> None:
    write_audio(tmp_path / "f1" / "gio-f1-b1.wav")
    for number in range(13):
        write_audio(tmp_path / f"[stray] {number:02}.wav", np.zeros(0, np.int16))
    result = CliRunner().invoke(corpus_app, ["check", "emovo", "--root", str(tmp_path)])
    assert result.exit_code == 0
    assert "13 problems" in result.stdout
    assert "[stray] 09.wav" in result.stdout
    assert "[stray] 10.wav" not in result.stdout
    assert "and 3 more" in result.stdout


def test_check_command_wrong_use() -> None:
    result = CliRunner().invoke(corpus_app, ["check", "crema", "--root", "nowhere"])
    assert isinstance(result.exception, InputError)
    result = CliRunner().invoke(corpus_app, ["check", "crema-d", "--root", "nowhere"])
    assert isinstance(result.exception, MissingError)


def test_list_command() -> None:
    result = CliRunner().invoke(corpus_app, ["list", "--json"])
    listed = json.loads(result.stdout)["corpora"]
    assert [each["name"] for each in listed] == [form.name for form in layouts()]
    assert all(each["licence"] and each["kind"] in ("emotion", "keyword", "noise") for each in listed)
    words = CliRunner().invoke(corpus_app, ["list"])
    assert words.exit_code == 0
    assert "CC BY-NC-SA 4.0" in words.stdout


def test_synth_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command asks for and says; speaking itself takes too long here and has its own tests."""
    spec = tmp_path / "small.toml"
    spec.write_text(
        'name = "small"\n[keyword]\nwords = ["stop", "yes"]\n[acoustic]\nclasses = ["anger", "sadness"]\n'
        "[corpora.synthetic]\nvoices = 8\nminutes = 1.0\nseed = 7\n"
    )
    signature = inspect.signature(synthetic.make_corpus)
    asked: dict[str, object] = {}

    def make(*args: object, **kwargs: object) -> synthetic.SyntheticSummary:
        asked.update(signature.bind(*args, **kwargs).arguments)
        return synthetic.SyntheticSummary(3, 9, 8, 1.25, {"anger": 1, "sadness": 2})

    monkeypatch.setattr(synthetic, "make_corpus", make)
    command = ["synth", "-o", str(tmp_path / "corpus"), "--spec", str(spec)]
    data = json.loads(CliRunner().invoke(corpus_app, [*command, "--json"]).stdout)
    assert asked.pop("progress") is not None
    assert asked == {
        "root": tmp_path / "corpus",
        "spec": SyntheticSpec(voices=8, minutes=1.0, seed=7),
        "words": ("stop", "yes"),
        "emotions": ("anger", "sadness"),
    }
    assert (data["name"], data["clips"], data["keyword_clips"], data["speakers"]) == ("synthetic", 3, 9, 8)
    assert (data["labels"], data["minutes"], data["problems"]) == ({"anger": 1, "sadness": 2}, 1.25, [])
    assert "how good a model is" in CliRunner().invoke(corpus_app, command).stderr


def test_synth_command_leaves_other_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    result = CliRunner().invoke(corpus_app, ["synth", "-o", str(tmp_path), "--spec", "models/base.toml"])
    assert isinstance(result.exception, InputError)
    assert "thesis.txt" in {path.name for path in tmp_path.iterdir()}
