"""Augmentation of training clips: waveforms (int16) before the front end, feature batches (uint8) after it.

NumPy, SciPy and soxr only. Everything random draws from the generator that is passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ser.acoustics import Samples, add_noise, add_room, change_speed, make_room_response
from edge_ser.errors import InputError
from edge_ser.spec import FrontendSpec
from edge_ser.spec_training import AugmentSpec

Features = NDArray[np.uint8]

_VTLP_BOUNDARY_HZ = 4800.0
"""Where the warp of vocal tract length perturbation turns back (F_hi of Jaitly & Hinton)."""


def augmented_copies(
    samples: Samples,
    spec: AugmentSpec,
    rng: np.random.Generator,
    noises: Sequence[Samples],
    sample_rate_hz: int,
) -> Iterator[Samples]:
    """Augmented copies of one clip: speed, then room, then noise, as a microphone in that room would hear it.

    Level, masks and mixup are not here: they are cheap on features and drawn anew every epoch.

    Args:
        samples: int16 (n,), the clip.
        spec: how many copies and how far they go.
        rng: draws everything.
        noises: int16 recordings to draw noise from, a random stretch of a random one; empty for no noise.
        sample_rate_hz: of clip and noises.

    Yields:
        ``spec.copies`` int16 arrays (m,), where m is n over the drawn speed factor.
    """
    low_db, high_db = spec.noise_snr_db
    for _ in range(spec.copies):
        copy = samples.copy()
        if spec.speed > 0:
            copy = change_speed(copy, rng.uniform(1 - spec.speed, 1 + spec.speed))
        if rng.random() < spec.room_share:
            copy = add_room(copy, make_room_response(rng, sample_rate_hz))
        if noises and rng.random() < spec.noise_share:
            noise = noises[int(rng.integers(len(noises)))]
            start = int(rng.integers(max(1, len(noise) - len(copy) + 1)))
            copy = add_noise(copy, noise[start:], rng.uniform(low_db, high_db))
        yield copy


def channel_centres_hz(frontend: FrontendSpec) -> NDArray[np.float64]:
    """Centre frequency of every filter-bank channel; float64 (channels,), ascending.

    The mel scale and the spacing are the MicroFrontend's (microfrontend/lib/filterbank_util.c).
    """
    low, high = (1127 * np.log1p(hz / 700) for hz in (frontend.lower_hz, frontend.upper_hz))
    mels = np.linspace(low, high, frontend.channels + 2)[1:-1]
    centres: NDArray[np.float64] = 700 * np.expm1(mels / 1127)
    return centres


def warp_channels(
    batch: Features,
    rng: np.random.Generator,
    centres_hz: NDArray[np.float64],
    sample_rate_hz: int,
    widest: float,
) -> Features:
    """Warp the frequency axis of every clip, as a longer or shorter vocal tract would.

    Vocal tract length perturbation (Jaitly & Hinton, ICML 2013 workshop on deep learning for audio): frequencies are
    multiplied up to a boundary of 4.8 kHz, above it the axis closes linearly at half the sample rate.

    Args:
        batch: uint8 (batch, frames, channels) of log features.
        rng: draws one factor per clip, uniform within ``widest`` of 1.
        centres_hz: see :func:`channel_centres_hz`.
        sample_rate_hz: of the audio.
        widest: largest relative change; 0 switches it off.

    Returns:
        uint8 (batch, frames, channels), linearly interpolated between channels; padding (zeros) stays padding.
    """
    if widest <= 0:
        return batch
    factors = rng.uniform(1 - widest, 1 + widest, size=(len(batch), 1))
    half = sample_rate_hz / 2
    bent = min(_VTLP_BOUNDARY_HZ, 0.9 * half) * np.minimum(factors, 1)
    knee = bent / factors
    warped = np.where(
        centres_hz <= knee,
        centres_hz * factors,
        half - (half - bent) / (half - knee) * (half - centres_hz),
    )
    places = np.interp(warped, centres_hz, np.arange(len(centres_hz), dtype=np.float64))
    left = np.minimum(places.astype(np.int64), len(centres_hz) - 2)
    share = (places - left)[:, np.newaxis, :]
    below = np.take_along_axis(batch, left[:, np.newaxis, :], axis=2)
    above = np.take_along_axis(batch, left[:, np.newaxis, :] + 1, axis=2)
    blended: Features = np.rint(below * (1 - share) + above * share).astype(np.uint8)
    return blended


def warp_time(batch: Features, rng: np.random.Generator, furthest: int) -> Features:
    """Stretch one side of every clip and squeeze the other (time warping of SpecAugment, arXiv 1904.08779).

    Args:
        batch: uint8 (batch, frames, channels).
        rng: draws a frame and how far it moves, per clip.
        furthest: largest move, in frames; 0 switches it off.

    Returns:
        uint8 (batch, frames, channels); frames are repeated or left out, not blended, so that nothing smears into
        padding.
    """
    count, frames, _ = batch.shape
    furthest = min(furthest, (frames - 1) // 2)
    if furthest <= 0:
        return batch
    points = rng.integers(furthest, frames - furthest, size=count)
    # One short of the end, so that neither side vanishes.
    moved = np.clip(points + rng.integers(-furthest, furthest + 1, size=count), 1, frames - 2)
    places = np.arange(frames)
    sources = np.stack(
        [np.interp(places, (0, moved[at], frames - 1), (0, points[at], frames - 1)) for at in range(count)]
    )
    warped: Features = batch[np.arange(count)[:, np.newaxis], np.rint(sources).astype(np.int64)]
    return warped


def mask_time_and_channels(
    batch: Features,
    rng: np.random.Generator,
    time_frames: int,
    channels: int,
    time_masks: int = 1,
    channel_masks: int = 1,
) -> Features:
    """Time masks and channel masks on every clip (SpecAugment, arXiv 1904.08779).

    As in the paper a mask sets features to the clip's mean; padding (zeros) stays padding.

    Args:
        batch: uint8 (batch, frames, channels).
        rng: draws width (0 to the largest, inclusive) and place of every mask.
        time_frames: widest time mask; 0 switches it off.
        channels: widest channel mask; 0 switches it off.
        time_masks: time masks per clip; they may overlap.
        channel_masks: channel masks per clip.

    Returns:
        uint8 (batch, frames, channels).
    """
    count, frames, bands = batch.shape
    masked = np.zeros(batch.shape, dtype=np.bool_)
    for _ in range(time_masks):
        masked |= _mask(rng, count, frames, time_frames)[:, :, np.newaxis]
    for _ in range(channel_masks):
        masked |= _mask(rng, count, bands, channels)[:, np.newaxis, :]
    present = batch > 0
    totals = batch.sum(axis=(1, 2), dtype=np.float64)
    means = np.rint(totals / np.maximum(1, present.sum(axis=(1, 2)))).astype(np.uint8)
    return np.where(masked & present, means[:, np.newaxis, np.newaxis], batch)


def _mask(rng: np.random.Generator, count: int, length: int, widest: int) -> NDArray[np.bool_]:
    """``count`` masks, bool (count, length), each one run of up to ``widest`` true entries."""
    widths = rng.integers(0, min(widest, length) + 1, size=count)
    starts = rng.integers(0, length - widths + 1)
    places = np.arange(length)
    return (places >= starts[:, np.newaxis]) & (places < (starts + widths)[:, np.newaxis])


def shift_gain(batch: Features, rng: np.random.Generator, gain_db: float, units_per_db: float) -> Features:
    """Change the level of every clip in the log-feature domain, where a gain is a constant that is added.

    Args:
        batch: uint8 (batch, frames, channels) of log features.
        rng: draws one gain per clip, uniform within ``gain_db`` either way.
        gain_db: largest change, decibels.
        units_per_db: feature units that one decibel is.

    Returns:
        uint8 (batch, frames, channels), saturated to 0..255; padding (zeros) stays padding.
    """
    gains = np.rint(rng.uniform(-gain_db, gain_db, size=len(batch)) * units_per_db).astype(np.int32)
    shifted = np.clip(batch + gains[:, np.newaxis, np.newaxis], 0, 255).astype(np.uint8)
    return np.where(batch > 0, shifted, batch)


def mixup(
    batch: NDArray[np.number], labels: NDArray[np.number], rng: np.random.Generator, alpha: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Blend every clip and its label with another one of the batch (mixup, arXiv 1710.09412).

    Args:
        batch: numbers (batch, ...).
        labels: one-hot or soft labels (batch, classes).
        rng: draws the partners (a permutation) and one weight per clip from Beta(alpha, alpha).
        alpha: parameter of the Beta distribution; 0 switches mixup off.

    Returns:
        float32 batch and float32 labels, of the same shapes.

    Raises:
        InputError: batch and labels differ in length.
    """
    if len(batch) != len(labels):
        message = f"mixup got {len(batch)} clips and {len(labels)} labels; expected one label row per clip"
        raise InputError(message)
    inputs, targets = batch.astype(np.float32), labels.astype(np.float32)
    if alpha <= 0:
        return inputs, targets
    weights = rng.beta(alpha, alpha, size=len(batch)).astype(np.float32)
    partners = rng.permutation(len(batch))
    return _blend(inputs, partners, weights), _blend(targets, partners, weights)


