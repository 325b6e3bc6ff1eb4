"""Every speaker is tested exactly once, by a system that has never heard them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.emospeech import UNKNOWN_USER
from edge_ser.corpora.manifest import Manifest
from edge_ser.errors import InputError
from edge_ser.evaluation.protocols import (
    Corpus,
    Fold,
    across_corpora,
    only_classes,
    shared_classes,
    shares_speakers,
    speech_beside,
    taught_besides,
    within_corpus,
    words_for,
)
from edge_ser.spec import CorporaSpec

RULE = CorporaSpec(folds=3, test_fold=1, validation_share=0.3)
FOUR = ("anger", "happiness", "neutral", "sadness")


def _corpus(name: str, speakers: int, emotions: tuple[str, ...] = FOUR, part: str = "") -> Corpus:
    root = Path("/data") / name
    clips = tuple(
        Clip(name, root / f"{who}-{emotion}.wav", f"{who:02d}", emotion=emotion, sex="fm"[who % 2], part=part)
        for who in range(speakers)
        for emotion in emotions
    )
    return Corpus(name, root, clips)


def _copies(corpus: Corpus) -> Corpus:
    """Of every clip one in another folder, as ``tools/vary_corpus.py`` makes them."""
    root = Path("/data/varied")
    return Corpus("folder", root, tuple(replace(clip, path=root / clip.path.name) for clip in corpus.clips))


def _sides(fold: Fold) -> list[set[tuple[str, str]]]:
    manifest = fold.manifest
    return [
        {(clip.corpus, clip.speaker) for clip in part}
        for part in (manifest.train, manifest.validation, manifest.test)
    ]


@given(st.integers(4, 20), st.sampled_from(["loso", "folds"]))
def test_every_speaker_is_tested_once_and_never_on_two_sides(speakers: int, protocol: str) -> None:
    corpus = _corpus("emo-db", speakers)
    folds = within_corpus(protocol, corpus, RULE, None)  # type: ignore[arg-type]
    assert len(folds) == (speakers if protocol == "loso" else 3)
    tested = [clip for fold in folds for clip in fold.manifest.test]
    assert sorted(clip.path for clip in tested) == sorted(clip.path for clip in corpus.clips)
    for fold in folds:
        train, validation, test = _sides(fold)
        assert train
        assert validation
        assert not (train | validation) & test
        assert not train & validation
        assert len(train | validation | test) == speakers


def test_a_speaker_who_shows_not_every_emotion_can_be_left_out() -> None:
    whole = _corpus("emo-db", 6)
    partial = Corpus(whole.name, whole.root, whole.clips[1:])
    assert len(within_corpus("loso", partial, RULE, None)) == 6


def test_the_split_is_the_publishers_where_there_is_one() -> None:
    corpus = _corpus("folder", 9)
    parts = ["train"] * 5 + ["validation"] * 2 + ["test"] * 2
    official = Corpus(
        corpus.name,
        corpus.root,
        tuple(
            Clip(c.corpus, c.path, c.speaker, emotion=c.emotion, part=parts[int(c.speaker)])
            for c in corpus.clips
        ),
    )
    (fold,) = within_corpus("split", official, RULE, None)
    assert {who for _, who in _sides(fold)[2]} == {"07", "08"}
    (own,) = within_corpus("split", corpus, RULE, None)
    assert {who for _, who in _sides(own)[2]} == {"01", "04", "07"}


def test_yardstick_folds_are_index_mod_k() -> None:
    folds = within_corpus("folds", _corpus("crema-d", 8), RULE, 4)
    assert [{who for _, who in _sides(fold)[2]} for fold in folds] == [
        {"00", "04"}, {"01", "05"}, {"02", "06"}, {"03", "07"},
    ]  # fmt: skip


def test_across_corpora_tests_all_of_the_target() -> None:
    one, other, target = _corpus("crema-d", 6), _corpus("urdu", 4), _corpus("emo-db", 5)
    (fold,) = across_corpora([one, other], target, RULE, both_ways=False)
    train, validation, test = _sides(fold)
    assert {name for name, _ in train} == {name for name, _ in validation} == {"crema-d", "urdu"}
    assert len(train | validation) == 10
    assert test == {("emo-db", f"{who:02d}") for who in range(5)}
    assert fold.table == "crema-d + urdu to emo-db"
    assert fold.manifest.root == Path("/data")


def test_both_ways_are_two_tables() -> None:
    folds = across_corpora([_corpus("crema-d", 6)], _corpus("emo-db", 5), RULE, both_ways=True)
    assert [fold.table for fold in folds] == ["crema-d to emo-db", "emo-db to crema-d"]
    assert len({fold.name for fold in folds}) == 2
    sources = [_corpus("crema-d", 6), _corpus("urdu", 4)]
    with pytest.raises(InputError, match="2 sources"):
        across_corpora(sources, _corpus("emo-db", 5), RULE, both_ways=True)


def test_a_speaker_on_both_sides_is_an_error() -> None:
    """Two folders of the same layout: equal names are taken for the same people."""
    source = _corpus("folder", 6)
    elsewhere = Corpus(
        "folder",
        Path("/other"),
        tuple(
            Clip("folder", Path("/other") / c.path.name, c.speaker, emotion=c.emotion) for c in source.clips
        ),
    )
    with pytest.raises(InputError, match="speaker folder/00 is in both"):
        across_corpora([source], elsewhere, RULE, both_ways=False)
    with pytest.raises(InputError, match="given twice"):
        across_corpora([source], source, RULE, both_ways=False)


def test_shared_classes_are_those_of_every_corpus() -> None:
    one, other = _corpus("a", 3, ("anger", "boredom", "fear")), _corpus("b", 3, ("fear", "anger", "calm"))
    assert shared_classes([one, other]) == ("anger", "fear")
    with pytest.raises(InputError, match="share 1"):
        shared_classes([one, _corpus("c", 3, ("fear",))])
    assert {clip.emotion for clip in only_classes(one, ("anger", "fear")).clips} == {"anger", "fear"}
    with pytest.raises(InputError, match="no clip of calm"):
        only_classes(one, ("anger", "calm"))


def _words(corpus: str, speakers: int) -> Manifest:
    root = Path("/data") / corpus
    clips = [Clip(corpus, root / f"{w}.wav", f"{w:02d}", keyword="yes") for w in range(speakers)]
    return Manifest(corpus, root, "", tuple(clips[:-2]), (clips[-2],), (clips[-1],))


def test_whom_a_fold_tests_has_not_taught_its_words() -> None:
    words = _words("synthetic-words", 6)
    for fold in within_corpus("folds", _corpus("synthetic", 6), RULE, None):
        assert shares_speakers(fold, words)
        found = words_for(fold, words)
        tested = {clip.speaker for clip in fold.manifest.test}
        assert {clip.speaker for clip in found.test} == tested
        assert not tested & {clip.speaker for clip in (*found.train, *found.validation)}


def test_words_of_other_people_stay_as_they_are() -> None:
    words = _words("speech-commands", 6)
    (fold,) = within_corpus("split", _corpus("synthetic", 6), RULE, None)
    assert not shares_speakers(fold, words)
    assert words_for(fold, words) is words


def test_of_words_of_several_corpora_only_those_of_the_same_people_move() -> None:
    """CREMA-D's sentences as unknown speech: whom a fold tests has taught no keyword net either."""
    pieces = [
        Clip("crema-d", Path(f"/data/crema-d/{who}.wav"), f"{who:02d}", keyword="_unknown_")
        for who in range(6)
    ]
    said = [
        Clip("speech-commands", Path(f"/data/sc/{who}.wav"), f"{who:02d}", keyword="yes") for who in range(6)
    ]
    both = [*pieces, *said]
    words = Manifest(
        "speech-commands+crema-d",
        Path("/data"),
        "",
        tuple(clip for clip in both if clip.speaker < "03"),
        tuple(clip for clip in both if clip.speaker == "03"),
        tuple(clip for clip in both if clip.speaker > "03"),
    )
    for fold in within_corpus("folds", _corpus("crema-d", 6), RULE, None):
        assert shares_speakers(fold, words)
        found = words_for(fold, words)
        tested = {clip.speaker for clip in fold.manifest.test}
        learned = (*found.train, *found.validation)
        assert {clip.speaker for clip in found.test if clip.corpus == "crema-d"} == tested
        assert not any(clip.corpus == "crema-d" and clip.speaker in tested for clip in learned)
        assert {clip.speaker for clip in found.test if clip.corpus == "speech-commands"} == {"04", "05"}


