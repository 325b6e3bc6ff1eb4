"""How the synthetic voices sound in each emotion: rate, pitch, range, level, brightness and pauses.

The directions are mostly those collected by I. R. Murray and J. L. Arnott, "Toward the simulation of emotion in
synthetic speech: A review of the literature on human vocal emotion", J. Acoust. Soc. Am. 93(2), 1993; the sizes
are ours, chosen so that a linear classifier on hand-made features is right in three of four cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_ser.acoustics import Samples, to_int16
from edge_ser.corpora.espeak import Manner
from edge_ser.corpora.synthetic_voices import Voice
from edge_ser.errors import InputError


@dataclass(frozen=True)
class Delivery:
    """How one utterance differs from the voice's habit.

    Attributes:
        rate: factor on the words per minute.
        pitch: espeak-ng units added to the pitch.
        pitch_range: espeak-ng units added to the range.
        level_db: level added.
        tilt_db: gain of the frequencies above about 1.5 kHz against those below: effort makes a voice bright.
        gap: pause between words in units of 10 ms.
    """

    rate: float
    pitch: float
    pitch_range: float
    level_db: float
    tilt_db: float
    gap: float


RECIPES: dict[str, Delivery] = {
    "anger": Delivery(rate=1.2, pitch=8, pitch_range=30, level_db=8, tilt_db=10, gap=0),
    # Not in the review; the directions are those that actors of corpora with this label took: slow, low, soft, even.
    "calm": Delivery(rate=0.88, pitch=-4, pitch_range=-14, level_db=-4, tilt_db=-5, gap=2),
    "disgust": Delivery(rate=0.74, pitch=-24, pitch_range=10, level_db=-1, tilt_db=4, gap=5),
    "fear": Delivery(rate=1.4, pitch=40, pitch_range=0, level_db=-2, tilt_db=-3, gap=0),
    "happiness": Delivery(rate=1.06, pitch=32, pitch_range=48, level_db=3, tilt_db=2, gap=0),
    "neutral": Delivery(rate=1.0, pitch=0, pitch_range=0, level_db=0, tilt_db=0, gap=0),
    "sadness": Delivery(rate=0.82, pitch=-8, pitch_range=-38, level_db=-7, tilt_db=-9, gap=1),
}
"""The middle of each emotion."""

SPREAD = Delivery(rate=0.06, pitch=6, pitch_range=8, level_db=1.5, tilt_db=1.5, gap=1.0)
"""Standard deviation of every utterance around its recipe."""

_TILT_CORNER_HZ = 1500.0


def check_emotions(emotions: Sequence[str]) -> None:
    """Refuse emotions that have no recipe.

    Raises:
        InputError: names the emotion and those that there are.
    """
    for emotion in emotions:
        if emotion not in RECIPES:
            message = (
                f"the synthetic corpus has no recipe for the emotion {emotion!r}; expected some of "
                f"{', '.join(RECIPES)}; change acoustic.classes or take a recorded corpus"
            )
            raise InputError(message)


def draw_delivery(rng: np.random.Generator, emotion: str) -> Delivery:
    """One utterance's delivery: the recipe of an emotion with a random spread."""
    middle = RECIPES[emotion]
    return Delivery(
        rate=float(np.clip(rng.normal(middle.rate, SPREAD.rate), 0.6, 1.6)),
        pitch=float(rng.normal(middle.pitch, SPREAD.pitch)),
        pitch_range=float(rng.normal(middle.pitch_range, SPREAD.pitch_range)),
        level_db=float(rng.normal(middle.level_db, SPREAD.level_db)),
        tilt_db=float(rng.normal(middle.tilt_db, SPREAD.tilt_db)),
        gap=float(rng.normal(middle.gap, SPREAD.gap)),
    )


def manner_of(voice: Voice, delivery: Delivery) -> Manner:
    """A voice's habit and one delivery, as espeak-ng settings."""
    return Manner(
        # Resampling to another body size changes the tempo too; taken back here.
        rate=int(np.clip(round(voice.rate * delivery.rate / voice.size), 80, 400)),
        pitch=int(np.clip(round(voice.pitch + delivery.pitch), 0, 99)),
        pitch_range=int(np.clip(round(voice.pitch_range + delivery.pitch_range), 0, 99)),
        word_gap=int(np.clip(round(delivery.gap), 0, 20)),
    )


def tilt(samples: Samples, gain_db: float, rate_hz: float) -> Samples:
    """Change the brightness with a first-order shelf: half the gain off the lows, half of it on the highs.

    Args:
        samples: int16 (n,).
        gain_db: gain of the frequencies above the corner (1.5 kHz) against those below.
        rate_hz: sample rate.

    Returns:
        int16 (n,), saturated.
    """
    # Here: who only lists corpora does not have scipy.
    from scipy.signal import lfilter

    # H(s) = (high s + low w) / (s + w), by the bilinear transform: exactly the two gains at 0 Hz and at Nyquist.
    high = 10 ** (gain_db / 40)
    low, corner = 1 / high, np.tan(np.pi * _TILT_CORNER_HZ / rate_hz)
    numerator = np.array([high + low * corner, low * corner - high]) / (1 + corner)
    return to_int16(lfilter(numerator, [1, (corner - 1) / (1 + corner)], samples.astype(np.float64)))
