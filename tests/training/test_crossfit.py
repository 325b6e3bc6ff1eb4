"""Cross-fitting: nobody is heard by a net that knows them, and the words are left out where they help nobody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.training.crossfit import CONTROLS, HeldOut, check_not_heard, cross_fit, fit_with_controls
from edge_ser.training.fusion import FloatHead, fit_on_logits

CLASSES = 4
PENALTIES = (0.1, 1.0)
ALONE = FloatHead(np.eye(CLASSES), np.zeros(CLASSES))


def _clips(counts: Sequence[int]) -> list[Clip]:
    return [
        Clip("made", Path(f"{who}-{at}.wav"), f"s{who}", emotion="anger")
        for who, count in enumerate(counts)
        for at in range(count)
    ]


@given(st.lists(st.integers(1, 4), min_size=2, max_size=9), st.integers(2, 5), st.randoms())
def test_everyone_is_heard_once_by_a_net_that_does_not_know_them(
    counts: list[int], folds: int, random: object
) -> None:
    clips = _clips(counts)
    random.shuffle(clips)  # type: ignore[attr-defined]
    index = {clip.path: at for at, clip in enumerate(clips)}

    def hear(learning: Sequence[Clip], held: Sequence[Clip], number: int) -> HeldOut:
        assert not {clip.speaker for clip in learning} & {clip.speaker for clip in held}
        assert len(learning) + len(held) == len(clips)
        which = np.array([index[clip.path] for clip in held], dtype=np.int64)
        speakers = tuple(clip.speaker for clip in held)
        return HeldOut(np.full((len(held), 2), float(number)), which[:, np.newaxis], which, speakers)

    if folds > len(counts):
        with pytest.raises(InputError, match="at most"):
            cross_fit(clips, folds, hear)
        return
    heard = cross_fit(clips, folds, hear)
    assert sorted(heard.labels.tolist()) == list(range(len(clips)))
    assert [clips[at].speaker for at in heard.labels] == list(heard.speakers)
    assert set(heard.logits[:, 0]) == set(range(folds))


def _held_out(words_help: bool, speakers: int, seed: int) -> HeldOut:
    rng = np.random.default_rng(seed)
    count = 8 * speakers
    labels = rng.integers(0, CLASSES, size=count)
    logits = np.eye(CLASSES)[labels] + rng.normal(scale=1.5, size=(count, CLASSES))
    told = labels if words_help else rng.integers(0, CLASSES, size=count)
    keywords = np.eye(6)[told] * 2 + rng.normal(scale=0.7, size=(count, 6))
    return HeldOut(logits, keywords, labels, tuple(str(at % speakers) for at in range(count)))


def _accuracy(head: FloatHead, held_out: HeldOut) -> float:
    logits = head.logits(np.hstack([held_out.logits, held_out.keywords]))
    return float((logits.argmax(axis=1) == held_out.labels).mean())


def test_words_that_help_are_used_and_shuffled_ones_are_not() -> None:
    fitted = fit_with_controls(ALONE, _held_out(True, 12, 1), PENALTIES, seed=1)
    fresh = _held_out(True, 400, 2)
    alone = float((fresh.logits.argmax(axis=1) == fresh.labels).mean())
    assert fitted.fit.penalty is not None
    assert _accuracy(fitted.fit.head, fresh) > alone + 0.15
    assert len(fitted.controls) == CONTROLS
    for control in fitted.controls:
        assert abs(_accuracy(control.head, fresh) - alone) < 0.03


def test_the_same_seed_shuffles_alike() -> None:
    """By the losses of the left-out speakers: the heads themselves mostly leave shuffled words out."""
    held_out = _held_out(True, 6, 3)
    once, again, other = (
        [control.held_out_loss for control in fit_with_controls(ALONE, held_out, (0.01,), seed).controls]
        for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other
    assert len({loss["0.01"] for loss in once}) == CONTROLS


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_words_that_carry_nothing_cost_at_most_a_point(seed: int) -> None:
    fresh = _held_out(False, 300, 100 + seed)
    alone = float((fresh.logits.argmax(axis=1) == fresh.labels).mean())
    held_out = _held_out(False, 20, seed)
    fit = fit_on_logits(
        ALONE, held_out.logits, held_out.keywords, held_out.labels, held_out.speakers, PENALTIES
    )
    assert _accuracy(fit.head, fresh) >= alone - 0.01


def test_a_start_that_knows_the_held_out_is_refused() -> None:
    clips = _clips([1, 2])
    stranger = {"name": "made", "speakers": {"train": ["x"], "validation": [], "test": ["s1"]}}
    other = {"name": "else", "speakers": {"train": ["s1"], "validation": [], "test": []}}
    check_not_heard(clips, [stranger, other])
    known = {"name": "made", "speakers": {"train": [], "validation": ["s1"], "test": []}}
    with pytest.raises(InputError, match="learned from speaker s1 of made"):
        check_not_heard(clips, [stranger, known])
