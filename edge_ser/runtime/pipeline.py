"""From audio to emotion with a bundle: the one pipeline that classify, listen, bench and evaluate share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import Segment, segments, stream_audio
from edge_ser.bundle import Bundle
from edge_ser.errors import InputError
from edge_ser.frontend.net_input import NetInput
from edge_ser.frontend.tables import FrontendTables
from edge_ser.integer_head import IntegerHead
from edge_ser.runtime.interpreters import LiteRtNet, Net
from edge_ser.spec import SILENCE, UNKNOWN_WORD, SystemSpec

KEYWORD_THRESHOLD = 0.5
"""A keyword is named where its probability in some window is at least this; fusion reads the embedding regardless."""


@dataclass(frozen=True)
class Decision:
    """What the system says of one segment.

    Attributes:
        start_s: start in the recording, seconds.
        end_s: end of the audio in it, seconds (padding not counted).
        emotion: the class decided on.
        scores: probability per class, in the order of the bundle's labels.
        logits: the integer scores behind them, int32 (classes,).
        keyword: the keyword heard most clearly, or ``None``.
    """

    start_s: float
    end_s: float
    emotion: str
    scores: tuple[float, ...]
    logits: NDArray[np.int32]
    keyword: str | None


@dataclass(frozen=True)
class Embeddings:
    """The nets' view of n segments.

    Attributes:
        acoustic: uint8 (n, acoustic embedding).
        keyword_windows: uint8 (n, windows, keyword embedding).
    """

    acoustic: NDArray[np.uint8]
    keyword_windows: NDArray[np.uint8]

    @property
    def fused(self) -> NDArray[np.uint8]:
        """What the fusion head reads: the acoustic embedding, then the largest of the keyword windows."""
        return np.hstack([self.acoustic, self.keyword_windows.max(axis=1)])


class Pipeline:
    """A bundle made ready to run."""

    def __init__(
        self,
        spec: SystemSpec,
        net_input: NetInput,
        acoustic: Net,
        keyword: Net,
        fusion: IntegerHead,
        words: IntegerHead,
    ) -> None:
        self.spec = spec
        self.fusion = fusion
        self.words = words
        self._net_input = net_input
        self._acoustic = acoustic
        self._keyword = keyword

    def features(self, samples: NDArray[np.int16]) -> NDArray[np.uint8]:
        """uint8 (n, frames, channels) of int16 (n, segment samples)."""
        return self._net_input.features(samples)

    def embeddings(self, features: NDArray[np.uint8]) -> Embeddings:
        """Run both nets on uint8 (n, frames, channels)."""
        length = self.spec.keyword_frames
        windows = np.stack([features[:, at : at + length] for at in self.spec.keyword_starts], axis=1)
        count, per_segment = windows.shape[:2]
        keyword = self._keyword.embed(windows.reshape(count * per_segment, *windows.shape[2:]))
        return Embeddings(
            acoustic=self._acoustic.embed(features), keyword_windows=keyword.reshape(count, per_segment, -1)
        )

    def decide(self, segment: Segment) -> Decision:
        """What the system says of one segment."""
        embeddings = self.embeddings(self.features(segment.samples[np.newaxis]))
        logits = self.fusion.scores(embeddings.fused)[0]
        scores = self.fusion.probabilities(logits[np.newaxis])[0]
        return Decision(
            start_s=segment.start_s,
            end_s=segment.end_s,
            emotion=self.spec.acoustic.classes[int(logits.argmax())],
            scores=tuple(float(score) for score in scores),
            logits=logits,
            keyword=self._heard(embeddings.keyword_windows[0]),
        )

    def segments(self, blocks: Iterable[NDArray[np.int16]]) -> Iterator[Segment]:
        """Cut audio into the spec's segments."""
        spec = self.spec
        rate = spec.frontend.sample_rate_hz
        hop = spec.frontend.samples_for(spec.acoustic.hop_s)
        return segments(blocks, spec.segment_samples, hop, rate)

    def classify(self, path: Path) -> Iterator[Decision]:
        """Decisions on a recording, one per segment, as it is read.

        Raises:
            InputError: the file cannot be read as audio.
        """
        for segment in self.segments(stream_audio(path, self.spec.frontend.sample_rate_hz)):
            yield self.decide(segment)

    def _heard(self, windows: NDArray[np.uint8]) -> str | None:
        probabilities = self.words.probabilities(self.words.scores(windows))
        named = probabilities[:, : -len((UNKNOWN_WORD, SILENCE))]
        if named.max() < KEYWORD_THRESHOLD:
            return None
        return self.spec.keyword.words[int(named.max(axis=0).argmax())]


def load_pipeline(bundle: Bundle) -> Pipeline:
    """Make a bundle ready to run on this CPU.

    Raises:
        InputError: a member does not fit the spec; it is named.
    """
    spec = bundle.spec
    tables = FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    channels = spec.frontend.channels
    acoustic = LiteRtNet(bundle.member("acoustic.tflite"), "acoustic.tflite", spec.segment_frames, channels)
    keyword = LiteRtNet(bundle.member("keyword.tflite"), "keyword.tflite", spec.keyword_frames, channels)
    heads = bundle.arrays("fusion.npz")
    fusion = IntegerHead.from_arrays(heads, "fusion")
    words = IntegerHead.from_arrays(heads, "words")
    expected = {
        "fusion": (len(spec.acoustic.classes), acoustic.embedding_size + keyword.embedding_size),
        "words": (len(spec.keyword.classes), keyword.embedding_size),
    }
    for name, head in (("fusion", fusion), ("words", words)):
        if head.weights.shape != expected[name]:
            found = head.weights.shape
            message = f"fusion.npz: {name} weights are {found}; the nets and labels expect {expected[name]}"
            raise InputError(message)
    return Pipeline(spec, NetInput(tables), acoustic, keyword, fusion, words)


def recording_scores(decisions: Iterable[Decision]) -> NDArray[np.float64]:
    """Integer scores of a whole recording: the segments' mean, weighted by how much audio each holds; (classes,)."""
    decided = list(decisions)
    seconds = [decision.end_s - decision.start_s for decision in decided]
    mean: NDArray[np.float64] = np.average([decision.logits for decision in decided], axis=0, weights=seconds)
    return mean