def test_too_few_words_are_an_error() -> None:
    (fold,) = within_corpus("split", _corpus("synthetic", 6), RULE, None)
    keep = {clip.speaker for clip in fold.manifest.train}
    clips = tuple(c for c in _words("synthetic-words", 6).clips if c.speaker in keep)
    words = Manifest("synthetic-words", Path("/data/synthetic-words"), "", clips, (), ())
    with pytest.raises(InputError, match="no keyword clip left for validation, test"):
        words_for(fold, words)


def test_words_of_nobody_in_particular_are_left_out() -> None:
    """EmoSpeech's unknown user may be anybody whom the fold tests."""
    corpus = _corpus("emospeech", 6)
    (fold, *_) = within_corpus("folds", corpus, RULE, 3)
    known = _words("emospeech", 6)
    nobody = tuple(replace(clip, speaker=UNKNOWN_USER) for clip in known.train)
    words = replace(known, train=(*known.train, *nobody))
    assert UNKNOWN_USER in words.speakers("train")
    assert words_for(fold, words) == words_for(fold, known)
    # Where no speaker can be tested, an unknown one is nobody's double.
    (other, *_) = within_corpus("folds", _corpus("emo-db", 6), RULE, 3)
    assert UNKNOWN_USER in words_for(other, words).speakers("train")


