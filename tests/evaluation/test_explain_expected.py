"""What the literature expects, what was found, and the words for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.evaluation.explain_cues import CUE_NAMES
from edge_ser.evaluation.explain_expected import (
    EXPECTED,
    SOURCES,
    comparable,
    in_words,
    judge,
    sentence,
    sources_of,
)
from edge_ser.spec import EMOTIONS

ANGRY = {
    "f0": 2.5,
    "f0_range": 1.2,
    "loudness": 3.0,
    "slope": 0.7,
    "hnr": -0.1,
    "jitter": 0.6,
    "shimmer": 0.0,
}


def test_the_table_names_known_things_and_its_sources() -> None:
    assert set(EXPECTED) <= set(EMOTIONS)
    for emotion, cues in EXPECTED.items():
        assert set(cues) <= set(CUE_NAMES)
        assert all(set(one.sources) <= set(SOURCES) for one in cues.values())
        # Neutral speech is what everything is compared with; every other direction has a source.
        assert all(one.sources for one in cues.values()) == (emotion != "neutral")
    assert len(sources_of("anger")) == 3
    assert sources_of("surprise") == ()


def test_an_angry_voice_is_as_expected_of_anger_and_not_of_sadness() -> None:
    verdict = judge("anger", ANGRY)
    assert (verdict.word, verdict.expected, verdict.found, verdict.opposite) == ("as expected", 5, 5, 0)
    verdict = judge("sadness", ANGRY)
    assert (verdict.word, verdict.found, verdict.opposite) == ("against expectation", 1, 4)
    assert verdict.cues["f0"] == "opposite"


def test_a_voice_as_usual_is_neutral_and_no_anger() -> None:
    usual = dict.fromkeys(CUE_NAMES, 0.2)
    assert judge("neutral", usual).word == "as expected"
    verdict = judge("anger", usual)
    assert (verdict.word, verdict.found, verdict.opposite) == ("mixed", 0, 0)
    assert set(verdict.cues.values()) == {"not marked"}
    assert judge("neutral", ANGRY).opposite == 3


def test_without_expectation_or_cues_there_is_no_verdict() -> None:
    assert judge("surprise", ANGRY).word == "no expectation"
    assert judge("fear", {"shimmer": 1.0}).word == "no expectation"
    assert judge("anger", {}).expected == 0


@given(st.sampled_from(sorted(EXPECTED)), st.dictionaries(st.sampled_from(CUE_NAMES), st.floats(-9, 9)))
def test_counts_add_up(emotion: str, scores: dict[str, float]) -> None:
    verdict = judge(emotion, scores)
    assert verdict.expected == len(verdict.cues) == len(set(scores) & set(EXPECTED[emotion]))
    assert verdict.found + verdict.opposite <= verdict.expected
    assert (verdict.word == "as expected") == (
        verdict.expected > 0 and 2 * verdict.found >= verdict.expected and verdict.found > verdict.opposite
    )


@pytest.mark.parametrize(
    ("name", "z", "words"),
    [
        ("loudness", 2.0, "much louder"),
        ("f0", 1.0, "higher"),
        ("slope", 0.5, "slightly shriller"),
        ("f0", -1.4, "lower"),
        ("hnr", -3.0, "much noisier"),
        ("jitter", 0.49, "as neutral"),
    ],
)
def test_words(name: str, z: float, words: str) -> None:
    assert in_words(name, z) == words


def test_sentences() -> None:
    assert sentence({"loudness": 3.0, "f0": 1.5, "slope": 0.6, "hnr": 0.0}) == (
        "much louder, higher and slightly shriller than neutral speech"
    )
    assert sentence({"f0": -1.0}) == "lower than neutral speech"
    assert sentence({"f0": 0.1}) == "as neutral speech in every cue"
    assert sentence({}) == "nothing could be compared with neutral speech"


def test_a_loudness_of_another_gain_is_not_judged() -> None:
    assert comparable({"loudness": 9.0, "f0": 9.0}) == {"f0": 9.0}
    assert comparable({"loudness": 5.0}) == {"loudness": 5.0}
