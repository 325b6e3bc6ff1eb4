"""`edge-ser train --source`: other corpora teach besides, but nothing of whom the training validates or tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_ser.cli.train import train
from edge_ser.corpora import selection
from edge_ser.corpora.manifest import Manifest, read_manifest
from edge_ser.errors import EdgeSerError, InputError
from edge_ser.spec_file import load_spec

SPEC = Path(__file__).resolve().parents[2] / "models" / "tiny.toml"
SPEAKERS = tuple(f"speaker{number}" for number in range(8))


class _StoppedError(Exception):
    """Manifests are written, and training would begin."""


@pytest.fixture(autouse=True)
def _stop_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_words: str) -> None:
        raise _StoppedError

    def same_clips(spec: object, corpus: str, root: Path) -> Manifest:
        return selection.emotion_manifest(load_spec(SPEC), corpus, root)

    monkeypatch.setattr("edge_ser.cli.train.say", stop)
    # Keywords have tests of their own; here any manifest will do.
    monkeypatch.setattr(selection, "keyword_manifest", same_clips)


def _corpus(root: Path, speakers: tuple[str, ...], emotions: tuple[str, ...]) -> Path:
    root.mkdir()
    rows = []
    for speaker in speakers:
        for emotion in emotions:
            name = f"{speaker}-{emotion}.wav"
            (root / name).touch()
            rows.append(f"{name},{speaker},{emotion}\n")
    (root / "clips.csv").write_text("path,speaker,emotion\n" + "".join(rows))
    return root


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return _corpus(tmp_path / "target", SPEAKERS, load_spec(SPEC).acoustic.classes)


def _manifest(target: Path, output: Path, *sources: str) -> Manifest:
    with pytest.raises(_StoppedError):
        train(
            SPEC,
            root=target,
            words_root=target,
            output=output,
            corpus="folder",
            words_corpus="folder",
            source=list(sources),
        )
    return read_manifest(output / "emotions.json")


def test_copies_of_held_out_speakers_stay_out(target: Path, tmp_path: Path) -> None:
    plain = _manifest(target, tmp_path / "plain")
    copies = _corpus(tmp_path / "copies", SPEAKERS, load_spec(SPEC).acoustic.classes)
    taught = _manifest(target, tmp_path / "taught", f"folder={copies}")
    assert (taught.validation, taught.test) == (plain.validation, plain.test)
    heard = {clip.speaker for clip in taught.train if clip.path.parent == copies}
    held_out = {*plain.speakers("validation"), *plain.speakers("test")}
    assert held_out
    assert heard == set(SPEAKERS) - held_out
    assert len(taught.train) == 2 * len(plain.train)


def test_who_is_in_no_other_part_teaches_the_emotions_that_the_spec_knows(
    target: Path, tmp_path: Path
) -> None:
    known = load_spec(SPEC).acoustic.classes[0]
    other = _corpus(tmp_path / "other", ("anna", "bert"), (known, "contempt"))
    plain = _manifest(target, tmp_path / "plain")
    taught = _manifest(target, tmp_path / "taught", f"folder={other}")
    more = [clip for clip in taught.train if clip not in plain.train]
    assert [(clip.speaker, clip.emotion) for clip in more] == [("anna", known), ("bert", known)]
    assert "taught besides" in taught.protocol


def test_a_source_without_the_classes_is_refused(target: Path, tmp_path: Path) -> None:
    assert "contempt" not in load_spec(SPEC).acoustic.classes
    other = _corpus(tmp_path / "other", ("anna",), ("contempt",))
    with pytest.raises(InputError, match="--source folder: has no clip of"):
        train(SPEC, target, target, tmp_path / "out", "folder", "folder", source=[f"folder={other}"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crema-d", "--source is 'crema-d'; expected NAME=DIR"),
        ("=somewhere", "expected NAME=DIR"),
        ("no-such=somewhere", "no-such"),
        ("folder={target}", "a corpus is given twice"),
        ("folder={target}/absent", "absent"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_written(
    target: Path, tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(EdgeSerError, match=words):
        train(
            SPEC,
            target,
            target,
            tmp_path / "out",
            "folder",
            "folder",
            source=[text.format(target=target)],
        )
    assert not (tmp_path / "out").exists()
