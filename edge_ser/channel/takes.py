"""One take: several sounds between two sync sweeps, played at once, found again in the recording and cut out of it.

The first sweep says when the recording's clock began, the second one how fast it runs: the two clocks of a
loudspeaker and a microphone differ by up to a hundred millionths, 6 ms in a minute. What lies further apart than
clocks do lost samples on the way, and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.acoustics import Samples, active_power, resample
from edge_ser.channel.chirp import find_sweep, lag_of, make_sweep
from edge_ser.errors import CheckError

LEAD_S: Final = 0.5
GAP_S: Final = 0.5
"""Rest before and after each sound, in which a room falls silent; noise is measured at its end."""
LATEST_S: Final = 3.0
"""The longest way from the loudspeaker to the recording, buffers included."""
MOST_PPM: Final = 500.0
"""Clocks further apart than that are no crystals: samples were lost or doubled."""
FULL_SCALE: Final = 32_767

_NOISE_S: Final = 0.2
_FRAME_S: Final = 0.02
_LAG_S: Final = 0.02


@dataclass(frozen=True, eq=False)
class Take:
    """What is played.

    Attributes:
        samples: int16 (n,).
        rate_hz: its rate.
        starts: first sample of each sound in it.
        lengths: samples of each sound.
        sweeps: first sample of both sweeps.
    """

    samples: Samples
    rate_hz: int
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    sweeps: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Cut:
    """A sound, as it was recorded.

    Attributes:
        samples: int16, as long as what was played.
        snr_db: its active frames over the noise in the rests; ``None`` where either is silent.
        clipped: samples at full scale.
        lag_ms: how late it still is; a few milliseconds at most unless samples were lost inside the take.
    """

    samples: Samples
    snr_db: float | None
    clipped: int
    lag_ms: float


@dataclass(frozen=True, eq=False)
class Heard:
    """A take, as it was recorded.

    Attributes:
        cuts: its sounds.
        delay_ms: from the start of the recording to what was played first.
        drift_ppm: how much faster than the player's clock the recorder's runs.
        likeness: correlation coefficient of the less clear of both sweeps, 0 to 1.
    """

    cuts: tuple[Cut, ...]
    delay_ms: float
    drift_ppm: float
    likeness: float


def make_take(sounds: Sequence[Samples], rate_hz: int) -> Take:
    """Put sounds, int16 (samples,) each, between two sweeps, with rests."""
    sweep, gap = make_sweep(rate_hz), np.zeros(round(GAP_S * rate_hz), np.int16)
    parts: list[Samples] = [np.zeros(round(LEAD_S * rate_hz), np.int16), sweep, gap]
    at = sum(len(part) for part in parts)
    first = len(parts[0])
    starts = []
    for sound in sounds:
        starts.append(at)
        parts += [sound, gap]
        at += len(sound) + len(gap)
    parts += [sweep, gap]
    return Take(
        np.concatenate(parts), rate_hz, tuple(starts), tuple(len(sound) for sound in sounds), (first, at)
    )


def cut_take(take: Take, recording: Samples) -> Heard:
    """Find the sounds of a take in its recording.

    Args:
        take: what was played.
        recording: int16 (m,).

    Raises:
        CheckError: a sweep is not heard, or samples were lost between the two.
    """
    sweep, rate = make_sweep(take.rate_hz), take.rate_hz
    first = find_sweep(recording, sweep, 0, take.sweeps[0] + round(LATEST_S * rate))
    apart = take.sweeps[1] - take.sweeps[0]
    # Wider than clocks can differ, so that a loss is found and named, and not taken for silence.
    reach = round(0.1 * rate + 4 * MOST_PPM * 1e-6 * apart)
    expected = round(first.position) + apart
    second = find_sweep(recording, sweep, expected - reach, expected + reach)
    speed = (second.position - first.position) / apart
    drift_ppm = (speed - 1) * 1e6
    if abs(drift_ppm) > MOST_PPM and abs(speed - 1) * apart > 2:
        milliseconds = 1000 * (second.position - first.position - apart) / rate
        message = (
            f"the sync sweeps are {milliseconds:+.1f} ms off, more than two clocks differ in {apart / rate:.0f} s: "
            "samples were lost or doubled; play it again, with nothing else on the machine, or shorter takes"
        )
        raise CheckError(message)
    steady = resample(recording, speed, 1.0)
    # Once more, at the right speed: a sweep that runs too fast seems to lie elsewhere, by half a sample at 100 ppm.
    guess, near = round(first.position / speed), round(_LAG_S * rate)
    begin = find_sweep(steady, sweep, guess - near, guess + near).position - take.sweeps[0]
    noise = _noise_power(take, steady, begin)
    cuts = tuple(
        _cut(take, steady, recording, speed, begin, number, noise) for number in range(len(take.starts))
    )
    return Heard(cuts, 1000 * begin / rate, drift_ppm, min(first.likeness, second.likeness))


def _cut(
    take: Take, steady: Samples, recording: Samples, speed: float, begin: float, number: int, noise: float
) -> Cut:
    length = take.lengths[number]
    start = round(begin + take.starts[number])
    if start < 0 or start + length > len(steady):
        message = f"the recording is cut off: sound {number + 1} of {len(take.starts)} is not all in it; play it again"
        raise CheckError(message)
    samples = steady[start : start + length].copy()
    # Of the recording itself: resampling rounds off what was cut off.
    raw = recording[round(start * speed) : round((start + length) * speed)].astype(np.int64)
    played = take.samples[take.starts[number] : take.starts[number] + length]
    lag = lag_of(samples, played, round(_LAG_S * take.rate_hz))
    sound = active_power(samples) - noise
    ratio = float(10 * np.log10(sound / noise)) if noise > 0 and sound > 0 else None
    return Cut(
        samples=samples,
        snr_db=None if ratio is None else round(ratio, 2),
        clipped=int((np.abs(raw) >= FULL_SCALE).sum()),
        lag_ms=round(1000 * lag / take.rate_hz, 3),
    )


def _noise_power(take: Take, steady: Samples, begin: float) -> float:
    """Mean square of the rests' ends: the median over short frames, so that a door does not count."""
    frame, piece = round(_FRAME_S * take.rate_hz), round(_NOISE_S * take.rate_hz)
    ends = [take.sweeps[0], *take.starts, take.sweeps[1]]
    powers: list[NDArray[np.float64]] = []
    for end in ends:
        stop = round(begin + end) - frame
        rest = steady[max(0, stop - piece) : max(0, stop)]
        whole = len(rest) // frame * frame
        powers.append((rest[:whole].astype(np.float64) ** 2).reshape(-1, frame).mean(axis=1))
    every = np.concatenate(powers)
    return float(np.median(every)) if every.size else 0.0
