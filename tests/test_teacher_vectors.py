"""Vectors of recordings in a file: found by what a recording is, refused where they would teach nonsense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.files import sha256_hex
from edge_ser.npz import npz_bytes
from edge_ser.teacher_vectors import read_vectors, write_vectors


def _clips(folder: Path, contents: list[bytes]) -> list[Clip]:
    clips = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.wav"
        path.write_bytes(content)
        clips.append(Clip("folder", path, f"speaker-{number}"))
    return clips


def test_a_vector_follows_its_recording_wherever_it_lies(tmp_path: Path) -> None:
    vectors = {
        sha256_hex(name): np.full(3, value, np.float32) for name, value in ((b"one", 1.0), (b"two", 2.0))
    }
    file = tmp_path / "vectors.npz"
    write_vectors(file, vectors)
    again = tmp_path / "again.npz"
    write_vectors(again, dict(reversed(vectors.items())))
    assert file.read_bytes() == again.read_bytes()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    rows = read_vectors(file).of(_clips(moved, [b"two", b"one", b"two"]))
    assert rows.dtype == np.float32
    assert rows.tolist() == [[2.0] * 3, [1.0] * 3, [2.0] * 3]


def test_an_unknown_recording_and_a_part_of_one_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "vectors.npz"
    write_vectors(file, {sha256_hex(b"one"): np.ones(2, np.float32)})
    (other,) = _clips(tmp_path, [b"other"])
    with pytest.raises(InputError, match=r"vectors.npz: has no vector of .*0.wav.*tools/speech_vectors.py"):
        read_vectors(file).of([other])
    part = Clip("folder", other.path, "speaker", start_s=1.0)
    with pytest.raises(InputError, match="part of this file"):
        read_vectors(file).of([part])


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"recordings": np.zeros((2, 32), np.uint8)},
        {"recordings": np.zeros((2, 31), np.uint8), "vectors": np.zeros((2, 4), np.float32)},
        {"recordings": np.zeros((1, 32), np.uint8), "vectors": np.zeros((2, 4), np.float32)},
        {"recordings": np.zeros((2, 32), np.uint8), "vectors": np.zeros((2, 4), np.float64)},
        {"recordings": np.zeros((0, 32), np.uint8), "vectors": np.zeros((0, 4), np.float32)},
    ],
)
def test_a_file_of_something_else_is_refused(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    file = tmp_path / "vectors.npz"
    file.write_bytes(npz_bytes(arrays))
    with pytest.raises(InputError, match="not a file of vectors"):
        read_vectors(file)


def test_a_damaged_or_absent_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "vectors.npz"
    with pytest.raises(InputError, match="cannot be read"):
        read_vectors(file)
    file.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"vectors.npz: not a .npz file"):
        read_vectors(file)