def test_other_corpora_teach_every_fold_and_test_none() -> None:
    target, other = _corpus("crema-d", 6), _corpus("emo-db", 3)
    plain = within_corpus("folds", target, RULE, None)
    taught = taught_besides(plain, target, [other], RULE)
    for before, after in zip(plain, taught, strict=True):
        assert after.manifest.train == before.manifest.train + other.clips
        assert after.manifest.validation == before.manifest.validation
        assert after.manifest.test == before.manifest.test
        assert after.table == before.table == "crema-d"
        assert "emo-db taught besides" in after.manifest.protocol
    assert taught_besides(plain, target, [], RULE) == plain


def test_copies_of_who_validates_or_tests_stay_out() -> None:
    target = _corpus("crema-d", 6)
    copies = _copies(target)
    for fold in taught_besides(within_corpus("folds", target, RULE, None), target, [copies], RULE):
        unheard = {*fold.manifest.speakers("validation"), *fold.manifest.speakers("test")}
        assert unheard
        assert not unheard & set(fold.manifest.speakers("train"))
        taught = [clip for clip in fold.manifest.train if clip.path.parent == copies.root]
        assert {clip.speaker for clip in taught} == {clip.speaker for clip in target.clips} - unheard


def test_copies_of_who_validates_and_teaches_are_on_their_side() -> None:
    target = _corpus("crema-d", 6)
    copies = _copies(target)
    rule = replace(RULE, validation_teaches=True)
    for fold in taught_besides(within_corpus("folds", target, rule, None), target, [copies], rule):
        manifest = fold.manifest
        taught = {
            clip.speaker
            for clip in (*manifest.train, *manifest.validation)
            if clip.path.parent == copies.root
        }
        assert taught == {clip.speaker for clip in target.clips} - set(manifest.speakers("test"))
        assert not set(manifest.speakers("train")) & set(manifest.speakers("validation"))


def test_the_tested_corpus_cannot_teach_besides() -> None:
    target = _corpus("crema-d", 6)
    with pytest.raises(InputError, match="given twice"):
        taught_besides(within_corpus("folds", target, RULE, None), target, [target], RULE)


def test_speech_is_heard_of_nobody_who_validates_or_tests() -> None:
    target, other = _corpus("crema-d", 6), _corpus("speech-commands", 3)
    copies = _copies(target)
    for fold in within_corpus("folds", target, RULE, None):
        heard = speech_beside(fold.manifest, [other, copies])
        unheard = {*fold.manifest.speakers("validation"), *fold.manifest.speakers("test")}
        assert (heard.validation, heard.test) == ((), ())
        assert heard.train[: len(other.clips)] == other.clips
        rest = heard.train[len(other.clips) :]
        assert {clip.speaker for clip in rest} == {clip.speaker for clip in target.clips} - unheard
        assert all(clip.path.is_relative_to(heard.root) for clip in heard.train)


def test_speech_of_none_but_who_is_tested_is_refused() -> None:
    target = _corpus("crema-d", 6)
    (fold, *_) = within_corpus("folds", target, RULE, None)
    with pytest.raises(InputError, match=r"--speech crema-d: .* has no clip of a speaker who neither"):
        speech_beside(fold.manifest, [replace(target, clips=fold.manifest.test)])
