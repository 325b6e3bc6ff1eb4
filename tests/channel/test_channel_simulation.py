"""The simulated channel does what it says: band, room, clock and noise, each by itself."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ser.acoustics import active_power
from edge_ser.channel.simulation import BAND_HZ, ROOMS, Channel, read_channel
from edge_ser.errors import InputError

RATE = 16_000


def _rng() -> np.random.Generator:
    return np.random.default_rng(3)


def _noise(seconds: float = 4.0) -> NDArray[np.int16]:
    return (np.random.default_rng(1).standard_normal(round(seconds * RATE)) * 2000).astype(np.int16)


def _quiet(**changes: object) -> Channel:
    """No room, hardly any noise, one clock."""
    return Channel(**{"room": "", "snr_db": 150.0, "drift_ppm": 0.0, **changes})  # type: ignore[arg-type]


def _tone(hertz: float) -> NDArray[np.int16]:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)).astype(np.int16)


def _db(heard: NDArray[np.int16], played: NDArray[np.int16]) -> float:
    middle = slice(RATE // 4, 3 * RATE // 4)
    powers = [np.mean(one[middle].astype(np.float64) ** 2) for one in (heard, played)]
    return float(10 * np.log10(powers[0] / powers[1]))


def test_the_band_passes_and_its_outside_does_not() -> None:
    channel = _quiet()
    assert _db(channel.hear(_tone(1000), RATE, _rng()), _tone(1000)) == pytest.approx(0, abs=0.3)
    assert _db(channel.hear(_tone(BAND_HZ[0]), RATE, _rng()), _tone(BAND_HZ[0])) == pytest.approx(-3, abs=0.3)
    assert _db(channel.hear(_tone(30), RATE, _rng()), _tone(30)) < -20


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_the_ratio_of_direct_to_reverberant_sound_that_it_says(room: str) -> None:
    response = Channel(room, 20.0).response(RATE).astype(np.float64)
    assert response[0] == 1
    assert 10 * np.log10(1 / np.sum(response[1:] ** 2)) == pytest.approx(ROOMS[room], abs=0.01)


def test_one_seed_is_one_room_and_another_is_another() -> None:
    first = Channel("near", 20.0, seed=1).response(RATE)
    assert (first == Channel("near", 10.0, seed=1).response(RATE)).all()
    assert first.shape != Channel("near", 20.0, seed=2).response(RATE).shape


@pytest.mark.parametrize("snr_db", [20.0, 5.0])
def test_the_noise_has_the_ratio_that_was_asked_for(snr_db: float) -> None:
    sound = _noise()
    clean = _quiet().hear(sound, RATE, _rng()).astype(np.float64)
    noisy = _quiet(snr_db=snr_db).hear(sound, RATE, _rng())
    noise = noisy - clean
    assert 10 * np.log10(active_power(clean.astype(np.int16)) / np.mean(noise**2)) == pytest.approx(
        snr_db, abs=0.3
    )


@pytest.mark.parametrize("ppm", [500.0, -500.0, 0.0])
def test_a_faster_clock_makes_a_longer_recording(ppm: float) -> None:
    sound = _noise(20.0)
    assert len(_quiet(drift_ppm=ppm).hear(sound, RATE, _rng())) == round(len(sound) * (1 + ppm * 1e-6))


def test_silence_and_nothing_stay() -> None:
    assert not Channel("far", 10.0).hear(np.zeros(RATE, np.int16), RATE, _rng()).any()
    assert len(Channel("far", 10.0).hear(np.zeros(0, np.int16), RATE, _rng())) == 0


def test_words_for_a_channel() -> None:
    assert read_channel("near:20", 3) == Channel("near", 20.0, seed=3)
    for text in ("near", "near:loud", "", "cave:20", "near:999"):
        with pytest.raises(InputError):
            read_channel(text, 1)


@pytest.mark.parametrize(
    "changes", [{"band_hz": (0.0, 100.0)}, {"band_hz": (200.0, 100.0)}, {"drift_ppm": 1e9}]
)
def test_impossible_channels_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="channel"):
        _quiet(**changes)
