"""Audio as it comes: the buffer that counts what it drops, and recordings that play."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from live_cases import RATE, noise, write_noise

from edge_ser.audio import read_audio
from edge_ser.audio_live import Block, Buffer, Losses, PacedFile
from edge_ser.errors import InputError


def _play(source: PacedFile) -> list[Block]:
    source.start()
    blocks = _read_all(source)
    source.stop()
    return blocks


def _read_all(source: PacedFile) -> list[Block]:
    blocks = []
    while not source.ended:
        block = source.read(5.0)
        if block is not None:
            blocks.append(block)
    return blocks


def _until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_a_full_buffer_drops_and_counts() -> None:
    buffer: Buffer[str] = Buffer(2)
    assert [buffer.put(name, 0.5) for name in "abcd"] == [True, True, False, False]
    assert (buffer.lost, buffer.waiting_s) == ((2, 1.0), 1.0)
    assert [buffer.get(0.0) for _ in range(3)] == ["a", "b", None]
    assert buffer.waiting_s == 0.0
    buffer.put("e", 0.5)
    buffer.close()
    assert not buffer.ended
    assert buffer.get(0.0) == "e"
    assert buffer.ended


def test_who_waits_for_room_gets_it_and_is_let_go_when_the_buffer_closes() -> None:
    buffer: Buffer[int] = Buffer(1)
    buffer.put(0, 1.0)
    putting = threading.Thread(target=lambda: [buffer.put_waiting(number, 1.0) for number in (1, 2)])
    putting.start()
    assert [buffer.get(5.0), buffer.get(5.0)] == [0, 1]
    _until(lambda: buffer.waiting_s == 1.0)
    late = threading.Thread(target=buffer.put_waiting, args=(3, 1.0))
    late.start()
    buffer.close()
    late.join(5.0)
    putting.join(5.0)
    assert not late.is_alive()
    assert [buffer.get(0.0), buffer.get(0.0)] == [2, None]
    assert buffer.lost == (0, 0.0)


@pytest.mark.parametrize(
    ("rate", "channels", "ending"), [(16_000, 1, "wav"), (44_100, 2, "flac"), (8000, 1, "wav")]
)
def test_a_recording_is_played_as_it_is_read(tmp_path: Path, rate: int, channels: int, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    sound = np.random.default_rng(2).normal(size=(round(1.31 * rate), channels)) * 0.1
    soundfile.write(path, sound, rate)
    blocks = _play(PacedFile(path, speed=None))
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), read_audio(path))
    place = 0
    for block in blocks:
        assert (block.start, block.gap, block.ready_at) == (place, False, block.end)
        place = block.end
    assert {len(block.samples) for block in blocks[:-1]} == {320}


def test_it_is_played_in_its_own_time(tmp_path: Path) -> None:
    source = PacedFile(write_noise(tmp_path / "a.wav", 0.5))
    blocks = _play(source)
    after = time.monotonic()
    first, last = blocks[0], blocks[-1]
    assert last.ready_s - first.ready_s == pytest.approx(0.5 - 0.02)
    assert after >= last.ready_s, "no block comes before its time"
    quick = PacedFile(tmp_path / "a.wav", speed=100.0)
    blocks = _play(quick)
    assert blocks[-1].ready_s - blocks[0].ready_s == pytest.approx(0.48 / 100)


def test_what_nobody_takes_in_time_is_dropped_and_said(tmp_path: Path) -> None:
    source = PacedFile(write_noise(tmp_path / "a.wav", 2.0), speed=1000.0, buffer_s=0.5)
    source.start()
    _until(lambda: source.losses.blocks == 75)
    losses = source.losses
    assert losses == Losses(75, pytest.approx(1.5), 0)
    assert source.waiting_s == pytest.approx(0.5)
    kept = [source.read(0.0) for _ in range(25)]
    assert source.read(1.0) is None
    assert source.ended
    assert [block.start for block in kept if block] == list(range(0, 8000, 320))


def test_the_block_behind_a_loss_says_so(tmp_path: Path) -> None:
    source = PacedFile(write_noise(tmp_path / "a.wav", 4.0), speed=50.0, buffer_s=0.1)
    source.start()
    time.sleep(0.02)
    blocks = []
    while not source.ended:
        block = source.read(1.0)
        if block is not None:
            blocks.append(block)
        time.sleep(0.004)
    assert source.losses.blocks > 0
    assert len(blocks) + source.losses.blocks == 200
    for before, block in pairwise(blocks):
        assert block.gap == (block.start != before.end)
    source.stop()


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no audio at all, but long enough to be read " * 9])
def test_what_is_no_audio_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.wav"):
        PacedFile(path)
    with pytest.raises(InputError, match="absent"):
        PacedFile(tmp_path / "absent.wav")
    with pytest.raises(InputError, match="expected more than 0"):
        PacedFile(write_noise(path, 0.1), speed=0.0)


def test_damage_in_the_middle_is_found_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sound = noise(3.0).astype(np.float32) / 32768
    sound[2 * RATE] = np.nan
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    source = PacedFile(path, speed=None)
    source.start()
    with pytest.raises(InputError, match="NaN"):
        _read_all(source)
    assert not source.ended
    source.stop()


def test_it_can_be_stopped_at_any_time(tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.wav", 60.0)
    PacedFile(path).stop()
    for speed in (1.0, None):
        source = PacedFile(path, speed=speed)
        source.start()
        source.read(5.0)
        began = time.monotonic()
        source.stop()
        source.stop()
        assert time.monotonic() - began < 20.0, "it does not play on to its end"
