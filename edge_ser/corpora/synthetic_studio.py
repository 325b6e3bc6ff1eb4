"""One synthetic voice in front of a microphone: what it says, in which room, over which noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edge_ser.acoustics import (
    COLOURS,
    Samples,
    active_power,
    add_noise,
    add_room,
    change_gain,
    make_hum,
    make_noise,
    make_room_response,
    resample,
    to_int16,
)
from edge_ser.corpora.espeak import Manner, Synthesizer
from edge_ser.corpora.synthetic_prosody import Delivery, manner_of, tilt
from edge_ser.corpora.synthetic_voices import Voice

SAMPLE_RATE_HZ = 16_000

SPEECH_DBFS = -26.0
"""Active level of a plain utterance: the usual level of telephone test speech (ITU-T P.830)."""

_LEVEL_SPREAD_DB = 1.0
_HEADROOM_DB = -9.0
_LEAD_S = (0.1, 0.4)
_SNR_DB = (10.0, 40.0)
_ROOM_SHARE = 0.3
_BACKGROUND_DBFS = (-75.0, -35.0)
_NOISE_S = 6
_BABBLE_SENTENCES = 5
_FULL_SCALE = 32_768.0


@dataclass(frozen=True)
class TimedWord:
    """A word and where it is heard, seconds into the recording."""

    word: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Recording:
    """What the microphone heard.

    Attributes:
        samples: int16 (n,) at :data:`SAMPLE_RATE_HZ`.
        words: the words said, in order.
        noise: kind of the noise under it.
        snr_db: active speech level over the level of the noise.
        room: whether a room response lies on it.
    """

    samples: Samples
    words: tuple[TimedWord, ...]
    noise: str
    snr_db: float
    room: bool

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / SAMPLE_RATE_HZ


class Studio:
    """Records one voice.

    Args:
        synthesizer: the synthesiser; nobody else may choose its voice while the studio is in use.
        voice: who speaks.
        noises: int16 noises by kind at :data:`SAMPLE_RATE_HZ`.
    """

    def __init__(self, synthesizer: Synthesizer, voice: Voice, noises: Mapping[str, Samples]) -> None:
        self._synthesizer = synthesizer
        self._voice = voice
        self._noises = dict(noises)
        synthesizer.choose_voice(voice.espeak_name)

    def record(self, text: str, delivery: Delivery, rng: np.random.Generator) -> Recording:
        """Say a text and record it in a drawn room over a drawn noise.

        Word times are those of espeak-ng's word events; resampling scales them, the room does not move them.
        """
        spoken = self._synthesizer.say(text, manner_of(self._voice, delivery))
        source_hz = self._synthesizer.sample_rate_hz * self._voice.size
        quiet = change_gain(spoken.samples, _HEADROOM_DB)
        dry = resample(
            tilt(quiet, delivery.tilt_db + self._voice.tilt_db, source_hz), source_hz, SAMPLE_RATE_HZ
        )
        wanted_dbfs = SPEECH_DBFS + self._voice.level_db + delivery.level_db + rng.normal(0, _LEVEL_SPREAD_DB)
        lead, tail = (round(float(rng.uniform(*_LEAD_S)) * SAMPLE_RATE_HZ) for _ in range(2))
        samples = np.pad(change_gain(dry, wanted_dbfs - _dbfs(active_power(dry))), (lead, tail))
        room = bool(rng.random() < _ROOM_SHARE)
        if room:
            samples = add_room(samples, make_room_response(rng, SAMPLE_RATE_HZ))
        kind, noise = self._draw_noise(rng)
        snr_db = round(float(rng.uniform(*_SNR_DB)), 1)
        words = tuple(
            TimedWord(
                word.text,
                round(lead / SAMPLE_RATE_HZ + word.start / source_hz, 4),
                round(lead / SAMPLE_RATE_HZ + word.end / source_hz, 4),
            )
            for word in spoken.words
        )
        return Recording(add_noise(samples, noise, snr_db), words, kind, snr_db, room)

    def background(self, seconds: float, rng: np.random.Generator) -> Recording:
        """A recording in which nobody speaks: noise of a drawn kind at a drawn level."""
        kind, noise = self._draw_noise(rng)
        stretch = np.resize(noise, round(seconds * SAMPLE_RATE_HZ))
        level = float(rng.uniform(*_BACKGROUND_DBFS))
        samples = change_gain(stretch, level - _dbfs(float(np.mean(stretch.astype(np.float64) ** 2))))
        return Recording(samples, (), kind, 0.0, room=False)

    def _draw_noise(self, rng: np.random.Generator) -> tuple[str, Samples]:
        kind = list(self._noises)[int(rng.integers(len(self._noises)))]
        noise = self._noises[kind]
        return kind, np.roll(noise, -int(rng.integers(len(noise))))


def make_noises(
    synthesizer: Synthesizer, others: Iterable[Voice], sentences: tuple[str, ...], rng: np.random.Generator
) -> dict[str, Samples]:
    """A few seconds of every kind of noise: coloured, hum, and the babble of other voices.

    Returns:
        int16 (samples,) at ``SAMPLE_RATE_HZ``, by kind.
    """
    count = _NOISE_S * SAMPLE_RATE_HZ
    noises: dict[str, Samples] = {colour: make_noise(rng, count, colour) for colour in COLOURS}
    noises["hum"] = make_hum(rng, count, SAMPLE_RATE_HZ)
    mixed = np.zeros(count)
    for voice in others:
        synthesizer.choose_voice(voice.espeak_name)
        source_hz = synthesizer.sample_rate_hz * voice.size
        said = " ".join(f"{text}." for text in rng.permutation(sentences)[:_BABBLE_SENTENCES])
        samples = resample(
            synthesizer.say(said, Manner(rate=round(voice.rate))).samples, source_hz, SAMPLE_RATE_HZ
        )
        # A quarter of its level each: four voices seldom saturate, and whoever mixes them in sets the level.
        mixed += np.resize(np.roll(samples, -int(rng.integers(len(samples)))), count) / 4
    noises["babble"] = to_int16(mixed)
    return noises


def find(words: tuple[TimedWord, ...], keyword: str) -> Iterator[TimedWord]:
    """Where a keyword, which may be several words, is heard."""
    # As the words of a synthesiser come: without hyphens, and without apostrophes at their ends.
    wanted = [part.strip("'") for part in keyword.replace("-", " ").split()]
    for first in range(len(words)):
        for last in range(first, min(len(words), first + len(wanted))):
            heard = " ".join(word.word for word in words[first : last + 1]).replace("-", " ").split()
            if heard == wanted:
                yield TimedWord(keyword, words[first].start_s, words[last].end_s)


def _dbfs(power: float) -> float:
    """Mean square in int16 units as decibels below full scale; silence is very far below."""
    return float(10 * np.log10(max(power, 1e-3) / _FULL_SCALE**2))
