"""What is timed: one decision as it comes due in a running system, and a whole segment decided at once.

A decision comes due when the audio of a segment is complete. The front end has seen all but the newest hop by then,
and all keyword windows but the newest have run while the audio came in; what remains is the front end over the newest
keyword hop, one inference of each net, and the fusion. ``edge-ser estimate`` and ``budget`` predict that
same work. A segment decided at once is what ``classify`` does to a file: all of its audio, all of its windows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import Segment, audio_info
from edge_ser.errors import InputError
from edge_ser.frontend.engine import open_stream, quantize_features
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.frontend.tables import FrontendTables
from edge_ser.runtime.pipeline import Decision, Embeddings, Pipeline

STAGES: Final = ("frontend", "keyword", "acoustic", "fusion")
"""Stages of a decision that comes due, in order."""

FILE_RUNS: Final = 3
"""How often a file is classified; every time is told."""


class DueDecision:
    """A decision that comes due; times of its stages."""

    def __init__(self, pipeline: Pipeline, tables: FrontendTables, audio: NDArray[np.int16]) -> None:
        """Make the rings of features and of keyword windows; nothing is computed before the first run.

        They hold silence at first. The warm-up fills them; what they hold changes no time.

        Args:
            pipeline: what decides.
            tables: of its front end.
            audio: int16 (n,), at least a segment; played round and round.

        Raises:
            InputError: less audio than a segment.
        """
        spec = pipeline.spec
        if len(audio) < spec.segment_samples:
            message = f"{len(audio)} samples; expected at least a segment, {spec.segment_samples}"
            raise InputError(message)
        self._pipeline = pipeline
        self._tables = tables
        self._audio = audio
        self._hop = spec.frontend.samples_for(spec.keyword.hop_s)
        self._stream = open_stream(tables)
        self._played = 0
        # As much as completes no frame: then every hop completes as many frames as it has steps.
        self._stream.feed(self._next(spec.frontend.window_samples - spec.frontend.step_samples))
        self._features = np.zeros((spec.segment_frames, spec.frontend.channels), np.uint8)
        self._windows = np.zeros((len(spec.keyword_starts), pipeline.keyword_net.embedding_size), np.uint8)
        self._samples = np.zeros(0, np.int16)
        self._acoustic = np.empty((1, 0), np.uint8)
        self.decision: Decision | None = None
        """What the last run decided."""

    @property
    def stages(self) -> Sequence[tuple[str, Callable[[], None]]]:
        """Front end, keyword net, acoustic net, fusion."""
        return tuple(zip(STAGES, (self._frontend, self._keyword, self._hear, self._fusion), strict=True))

    def refill(self, _run: int) -> None:
        """The next hop of audio."""
        self._samples = self._next(self._hop)

    def _frontend(self) -> None:
        fresh = self._quantized(self._stream.feed(self._samples))
        self._features = np.concatenate([self._features[len(fresh) :], fresh])

    def _keyword(self) -> None:
        newest = self._features[-self._pipeline.spec.keyword_frames :]
        embedding = self._pipeline.keyword_net.embed(newest[np.newaxis])
        self._windows = np.concatenate([self._windows[1:], embedding])

    def _hear(self) -> None:
        heard = acoustic_input(self._features[np.newaxis], self._pipeline.spec.acoustic.normalisation)
        self._acoustic = self._pipeline.acoustic_net.embed(heard)

    def _fusion(self) -> None:
        embeddings = Embeddings(self._acoustic, self._windows[np.newaxis])
        self.decision = self._pipeline.decision_of(embeddings, 0.0, self._pipeline.spec.acoustic.segment_s)

    def _quantized(self, features: NDArray[np.uint16]) -> NDArray[np.uint8]:
        return quantize_features(features, self._tables.feature_low, self._tables.feature_high)

    def _next(self, count: int) -> NDArray[np.int16]:
        places = np.arange(self._played, self._played + count) % len(self._audio)
        self._played += count
        return self._audio[places]


class WholeSegment:
    """A segment decided at once; one stage."""

    def __init__(self, pipeline: Pipeline, audio: NDArray[np.int16]) -> None:
        """Take the audio: int16 (n,), at least a segment."""
        self._pipeline = pipeline
        self._audio = audio
        self._segment = self._from(0)

    @property
    def stages(self) -> Sequence[tuple[str, Callable[[], None]]]:
        """One stage."""
        return (("segment", self._decide),)

    def refill(self, run: int) -> None:
        """The same audio, begun at another place."""
        self._segment = self._from(run)

    def _decide(self) -> None:
        self._pipeline.decide(self._segment)

    def _from(self, run: int) -> Segment:
        spec = self._pipeline.spec
        samples = np.roll(self._audio, -run * spec.frontend.step_samples)[: spec.segment_samples]
        return Segment(0.0, spec.acoustic.segment_s, samples)


@dataclass(frozen=True)
class FileRun:
    """A file classified.

    Attributes:
        audio_s: how long it plays.
        decisions: how many it gave.
        wall_s: how long each time took, reading included, in order; the first one cold.
        cpu_s: processor time of the slowest of them.
        times_real_time: ratio of ``audio_s`` to the slowest of them.
    """

    audio_s: float
    decisions: int
    wall_s: tuple[float, ...]
    cpu_s: float
    times_real_time: float


def time_file(pipeline: Pipeline, path: Path, runs: int = FILE_RUNS) -> FileRun:
    """Classify a file from its first sample to its last decision, several times.

    Raises:
        InputError: the file cannot be read as audio.
    """
    audio_s = audio_info(path).duration_s
    count, times = 0, []
    for _ in range(runs):
        cpu_before, before = time.process_time(), time.perf_counter()
        count = sum(1 for _ in pipeline.classify(path))
        times.append((time.perf_counter() - before, time.process_time() - cpu_before))
    wall, cpu = max(times)
    return FileRun(
        audio_s=round(audio_s, 3),
        decisions=count,
        wall_s=tuple(round(seconds, 4) for seconds, _ in times),
        cpu_s=round(cpu, 4),
        times_real_time=round(audio_s / wall, 1),
    )
