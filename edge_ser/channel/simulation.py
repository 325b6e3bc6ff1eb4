"""What becomes of a sound between a loudspeaker and a microphone: room, band, clock, noise.

For whoever has no microphone of the board at hand: it says how a system stands such a channel, not how it stands
theirs. ``edge-ser evaluate --stress channel`` and ``tools/rerecord.py --simulate`` share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from edge_ser.acoustics import (
    Samples,
    add_noise,
    add_room,
    make_noise,
    make_room_response,
    resample,
    to_int16,
)
from edge_ser.errors import InputError

ROOMS: Final = {"near": 10.0, "far": 0.0}
"""Direct sound over reverberation, decibels: at a forearm's length, and at the distance where both are equally loud."""

BAND_HZ: Final = (150.0, 7000.0)
"""What a small loudspeaker and a MEMS microphone behind a hole pass (-3 dB). Ours: between data sheets of such parts,
whose microphones reach lower and whose loudspeakers do not."""

DRIFT_PPM: Final = 100.0
"""Two crystals of 50 ppm, as far apart as they may be."""

_ORDER: Final = 2
_NYQUIST_SHARE: Final = 0.98


@dataclass(frozen=True)
class Channel:
    """A simulated way from a loudspeaker to a microphone.

    Attributes:
        room: one of :data:`ROOMS`; ``""`` for none.
        snr_db: the sound's active frames over the noise (pink, as rooms and preamplifiers hiss).
        band_hz: lowest and highest frequency that passes.
        drift_ppm: how much faster than the player's the recorder's clock runs: its recording is that much longer.
        seed: of the room, which is the same for everything that is played in it.

    Raises:
        InputError: an unknown room, or numbers that are out of range.
    """

    room: str
    snr_db: float
    band_hz: tuple[float, float] = BAND_HZ
    drift_ppm: float = DRIFT_PPM
    seed: int = 1

    def __post_init__(self) -> None:
        low, high = self.band_hz
        if self.room not in ("", *ROOMS):
            message = f"room {self.room!r} is not known; expected one of {', '.join(ROOMS)}, or none"
            raise InputError(message)
        if not (0 < low < high and abs(self.drift_ppm) <= 10_000 and abs(self.snr_db) <= 200):
            message = (
                f"channel: {low:g} to {high:g} Hz, drift {self.drift_ppm:g} ppm, SNR {self.snr_db:g} dB; expected a "
                "rising band above 0 Hz, at most 10000 ppm and 200 dB"
            )
            raise InputError(message)

    def hear(self, samples: Samples, rate_hz: int, rng: np.random.Generator) -> Samples:
        """What the microphone gives.

        Args:
            samples: int16 (n,), what is played.
            rate_hz: of both clocks, before the drift.
            rng: draws the noise.

        Returns:
            int16 (round(n * (1 + drift)),), at the level of what was played.
        """
        heard = samples
        if not len(heard):
            return heard.copy()
        if self.room:
            heard = add_room(heard, self.response(rate_hz))
        heard = self._through_band(heard, rate_hz)
        heard = resample(heard, 1.0, 1.0 + self.drift_ppm * 1e-6)
        return add_noise(heard, make_noise(rng, len(heard), "pink"), self.snr_db)

    def response(self, rate_hz: int) -> NDArray[np.float32]:
        """The room's impulse response: float32 (m,), the direct sound first."""
        response = make_room_response(np.random.default_rng(self.seed), rate_hz)
        around = float(np.sum(response[1:].astype(np.float64) ** 2))
        response[1:] *= np.float32(np.sqrt(10 ** (-ROOMS[self.room] / 10) / around))
        return response

    def _through_band(self, samples: Samples, rate_hz: int) -> Samples:
        low, high = self.band_hz
        sections = butter(
            _ORDER, (low, min(high, _NYQUIST_SHARE * rate_hz / 2)), "bandpass", fs=rate_hz, output="sos"
        )
        return to_int16(sosfilt(sections, samples.astype(np.float64)))


def read_channel(text: str, seed: int) -> Channel:
    """A channel from words such as ``"near:20"``: room and SNR in decibels.

    Raises:
        InputError: it says something else.
    """
    room, _, decibels = text.partition(":")
    try:
        snr_db = float(decibels)
    except ValueError:
        message = f"channel {text!r}: expected ROOM:SNR, e.g. near:20; rooms: {', '.join(ROOMS)}"
        raise InputError(message) from None
    return Channel(room, snr_db, seed=seed)
