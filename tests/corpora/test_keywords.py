"""Which clips teach and test a keyword net that learns from several corpora."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_ser.audio import read_audio, write_wav
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.keywords import across, examined, open_source, origins, within
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.quiet import make_quiet
from edge_ser.corpora.registry import read_clips
from edge_ser.corpora.splits import PARTS
from edge_ser.errors import InputError
from edge_ser.spec import SILENCE, UNKNOWN_WORD, SystemSpec
from edge_ser.spec_file import load_spec

MODELS = Path(__file__).resolve().parents[2] / "models"
BASE = load_spec(MODELS / "base.toml")
RATE = 16_000


def _spec(*words: str) -> SystemSpec:
    return replace(BASE, keyword=replace(BASE.keyword, words=words))


def _sound(path: Path, seconds: float, loud_from_s: float = 0.0) -> None:
    rng = np.random.default_rng(len(str(path)))
    samples = (rng.normal(size=round(seconds * RATE)) * 30).astype(np.int16)
    at = round(loud_from_s * RATE)
    samples[at : at + RATE // 3] = (rng.normal(size=len(samples[at : at + RATE // 3])) * 6000).astype(
        np.int16
    )
    write_wav(path, samples, RATE)


def _folder(root: Path, rows: list[str], seconds: float = 0.9, loud_from_s: float = 0.0) -> Path:
    """A corpus of the layout ``folder``: rows of speaker, keyword, text, part, take."""
    lines = ["path,speaker,emotion,keyword,text,part"]
    for number, row in enumerate(rows):
        speaker, keyword, text, part = row.split(",")
        name = f"{number}.wav"
        _sound(root / name, seconds, loud_from_s)
        emotion = "" if keyword else "neutral"
        lines.append(f"{name},{speaker},{emotion},{keyword},{text},{part}")
    (root / "clips.csv").write_text("\n".join(lines) + "\n")
    return root


def _speech_commands(root: Path, words: tuple[str, ...] = ("bed", "cat")) -> Path:
    """Twelve speakers: the lists put s8, s9 in validation and s10, s11 in the test."""
    for word in words:
        for speaker in range(12):
            _sound(root / word / f"{speaker:08x}_nohash_0.wav", 0.9)
    for part, speakers in (("validation_list.txt", (8, 9)), ("testing_list.txt", (10, 11))):
        lines = [f"{word}/{speaker:08x}_nohash_0.wav" for word in words for speaker in speakers]
        (root / part).write_text("\n".join(lines) + "\n")
    return root


def _sentences(root: Path, speakers: int = 8, text: str = "nothing of note") -> Path:
    return _folder(root, [f"p{speaker},,{text}," for speaker in range(speakers) for _ in range(2)], 3.0)


def _counts(manifest: Manifest, keyword: str) -> dict[str, int]:
    return {part: sum(clip.keyword == keyword for clip in manifest.part(part)) for part in PARTS}


def test_words_alone_are_refused_with_what_to_give(tmp_path: Path) -> None:
    place = ("speech-commands", _speech_commands(tmp_path / "sc"))
    with pytest.raises(InputError, match=r"unknown words in train.*--words crema-d="):
        within(_spec("bed", "cat"), [place], tmp_path / "quiet")


def test_every_class_is_there_in_every_part_and_no_speaker_crosses(tmp_path: Path) -> None:
    places = [
        ("speech-commands", _speech_commands(tmp_path / "sc")),
        ("folder", _sentences(tmp_path / "said")),
    ]
    manifest = within(_spec("bed", "cat"), places, tmp_path / "quiet")
    listed = {f"{speaker:08x}" for speaker in (10, 11)}
    assert {clip.speaker for clip in manifest.test if clip.keyword == "bed"} == listed
    assert _counts(manifest, "bed") == {"train": 8, "validation": 2, "test": 2}
    for kind in (UNKNOWN_WORD, SILENCE):
        assert min(_counts(manifest, kind).values()) > 0
    # As many as one word has where a net is chosen and tested, more where it learns.
    assert _counts(manifest, UNKNOWN_WORD)["test"] == 2
    assert _counts(manifest, UNKNOWN_WORD)["train"] > 8
    voices = [{(clip.corpus, clip.speaker) for clip in manifest.part(part) if clip.speaker} for part in PARTS]
    assert sum(len(part) for part in voices) == len(set().union(*voices))


def _made_voices(root: Path, words: tuple[str, ...], speakers: int = 8) -> Path:
    """A synthetic corpus' words: every voice says each once."""
    rows = []
    for speaker in range(speakers):
        for word in words:
            _sound(root / "audio" / f"voice-{speaker}" / f"{word}.wav", 0.9)
            row = {"path": f"audio/voice-{speaker}/{word}.wav", "start_s": 0.0, "end_s": 0.9, "sex": "f"}
            rows.append(json.dumps({**row, "speaker": f"voice-{speaker}", "keyword": word, "text": word}))
    (root / "keywords.jsonl").write_text("\n".join(rows) + "\n")
    return root


