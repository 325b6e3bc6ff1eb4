"""Which clips a system learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_ser.corpora.selection import emotion_manifest, keyword_manifest
from edge_ser.errors import InputError
from edge_ser.spec import UNKNOWN_WORD, SystemSpec
from edge_ser.spec_file import load_spec

BASE = load_spec(Path(__file__).resolve().parents[2] / "models" / "base.toml")


def _with_words(*words: str) -> SystemSpec:
    return replace(BASE, keyword=replace(BASE.keyword, words=words))


def _tree(root: Path, emotions: tuple[str, ...], speakers: int = 8) -> Path:
    lines = ["path,speaker,emotion,keyword"]
    root.mkdir()
    for speaker in range(speakers):
        for emotion in emotions:
            for word in ("help", "stop", "river", "table"):
                name = f"{speaker}-{emotion}-{word}.wav"
                (root / name).write_bytes(b"")
                lines.append(f"{name},s{speaker},{emotion},{word}")
    (root / "clips.csv").write_text("\n".join(lines) + "\n")
    return root


def test_only_the_classes_of_the_spec_are_taken(tmp_path: Path) -> None:
    root = _tree(tmp_path / "mine", (*BASE.acoustic.classes, "boredom"))
    manifest = emotion_manifest(BASE, "folder", root)
    assert {clip.emotion for clip in manifest.clips} == set(BASE.acoustic.classes)
    parts = [set(manifest.speakers(part)) for part in ("train", "validation", "test")]
    assert sum(len(part) for part in parts) == len(set().union(*parts)) == 8


def test_a_class_that_the_corpus_lacks_is_named(tmp_path: Path) -> None:
    root = _tree(tmp_path / "mine", BASE.acoustic.classes[:-1])
    with pytest.raises(InputError, match=BASE.acoustic.classes[-1]):
        emotion_manifest(BASE, "folder", root)


def test_other_words_become_unknown_and_do_not_outnumber_the_words(tmp_path: Path) -> None:
    root = _tree(tmp_path / "mine", ("neutral", "anger"))
    manifest = keyword_manifest(_with_words("help"), "folder", root)
    words = [clip.keyword for clip in manifest.clips]
    assert set(words) == {"help", UNKNOWN_WORD}
    assert words.count("help") == 16
    assert 8 <= words.count(UNKNOWN_WORD) <= 16


def test_a_word_that_the_corpus_lacks_is_named(tmp_path: Path) -> None:
    root = _tree(tmp_path / "mine", ("neutral",))
    with pytest.raises(InputError, match="zebra"):
        keyword_manifest(_with_words("help", "zebra"), "folder", root)


def test_speech_commands_keep_the_publishers_parts(shared_data: Callable[[str], Path]) -> None:
    root = shared_data("speech_commands_v0.01")
    manifest = keyword_manifest(_with_words("bed", "cat"), "speech-commands", root)
    assert manifest.protocol == "the publisher's parts"
    listed = set((root / "testing_list.txt").read_text().split())
    tested = {f"{clip.path.parent.name}/{clip.path.stem}.wav" for clip in manifest.test}
    assert tested <= listed
    assert {clip.keyword for clip in manifest.train} == {"bed", "cat", UNKNOWN_WORD}


def test_crema_d_is_split_as_the_yardstick_says(shared_data: Callable[[str], Path]) -> None:
    manifest = emotion_manifest(BASE, "crema-d", shared_data("CREMA-D"))
    actors = sorted({clip.speaker for clip in manifest.clips})
    assert set(manifest.speakers("test")) == set(actors[::4])
