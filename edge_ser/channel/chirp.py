"""A tone that sweeps, to find where in a recording something was played, to a fraction of a sample.

A matched filter (correlation with the known sweep) gathers the sweep's energy from its whole length into one peak,
which stands out of noise that drowns the sweep itself (G. L. Turin, "An introduction to matched filters", IRE
Transactions on Information Theory 6, 1960). The correlation is divided by the energy that is there, so that loud
speech is no sweep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, chirp, fftconvolve, hilbert, sosfilt, windows

from edge_ser.acoustics import Samples, to_int16
from edge_ser.errors import CheckError

LENGTH_S: Final = 0.3
LEVEL: Final = 12_000.0
"""Peak; 9 dB below full scale."""
LEAST_LIKENESS: Final = 0.2
"""Noise alone reaches 0.1: the sweep has about a thousand independent values (0.3 s times its 5 kHz)."""

_FROM_HZ: Final = 400.0
_TO_SHARE: Final = 0.35
_FADE_SHARE: Final = 0.2
_SILENT_SHARE: Final = 1e-2
"""What is more than 20 dB below the loudest place is measured against that: a sweep 34 dB below it is not heard."""


@dataclass(frozen=True)
class Found:
    """Where a sweep begins.

    Attributes:
        position: in samples, a fraction.
        likeness: correlation coefficient there, 0 to 1.
    """

    position: float
    likeness: float


def make_sweep(rate_hz: int) -> Samples:
    """The sweep: int16 (0.3 s,), 400 Hz up to 0.35 of the rate, faded in and out."""
    count = round(LENGTH_S * rate_hz)
    tone = chirp(np.arange(count) / rate_hz, _FROM_HZ, LENGTH_S, _TO_SHARE * rate_hz)
    return to_int16(LEVEL * tone * windows.tukey(count, _FADE_SHARE))


def find_sweep(recording: Samples, sweep: Samples, first: int, last: int) -> Found:
    """Find the sweep whose beginning lies between two samples.

    Args:
        recording: int16 (n,).
        sweep: what was played.
        first: earliest beginning.
        last: latest beginning.

    Raises:
        CheckError: nothing there is like the sweep.
    """
    first = max(0, first)
    piece = recording[first : last + len(sweep)].astype(np.float64)
    if len(piece) <= len(sweep):
        message = (
            f"the recording ends after {len(recording)} samples; expected a sync sweep from {first} to {last}"
        )
        raise CheckError(message)
    likeness = _likeness(piece, sweep.astype(np.float64), len(sweep) / LENGTH_S)
    at = int(likeness.argmax())
    best = float(likeness[at])
    if best < LEAST_LIKENESS:
        message = (
            f"no sync sweep heard (likeness {best:.2f}, expected at least {LEAST_LIKENESS}); turn the loudspeaker up, "
            "bring the microphone closer, and see that the right devices are chosen"
        )
        raise CheckError(message)
    return Found(first + at + _between(likeness, at), best)


def lag_of(heard: Samples, played: Samples, most: int) -> int:
    """By how many samples a sound comes late (or, below 0, early), -most to most; 0 for silence.

    Args:
        heard: int16 (n,).
        played: int16 (n,).
        most: furthest lag looked at.
    """
    a, b = heard.astype(np.float64), played.astype(np.float64)
    product = fftconvolve(a, b[::-1])
    middle = len(b) - 1
    low, high = max(0, middle - most), middle + most + 1
    near = np.abs(product[low:high])
    return int(near.argmax()) - (middle - low) if near.max() > 0 else 0


def _likeness(piece: NDArray[np.float64], sweep: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Envelope of the correlation over the energy of both; (len(piece) - len(sweep) + 1,).

    The envelope, because a loudspeaker, a room or a swapped wire turn the phase.
    """
    # Rumble below the sweep would drown it in the energy. The same filter on both moves nothing.
    sections = butter(4, _FROM_HZ / rate_hz * 2 * 0.75, "highpass", output="sos")
    piece, sweep = sosfilt(sections, piece), sosfilt(sections, sweep)
    matched = np.asarray(hilbert(fftconvolve(piece, sweep[::-1], mode="valid")))
    squares = np.concatenate([[0.0], np.cumsum(piece**2)])
    energy = squares[len(sweep) :] - squares[: -len(sweep)]
    # Beside a sweep, in silence, only the envelope's skirts are left: they must not be divided by next to nothing.
    floor = max(float(energy.max()) * _SILENT_SHARE, 1.0)
    scale = np.sqrt(np.maximum(energy, floor) * np.sum(sweep**2))
    likeness: NDArray[np.float64] = np.abs(matched) / scale
    return likeness


def _between(values: NDArray[np.float64], at: int) -> float:
    """Where between the samples the peak at ``at`` is: the top of a parabola through it and its neighbours."""
    if not 0 < at < len(values) - 1:
        return 0.0
    left, top, right = values[at - 1 : at + 2]
    bend = left - 2 * top + right
    return float(0.5 * (left - right) / bend) if bend < 0 else 0.0
