"""From audio to emotion with a bundle: the one pipeline that classify, listen, bench and evaluate share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import Segment, stream_audio
from edge_ser.averaging import (
    Steps,
    abstains,
    average_shares,
    probabilities_of,
    shares_to_probabilities,
)
from edge_ser.bundle import Bundle
from edge_ser.errors import InputError
from edge_ser.frontend.net_input import NetInput, acoustic_input
from edge_ser.frontend.tables import FrontendTables
from edge_ser.integer_head import IntegerHead
from edge_ser.runtime.interpreters import LiteRtNet, Net
from edge_ser.runtime.words import hear
from edge_ser.spec import SystemSpec
from edge_ser.windows import windows_of

MakeNet = Callable[[bytes, str, int, int], Net]
"""Loads a net: the file's bytes, its name for errors, the frames and the channels that it must read."""


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
        abstained: the best class is less probable than the spec wants; ``emotion`` is then a guess.
    """

    start_s: float
    end_s: float
    emotion: str
    scores: tuple[float, ...]
    logits: NDArray[np.int32]
    keyword: str | None
    abstained: bool = False


@dataclass(frozen=True)
class Recording:
    """What the system says of a whole recording.

    Attributes:
        emotion: the most probable class.
        scores: probability per class, in the order of the bundle's labels.
        abstained: the best class is less probable than the spec wants; ``emotion`` is then a guess.
    """

    emotion: str
    scores: tuple[float, ...]
    abstained: bool


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
        """What the fusion head reads, uint8 (n, both): acoustic embedding, then the largest of the keyword windows."""
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
        self.acoustic_net = acoustic
        self.keyword_net = keyword
        self._steps = Steps.of_scale(fusion.scale)
        self._word_steps = Steps.of_scale(words.scale)

    def features(self, samples: NDArray[np.int16]) -> NDArray[np.uint8]:
        """uint8 (n, frames, channels) of int16 (n, segment samples)."""
        return self._net_input.features(samples)

    def embeddings(self, features: NDArray[np.uint8]) -> Embeddings:
        """Run both nets on uint8 (n, frames, channels)."""
        length = self.spec.keyword_frames
        windows = np.stack([features[:, at : at + length] for at in self.spec.keyword_starts], axis=1)
        count, per_segment = windows.shape[:2]
        keyword = self.keyword_net.embed(windows.reshape(count * per_segment, *windows.shape[2:]))
        heard = acoustic_input(features, self.spec.acoustic.normalisation)
        return Embeddings(
            acoustic=self.acoustic_net.embed(heard), keyword_windows=keyword.reshape(count, per_segment, -1)
        )

    def decide(self, segment: Segment) -> Decision:
        """What the system says of one segment."""
        embeddings = self.embeddings(self.features(segment.samples[np.newaxis]))
        return self.decision_of(embeddings, segment.start_s, segment.end_s)

    def decision_of(self, embeddings: Embeddings, start_s: float, end_s: float) -> Decision:
        """What the system says of one segment that the nets have seen; times as in :class:`Decision`."""
        logits = self.fusion.scores(embeddings.fused)[0]
        return self.decision_from(logits, self._heard(embeddings.keyword_windows[0]), start_s, end_s)

    def decision_from(
        self, logits: NDArray[np.int32], keyword: str | None, start_s: float, end_s: float
    ) -> Decision:
        """What the system says of one segment whose scores are known.

        Args:
            logits: of the fusion head, int32 (classes,).
            keyword: the keyword that was heard in it.
            start_s: as in :class:`Decision`.
            end_s: as in :class:`Decision`.
        """
        if self.spec.decision.averaging == "mean":
            scores, abstained = self.fusion.probabilities(logits[np.newaxis])[0], False
        else:
            scores, abstained = self._judged(logits[np.newaxis], np.array([end_s - start_s]))
        return Decision(
            start_s=start_s,
            end_s=end_s,
            emotion=self.spec.acoustic.classes[int(logits.argmax())],
            scores=tuple(float(score) for score in scores),
            logits=logits,
            keyword=keyword,
            abstained=abstained,
        )

    def recording(self, decisions: Iterable[Decision]) -> Recording:
        """What the system says of a whole recording, from what it said of its segments (at least one)."""
        decided = list(decisions)
        seconds = np.array([decision.end_s - decision.start_s for decision in decided])
        scores, abstained = self._judged(np.stack([decision.logits for decision in decided]), seconds)
        return Recording(
            emotion=self.spec.acoustic.classes[int(scores.argmax())],
            scores=tuple(float(score) for score in scores),
            abstained=abstained,
        )

    def probabilities(self, logits: NDArray[np.int32], seconds: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities of a recording.

        Args:
            logits: the integer scores of its segments, int32 (n, classes).
            seconds: audio in each segment (n,).

        Returns:
            float64 (classes,), summing to 1.
        """
        return self._judged(logits, seconds)[0]

    def segments(self, blocks: Iterable[NDArray[np.int16]]) -> Iterator[Segment]:
        """The segments that decide on a recording; blocks are int16 (samples,) each, any lengths."""
        return windows_of(self.spec, blocks)

    def classify(self, path: Path) -> Iterator[Decision]:
        """Decisions on a recording, one per segment, as it is read.

        Raises:
            InputError: the file cannot be read as audio.
        """
        for segment in self.segments(stream_audio(path, self.spec.frontend.sample_rate_hz)):
            yield self.decide(segment)

    def _judged(
        self, logits: NDArray[np.int32], seconds: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], bool]:
        """Probabilities (classes,) of segments taken together, and whether the best of them is too small."""
        decision = self.spec.decision
        if decision.averaging == "entropy":
            shares = average_shares(self._steps.below_best(logits), seconds)
            return shares_to_probabilities(shares), abstains(shares, decision.abstain)
        real = logits.astype(np.float64) * self.fusion.scale
        return probabilities_of(decision.averaging, real, seconds), False

    def _heard(self, windows: NDArray[np.uint8]) -> str | None:
        heard = hear(self.words, self._word_steps, windows)
        return None if heard is None else self.spec.keyword.words[heard.word]


def load_pipeline(bundle: Bundle, make: MakeNet = LiteRtNet, ending: str = ".tflite") -> Pipeline:
    """Make a bundle ready to run on this CPU.

    Args:
        bundle: what to run.
        make: loads its nets.
        ending: of the nets' members; ``"_edgetpu.tflite"`` for the compiled ones.

    Raises:
        InputError: a member is missing or does not fit the spec; it is named.
        MissingError: an interpreter is not installed.
    """
    spec = bundle.spec
    tables = FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    channels = spec.frontend.channels
    name = f"acoustic{ending}"
    acoustic = make(bundle.member(name), name, spec.segment_frames, channels)
    name = f"keyword{ending}"
    keyword = make(bundle.member(name), name, spec.keyword_frames, channels)
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
