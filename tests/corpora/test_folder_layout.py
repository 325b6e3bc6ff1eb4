"""A person's own table: read exactly, or refused with the row and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_ser.corpora.registry import read_clips
from edge_ser.errors import InputError


def corpus(root: Path, table: str, *names: str, encoding: str = "utf-8") -> Path:
    (root / "clips.csv").write_text(table, encoding=encoding)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_all_columns(tmp_path: Path) -> None:
    table = (
        "emotion,path,speaker,keyword,start_s,end_s,sex,text,language,part\n"
        'anger,a/one.wav,anna,stop,0.5,1.25,f,"Stop, now!",en,train\n'
        ",a/one.wav,anna,,1.25,,f,,,\n"
        ",noise.flac,,,,,,,,\n"
    )
    first, second, noise = read_clips("folder", corpus(tmp_path, table, "a/one.wav", "noise.flac"))
    assert (first.emotion, first.keyword, first.start_s, first.end_s) == ("anger", "stop", 0.5, 1.25)
    assert (first.speaker, first.sex, first.text, first.language, first.part) == (
        ("anna", "f", "Stop, now!", "en", "train")
    )
    assert (second.emotion, second.keyword, second.end_s, second.text) == (None, None, None, None)
    assert (noise.speaker, noise.path) == ("", tmp_path / "noise.flac")


def test_copies_of_a_known_corpus_have_its_speakers(tmp_path: Path) -> None:
    table = "path,speaker,emotion,corpus\na.wav,03,anger,emo-db\nb.wav,03,anger,\n"
    copy, own = read_clips("folder", corpus(tmp_path, table, "a.wav", "b.wav"))
    assert (copy.corpus, own.corpus) == ("emo-db", "folder")
    assert (copy.copy, own.copy) == (True, False)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "iso-8859-1"])
def test_tables_that_spreadsheets_write(tmp_path: Path, encoding: str) -> None:
    table = "path, speaker, emotion\r\na.wav, Jörg, fear\r\n"
    (clip,) = read_clips("folder", corpus(tmp_path, table, "a.wav", encoding=encoding))
    assert (clip.speaker, clip.emotion) == ("Jörg", "fear")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("path,emotion\na.wav,fear\n", "no column 'speaker'"),
        ("path;speaker;emotion\na.wav;x;fear\n", "no column 'path' in 'path;speaker;emotion'"),
        ("", "no column 'path'"),
        ("path,speaker,emotion,mood\na.wav,x,fear,y\n", "unknown column 'mood'"),
        ("path,speaker,emotion\na.wav,x,fear,y\n", "line 2 is longer than the header"),
        ("path,speaker,emotion\na.wav,x,fear\na.wav,x,anger!\n", r"row 2 \(a\.wav\): emotion.*mean 'anger'"),
        ("path,speaker,emotion\na.wav,x,angry\n", r"emotion is 'angry'.*mean 'anger'"),
        ("path,speaker,emotion\na.wav,,fear\n", "speaker is ''; expected the name"),
        ("path,speaker,emotion,keyword\na.wav,,,yes\n", "speaker is ''; expected the name"),
        ("path,speaker,emotion\n../a.wav,x,fear\n", "path is '../a.wav'"),
        ("path,speaker,emotion\n/a.wav,x,fear\n", "path is '/a.wav'"),
        ("path,speaker,emotion\n,x,fear\n", "path is ''"),
        ("path,speaker,emotion,sex\na.wav,x,fear,female\n", "sex is 'female'"),
        ("path,speaker,emotion,part\na.wav,x,fear,dev\n", "part is 'dev'"),
        ("path,speaker,emotion,start_s\na.wav,x,fear,-1\n", "start_s is '-1'"),
        ("path,speaker,emotion,start_s\na.wav,x,fear,nan\n", "start_s is 'nan'"),
        ("path,speaker,emotion,start_s\na.wav,x,fear,one\n", "start_s is 'one'"),
        ("path,speaker,emotion,start_s,end_s\na.wav,x,fear,2,2\n", "end_s is '2'"),
        ("path,speaker,emotion,end_s\na.wav,x,fear,inf\n", "end_s is 'inf'"),
    ],
)
def test_wrong_tables_are_named(tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_clips("folder", corpus(tmp_path, table, "a.wav"))
    assert "clips.csv" in str(caught.value)


def test_a_listed_file_that_is_not_there(tmp_path: Path) -> None:
    table = "path,speaker,emotion\na.wav,x,fear\nb.wav,x,anger\n"
    with pytest.raises(InputError, match="1 files of its table are not there, the first is b"):
        read_clips("folder", corpus(tmp_path, table, "a.wav"))


def test_a_folder_without_table(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(InputError, match=r"expected clips\.csv with the columns path,speaker,emotion"):
        read_clips("folder", tmp_path)
