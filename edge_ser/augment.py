"""Augmentation of training clips: waveforms (int16) before the front end, feature batches (uint8) after it.

NumPy, SciPy and soxr only. Everything random draws from the generator that is passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ser.acoustics import Samples, add_noise, add_room, change_speed, make_room_response
from edge_ser.errors import InputError
from edge_ser.spec import AugmentSpec

Features = NDArray[np.uint8]


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


def mask_time_and_channels(
    batch: Features, rng: np.random.Generator, time_frames: int, channels: int
) -> Features:
    """One time mask and one channel mask per clip (SpecAugment, arXiv 1904.08779, without time warping).

    As in the paper a mask sets features to the clip's mean; padding (zeros) stays padding.

    Args:
        batch: uint8 (batch, frames, channels).
        rng: draws width (0 to the largest, inclusive) and place of every mask.
        time_frames: widest time mask; 0 switches it off.
        channels: widest channel mask; 0 switches it off.

    Returns:
        uint8 (batch, frames, channels).
    """
    count, frames, bands = batch.shape
    masked = _mask(rng, count, frames, time_frames)[:, :, np.newaxis]
    masked = masked | _mask(rng, count, bands, channels)[:, np.newaxis, :]
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


def _blend(
    values: NDArray[np.float32], partners: NDArray[np.int64], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    own = weights.reshape(-1, *(1,) * (values.ndim - 1))
    return own * values + (1 - own) * values[partners]
