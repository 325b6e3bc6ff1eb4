"""Silence that is made: digital near-silence and stationary noise, for the silence class of a keyword net.

``quiet/{train,validation,test}/NNN.wav``, one second each. No corpus of words holds what a microphone gives where
nobody speaks and nothing sounds: zeros, a converter's last bits, hiss. A net that never heard that calls it something.
The recordings are drawn (:func:`edge_ser.acoustics.make_noise`), each part from its own numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge_ser.acoustics import COLOURS, Samples, make_hum, make_noise, to_int16
from edge_ser.audio import write_wav
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.splits import PARTS, Part
from edge_ser.corpora.tree import matching
from edge_ser.files import replacing_folder
from edge_ser.spec import SILENCE

SECONDS = 1.0
LEVELS_DBFS = (-90.0, -35.0)
"""Levels between which noise is drawn: one step of 16 bits is -90, a loud fan near a microphone about -35."""

ZERO_SHARE = 0.1
"""Share of the recordings that are nothing but zeros, as a muted or switched-off microphone gives."""

_NAME = rf"(?P<part>{'|'.join(PARTS)})/\d{{3}}"
_MOST = 1000
_FULL_SCALE = 32768.0


def make_quiet(folder: Path, counts: dict[Part, int], seed: int, sample_rate_hz: int) -> None:
    """Write the recordings; the folder appears when it is whole, and replaces one that is there.

    Args:
        folder: where to; the same arguments give the same files.
        counts: recordings by part; at most 1000 are made of each.
        seed: of the noise.
        sample_rate_hz: of the recordings.

    Raises:
        InputError: the place cannot be written.
    """
    with replacing_folder(folder) as beside:
        for number, part in enumerate(PARTS):
            rng = np.random.default_rng([seed, number])
            for index in range(min(counts.get(part, 0), _MOST)):
                write_wav(beside / part / f"{index:03d}.wav", _quiet(rng, sample_rate_hz), sample_rate_hz)


def _quiet(rng: np.random.Generator, rate: int) -> Samples:
    count = round(SECONDS * rate)
    if rng.random() < ZERO_SHARE:
        return np.zeros(count, dtype=np.int16)
    kind = int(rng.integers(len(COLOURS) + 1))
    loud = make_hum(rng, count, rate) if kind == len(COLOURS) else make_noise(rng, count, COLOURS[kind])
    wanted = _FULL_SCALE * 10 ** (rng.uniform(*LEVELS_DBFS) / 20)
    return to_int16(loud * (wanted / np.sqrt(np.mean(loud.astype(np.float64) ** 2))))


def read(root: Path) -> Iterator[Clip]:
    """Yield the recordings below ``root``."""
    for path, match in matching(root, _NAME):
        yield Clip(
            corpus=QUIET.name,
            path=path,
            speaker="",
            keyword=SILENCE,
            part=match["part"].lower(),
            licence=QUIET.licence,
        )


QUIET = Layout(
    name="synthetic-quiet",
    title="Made near-silence and noise (edge-ser makes it where a keyword net is trained)",
    kind="noise",
    language="",
    licence="made on this machine",
    publisher="edge-ser",
    shippable=True,
    read=read,
    hint="train/000.wav, validation/000.wav, test/000.wav",
)
