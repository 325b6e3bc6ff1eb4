"""Which cues the literature expects of an emotion, whether they were found, and what a person reads of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from edge_ser.evaluation.explain_cues import CUES

Found = Literal["found", "opposite", "not marked"]

SOURCES: Final[Mapping[str, str]] = {
    "MA93": "Murray and Arnott, J. Acoust. Soc. Am. 93(2), 1993, table 1",
    "S86": "Scherer, Psychological Bulletin 99(2), 1986: predictions",
    "BS96": "Banse and Scherer, J. Personality and Social Psychology 70(3), 1996, table 6",
    "JL03": "Juslin and Laukka, Psychological Bulletin 129(5), 2003, tables 7 and 11",
}
"""By the key that :data:`EXPECTED` uses. The descriptors are GeMAPS' (Eyben et al. 2016), the directions these.

Each direction was held against public summaries of these tables, not against the papers themselves.
"""


@dataclass(frozen=True)
class Expectation:
    """What the literature says of one cue of an emotion, against neutral speech.

    Attributes:
        direction: 1 for more, -1 for less, 0 for as in neutral speech.
        sources: keys of :data:`SOURCES`.
    """

    direction: Literal[-1, 0, 1]
    sources: tuple[str, ...]


def _more(*sources: str) -> Expectation:
    return Expectation(1, sources)


def _less(*sources: str) -> Expectation:
    return Expectation(-1, sources)


EXPECTED: Final[Mapping[str, Mapping[str, Expectation]]] = {
    "anger": {
        "f0": _more("MA93", "BS96", "JL03"),
        "f0_range": _more("MA93", "JL03"),
        "loudness": _more("MA93", "BS96", "JL03"),
        "slope": _more("BS96", "JL03"),
        "jitter": _more("JL03"),
    },
    "boredom": {"f0": _less("S86"), "f0_range": _less("S86")},
    "disgust": {"f0": _less("MA93"), "f0_range": _more("MA93"), "loudness": _less("MA93")},
    # Loudness, range and high frequencies of fear go up in some reviews and down in others: mild fear is no panic.
    "fear": {"f0": _more("MA93", "BS96", "JL03"), "jitter": _more("MA93", "JL03")},
    "happiness": {
        "f0": _more("MA93", "JL03"),
        "f0_range": _more("MA93", "JL03"),
        "loudness": _more("MA93", "JL03"),
        "slope": _more("JL03"),
        "jitter": _less("JL03"),
    },
    "neutral": {cue.name: Expectation(0, ()) for cue in CUES},
    "sadness": {
        "f0": _less("MA93", "JL03"),
        "f0_range": _less("MA93", "JL03"),
        "loudness": _less("MA93", "BS96", "JL03"),
        "slope": _less("JL03"),
        "jitter": _more("JL03"),
    },
}
"""By emotion and cue; a cue that is not there is one that the reviews are silent or divided about.

High-frequency energy is read as a spectrum that falls less steeply from 500 to 1500 Hz, irregular voicing and
"microstructural irregularity" as jitter. The reviews are of acted speech mostly. Neutral speech is expected to be what
it is compared with. Emotions that are not there have no agreed pattern of these cues.
"""

MARKED: Final = 0.5
"""A cue differs from neutral speech from half a standard deviation on: Cohen's medium effect (1988)."""

USUAL: Final = 1.0
"""A cue of neutral speech is as expected within one standard deviation."""

_PLAIN, _STRONG = 1.0, 2.0

_LEVEL: Final = 6.0
"""A loudness further than this from neutral speech's is another gain, not another emotion (anger of CREMA-D lies near
5): it is shown, and neither put into words nor judged. Ours."""


@dataclass(frozen=True)
class Verdict:
    """Whether the cues are those that the literature expects of an emotion.

    Attributes:
        emotion: of which.
        expected: how many measured cues the literature has an expectation of.
        found: how many of them are as expected.
        opposite: how many go the other way.
        cues: by name of such a cue, what was found.
        word: ``"as expected"`` (at least half of them found, and more found than opposite), ``"against
            expectation"`` (more opposite than found), ``"mixed"``, or ``"no expectation"`` (nothing to compare).
    """

    emotion: str
    expected: int
    found: int
    opposite: int
    cues: Mapping[str, Found]
    word: Literal["as expected", "against expectation", "mixed", "no expectation"]


def judge(emotion: str, scores: Mapping[str, float]) -> Verdict:
    """Compare cues with what the literature expects.

    Args:
        emotion: which emotion; one without an entry in :data:`EXPECTED` has no expectation.
        scores: z-scores against neutral speech, by name of a cue; those that could be measured.
    """
    expected = EXPECTED.get(emotion, {})
    cues = {name: _found(one.direction, scores[name]) for name, one in expected.items() if name in scores}
    found, opposite = (list(cues.values()).count(word) for word in ("found", "opposite"))
    if not cues:
        return Verdict(emotion, 0, 0, 0, cues, "no expectation")
    if 2 * found >= len(cues) and found > opposite:
        return Verdict(emotion, len(cues), found, opposite, cues, "as expected")
    word: Literal["against expectation", "mixed"] = "against expectation" if opposite > found else "mixed"
    return Verdict(emotion, len(cues), found, opposite, cues, word)


def _found(direction: int, score: float) -> Found:
    if direction == 0:
        return "found" if abs(score) <= USUAL else "opposite"
    if abs(score) < MARKED:
        return "not marked"
    return "found" if score * direction > 0 else "opposite"


def comparable(scores: Mapping[str, float]) -> dict[str, float]:
    """The z-scores that can be believed: without a loudness that no voice could have at the training's gain."""
    return {name: z for name, z in scores.items() if name != "loudness" or abs(z) <= _LEVEL}


def in_words(name: str, score: float) -> str:
    """One cue of a z-score: ``"much louder"``, ``"slightly higher"``, ``"as neutral"``."""
    cue = next(cue for cue in CUES if cue.name == name)
    if abs(score) < MARKED:
        return "as neutral"
    word = cue.more if score > 0 else cue.less
    if abs(score) < _PLAIN:
        return f"slightly {word}"
    return f"much {word}" if abs(score) >= _STRONG else word


def sentence(scores: Mapping[str, float]) -> str:
    """All cues, by their z-scores, the most marked first.

    E.g. ``"much louder, higher and slightly shriller than neutral speech"``.
    """
    marked = sorted(
        (name for name in scores if abs(scores[name]) >= MARKED), key=lambda name: -abs(scores[name])
    )
    if not scores:
        return "nothing could be compared with neutral speech"
    if not marked:
        return "as neutral speech in every cue"
    return f"{_listed([in_words(name, scores[name]) for name in marked])} than neutral speech"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sources_of(emotion: str) -> tuple[str, ...]:
    """The literature behind an emotion's expectations, in full, each once."""
    keys = {key for one in EXPECTED.get(emotion, {}).values() for key in one.sources}
    return tuple(SOURCES[key] for key in SOURCES if key in keys)
