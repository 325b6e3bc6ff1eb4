"""Every layout of which there is real audio, against what the data's own papers say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_ser.corpora.registry import layout, missing_files, present_clips, read_clips
from edge_ser.corpora.speech_commands import part_of_hash
from edge_ser.spec import EMOTIONS, SILENCE, UNKNOWN_WORD

FOLDERS = {
    "crema-d": "CREMA-D",
    "emo-db": "EMO-DB",
    "emospeech": "EmoSpeech",
    "urdu": "URDU-Dataset",
    "speech-commands": "speech_commands_v0.01",
    "esc-10": "ESC-10",
    "ravdess": "RAVDESS",
}


def stated(root: Path, field: str) -> dict[str, int]:
    """The counts of a field of the data's SOURCE.md: ``- emotion: anger(W) 127, boredom(L) 81``."""
    line = re.search(rf"^- {field}: (.*)$", (root / "SOURCE.md").read_text(), re.MULTILINE)
    assert line is not None
    items = (item.rsplit(" ", 1) for item in line[1].split(", "))
    return {re.sub(r"\(.*\)|^\d+ - ", "", name): int(count) for name, count in items}


@pytest.mark.parametrize("name", [name for name in FOLDERS if name != "ravdess"])
def test_every_listed_recording_is_one_clip(name: str, shared_data: Callable[[str], Path]) -> None:
    root = shared_data(FOLDERS[name])
    sums = (root / "SHA256SUMS").read_text().splitlines()
    expected = {line.split("  ", 1)[1] for line in sums if line.endswith(".flac")}
    clips = read_clips(name, root)
    assert {clip.path.relative_to(root).as_posix() for clip in clips} == expected
    assert len(clips) == len(expected)
    assert clips == sorted(clips, key=lambda clip: clip.path)


@pytest.mark.parametrize("name", FOLDERS)
def test_clips_are_labelled_and_nothing_is_missing(name: str, shared_data: Callable[[str], Path]) -> None:
    root = shared_data(FOLDERS[name])
    form = layout(name)
    clips = read_clips(name, root)
    assert {clip.corpus for clip in clips} == {name}
    assert {clip.licence for clip in clips} == {form.licence}
    assert {clip.emotion for clip in clips} <= {None, *EMOTIONS}
    assert all(clip.speaker for clip in clips) == (form.kind != "noise")
    assert missing_files(form, root, present_clips(form, root)) == []


def test_crema_d_counts_sexes_and_votes(shared_data: Callable[[str], Path]) -> None:
    root = shared_data("CREMA-D")
    clips = read_clips("crema-d", root)
    codes = {
        "ANG": "anger",
        "DIS": "disgust",
        "FEA": "fear",
        "HAP": "happiness",
        "NEU": "neutral",
        "SAD": "sadness",
    }
    expected = {codes[code]: count for code, count in stated(root, "emotion").items()}
    assert Counter(clip.emotion for clip in clips) == expected
    assert Counter(sex for _, sex in {(clip.speaker, clip.sex) for clip in clips}) == {"f": 12, "m": 12}
    by_name = {clip.path.stem: clip for clip in clips}
    # 1005_TIE_SAD_XX is voted "N" by voice though "F:S" by face; a tie is shared equally.
    assert by_name["1005_TIE_SAD_XX"].soft_label == (("neutral", 1.0),)
    assert by_name["1005_TIE_SAD_XX"].text == "That is exactly what happened."
    table = (root / "processedResults" / "summaryTable.csv").read_text()
    tied = re.search(r'^"\d+","(\w+)","A:D:N",', table, re.MULTILINE)
    assert tied is not None
    shares = dict(by_name[tied[1]].soft_label or ())
    assert shares == pytest.approx({"anger": 1 / 3, "disgust": 1 / 3, "neutral": 1 / 3})


def test_emo_db_counts(shared_data: Callable[[str], Path]) -> None:
    root = shared_data("EMO-DB")
    clips = read_clips("emo-db", root)
    assert Counter(clip.emotion for clip in clips) == stated(root, "emotion")
    assert Counter(clip.speaker for clip in clips) == stated(root, "speaker")
    assert Counter(clip.path.stem[2:5] for clip in clips) == stated(root, "text")
    assert len({clip.text for clip in clips}) == 10
    assert len({clip.speaker for clip in clips if clip.sex == "f"}) == 5


def test_emospeech_counts(shared_data: Callable[[str], Path]) -> None:
    root = shared_data("EmoSpeech")
    clips = read_clips("emospeech", root)
    emotions = {"angry": "anger", "calm": "calm", "fearful": "fear", "happy": "happiness", "None": None}
    assert Counter(clip.emotion for clip in clips) == {
        emotions[name]: count for name, count in stated(root, "emotion").items()
    }
    renamed = {"background": SILENCE, "unknown": UNKNOWN_WORD}
    assert Counter(clip.keyword for clip in clips) == {
        renamed.get(name, name): count for name, count in stated(root, "keyword").items()
    }
    # 43 web users, and the unknown one in whose name are all clips of House and Metro and none of the web.
    assert len({clip.speaker for clip in clips}) == 44
    unknown = {clip.path.parent.name for clip in clips if clip.speaker == "unknown-user"}
    assert unknown == {"House", "Metro"}
    assert {clip.language for clip in clips if clip.keyword == "bacho"} == {"hi"}


def test_urdu_counts(shared_data: Callable[[str], Path]) -> None:
    root = shared_data("URDU-Dataset")
    clips = read_clips("urdu", root)
    assert Counter(clip.speaker for clip in clips) == stated(root, "speaker")
    folders = {"Angry": "anger", "Happy": "happiness", "Neutral": "neutral", "Sad": "sadness"}
    assert all(clip.emotion == folders[clip.path.parent.name] for clip in clips)
    assert all(clip.sex == clip.speaker[1].lower() for clip in clips)


def test_speech_commands_parts(shared_data: Callable[[str], Path]) -> None:
    root = shared_data("speech_commands_v0.01")
    clips = read_clips("speech-commands", root)
    assert Counter(clip.keyword for clip in clips) == stated(root, "word")
    parts = Counter(clip.part for clip in clips)
    assert (parts["validation"], parts["test"]) == (99, 100)
    # The lists were made by the published rule; a second way to the same parts.
    assert all(clip.part == part_of_hash(clip.speaker) for clip in clips)


def test_esc10_classes(shared_data: Callable[[str], Path]) -> None:
    root = shared_data("ESC-10")
    clips = read_clips("esc-10", root)
    assert Counter(clip.text for clip in clips) == stated(root, "class")


def test_ravdess_actor(shared_data: Callable[[str], Path]) -> None:
    clips = read_clips("ravdess", shared_data("RAVDESS"))
    # Neutral has one intensity, the seven others two; two sentences, two takes.
    expected = dict.fromkeys(("calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise"), 8)
    assert Counter(clip.emotion for clip in clips) == {**expected, "neutral": 4}
    assert {(clip.speaker, clip.sex) for clip in clips} == {("01", "m")}
