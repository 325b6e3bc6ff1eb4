"""Nobody is scored on their own training."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation_cases import hearing_bundle, learned_from_nobody

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.emospeech import UNKNOWN_USER
from edge_ser.errors import InputError
from edge_ser.evaluation.learned import Learned, choose_clips, learned_from

CLASSES = ("anger", "neutral", "sadness")


def _clips(corpus: str = "crema-d") -> list[Clip]:
    return [
        Clip(corpus, Path(f"{who}-{emotion}.wav"), who, emotion=emotion)
        for who in ("1001", "1002", "1003", "1004")
        for emotion in (*CLASSES, "boredom")
    ]


def test_those_who_trained_or_chose_are_left_out() -> None:
    learned = learned_from(hearing_bundle(learned_from_nobody()))
    nameless = Clip("crema-d", Path("who.wav"), "", emotion="anger")
    found = choose_clips([*_clips(), nameless], CLASSES, learned)
    assert found.without_speaker == 1
    assert {clip.speaker for clip in found.clips} == {"1003", "1004"}
    assert found.left_out_speakers == ("1001", "1002")
    assert found.left_out_clips == 8
    assert found.unknown_labels == {"boredom": 2}


def test_another_corpus_keeps_its_speakers() -> None:
    learned = learned_from(hearing_bundle(learned_from_nobody()))
    assert len({clip.speaker for clip in choose_clips(_clips("emo-db"), CLASSES, learned).clips}) == 4


@pytest.mark.parametrize("who", ["1001", "1002"])
def test_to_ask_for_a_known_speaker_is_an_error(who: str) -> None:
    learned = learned_from(hearing_bundle(learned_from_nobody()))
    with pytest.raises(InputError, match=f"speaker {who} taught"):
        choose_clips(_clips(), CLASSES, learned, [who, "1003"])
    with pytest.raises(InputError, match="'9' is not in the corpus"):
        choose_clips(_clips(), CLASSES, learned, ["9"])


def test_words_teach_too_and_share_their_corpus_speakers() -> None:
    speakers = {"train": ["voice-1"], "validation": [], "test": []}
    nobody = {"train": [], "validation": [], "test": []}
    learned = learned_from(
        hearing_bundle(
            {
                "corpora": {
                    "emotions": [{"name": "emo-db", "speakers": nobody}],
                    "words": {"name": "synthetic-words", "speakers": speakers},
                }
            }
        )
    )
    assert learned.saw(Clip("synthetic", Path("a.wav"), "voice-1"))
    assert not learned.saw(Clip("synthetic", Path("a.wav"), "voice-2"))
    assert learned.emotions == ("emo-db",)


@pytest.mark.parametrize("provenance", [{}, {"corpora": {"emotions": {"name": "x"}}}, {"corpora": [1]}])
def test_a_bundle_that_does_not_say_is_refused(provenance: dict[str, object]) -> None:
    with pytest.raises(InputError, match="does not say which speakers"):
        learned_from(hearing_bundle(provenance))


def test_nobody_left_is_an_error() -> None:
    learned = learned_from(hearing_bundle(learned_from_nobody()))
    seen = [clip for clip in _clips() if clip.speaker in ("1001", "1002")]
    with pytest.raises(InputError, match="learned from all of its 2 speakers"):
        choose_clips(seen, CLASSES, learned)
    with pytest.raises(InputError, match="emotions"):
        choose_clips(_clips(), ("fear",), learned)


def test_clips_of_nobody_in_particular_are_not_scored() -> None:
    learned = Learned({}, ("crema-d",), ("crema-d",))
    clips = [Clip("emospeech", Path(f"{who}.flac"), who, emotion="anger") for who in ("ab12", UNKNOWN_USER)]
    choice = choose_clips(clips, ("anger",), learned)
    assert [clip.speaker for clip in choice.clips] == ["ab12"]
    assert choice.without_speaker == 1
