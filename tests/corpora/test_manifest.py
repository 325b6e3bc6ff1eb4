"""A manifest comes back as it was written, and refuses what would be a leak."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest, make_manifest, read_manifest, write_manifest
from edge_ser.corpora.registry import read_clips
from edge_ser.corpora.splits import PARTS, split_by_speaker
from edge_ser.errors import InputError, MissingError


def small(root: Path) -> Manifest:
    clips = (
        Clip(
            "folder",
            root / "a b" / "ä.wav",
            "anna",
            0.25,
            1.5,
            "f",
            "anger",
            (("anger", 0.25), ("fear", 0.75)),
        ),
        Clip(
            "folder",
            root / "b.flac",
            "bert",
            emotion="fear",
            vad=(2.5, 3.0, 1.5),
            text='said "so"',
            keyword="no",
        ),
        Clip("folder", root / "c.wav", "carl", language="de", part="test", licence="your own"),
    )
    return Manifest("folder", root, "by hand", clips[:1], clips[1:2], clips[2:])


def test_every_field_comes_back(tmp_path: Path) -> None:
    manifest = small(tmp_path / "corpus")
    path = tmp_path / "build" / "manifest.json"
    write_manifest(manifest, path)
    assert read_manifest(path) == manifest
    assert [each.name for each in path.parent.iterdir()] == ["manifest.json"]
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["parts"]["train"][0]["path"] == "a b/ä.wav"
    assert "text" not in stored["parts"]["train"][0]


def test_a_moved_corpus(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    write_manifest(small(tmp_path / "old"), path)
    assert read_manifest(path, root=tmp_path / "new") == small(tmp_path / "new")


def test_a_real_corpus(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    root = shared_data("CREMA-D")
    clips = read_clips("crema-d", root)
    manifest = make_manifest("crema-d", root, "fold 0 of 4", split_by_speaker(clips, 4, 0, 0.15))
    write_manifest(manifest, tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == manifest
    assert set(manifest.clips) == set(clips)
    assert {part: len(manifest.speakers(part)) for part in PARTS} == {"train": 15, "validation": 3, "test": 6}


def test_a_shared_speaker_is_refused_when_made_and_when_read(tmp_path: Path) -> None:
    manifest = small(tmp_path)
    leak = Clip("folder", tmp_path / "d.wav", "anna")
    with pytest.raises(InputError, match="speaker folder/anna is in both train and test"):
        Manifest("folder", tmp_path, "", manifest.train, manifest.validation, (leak,))
    path = tmp_path / "manifest.json"
    write_manifest(manifest, path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["parts"]["validation"][0]["speaker"] = "anna"
    path.write_text(json.dumps(stored))
    with pytest.raises(
        InputError, match=r"manifest\.json: speaker folder/anna is in both train and validation"
    ):
        read_manifest(path)


def test_a_clip_outside_the_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lies outside"):
        Manifest("folder", tmp_path / "corpus", "", (Clip("folder", tmp_path / "x.wav", "a"),), (), ())


def _set(place: tuple[Any, ...], value: object) -> Callable[[dict[str, Any]], None]:
    def change(stored: Any) -> None:
        for step in place[:-1]:
            stored = stored[step]
        stored[place[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set(("format",), "other"), "not a manifest"),
        (_set(("version",), 2), "manifest version 2; this edge-ser reads 1"),
        (_set(("extra",), 1), "extra"),
        (_set(("parts", "train"), None), r"parts\.train"),
        (_set(("parts", "train", 0, "speaker"), None), r"parts\.train\.0\.speaker"),
        (_set(("parts", "train", 0, "start_s"), "soon"), r"parts\.train\.0\.start_s"),
        (_set(("parts", "train", 0, "path"), "../secret.wav"), "leaves the folder"),
        (_set(("parts", "train", 0, "path"), "/etc/x.wav"), "leaves the folder"),
        (_set(("parts", "train", 0, "emotion"), "rage"), "emotion 'rage'"),
        (lambda stored: stored.pop("root"), "root"),
    ],
)
def test_a_broken_manifest(tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str) -> None:
    path = tmp_path / "manifest.json"
    write_manifest(small(tmp_path), path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    change(stored)
    path.write_text(json.dumps(stored))
    with pytest.raises(InputError, match=words) as caught:
        read_manifest(path)
    assert "manifest.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_manifest_at_all(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such manifest"):
        read_manifest(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text("[1,")
    with pytest.raises(InputError, match=r"manifest\.json"):
        read_manifest(tmp_path / "manifest.json")
