"""Noise, rooms, speed and level: what happens to a sound between the mouth and the microphone.

Everything random draws from a generator that the caller passes, so that the same seed gives the same samples.
Waveforms are int16 mono; every function returns a new array and saturates instead of wrapping around.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import soxr
from numpy.typing import NDArray

from edge_ser.errors import InputError

Samples = NDArray[np.int16]
Colour = Literal["white", "pink", "brown"]
COLOURS: tuple[Colour, ...] = get_args(Colour)

_SLOPES = {"white": 0.0, "pink": 1.0, "brown": 2.0}
"""Power falls with frequency to this power: white is flat, pink loses 3 dB an octave, brown 6 dB."""

_LOWEST_HZ_SHARE = 0.0025
"""Coloured noise is flat below this share of the sample rate (40 Hz at 16 kHz), lest brown be all rumble."""

_NOISE_RMS = 3000.0
"""Level of made noise; whoever mixes it in sets the level anyway, this one leaves 20 dB to full scale."""

_ACTIVE_FRAME = 320
_ACTIVE_DB = -30.0
"""Frames (20 ms at 16 kHz) quieter than this against the loudest frame are pauses."""


def to_int16(samples: NDArray[np.floating]) -> Samples:
    """Round to int16 of the same shape, any shape, saturating."""
    rounded: Samples = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    return rounded


def active_power(samples: Samples) -> float:
    """Mean square of the frames that hold sound, so that pauses do not make speech seem quieter than it is.

    The idea is that of the active speech level of ITU-T P.56, with frames instead of its envelope follower.

    Args:
        samples: int16 (n,).

    Returns:
        Mean square in int16 units; 0.0 for silence.
    """
    if not len(samples):
        return 0.0
    squares = samples.astype(np.float64) ** 2
    starts = np.arange(0, len(squares), _ACTIVE_FRAME)
    sizes = np.diff(np.append(starts, len(squares)))
    power = np.add.reduceat(squares, starts) / sizes
    active = power >= power.max() * 10 ** (_ACTIVE_DB / 10)
    return float(np.average(power[active], weights=sizes[active]))


def change_gain(samples: Samples, db: float) -> Samples:
    """Change the level of int16 samples (any shape) by ``db`` decibels; what leaves the int16 range saturates."""
    return to_int16(samples * 10 ** (db / 20))


def change_speed(samples: Samples, factor: float) -> Samples:
    """Play faster (``factor`` above 1) or slower by resampling: tempo, pitch and formants change together.

    Args:
        samples: int16 (n,).
        factor: ratio of the new speed to the old one.

    Returns:
        int16 (round(n / factor),).

    Raises:
        InputError: the factor is not above 0.
    """
    if not factor > 0:
        message = f"speed factor is {factor!r}; expected a number above 0, e.g. 1.1"
        raise InputError(message)
    return resample(samples, factor, 1.0)


def resample(samples: Samples, from_hz: float, to_hz: float) -> Samples:
    """Band-limited resampling (soxr); int16 (n,) to int16 (round(n * to_hz / from_hz),)."""
    if from_hz == to_hz or not len(samples):
        return samples.copy()
    wanted = round(len(samples) * to_hz / from_hz)
    resampled = soxr.resample(samples.astype(np.float32), from_hz, to_hz, quality="MQ")[:wanted]
    return to_int16(np.pad(resampled, (0, wanted - len(resampled))))


def add_noise(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Mix noise under a sound.

    Args:
        samples: int16 (n,), the sound.
        noise: int16 (m,); repeated or cut to the length of the sound.
        snr_db: level of the sound's active frames over the mean level of the noise.

    Returns:
        int16 (n,). A silent sound, or silent noise, leaves the sound as it is: there is no ratio to keep.

    Raises:
        InputError: the noise has no samples.
    """
    if not len(noise):
        message = "noise has no samples; expected at least one, better a second or more"
        raise InputError(message)
    fitted = np.resize(noise, len(samples)).astype(np.float64)
    signal = active_power(samples)
    power = float(np.mean(fitted**2)) if len(fitted) else 0.0
    if signal == 0.0 or power == 0.0:
        return samples.copy()
    return to_int16(samples + fitted * np.sqrt(signal / power * 10 ** (-snr_db / 10)))


