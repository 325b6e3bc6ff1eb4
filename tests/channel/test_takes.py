"""Sounds are found again to the sample, whatever lies on the way, or it is said that they are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_ser.acoustics import resample
from edge_ser.channel.chirp import find_sweep, lag_of, make_sweep
from edge_ser.channel.devices import SimulatedDevice
from edge_ser.channel.simulation import Channel
from edge_ser.channel.takes import Take, cut_take, make_take
from edge_ser.errors import CheckError

RATE = 16_000


def _speech(seed: int, seconds: float, level: float = 3000.0) -> NDArray[np.int16]:
    """Noise in syllables: something with a shape in time, like speech."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    shape = np.abs(np.sin(2 * np.pi * 3 * np.arange(count) / RATE))
    noise = np.convolve(rng.standard_normal(count), np.ones(6) / np.sqrt(6), mode="same")
    return np.clip(noise * shape * level, -32768, 32767).astype(np.int16)


@pytest.fixture(scope="module")
def take() -> Take:
    return make_take([_speech(1, 1.2), _speech(2, 0.7), _speech(3, 2.0)], RATE)


def _error(cut: NDArray[np.int16], played: NDArray[np.int16]) -> float:
    """What is left of the sound where both are laid over each other, as a share of its power."""
    a, b = cut.astype(np.float64), played.astype(np.float64)
    return float(np.mean((a - b) ** 2) / np.mean(b**2))


@settings(max_examples=15)
@given(before=st.integers(0, 40_000), ppm=st.floats(-300, 300))
def test_a_clean_way_gives_back_what_was_played(before: int, ppm: float) -> None:
    take = make_take([_speech(1, 1.2), _speech(2, 0.7)], RATE)
    recording = resample(np.pad(take.samples, (before, RATE)), 1.0, 1 + ppm * 1e-6)
    heard = cut_take(take, recording)
    assert heard.delay_ms == pytest.approx(1000 * before / RATE, abs=0.1)
    # A tenth of a sample at either sweep, over the three seconds between them.
    assert heard.drift_ppm == pytest.approx(ppm, abs=5)
    for cut, start, length in zip(heard.cuts, take.starts, take.lengths, strict=True):
        played = take.samples[start : start + length]
        assert len(cut.samples) == length
        assert cut.lag_ms == 0
        assert _error(cut.samples, played) < 0.02


def test_without_drift_it_is_nearly_the_same_samples(take: Take) -> None:
    heard = cut_take(take, np.pad(take.samples, (1234, RATE)))
    for cut, start in zip(heard.cuts, take.starts, strict=True):
        played = take.samples[start : start + len(cut.samples)]
        assert _error(cut.samples, played) < 0.001
        assert cut.clipped == 0


@pytest.mark.parametrize(("room", "snr_db"), [("near", 20.0), ("far", 10.0), ("near", 3.0)])
def test_through_a_room_the_sounds_are_in_their_places(take: Take, room: str, snr_db: float) -> None:
    heard = cut_take(take, SimulatedDevice(Channel(room, snr_db), 0.2).play_and_record(take.samples, RATE))
    assert heard.delay_ms == pytest.approx(200, abs=2)
    assert heard.drift_ppm == pytest.approx(100, abs=40)
    assert all(abs(cut.lag_ms) <= 2 for cut in heard.cuts)


@pytest.mark.parametrize("snr_db", [25.0, 10.0])
def test_the_ratio_to_the_noise_is_measured(snr_db: float) -> None:
    """Noise of a known level under everything; each sound's ratio is its own level over it."""
    sounds = [_speech(1, 1.5, 4000), _speech(2, 1.5, 1000)]
    take = make_take(sounds, RATE)
    power = np.mean(sounds[0].astype(np.float64) ** 2)
    noise = np.random.default_rng(9).standard_normal(len(take.samples) + RATE) * np.sqrt(
        power * 10 ** (-snr_db / 10)
    )
    recording = (np.pad(take.samples, (0, RATE)) + noise).astype(np.int16)
    loud, quiet = cut_take(take, recording).cuts
    assert loud.snr_db == pytest.approx(snr_db, abs=1)
    assert quiet.snr_db == pytest.approx(snr_db - 12.04, abs=3.5)


def test_clipping_is_counted(take: Take) -> None:
    heard = cut_take(take, np.pad(take.samples, (500, RATE)))
    loud = np.clip(np.pad(take.samples, (500, RATE)).astype(np.int32) * 6, -32768, 32767).astype(np.int16)
    clipped = cut_take(take, loud)
    assert sum(cut.clipped for cut in heard.cuts) == 0
    expected = [
        int((np.abs(loud[500 + s : 500 + s + n].astype(np.int32)) >= 32767).sum())
        for s, n in zip(take.starts, take.lengths, strict=True)
    ]
    assert [cut.clipped for cut in clipped.cuts] == pytest.approx(expected, abs=2)
    assert min(expected) > 0


@pytest.mark.parametrize("lost", [200, -200])
def test_lost_and_doubled_samples_are_refused(take: Take, lost: int) -> None:
    at = take.starts[1]
    parts = [take.samples[:at], take.samples[at + lost :]]
    with pytest.raises(CheckError, match="samples were lost or doubled"):
        cut_take(take, np.pad(np.concatenate(parts), (100, RATE)))


def test_silence_and_noise_hold_no_sweep(take: Take) -> None:
    for recording in (np.zeros(len(take.samples) + RATE, np.int16), _speech(5, 10.0), np.zeros(10, np.int16)):
        with pytest.raises(CheckError, match=r"sync sweep"):
            cut_take(take, recording)


def test_a_recording_that_ends_early_is_refused(take: Take) -> None:
    with pytest.raises(CheckError, match="sync sweep"):
        cut_take(take, take.samples[: take.starts[2]])


def test_the_sweep_is_found_between_samples() -> None:
    sweep = make_sweep(RATE)
    fine = resample(np.pad(sweep, (1000, 1000)), 1.0, 4.0)
    for shift in range(4):
        shifted = fine[shift:]
        found = find_sweep(resample(shifted, 4.0, 1.0), sweep, 0, 2000)
        assert found.position == pytest.approx(1000 - shift / 4, abs=0.1)
        assert found.likeness > 0.95


def test_a_swapped_wire_changes_nothing() -> None:
    sweep = make_sweep(RATE)
    padded = np.pad(sweep, (777, 3000))
    assert find_sweep(-padded, sweep, 0, 3000).position == pytest.approx(777, abs=0.1)


def test_lags_have_a_sign() -> None:
    sound = _speech(7, 0.5)
    assert lag_of(np.roll(sound, 12), sound, 100) == 12
    assert lag_of(np.roll(sound, -12), sound, 100) == -12
    assert lag_of(np.zeros_like(sound), sound, 100) == 0