def test_synthetic_voices_beside_people_only_teach(tmp_path: Path) -> None:
    made = ("synthetic-words", _made_voices(tmp_path / "made", ("bed", "cat", "dog")))
    said = ("folder", _sentences(tmp_path / "said"))
    people = ("speech-commands", _speech_commands(tmp_path / "sc"))
    manifest = within(_spec("bed", "cat"), [people, said, made], tmp_path / "quiet")
    homes = {part: {clip.corpus for clip in manifest.part(part)} for part in PARTS}
    assert made[0] in homes["train"]
    assert made[0] not in homes["validation"] | homes["test"]
    assert _counts(manifest, "bed") == {"train": 8 + 8, "validation": 2, "test": 2}
    # Where nobody else says the words they are all that can be scored.
    alone = within(_spec("bed", "cat"), [made, said], tmp_path / "quiet-alone")
    assert any(clip.corpus == made[0] for clip in alone.test)


def test_pieces_of_sentences_lie_within_them_and_do_not_overlap(tmp_path: Path) -> None:
    source = open_source(_spec("bed"), ("folder", _sentences(tmp_path / "said")))
    clips = [clip for part in PARTS for clip in source.parts[part]]
    assert {clip.keyword for clip in clips} == {UNKNOWN_WORD}
    by_file: dict[Path, list[Clip]] = {}
    for clip in clips:
        by_file.setdefault(clip.path, []).append(clip)
    for pieces in by_file.values():
        spans = sorted((clip.start_s, clip.end_s or 0.0) for clip in pieces)
        assert len(spans) == 2
        assert all(abs(end - start - 0.98) < 1e-3 for start, end in spans)
        assert spans[0][0] > 0
        assert spans[0][1] <= spans[1][0]
        assert spans[1][1] < 3.0


def test_a_sentence_that_holds_a_keyword_is_no_unknown_speech(tmp_path: Path) -> None:
    root = _folder(
        tmp_path / "said",
        [f"p{speaker},,{text}," for speaker in range(8) for text in ("go to Bed now", "embedded cats")],
        3.0,
    )
    source = open_source(_spec("bed", "cat"), ("folder", root))
    assert {clip.text for part in PARTS for clip in source.parts[part]} == {"embedded cats"}
    only = _folder(tmp_path / "bed", [f"p{speaker},,the bed," for speaker in range(8)], 3.0)
    with pytest.raises(InputError, match="hold a word of the spec"):
        open_source(_spec("bed"), ("folder", only))


def test_a_word_somewhere_in_a_long_recording_is_found(tmp_path: Path) -> None:
    root = _folder(tmp_path / "long", [f"p{speaker},bed,bed," for speaker in range(8)], 3.0, loud_from_s=1.9)
    source = open_source(_spec("bed"), ("folder", root))
    for part in PARTS:
        for clip in source.parts[part]:
            assert clip.start_s <= 1.9
            assert clip.end_s is not None
            assert clip.end_s >= 1.9 + 1 / 3 - 0.02
            assert clip.end_s - clip.start_s == pytest.approx(0.98)


def test_a_word_beside_a_keyword_in_running_speech_is_not_taken(tmp_path: Path) -> None:
    root = tmp_path / "LibriSpeech"
    for speaker in range(100, 108):
        chapter = root / "train-clean-100" / str(speaker) / "7"
        _sound(chapter / f"{speaker}-7-0000.wav", 6.0)
        (chapter / f"{speaker}-7.alignment.txt").write_text(
            f'{speaker}-7-0000 ",GO,TO,BED,,RIVER," "0.5,0.8,1.0,1.4,4.0,4.4,6.0"\n'
        )
    source = open_source(_spec("bed"), ("librispeech", root))
    texts = [(clip.keyword, clip.text) for part in PARTS for clip in source.parts[part]]
    assert set(texts) == {("bed", "bed"), (UNKNOWN_WORD, "river")}


def test_corpora_share_unknown_speech_evenly(tmp_path: Path) -> None:
    places = [
        ("speech-commands", _speech_commands(tmp_path / "sc")),
        ("folder", _sentences(tmp_path / "said", speakers=12)),
        ("savee", _savee(tmp_path / "savee")),
    ]
    manifest = within(_spec("bed", "cat"), places, tmp_path / "quiet")
    rows = {
        row["from"]: row
        for row in origins({part: manifest.part(part) for part in PARTS})
        if row["class"] == UNKNOWN_WORD
    }
    assert rows["folder, pieces of sentences"]["train"] == rows["savee, speech of unknown text"]["train"] == 8
    assert rows["folder, pieces of sentences"]["test"] == 1