def add_room(samples: Samples, response: NDArray[np.float32]) -> Samples:
    """Put a sound into a room.

    Args:
        samples: int16 (n,).
        response: float32 (m,) whose first sample is the direct sound, see :func:`make_room_response`.

    Returns:
        int16 (n,) at the RMS that it had: in place (what was said at a time is heard at that time), the
        reverberation cut at the end.
    """
    if not len(samples) or not len(response):
        return samples.copy()
    # Here: who only runs bundles and lists corpora does not have scipy.
    from scipy.signal import fftconvolve

    wet = fftconvolve(samples.astype(np.float64), response.astype(np.float64))[: len(samples)]
    dry_rms = np.sqrt(np.mean(samples.astype(np.float64) ** 2))
    wet_rms = np.sqrt(np.mean(wet**2))
    return to_int16(wet * (dry_rms / wet_rms)) if wet_rms > 0 else samples.copy()


def make_room_response(rng: np.random.Generator, sample_rate_hz: int) -> NDArray[np.float32]:
    """A plausible room: direct sound, a few early reflections, an exponentially decaying noise tail.

    The tail is the statistical model of late reverberation (J.-D. Polack, "La transmission de l'énergie
    sonore dans les salles", 1988): white noise under an envelope that loses 60 dB in the reverberation time.

    Args:
        rng: draws decay time (0.1 to 0.6 s for 60 dB), reflections, direct-to-reverberant ratio (0 to 15 dB).
        sample_rate_hz: of the sounds it will be used on.

    Returns:
        float32 (round(decay time * rate),), first sample 1.0 (the direct sound).
    """
    decay_s = rng.uniform(0.1, 0.6)
    response = rng.standard_normal(round(decay_s * sample_rate_hz))
    seconds = np.arange(len(response)) / sample_rate_hz
    response *= 10 ** (-3 * seconds / decay_s)
    # The tail builds up only after the first reflections.
    response[seconds < rng.uniform(0.005, 0.02)] = 0.0
    early_s = rng.uniform(0.002, 0.04, size=int(rng.integers(3, 9)))
    early_gain = rng.choice((-1.0, 1.0), size=len(early_s)) * 10 ** (
        -rng.uniform(0, 10, size=len(early_s)) / 20
    )
    np.add.at(response, np.rint(early_s * sample_rate_hz).astype(np.int64), early_gain)
    response[0] = 0.0
    ratio_db = rng.uniform(0, 15)
    response *= 10 ** (-ratio_db / 20) / np.sqrt(np.sum(response**2))
    response[0] = 1.0
    return response.astype(np.float32)


def make_noise(rng: np.random.Generator, samples: int, colour: str) -> Samples:
    """Stationary noise: white noise shaped in the frequency domain.

    Args:
        rng: draws the noise.
        samples: length.
        colour: one of :data:`COLOURS`.

    Returns:
        int16 (samples,) at an RMS of 3000.

    Raises:
        InputError: an unknown colour.
    """
    if colour not in _SLOPES:
        message = f"noise colour is {colour!r}; expected one of {', '.join(COLOURS)}"
        raise InputError(message)
    white = rng.standard_normal(samples)
    if samples < 2:
        return to_int16(white * _NOISE_RMS)
    spectrum = np.fft.rfft(white)
    share = np.maximum(np.fft.rfftfreq(samples), _LOWEST_HZ_SHARE)
    shaped = np.fft.irfft(spectrum * share ** (-_SLOPES[colour] / 2), n=samples)
    return to_int16(shaped * (_NOISE_RMS / np.sqrt(np.mean(shaped**2))))


def make_hum(rng: np.random.Generator, samples: int, sample_rate_hz: int) -> Samples:
    """Mains hum: 50 or 60 Hz with overtones that fall off, over a bed of pink noise; int16 (samples,)."""
    base_hz = rng.choice((50.0, 60.0)) * rng.uniform(0.998, 1.002)
    seconds = np.arange(samples) / sample_rate_hz
    overtones = np.arange(1, 1 + int(rng.integers(4, 20)))
    levels = rng.uniform(0.3, 1.0, size=len(overtones)) / overtones
    phases = rng.uniform(0, 2 * np.pi, size=len(overtones))
    tones = np.zeros(samples)
    for overtone, level, phase in zip(overtones, levels, phases, strict=True):
        tones += level * np.sin(2 * np.pi * base_hz * overtone * seconds + phase)
    loudness = np.sqrt(np.mean(tones**2)) if samples else 1.0
    return to_int16(tones * (_NOISE_RMS / loudness) + 0.3 * make_noise(rng, samples, "pink"))
