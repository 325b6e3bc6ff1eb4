"""Waveform and feature augmentation: levels, lengths, no wrap-around, and the same draw for the same seed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_ser.acoustics import (
    active_power,
    add_noise,
    add_room,
    change_gain,
    change_speed,
    make_hum,
    make_noise,
    make_room_response,
    resample,
)
from edge_ser.augment import (
    augmented_copies,
    channel_centres_hz,
    energy_mixup,
    mask_time_and_channels,
    mixup,
    shift_gain,
    warp_channels,
    warp_time,
)
from edge_ser.errors import InputError
from edge_ser.frontend.net_input import NetInput
from edge_ser.frontend.tables import make_tables
from edge_ser.spec import FrontendSpec
from edge_ser.spec_training import AugmentSpec

RATE = 16_000
seeds = st.integers(0, 2**32 - 1)


def tone(hz: float, seconds: float = 1.0, level: float = 4000.0) -> np.ndarray:
    return np.rint(level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.int16)


def peak_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


def slope_db_per_octave(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    octaves = [(low, 2 * low) for low in (125, 250, 500, 1000, 2000)]
    levels = [10 * np.log10(power[(hz >= low) & (hz < high)].mean()) for low, high in octaves]
    return float(np.polyfit(range(len(levels)), levels, 1)[0])


@settings(max_examples=30, deadline=None)
@given(seed=seeds, snr_db=st.floats(-5, 30), colour=st.sampled_from(["white", "pink", "brown"]))
def test_noise_comes_at_the_ratio_that_was_asked_for(seed: int, snr_db: float, colour: str) -> None:
    rng = np.random.default_rng(seed)
    speech = tone(300)
    noise = make_noise(rng, int(rng.integers(RATE // 4, 3 * RATE)), colour)
    added = add_noise(speech, noise, snr_db).astype(np.float64) - speech
    # The tone never pauses: its mean square is its active power.
    measured = 10 * np.log10(np.mean(speech.astype(np.float64) ** 2) / np.mean(added**2))
    assert measured == pytest.approx(snr_db, abs=0.1)


def test_pauses_do_not_lower_the_level_of_speech() -> None:
    speech = tone(300)
    paused = np.concatenate([speech, np.zeros(3 * RATE, dtype=np.int16)])
    assert active_power(paused) == pytest.approx(active_power(speech), rel=0.01)
    assert active_power(np.zeros(100, dtype=np.int16)) == 0.0
    assert active_power(np.zeros(0, dtype=np.int16)) == 0.0


def test_noise_under_silence_or_silent_noise_changes_nothing() -> None:
    silence = np.zeros(1000, dtype=np.int16)
    assert np.array_equal(add_noise(silence, tone(50), 10), silence)
    assert np.array_equal(add_noise(tone(50), silence, 10), tone(50))
    with pytest.raises(InputError, match="no samples"):
        add_noise(silence, np.zeros(0, dtype=np.int16), 10)


@settings(max_examples=50, deadline=None)
@given(
    samples=st.lists(st.integers(-32768, 32767), min_size=1, max_size=200),
    db=st.floats(-60, 60),
)
def test_gain_saturates_and_never_wraps_around(samples: list[int], db: float) -> None:
    before = np.array(samples, dtype=np.int16)
    after = change_gain(before, db)
    assert after.dtype == np.int16
    assert after.shape == before.shape
    assert np.all(np.sign(after) * np.sign(before) >= 0)
    # Against whole-number arithmetic without a limit, clipped by Python.
    wanted = [max(-32768, min(32767, round(value * 10 ** (db / 20)))) for value in samples]
    assert after.tolist() == wanted


def test_loud_noise_and_rooms_saturate() -> None:
    loud = np.full(RATE, 32767, dtype=np.int16)
    noisy = add_noise(loud, make_noise(np.random.default_rng(1), RATE, "white"), -10)
    assert noisy.max() == 32767
    assert noisy.min() == -32768
    room = make_room_response(np.random.default_rng(1), RATE)
    assert add_room(tone(200, level=32767.0), room).dtype == np.int16


@settings(max_examples=25, deadline=None)
@given(factor=st.floats(0.5, 2.0), length=st.integers(1, 20_000))
def test_speed_sets_the_length(factor: float, length: int) -> None:
    changed = change_speed(np.full(length, 100, dtype=np.int16), factor)
    assert changed.dtype == np.int16
    assert len(changed) == round(length / factor)


def test_speed_moves_the_pitch_with_the_tempo() -> None:
    assert peak_hz(change_speed(tone(1000, 2.0), 1.25)) == pytest.approx(1250, abs=2)
    assert peak_hz(change_speed(tone(1000, 2.0), 0.8)) == pytest.approx(800, abs=2)
    assert np.array_equal(change_speed(tone(1000), 1.0), tone(1000))
    for factor in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="speed factor"):
            change_speed(tone(1000), factor)


def test_resampling_keeps_the_tone_and_its_level() -> None:
    down = resample(tone(1000, 2.0), 16_000, 8_000)
    assert len(down) == RATE
    inner = down[1000:-1000].astype(np.float64)
    assert np.sqrt(np.mean(inner**2)) == pytest.approx(4000 / np.sqrt(2), rel=0.01)
    # 6 kHz does not exist at 8 kHz: it must go, not fold to 2 kHz.
    assert np.abs(resample(tone(6000), 16_000, 8_000)[1000:-1000]).max() < 10


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_noise_has_its_colour(colour: str, slope: float) -> None:
    noise = make_noise(np.random.default_rng(3), 20 * RATE, colour)
    assert noise.dtype == np.int16
    assert slope_db_per_octave(noise) == pytest.approx(slope, abs=0.4)


def test_unknown_colours_are_named() -> None:
    with pytest.raises(InputError, match=r"'blue'.*white, pink, brown"):
        make_noise(np.random.default_rng(3), 100, "blue")


def test_hum_is_at_the_mains_frequency() -> None:
    assert (
        min(
            abs(peak_hz(make_hum(np.random.default_rng(5), 4 * RATE, RATE)) / 50 - ratio)
            for ratio in (1, 1.2)
        )
        < 0.02
    )


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_rooms_decay_and_begin_with_the_direct_sound(seed: int) -> None:
    response = make_room_response(np.random.default_rng(seed), RATE)
    assert response[0] == 1.0
    assert 0.1 <= len(response) / RATE <= 0.601
    third = len(response) // 3
    energy = [np.sum(part.astype(np.float64) ** 2) for part in (response[:third], response[-third:])]
    assert energy[1] < energy[0] / 100
    assert (
        np.sum(response[1:].astype(np.float64) ** 2) <= 1.0001
    )  # direct-to-reverberant ratio of 0 dB or more


@settings(max_examples=10, deadline=None)
@given(seed=seeds, start=st.integers(0, 4000))
def test_a_room_moves_nothing_and_keeps_the_level(seed: int, start: int) -> None:
    click = np.zeros(RATE, dtype=np.int16)
    click[start] = 20_000
    wet = add_room(click, make_room_response(np.random.default_rng(seed), RATE))
    assert len(wet) == len(click)
    assert not np.any(wet[:start])
    assert int(np.argmax(np.abs(wet))) == start
    speech = tone(440)
    heard = add_room(speech, make_room_response(np.random.default_rng(seed), RATE)).astype(np.float64)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(4000 / np.sqrt(2), rel=0.01)


SPEC = AugmentSpec(copies=3, speed=0.1, noise_share=1.0, room_share=1.0)


def test_copies_are_counted_and_follow_the_seed() -> None:
    noises = [make_noise(np.random.default_rng(0), 5 * RATE, "pink")]

    def copies(seed: int) -> list[np.ndarray]:
        return list(augmented_copies(tone(300), SPEC, np.random.default_rng(seed), noises, RATE))

    first = copies(1)
    assert len(first) == 3
    assert all(copy.dtype == np.int16 and RATE / 1.1 - 1 <= len(copy) <= RATE / 0.9 + 1 for copy in first)
    assert len({copy.tobytes() for copy in first}) == 3
    assert all(np.array_equal(a, b) for a, b in zip(first, copies(1), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, copies(2), strict=True))


def test_what_is_switched_off_stays_off() -> None:
    off = dataclasses.replace(SPEC, speed=0.0, noise_share=0.0, room_share=0.0)
    rng = np.random.default_rng(1)
    assert all(
        np.array_equal(copy, tone(300)) for copy in augmented_copies(tone(300), off, rng, [tone(50)], RATE)
    )
    assert list(augmented_copies(tone(300), dataclasses.replace(SPEC, copies=0), rng, [], RATE)) == []


def test_noise_in_a_share_of_the_copies() -> None:
    half = AugmentSpec(copies=200, speed=0.0, noise_share=0.3, room_share=0.0)
    noises = [make_noise(np.random.default_rng(0), RATE, "white")]
    clip = tone(300, 0.1)
    copies = augmented_copies(clip, half, np.random.default_rng(1), noises, RATE)
    noisy = sum(not np.array_equal(copy, clip) for copy in copies)
    # Binomial(200, 0.3): 60 in the mean, standard deviation 6.5.
    assert 35 <= noisy <= 85


def features(seed: int, shape: tuple[int, int, int] = (6, 50, 40)) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, size=shape, dtype=np.uint8)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, time_frames=st.integers(0, 45), channels=st.integers(0, 35))
def test_masks_are_one_stretch_each_and_no_wider_than_allowed(
    seed: int, time_frames: int, channels: int
) -> None:
    batch = features(0)
    masked = mask_time_and_channels(batch, np.random.default_rng(seed), time_frames, channels)
    assert masked.dtype == np.uint8
    assert masked.shape == batch.shape
    for before, after in zip(batch, masked, strict=True):
        changed = before != after
        # Random bytes never equal the mean along a whole row or column: where they do, a mask was laid.
        mean = round(float(before.mean()))
        for axis, widest in ((1, time_frames), (0, channels)):
            whole = np.flatnonzero(np.all(after == mean, axis=axis))
            assert len(whole) <= widest
            assert len(whole) == 0 or len(whole) == whole[-1] - whole[0] + 1
        assert np.all(after[changed] == mean)


def test_masks_leave_padding_alone_and_zero_widths_everything() -> None:
    batch = features(0)
    batch[:, 25:] = 0
    masked = mask_time_and_channels(batch, np.random.default_rng(2), 50, 40)
    assert not np.any(masked[:, 25:])
    assert np.any(masked != batch)
    assert np.array_equal(mask_time_and_channels(batch, np.random.default_rng(2), 0, 0), batch)
    wider_than_the_batch = mask_time_and_channels(batch, np.random.default_rng(2), 500, 400)
    assert wider_than_the_batch.shape == batch.shape


@settings(max_examples=30, deadline=None)
@given(seed=seeds, gain_db=st.floats(0, 40), units=st.floats(0, 20))
def test_gain_is_one_constant_per_clip_within_its_range(seed: int, gain_db: float, units: float) -> None:
    batch = features(1)
    batch[:, 40:] = 0
    shifted = shift_gain(batch, np.random.default_rng(seed), gain_db, units)
    assert shifted.dtype == np.uint8
    assert not np.any(shifted[:, 40:])
    for before, after in zip(batch[:, :40].astype(int), shifted[:, :40].astype(int), strict=True):
        inside = (after > 0) & (after < 255)
        steps = set((after - before)[inside].tolist())
        assert len(steps) <= 1
        step = steps.pop() if steps else None
        if step is not None:
            assert abs(step) <= gain_db * units + 0.5
            assert np.array_equal(after, np.clip(before + step, 0, 255))


@settings(max_examples=20, deadline=None)
@given(seed=seeds, alpha=st.floats(0.05, 2))
def test_mixup_blends_clip_and_label_alike(seed: int, alpha: float) -> None:
    # Clips that are their own labels: whatever is done to one must have been done to the other.
    labels = np.eye(8, dtype=np.float32)
    inputs, targets = mixup(labels[:, :, np.newaxis], labels, np.random.default_rng(seed), alpha)
    assert inputs.dtype == targets.dtype == np.float32
    assert inputs.shape == (8, 8, 1)
    np.testing.assert_array_equal(inputs[:, :, 0], targets)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    assert np.all(targets >= 0)
    assert np.all(np.count_nonzero(targets, axis=1) <= 2)


def test_mixup_off_and_mismatched() -> None:
    batch, labels = features(0), np.eye(6)
    inputs, targets = mixup(batch, labels, np.random.default_rng(1), 0.0)
    assert np.array_equal(inputs, batch)
    assert np.array_equal(targets, labels)
    with pytest.raises(InputError, match="6 clips and 5 labels"):
        mixup(batch, labels[:5], np.random.default_rng(1), 0.2)


def test_feature_augmentation_follows_the_seed() -> None:
    batch = features(4)

    def run(seed: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(seed)
        gained = shift_gain(batch, rng, 6.0, 3.0)
        masked = mask_time_and_channels(gained, rng, 10, 5)
        return gained, masked, *mixup(masked, np.eye(6), rng, 0.2)

    assert all(np.array_equal(a, b) for a, b in zip(run(1), run(1), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(run(1), run(2), strict=True))


def test_more_masks_hide_more() -> None:
    batch = features(0)
    hidden = [
        np.mean(mask_time_and_channels(batch, np.random.default_rng(3), 8, 4, count, count) != batch)
        for count in (1, 4)
    ]
    assert hidden[1] > 2 * hidden[0]


CENTRES = channel_centres_hz(FrontendSpec())


def test_channel_centres_are_where_a_tone_is_loudest() -> None:
    net_input = NetInput(make_tables(FrontendSpec()))
    for channel in (15, 25, 35):
        found = net_input.features(tone(CENTRES[channel])[np.newaxis])[0][20].astype(int)
        assert abs(int(found.argmax()) - channel) <= 1


class _AtTheEdge(np.random.Generator):
    """Draws the highest of every uniform range, so that a test knows the factor."""

    def uniform(self, low: float = 0.0, high: float = 1.0, size: object = None) -> np.ndarray:  # type: ignore[override]
        return np.full(size, high)  # type: ignore[call-overload,no-any-return]


def test_a_warp_moves_a_peak_by_its_factor() -> None:
    batch = np.full((1, 3, 40), 10, np.uint8)
    batch[0, :, 20] = 200
    rng = _AtTheEdge(np.random.PCG64(1))
    warped = warp_channels(batch, rng, CENTRES, 16_000, 0.2)
    # What the channel now shows was at 1.2 times its frequency before.
    assert CENTRES[warped[0, 0].argmax()] == pytest.approx(CENTRES[20] / 1.2, rel=0.06)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, widest=st.floats(0.01, 0.5), rate=st.sampled_from([8000, 16_000]))
def test_a_warp_keeps_padding_and_constants(seed: int, widest: float, rate: int) -> None:
    centres = CENTRES * rate / 16_000
    flat = np.full((4, 10, 40), 77, np.uint8)
    flat[:, 6:] = 0
    assert np.array_equal(warp_channels(flat, np.random.default_rng(seed), centres, rate, widest), flat)
    batch = features(2)
    batch[:, 40:] = 0
    warped = warp_channels(batch, np.random.default_rng(seed), centres, rate, widest)
    assert np.all((warped > 0) == (batch > 0))
    assert np.array_equal(warp_channels(batch, np.random.default_rng(seed), centres, rate, 0.0), batch)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, frames=st.integers(1, 60), furthest=st.integers(0, 80))
def test_time_warping_keeps_the_order_and_the_ends(seed: int, frames: int, furthest: int) -> None:
    batch = np.tile(np.arange(1, frames + 1, dtype=np.uint8)[np.newaxis, :, np.newaxis], (5, 1, 40))
    warped = warp_time(batch, np.random.default_rng(seed), furthest)
    times = warped[:, :, 0].astype(int)
    assert np.all(np.diff(times, axis=1) >= 0)
    assert np.all(times[:, 0] == 1)
    assert np.all(times[:, -1] == frames)
    assert np.abs(times - batch[:, :, 0]).max() <= min(furthest, (frames - 1) // 2)
    if furthest == 0:
        assert np.array_equal(warped, batch)


UNITS = 2.5


def test_energy_mixup_adds_powers_at_the_ratio_drawn() -> None:
    """Two sounds of equal level at 0 dB: three decibels more, and half of each label."""
    batch = np.full((2, 10, 8), 100, np.uint8)
    labels = np.eye(2)
    for seed in range(20):
        mixed, targets = energy_mixup(batch, labels, np.random.default_rng(seed), 1.0, (0.0, 0.0), UNITS)
        # The permutation may leave a clip with itself: then it stays.
        if np.array_equal(mixed, batch):
            assert np.array_equal(targets, labels)
            continue
        assert np.all(np.abs(mixed.astype(float) - (100 + UNITS * 10 * np.log10(2))) <= 0.5)
        assert np.allclose(targets, 0.5)
        break
    else:
        pytest.fail("twenty draws mixed nothing")


@settings(max_examples=30, deadline=None)
@given(seed=seeds, share=st.floats(0, 1), low=st.floats(-20, 20), width=st.floats(0, 20))
def test_energy_mixup_weighs_labels_by_energy(seed: int, share: float, low: float, width: float) -> None:
    batch = features(4, (8, 12, 10))
    batch[0] = 0
    batch[:, 9:] = 0
    labels = np.eye(8)
    mixed, targets = energy_mixup(
        batch, labels, np.random.default_rng(seed), share, (low, low + width), UNITS
    )
    assert np.allclose(targets.sum(axis=1), 1)
    assert not np.any(mixed[:, 9:])
    own = np.diag(targets)
    shares = 1 / (1 + 10 ** (-np.array([low, low + width]) / 10))
    changed = own < 1 - 1e-6
    assert np.all((own[changed] >= shares[0] - 1e-4) & (own[changed] <= shares[1] + 1e-4))
    assert np.array_equal(mixed[~changed], batch[~changed])
    assert np.all(mixed[changed].astype(int) >= batch[changed])
    assert own[0] == 1


def test_energy_mixup_off_and_mismatched() -> None:
    batch, labels = features(5), np.eye(6)
    rng = np.random.default_rng(1)
    mixed, targets = energy_mixup(batch, labels, rng, 0.0, (0.0, 20.0), UNITS)
    assert np.array_equal(mixed, batch)
    assert np.array_equal(targets, labels)
    with pytest.raises(InputError, match="6 clips and 5 labels"):
        energy_mixup(batch, labels[:5], rng, 0.5, (0.0, 20.0), UNITS)
    with pytest.raises(InputError, match="expected log features"):
        energy_mixup(batch, labels, rng, 0.5, (0.0, 20.0), 0.0)
