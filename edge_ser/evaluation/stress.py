"""What a system that never heard it makes of noise, of another level, and of a loudspeaker, room and microphone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edge_ser.acoustics import add_noise, change_gain, to_int16
from edge_ser.audio import read_audio
from edge_ser.channel.simulation import ROOMS, Channel
from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError

Samples = NDArray[np.int16]
Kind = Literal["noise", "level", "channel"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SNR_DB = (20.0, 10.0, 5.0, 0.0)
LEVEL_DB = (-20.0, -14.0, -10.0, -6.0, -3.0, 3.0, 6.0)
"""Zero is the clean test itself."""
CHANNEL_SNR_DB = (30.0, 20.0, 10.0)

_NOISE_LEVEL = 3000.0
_BABBLE_VOICES = 6
"""Fewer are told apart as sentences, more become a hiss (Simpson & Cooke, JASA 118, 2005: worst at about six)."""


@dataclass(frozen=True)
class LevelChange:
    """Every clip louder or quieter; what leaves the int16 range saturates, as in a converter.

    Attributes:
        db: decibels.
    """

    db: float

    def __call__(self, _clip: Clip, samples: Samples) -> Samples:
        """int16 (n,) → int16 (n,)."""
        return change_gain(samples, self.db)


@dataclass(frozen=True)
class NoiseChange:
    """Noise under every clip, drawn by the clip's name: every system hears the same noise under the same clip.

    Attributes:
        source: ``"babble"``, ``"clicks"``, ``"sweeps"``, or the name of a noise corpus.
        snr_db: level of the clip's active frames over the noise.
        pool: recordings that babble or the noise corpus draws from; none of the clip's own speaker is used.
        rate_hz: of the samples.
        seed: of everything drawn.
    """

    source: str
    snr_db: float
    pool: tuple[Clip, ...]
    rate_hz: int
    seed: int

    def __call__(self, clip: Clip, samples: Samples) -> Samples:
        """int16 (n,) → int16 (n,)."""
        rng = _rng_of(self.source, clip, self.seed)
        return add_noise(samples, self._noise(clip, len(samples), rng), self.snr_db)

    def _noise(self, clip: Clip, length: int, rng: np.random.Generator) -> Samples:
        if self.source == "clicks":
            return clicks(rng, length, self.rate_hz)
        if self.source == "sweeps":
            return sweeps(rng, length, self.rate_hz)
        others = [one for one in self.pool if one.speaker != clip.speaker or not one.speaker]
        if self.source != "babble":
            return _stretch(others[int(rng.integers(len(others)))], length, self.rate_hz, rng)
        chosen = rng.choice(len(others), size=min(_BABBLE_VOICES, len(others)), replace=False)
        voices = [_stretch(others[at], length, self.rate_hz, rng) for at in chosen]
        return to_int16(np.sum([_at_level(voice) for voice in voices], axis=0) / np.sqrt(len(voices)))


@dataclass(frozen=True)
class ChannelChange:
    """Every clip through one loudspeaker, room and microphone, all simulated; noise drawn by the clip's name.

    Attributes:
        channel: the way; ``tools/rerecord.py --simulate`` takes the same one.
        rate_hz: of the samples.
    """

    channel: Channel
    rate_hz: int

    def __call__(self, clip: Clip, samples: Samples) -> Samples:
        """int16 (n,) → int16, longer by the drift of the clock."""
        return self.channel.hear(samples, self.rate_hz, _rng_of(self.channel.room, clip, self.channel.seed))


@dataclass(frozen=True)
class Condition:
    """One stress test.

    Attributes:
        kind: noise, level or channel.
        source: which noise, or which room; ``""`` for level.
        value: SNR or gain, decibels.
        change: what does it.
    """

    kind: Kind
    source: str
    value: float
    change: LevelChange | NoiseChange | ChannelChange


def conditions(
    kinds: Sequence[Kind], clips: Sequence[Clip], noises: Sequence[Clip], rate_hz: int, seed: int
) -> list[Condition]:
    """The stress tests of a test set.

    Nobody trains on these noises: training draws white, pink and brown noise (and the synthetic corpus hum),
    these are babble of the test's other speakers, clicks, tone sweeps, and the recordings that the person gives.

    Args:
        kinds: any of noise, level and channel. Rooms of the channel's kind may be in a training's augmentation.
        clips: the test clips; babble is made of them.
        noises: recordings of a noise corpus; empty for none.
        rate_hz: of the samples that systems hear.
        seed: of everything drawn.

    Raises:
        InputError: babble is wanted of fewer than two speakers.
    """
    found: list[Condition] = []
    if "noise" in kinds:
        if len({clip.speaker for clip in clips}) < 2:
            message = "babble needs at least two speakers in the test; leave --stress noise out"
            raise InputError(message)
        pools: dict[str, tuple[Clip, ...]] = {"babble": tuple(clips), "clicks": (), "sweeps": ()}
        if noises:
            pools[noises[0].corpus] = tuple(noises)
        found += [
            Condition("noise", source, snr, NoiseChange(source, snr, pool, rate_hz, seed))
            for source, pool in pools.items()
            for snr in SNR_DB
        ]
    if "level" in kinds:
        found += [Condition("level", "", db, LevelChange(db)) for db in LEVEL_DB]
    if "channel" in kinds:
        found += [
            Condition("channel", room, snr, ChannelChange(Channel(room, snr, seed=seed), rate_hz))
            for room in ROOMS
            for snr in CHANNEL_SNR_DB
        ]
    return found


def _rng_of(what: str, clip: Clip, seed: int) -> np.random.Generator:
    name = f"{what}/{clip.corpus}/{clip.path.name}/{clip.start_s}".encode()
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name).digest()[:8], "little")])


def clicks(rng: np.random.Generator, length: int, rate_hz: int) -> Samples:
    """Typing, cutlery: five to fifteen short damped tones a second at random times; int16 (length,)."""
    noise = np.zeros(length)
    count = max(1, int(rng.poisson(length / rate_hz * rng.uniform(5, 15))))
    for start in rng.integers(length, size=count):
        seconds = np.arange(min(length - start, rate_hz // 20)) / rate_hz
        hertz, decay = rng.uniform(400, 0.4 * rate_hz), rng.uniform(100, 600)
        noise[start : start + len(seconds)] += (
            rng.uniform(0.2, 1) * np.exp(-decay * seconds) * np.sin(2 * np.pi * hertz * seconds)
        )
    return to_int16(_at_level(noise))


def sweeps(rng: np.random.Generator, length: int, rate_hz: int) -> Samples:
    """Sirens, engines: three tones with overtones that glide up and down; int16 (length,)."""
    seconds = np.arange(length) / rate_hz
    noise = np.zeros(length)
    for _ in range(3):
        centre, depth, speed = rng.uniform(200, 1200), rng.uniform(0.1, 0.5), rng.uniform(0.2, 2)
        glide = centre * (1 + depth * np.sin(2 * np.pi * speed * seconds + rng.uniform(0, 2 * np.pi)))
        phase = 2 * np.pi * np.cumsum(glide) / rate_hz
        noise += sum(np.sin(overtone * phase) / overtone for overtone in (1, 2, 3))
    return to_int16(_at_level(noise))


def _stretch(clip: Clip, length: int, rate_hz: int, rng: np.random.Generator) -> Samples:
    """``length`` samples from a random place of a recording, which begins again where it ends."""
    samples = read_audio(clip.path, rate_hz, clip.start_s, clip.end_s)
    return np.resize(np.roll(samples, -int(rng.integers(len(samples)))), length)


def _at_level(sound: NDArray[np.generic]) -> NDArray[np.float64]:
    """The sound at an RMS of 3000; silence stays."""
    real = sound.astype(np.float64)
    rms = np.sqrt(np.mean(real**2)) if len(real) else 0.0
    return real * (_NOISE_LEVEL / rms) if rms > 0 else real
