"""Noise at the ratio that is asked for, the same under every system, and levels that are levels."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import hiss

from edge_ser.acoustics import active_power
from edge_ser.audio import read_audio, write_wav
from edge_ser.channel.simulation import ROOMS, Channel
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import read_clips
from edge_ser.errors import InputError
from edge_ser.evaluation.levels import level_copies
from edge_ser.evaluation.stress import (
    CHANNEL_SNR_DB,
    LEVEL_DB,
    SNR_DB,
    ChannelChange,
    Condition,
    NoiseChange,
    clicks,
    conditions,
    sweeps,
)

RATE = 16_000


@pytest.fixture
def clips(hissing: Callable[..., Path]) -> list[Clip]:
    return read_clips("folder", hissing("f1", "m1", "f2", "m2"))


def _noise(conditions_: list[Condition], source: str, snr_db: float) -> NoiseChange:
    (found,) = [c.change for c in conditions_ if (c.source, c.value) == (source, snr_db)]
    assert isinstance(found, NoiseChange)
    return found


def test_every_noise_at_every_ratio_and_every_level(clips: list[Clip]) -> None:
    found = conditions(("noise", "level"), clips, (), RATE, 1)
    assert [(c.source, c.value) for c in found[: 3 * len(SNR_DB)]] == [
        (source, snr) for source in ("babble", "clicks", "sweeps") for snr in SNR_DB
    ]
    assert [c.value for c in found if c.kind == "level"] == list(LEVEL_DB)


@pytest.mark.parametrize("source", ["babble", "clicks", "sweeps"])
@pytest.mark.parametrize("snr_db", [20.0, 0.0])
def test_the_ratio_is_what_was_asked_for(clips: list[Clip], source: str, snr_db: float) -> None:
    change = _noise(conditions(("noise",), clips, (), RATE, 1), source, snr_db)
    samples = read_audio(clips[0].path, RATE)
    noise = change(clips[0], samples).astype(np.float64) - samples
    assert 10 * np.log10(active_power(samples) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.5)


def test_the_same_noise_for_every_system_another_for_every_clip(clips: list[Clip]) -> None:
    change = _noise(conditions(("noise",), clips, (), RATE, 1), "babble", 0.0)
    samples = read_audio(clips[0].path, RATE)
    again = pickle.loads(pickle.dumps(change))
    assert (change(clips[0], samples) == again(clips[0], samples)).all()
    assert (change(clips[0], samples) != change(clips[1], samples)).any()


def test_babble_is_never_of_the_speaker(clips: list[Clip], tmp_path: Path) -> None:
    """A speaker whose only companion is silent gets silence, not themselves."""
    write_wav(tmp_path / "silent.wav", np.zeros(RATE, np.int16), RATE)
    pool = (*clips[:6], Clip("folder", tmp_path / "silent.wav", "other", emotion="anger"))
    assert len({clip.speaker for clip in clips[:6]}) == 1
    change = NoiseChange("babble", 0.0, pool, RATE, 1)
    samples = read_audio(clips[0].path, RATE)
    assert (change(clips[0], samples) == samples).all()


def test_babble_needs_company(clips: list[Clip]) -> None:
    with pytest.raises(InputError, match="two speakers"):
        conditions(("noise",), clips[:6], (), RATE, 1)


def test_recorded_noise_is_used(clips: list[Clip], tmp_path: Path) -> None:
    hum = (np.sin(np.arange(RATE) * 2 * np.pi * 1000 / RATE) * 5000).astype(np.int16)
    write_wav(tmp_path / "hum.wav", hum, RATE)
    noises = [Clip("esc-10", tmp_path / "hum.wav", "")]
    change = _noise(conditions(("noise",), clips, noises, RATE, 1), "esc-10", 0.0)
    samples = read_audio(clips[0].path, RATE)
    spectrum = np.abs(np.fft.rfft(change(clips[0], samples).astype(np.float64) - samples))
    assert np.fft.rfftfreq(len(samples), 1 / RATE)[spectrum.argmax()] == pytest.approx(1000, abs=5)


@pytest.mark.parametrize("make", [clicks, sweeps])
@pytest.mark.parametrize("length", [1, 100, RATE])
def test_made_noises_sound(make: Callable[..., np.ndarray], length: int) -> None:
    noise = make(np.random.default_rng(1), length, RATE)
    assert noise.shape == (length,)
    if length == RATE:
        assert 2000 < np.sqrt(np.mean(noise.astype(np.float64) ** 2)) < 3100


def test_levels_change_the_level(clips: list[Clip]) -> None:
    quiet = next(c.change for c in conditions(("level",), clips, (), RATE, 1) if c.value == -20)
    samples = hiss(np.random.default_rng(0), 1000.0, 0.5)
    found = quiet(clips[0], samples).astype(np.float64)
    assert 10 * np.log10(np.mean(found**2) / np.mean(samples.astype(np.float64) ** 2)) == pytest.approx(
        -20, abs=0.1
    )


def test_copies_have_one_level_and_keep_their_names(tmp_path: Path) -> None:
    clips = []
    for at, gain in enumerate((0.1, 1.0)):
        path = tmp_path / f"{at}.wav"
        write_wav(path, (hiss(np.random.default_rng(at), 800.0, 1.0) * gain).astype(np.int16), RATE)
        clips.append(Clip("urdu", path, f"s{at}", start_s=0.25, end_s=0.75, emotion="anger"))
    copies = level_copies(clips, -26.0, RATE, tmp_path / "levelled")
    for clip, copy in zip(clips, copies, strict=True):
        samples = read_audio(copy.path, RATE, copy.start_s, copy.end_s)
        assert len(samples) == RATE // 2
        assert 10 * np.log10(active_power(samples) / 32768**2) == pytest.approx(-26, abs=0.1)
        assert (copy.speaker, copy.emotion) == (clip.speaker, clip.emotion)
    before = copies[0].path.stat().st_mtime_ns
    assert level_copies(clips, -26.0, RATE, tmp_path / "levelled") == copies
    assert copies[0].path.stat().st_mtime_ns == before


def test_channels_are_the_rigs_own_and_the_same_for_every_system(clips: list[Clip]) -> None:
    found = conditions(("channel",), clips, (), RATE, 1)
    assert [(c.kind, c.source, c.value) for c in found] == [
        ("channel", room, snr) for room in ROOMS for snr in CHANNEL_SNR_DB
    ]
    change = found[0].change
    assert isinstance(change, ChannelChange)
    assert change.channel == Channel("near", 30.0, seed=1)
    samples = read_audio(clips[0].path, RATE)
    first = change(clips[0], samples)
    assert (first == pickle.loads(pickle.dumps(change))(clips[0], samples)).all()
    assert abs(len(first) - len(samples)) <= 1
    assert (change(clips[1], samples)[: len(first)] != first).any()
    rougher = found[-1].change(clips[0], samples)
    size = min(len(samples), len(first), len(rougher))
    likeness = [np.corrcoef(samples[:size], one[:size])[0, 1] for one in (first, rougher)]
    assert likeness[0] > likeness[1]
