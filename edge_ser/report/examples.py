"""Example recordings for the page: what the bundle decides, why, the sound itself and its outline."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge_ser.audio import SAMPLE_RATE_HZ, audio_info, read_audio
from edge_ser.bundle import Bundle
from edge_ser.errors import InputError
from edge_ser.report.explained import Explained, explained
from edge_ser.runtime.pipeline import Pipeline

LONGEST_S = 15.0
"""Of a recording, what the page holds and decides on; 15 s of 16-bit speech are about 300 kB of FLAC."""

OUTLINE_POINTS = 300
"""Columns of the outline: about as many as a phone has pixels."""


@dataclass(frozen=True)
class Piece:
    """One decision.

    Attributes:
        start_s: in the recording.
        end_s: end of its audio.
        emotion: decided on.
        scores: (class, probability), most probable first.
        keyword: heard, or ``None``.
        abstained: whether the bundle was not sure enough.
    """

    start_s: float
    end_s: float
    emotion: str
    scores: tuple[tuple[str, float], ...]
    keyword: str | None
    abstained: bool


@dataclass(frozen=True)
class Example:
    """A recording on the page.

    Attributes:
        file: its name.
        duration_s: of the whole recording.
        shown_s: of what is on the page, from its start.
        flac: that part, 16-bit mono, as the nets hear it.
        outline: (least, most) sample of every column, as shares of full scale.
        pieces: the decisions.
        explained: why.
    """

    file: str
    duration_s: float
    shown_s: float
    flac: bytes
    outline: tuple[tuple[float, float], ...]
    pieces: tuple[Piece, ...]
    explained: Explained


def read_example(path: Path, bundle: Bundle, pipeline: Pipeline) -> Example:
    """A recording, decided and explained; of a long one the first :data:`LONGEST_S`.

    Args:
        path: the recording.
        bundle: the system.
        pipeline: it, made ready.

    Raises:
        InputError: it cannot be read as audio.
    """
    duration_s = audio_info(path).duration_s
    rate = pipeline.spec.frontend.sample_rate_hz
    end_s = min(duration_s, LONGEST_S)
    samples = read_audio(path, rate, 0.0, end_s)
    voiced = None if rate == SAMPLE_RATE_HZ else read_audio(path, SAMPLE_RATE_HZ, 0.0, end_s)
    return Example(
        path.name,
        duration_s,
        len(samples) / rate,
        flac_bytes(samples, rate),
        outline(samples, OUTLINE_POINTS),
        _pieces(samples, pipeline),
        explained(bundle, pipeline, samples, voiced),
    )


def flac_bytes(samples: NDArray[np.int16], sample_rate_hz: int) -> bytes:
    """The samples as a FLAC file: without loss, played by every browser, the same bytes every time.

    Args:
        samples: int16 (samples,).
        sample_rate_hz: their rate.
    """
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def outline(samples: NDArray[np.int16], points: int) -> tuple[tuple[float, float], ...]:
    """The least and the most sample of each of ``points`` equal columns, as shares of full scale; fewer where there
    are fewer samples.

    Args:
        samples: int16 (samples,), one at least.
        points: columns.

    >>> outline(np.array([0, 16384, -16384, 0], dtype=np.int16), 2)
    ((0.0, 0.5), (-0.5, 0.0))
    """
    edges = np.linspace(0, len(samples), min(points, len(samples)) + 1).astype(int)
    columns = (samples[first:last] for first, last in pairwise(edges))
    return tuple((float(column.min()) / 32768, float(column.max()) / 32768) for column in columns)


def _pieces(samples: NDArray[np.int16], pipeline: Pipeline) -> tuple[Piece, ...]:
    labels = pipeline.spec.acoustic.classes
    found = []
    for segment in pipeline.segments([samples]):
        said = pipeline.decide(segment)
        scores = sorted(zip(labels, said.scores, strict=True), key=lambda pair: -pair[1])
        found.append(
            Piece(said.start_s, said.end_s, said.emotion, tuple(scores), said.keyword, said.abstained)
        )
    if not found:
        message = "no segment in the recording"
        raise InputError(message)
    return tuple(found)