def energy_mixup(
    batch: Features,
    labels: NDArray[np.number],
    rng: np.random.Generator,
    share: float,
    snr_db: tuple[float, float],
    units_per_db: float,
) -> tuple[Features, NDArray[np.float32]]:
    """Lay another clip under some clips at a drawn level; a label weighs what its clip has of the energy.

    Energy-adaptive mixup (arXiv 2512.04551; its range of levels is not known to us). Two sounds are added as powers,
    channel by channel and frame by frame: their phases are gone from the features, and have no relation anyhow.

    Args:
        batch: uint8 (batch, frames, channels) of log features.
        labels: one-hot or soft labels (batch, classes).
        rng: draws which clips, their partners (a permutation) and the levels.
        share: of the clips that are mixed; 0 switches it off.
        snr_db: lowest and highest ratio of the clip's energy to its partner's, decibels.
        units_per_db: feature units that one decibel is.

    Returns:
        uint8 features, saturated, and float32 labels, of the same shapes. A clip that is silent, or whose partner
        is, stays as it is.

    Raises:
        InputError: batch and labels differ in length, or the features are not logs.
    """
    if len(batch) != len(labels):
        message = (
            f"energy mixup got {len(batch)} clips and {len(labels)} labels; expected one label row per clip"
        )
        raise InputError(message)
    targets = labels.astype(np.float32)
    if share <= 0:
        return batch, targets
    if units_per_db <= 0:
        message = f"energy mixup got {units_per_db!r} feature units per decibel; expected log features (log.enabled)"
        raise InputError(message)
    partners = rng.permutation(len(batch))
    ratios_db = rng.uniform(*snr_db, size=len(batch))
    chosen = rng.random(len(batch)) < share
    decibels = batch.astype(np.float32) / np.float32(units_per_db)
    powers = np.where(batch > 0, 10 ** (decibels / 10), 0)
    energies = powers.sum(axis=(1, 2), dtype=np.float64)
    chosen &= (energies > 0) & (energies[partners] > 0) & (partners != np.arange(len(batch)))
    at, other = np.flatnonzero(chosen), partners[chosen]
    wanted = energies[at] * 10 ** (-ratios_db[at] / 10)
    sums = powers[at] + powers[other] * (wanted / energies[other])[:, np.newaxis, np.newaxis]
    # Below 0 dB a feature would be negative; such a cell holds no sound either.
    mixed = np.where(sums > 1, 10 * units_per_db * np.log10(np.maximum(sums, 1)), 0)
    features = batch.copy()
    features[at] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    own = (energies[at] / (energies[at] + wanted)).astype(np.float32)[:, np.newaxis]
    blended = targets.copy()
    blended[at] = own * targets[at] + (1 - own) * targets[other]
    return features, blended


def _blend(
    values: NDArray[np.float32], partners: NDArray[np.int64], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    own = weights.reshape(-1, *(1,) * (values.ndim - 1))
    return own * values + (1 - own) * values[partners]
