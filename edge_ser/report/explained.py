"""An explanation of one recording, cut down to what a page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_ser.bundle import Bundle
from edge_ser.runtime.pipeline import Pipeline

if TYPE_CHECKING:
    from edge_ser.evaluation.explain import Explanation

_DIRECTIONS = ("less", "as neutral", "more")
"""By what the literature expects: -1, 0, 1."""


@dataclass(frozen=True)
class CueRow:
    """One acoustic cue inside the windows.

    Attributes:
        title: e.g. ``"F0 mean"``.
        value: in the cue's unit; ``None`` where there was too little voice.
        unit: of the value.
        z: standard deviations above neutral speech; ``None`` where nothing could be compared.
        words: e.g. ``"much higher"``; ``""`` where nothing could be compared.
        expected: what the literature expects: more, less, as neutral; ``""`` for nothing.
        found: ``"found"``, ``"opposite"``, ``"not marked"``; ``""`` where nothing was judged.
    """

    title: str
    value: float | None
    unit: str
    z: float | None
    words: str
    expected: str
    found: str


@dataclass(frozen=True)
class Shown:
    """A stretch that the decision leans on: seconds, and the probability that the decision loses without it."""

    start_s: float
    end_s: float
    effect: float


@dataclass(frozen=True)
class Explained:
    """Why the bundle decided so.

    Attributes:
        emotion: of the whole recording.
        score: its probability.
        together: its probability with all windows hidden.
        saliency: (middle in seconds, what the decision loses with that column hidden, as a share of the largest such
            loss); below 0 where the column speaks against it.
        windows: the strongest first.
        cues: inside the windows.
        words: the cues in a sentence; ``""`` where nothing could be compared.
        verdict: whether the literature expects them, in a sentence; ``""`` where nothing could be compared.
        sources: the literature.
        remarks: what to know before believing any of it, a sentence each.
    """

    emotion: str
    score: float
    together: float
    saliency: tuple[tuple[float, float], ...]
    windows: tuple[Shown, ...]
    cues: tuple[CueRow, ...]
    words: str
    verdict: str
    sources: tuple[str, ...]
    remarks: tuple[str, ...]


def explained(
    bundle: Bundle, pipeline: Pipeline, samples: NDArray[np.int16], voiced: NDArray[np.int16] | None
) -> Explained:
    """Explain a recording as ``edge-ser explain`` does, beside the neutral speech that the bundle carries, if any.

    Args:
        bundle: the system.
        pipeline: it, made ready.
        samples: int16 (n,) at the spec's rate, at least one.
        voiced: the same at 16 kHz; ``None`` where the spec's rate is that.

    Raises:
        InputError: the bundle's report on neutral speech is not as edge-ser writes it.
        ModuleNotFoundError: what ``edge-ser[evaluate]`` brings is not installed; only examples need it.
    """
    from edge_ser.evaluation.explain import explain
    from edge_ser.evaluation.explain_expected import sources_of
    from edge_ser.evaluation.explain_neutral import neutral_of

    found = explain(pipeline, samples, neutral_of(bundle), voiced=voiced)
    largest = max((abs(float(effect)) for effect in found.effects), default=0.0) or 1.0
    middles = (sum(found.seconds(column)) / 2 for column in found.columns)
    return Explained(
        emotion=found.heard.recording.emotion,
        score=found.heard.score,
        together=found.together,
        saliency=tuple(
            (middle, float(effect) / largest) for middle, effect in zip(middles, found.effects, strict=True)
        ),
        windows=tuple(Shown(*found.seconds(one.stretch), one.effect) for one in found.windows),
        cues=_cues(found),
        words=found.words if found.scores else "",
        verdict=_verdict(found),
        sources=sources_of(found.heard.recording.emotion) if found.verdict is not None else (),
        remarks=found.remarks,
    )


def _cues(found: Explanation) -> tuple[CueRow, ...]:
    from edge_ser.evaluation.explain_cues import CUES
    from edge_ser.evaluation.explain_expected import EXPECTED, in_words

    about = {cue.name: cue for cue in CUES}
    expected = EXPECTED.get(found.heard.recording.emotion, {})
    judged = {} if found.verdict is None else found.verdict.cues
    return tuple(
        CueRow(
            about[cue.name].title,
            cue.value,
            about[cue.name].unit,
            cue.z,
            "" if cue.z is None else in_words(cue.name, cue.z),
            _DIRECTIONS[expected[cue.name].direction + 1] if cue.name in expected else "",
            judged.get(cue.name, ""),
        )
        for cue in found.cues
    )


def _verdict(found: Explanation) -> str:
    said = found.verdict
    if said is None:
        return ""
    if not said.expected:
        return f"The literature has no agreed pattern of these cues for {said.emotion}."
    opposite = f", {said.opposite} the other way" if said.opposite else ""
    return (
        f"Of {said.expected} cues that the literature expects of {said.emotion}, {said.found} are found{opposite}: "
        f"{said.word}."
    )
