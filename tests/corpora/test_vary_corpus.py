"""Copies of a corpus in other voices: the same every time, of the same speakers, and never over what was there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_ser.corpora.registry import read_clips

TOOL = Path(__file__).resolve().parents[2] / "tools" / "vary_corpus.py"

_spec = importlib.util.spec_from_file_location("vary_corpus", TOOL)
if _spec is None or _spec.loader is None:
    raise ImportError(TOOL)
vary_corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(vary_corpus)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "mine"
    root.mkdir()
    times = np.arange(16_000) / 16_000
    for number, hertz in enumerate((200.0, 300.0)):
        soundfile.write(root / f"{number}.wav", 0.3 * np.sin(2 * np.pi * hertz * times), 16_000)
    rows = ["path,speaker,emotion,sex", "0.wav,anna,anger,f", "1.wav,bert,,m"]
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    return root


def _run(corpus: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), f"folder={corpus}", "-o", str(output), "--copies", "3", *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_copies_keep_speaker_and_label_and_differ_from_each_other(corpus: Path, tmp_path: Path) -> None:
    done = _run(corpus, tmp_path / "varied")
    assert done.returncode == 0, done.stderr
    clips = read_clips("folder", tmp_path / "varied")
    assert sorted((clip.speaker, clip.emotion, clip.sex) for clip in clips) == [
        *[("anna", "anger", "f")] * 3,
        *[("bert", None, "m")] * 3,
    ]
    lengths = [soundfile.info(clip.path).frames for clip in clips]
    assert len(set(lengths)) == 6
    assert all(16_000 / 1.23 < length < 16_000 * 1.23 for length in lengths)


def test_the_same_seed_gives_the_same_files_wherever_the_corpus_lies(corpus: Path, tmp_path: Path) -> None:
    assert _run(corpus, tmp_path / "one").returncode == 0
    moved = corpus.rename(tmp_path / "moved")
    assert _run(moved, tmp_path / "two").returncode == 0
    assert _run(moved, tmp_path / "three", "--seed", "2").returncode == 0
    contents = [
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "one", tmp_path / "two", tmp_path / "three")
    ]
    assert contents[0] == contents[1] != contents[2]
    assert contents[0].keys() == contents[2].keys()


def test_what_is_there_stays(corpus: Path, tmp_path: Path) -> None:
    done = _run(corpus, corpus)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert sorted(path.name for path in corpus.iterdir()) == ["0.wav", "1.wav", "clips.csv"]


def test_a_copy_is_played_at_another_speed() -> None:
    times = np.arange(32_000) / 16_000
    tone = np.rint(9_000 * np.sin(2 * np.pi * 500 * times)).astype(np.int16)
    for seed in range(5):
        copy = vary_corpus.varied(tone, np.random.default_rng(seed))
        speed = len(tone) / len(copy)
        peak_hz = np.abs(np.fft.rfft(copy.astype(float))).argmax() * 16_000 / len(copy)
        assert peak_hz == pytest.approx(500 * speed, rel=0.01)
