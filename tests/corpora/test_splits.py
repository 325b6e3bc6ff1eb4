"""Splits never share a speaker, follow the fold rule, and are the same every time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import read_clips
from edge_ser.corpora.splits import (
    PARTS,
    Part,
    check_disjoint,
    has_official_parts,
    split_by_part,
    split_by_speaker,
)
from edge_ser.errors import InputError

CLASSES = ("anger", "neutral", "sadness")


def clip(speaker: str, index: int, emotion: str | None = "anger", sex: str = "", part: str = "") -> Clip:
    path = Path("root") / f"{speaker}-{index}-{emotion}.wav"
    return Clip("folder", path, speaker, emotion=emotion, keyword=emotion, sex=sex, part=part)


def full(speakers: dict[str, str]) -> list[Clip]:
    """Every speaker in every class."""
    return [clip(name, 0, emotion, sex) for name, sex in speakers.items() for emotion in CLASSES]


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=6)
people = st.dictionaries(names, st.sampled_from(("f", "m", "")), min_size=4, max_size=25)


@given(people=people, data=st.data(), share=st.floats(0.01, 0.89), seed=st.integers(0, 99))
def test_full_speakers_always_split(
    people: dict[str, str], data: st.DataObject, share: float, seed: int
) -> None:
    folds = data.draw(st.integers(2, len(people)))
    test_fold = data.draw(st.integers(0, folds - 1))
    clips = full(people)
    parts = split_by_speaker(clips, folds, test_fold, share, seed=seed)
    # Nothing lost, nothing twice, nobody on two sides.
    assert Counter(each for part in PARTS for each in parts[part]) == Counter(clips)
    homes = {part: {each.speaker for each in parts[part]} for part in PARTS}
    assert sum(len(home) for home in homes.values()) == len(people)
    # The rule of the yardsticks.
    expected = {name for index, name in enumerate(sorted(people)) if index % folds == test_fold}
    assert homes["test"] == expected
    others = len(people) - len(expected)
    assert len(homes["validation"]) == min(max(1, round(share * others)), others - 1)
    # Each sex in proportion, to within the one speaker that rounding costs.
    for sex in ("f", "m", ""):
        group = [name for name, its in people.items() if its == sex and name not in expected]
        chosen = sum(1 for name in group if name in homes["validation"])
        assert abs(chosen - len(homes["validation"]) * len(group) / others) < 1
    shuffled = random.Random(seed).sample(clips, len(clips))
    again = split_by_speaker(shuffled, folds, test_fold, share, seed=seed)
    assert {part: set(again[part]) for part in PARTS} == {part: set(parts[part]) for part in PARTS}


@given(
    held=st.dictionaries(names, st.sets(st.sampled_from(CLASSES), min_size=1), min_size=4, max_size=12),
    folds=st.integers(2, 4),
)
def test_uneven_speakers_split_whole_or_not_at_all(held: dict[str, set[str]], folds: int) -> None:
    clips = [clip(name, 0, emotion) for name, emotions in held.items() for emotion in emotions]
    classes = {each.emotion for each in clips}
    try:
        parts = split_by_speaker(clips, folds, 0, 0.3)
    except InputError as error:
        assert " lacks " in str(error)  # noqa: PT017
        return
    check_disjoint(parts)
    assert all({each.emotion for each in parts[part]} == classes for part in PARTS)


def test_validation_speakers_are_spread_over_the_others() -> None:
    parts = split_by_speaker(full({f"s{index:02}": "f" for index in range(12)}), 4, 0, 1 / 3)
    others = sorted({each.speaker for part in ("train", "validation") for each in parts[part]})
    chosen = {each.speaker for each in parts["validation"]}
    # One of every third of the nine speakers who do not test.
    assert [len(chosen & set(others[start : start + 3])) for start in (0, 3, 6)] == [1, 1, 1]


def test_a_rare_class_moves_the_choice_of_validation_speakers() -> None:
    people = {f"s{index}": "" for index in range(9)}
    clips = full(people) + [clip(name, 1, "fear") for name in ("s0", "s4", "s8")]
    parts = split_by_speaker(clips, 3, 0, 0.2)  # s0, s3, s6 test
    assert {each.speaker for each in parts["validation"]} & {"s4", "s8"}
    assert {each.speaker for each in parts["train"]} & {"s4", "s8"}


def test_a_class_that_one_speaker_holds_is_named() -> None:
    clips = [*full({f"s{index}": "" for index in range(6)}), clip("s0", 1, "fear")]
    with pytest.raises(InputError, match="train lacks fear; validation lacks fear"):
        split_by_speaker(clips, 3, 0, 0.3)
    with pytest.raises(InputError, match="train lacks fear"):
        split_by_speaker(clips, 3, 0, 0.3, complete=("train",))
    parts = split_by_speaker(clips, 3, 1, 0.3, complete=("train",))
    assert "fear" in {each.emotion for each in parts["train"]}


def test_unlabelled_clips_are_no_class() -> None:
    clips = [*full({f"s{index}": "" for index in range(4)}), clip("s0", 1, None)]
    assert sum(len(part) for part in split_by_speaker(clips, 2, 0, 0.3).values()) == len(clips)


@pytest.mark.parametrize(
    ("count", "folds", "test_fold", "share", "words"),
    [
        (2, 2, 0, 0.2, "2 speakers; three parts"),
        (6, 7, 0, 0.2, "7 folds of 6 speakers"),
        (6, 1, 0, 0.2, "1 folds of 6 speakers"),
        (6, 3, 3, 0.2, "test fold 3 of 3"),
        (6, 3, -1, 0.2, "test fold -1 of 3"),
        (6, 3, 0, 0.0, "validation share 0.0"),
        (6, 3, 0, float("nan"), "validation share nan"),
        (3, 2, 0, 0.2, "take more folds"),
    ],
)
def test_impossible_requests(count: int, folds: int, test_fold: int, share: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        split_by_speaker(full({f"s{index}": "" for index in range(count)}), folds, test_fold, share)


def test_a_clip_without_speaker_is_refused() -> None:
    clips = [*full({f"s{index}": "" for index in range(5)}), clip("", 0)]
    with pytest.raises(InputError, match="no speaker"):
        split_by_speaker(clips, 3, 0, 0.2)


def test_emo_db_leaves_one_speaker_out(shared_data: Callable[[str], Path]) -> None:
    clips = read_clips("emo-db", shared_data("EMO-DB"))
    tested: list[str] = []
    for fold in range(10):
        parts = split_by_speaker(clips, 10, fold, 0.2, complete=("train", "validation"))
        tested += sorted({each.speaker for each in parts["test"]})
        # Two of nine validate, one of each sex.
        assert sorted({(each.speaker, each.sex)[1] for each in parts["validation"]}) == ["f", "m"]
    assert tested == ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"]


def test_official_parts(shared_data: Callable[[str], Path]) -> None:
    clips = read_clips("speech-commands", shared_data("speech_commands_v0.01"))
    assert has_official_parts(clips)
    parts = split_by_part(clips)
    assert {part: len(parts[part]) for part in PARTS} == {"train": 641, "validation": 99, "test": 100}
    check_disjoint(parts)


def test_official_parts_that_cannot_be() -> None:
    good = [clip(part, 0, emotion, part=part) for part in PARTS for emotion in CLASSES]
    assert has_official_parts(good)
    assert not has_official_parts(good[:3])
    assert not has_official_parts([*good, clip("x", 0)])
    with pytest.raises(InputError, match="its part is '5'"):
        split_by_part([*good, clip("x", 0, part="5")])
    with pytest.raises(InputError, match="test is empty"):
        split_by_part([each for each in good if each.part != "test"])
    with pytest.raises(InputError, match="train lacks fear; validation lacks fear"):
        split_by_part([*good, clip("test", 1, "fear", part="test")])
    with pytest.raises(InputError, match="speaker folder/train is in both train and test"):
        split_by_part([*good, clip("train", 1, part="test")])


@pytest.mark.parametrize(
    ("first", "second"), [("train", "validation"), ("validation", "test"), ("train", "test")]
)
def test_disjoint_names_what_is_shared(first: Part, second: Part) -> None:
    shared = {first: (clip("anna", 0),), second: (clip("anna", 1),)}
    with pytest.raises(InputError, match=f"speaker folder/anna is in both {first} and {second}"):
        check_disjoint(shared)
    noise = clip("", 0, None)
    with pytest.raises(InputError, match=rf"clip .*-0-None\.wav at 0 s is in both {first} and {second}"):
        check_disjoint({first: (noise,), second: (noise,)})
    check_disjoint({first: (noise,), second: (clip("", 1, None),)})