def _savee(root: Path) -> Path:
    for speaker in ("DC", "JE", "JK", "KL"):
        for number in range(1, 9):
            _sound(root / speaker / f"n{number:02d}.wav", 3.0)
    return root


def test_noise_recordings_become_silence_and_do_not_cross(tmp_path: Path) -> None:
    for fold in range(1, 6):
        _sound(tmp_path / "esc" / "002 - Rain" / f"{fold}-1234{fold}-A.wav", 5.0)
    source = open_source(_spec("bed"), ("esc-10", tmp_path / "esc"))
    homes = {part: {clip.path for clip in source.parts[part]} for part in PARTS}
    assert sum(len(paths) for paths in homes.values()) == 5
    assert all(clip.keyword == SILENCE for part in PARTS for clip in source.parts[part])
    assert all(homes[part] for part in PARTS)


def test_one_kind_of_voices_teaches_another_is_tested(tmp_path: Path) -> None:
    rows = [f"v{voice},{word},{word}," for voice in range(8) for word in ("bed", "cat", "river")]
    taught, heard = _folder(tmp_path / "voices", rows), _speech_commands(tmp_path / "sc")
    spec = _spec("bed", "cat")
    manifest = across(spec, [("folder", taught)], [("speech-commands", heard)], tmp_path / "quiet")
    assert {clip.corpus for clip in manifest.train} == {"folder", "synthetic-quiet"}
    assert {clip.corpus for clip in manifest.test} == {"speech-commands", "synthetic-quiet"}
    assert _counts(manifest, "bed") == {"train": 7, "validation": 1, "test": 2}  # the test list alone
    assert len({clip.speaker for clip in manifest.train + manifest.validation if clip.speaker}) == 8
    with pytest.raises(InputError, match="given twice"):
        across(spec, [("folder", taught)], [("folder", taught)], tmp_path / "quiet")
    with pytest.raises(InputError, match="has a clip of bed"):
        across(spec, [("folder", taught)], [("savee", _savee(tmp_path / "savee"))], tmp_path / "quiet")


def test_a_finished_net_is_tested_on_nobody_it_knows(tmp_path: Path) -> None:
    rows = [f"v{voice},{word},{word}," for voice in range(8) for word in ("bed", "river")]
    place = ("folder", _folder(tmp_path / "voices", rows))
    clips = examined(_spec("bed"), [place], lambda clip: clip.speaker in ("v0", "v1"))
    assert {clip.speaker for clip in clips if clip.keyword == "bed"} == {f"v{voice}" for voice in range(2, 8)}
    with pytest.raises(InputError, match="nothing to score"):
        examined(_spec("bed"), [place], lambda _clip: True)


def test_made_silence_is_quiet_differs_and_comes_out_the_same_again(tmp_path: Path) -> None:
    counts = {"train": 30, "validation": 3, "test": 3}
    for name in ("a", "b"):
        make_quiet(tmp_path / name, counts, 1, RATE)
    clips = read_clips("synthetic-quiet", tmp_path / "a")
    assert {part: sum(clip.part == part for clip in clips) for part in PARTS} == counts
    heard = [read_audio(clip.path) for clip in clips]
    again = [read_audio(clip.path) for clip in read_clips("synthetic-quiet", tmp_path / "b")]
    assert all(np.array_equal(one, other) for one, other in zip(heard, again, strict=True))
    loudest = max(float(np.sqrt(np.mean(one.astype(np.float64) ** 2))) for one in heard)
    assert 20 * np.log10(loudest / 32768) < -34.5
    assert any(not one.any() for one in heard)
    assert len({one.tobytes() for one in heard}) > 20


def test_speech_commands_with_real_other_speech(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    root = shared_data("speech_commands_v0.01")
    spec = load_spec(MODELS / "speech-commands.toml")
    places = [("speech-commands", root), ("emospeech", shared_data("EmoSpeech"))]
    manifest = within(spec, places, tmp_path / "quiet")
    tested = {
        f"{clip.path.parent.name}/{clip.path.stem}.wav"
        for clip in manifest.test
        if clip.keyword in spec.keyword.words
    }
    assert tested == set((root / "testing_list.txt").read_text().split())
    assert _counts(manifest, UNKNOWN_WORD)["test"] == 34
    assert {clip.corpus for clip in manifest.test if clip.keyword == UNKNOWN_WORD} == {"emospeech"}
