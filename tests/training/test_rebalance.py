"""Who is learned badly is drawn oftener, who is learned first is heard in other voices, classes stay as common."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.spec_file import load_spec
from edge_ser.spec_training import AugmentSpec, RebalanceSpec, RecipeSpec
from edge_ser.training.examples import Epochs, Example
from edge_ser.training.first_pass import GeneralisedCrossEntropy, second_pass
from edge_ser.training.rebalance import Rebalance, by_group, generalised_cross_entropy, rebalance

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
SPEC = RebalanceSpec(epochs=1)


def _case() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Forty clips: two classes, speakers a and b alike but for anger (class 0), where b is learned badly."""
    labels = np.repeat([0, 0, 1, 1], 10)
    groups = ["a"] * 10 + ["b"] * 10 + ["a"] * 10 + ["b"] * 10
    probabilities = np.repeat([0.9, 0.2, 0.6, 0.6], 10)
    return probabilities, labels, groups


def test_the_loss_lies_between_cross_entropy_and_absolute_error() -> None:
    p = np.array([0.1, 0.5, 1.0])
    assert generalised_cross_entropy(p, 1.0) == pytest.approx(1 - p)
    assert generalised_cross_entropy(p, 1e-6) == pytest.approx(-np.log(p), abs=1e-4)
    logits = np.log(np.array([[0.1, 0.9], [0.5, 0.5]], np.float32))
    found = GeneralisedCrossEntropy(0.7).call(
        np.eye(2, dtype=np.float32), keras.ops.convert_to_tensor(logits)
    )
    assert np.asarray(found) == pytest.approx(generalised_cross_entropy(np.array([0.1, 0.5]), 0.7), abs=1e-5)


def test_who_is_learned_badly_is_drawn_oftener_and_classes_stay() -> None:
    probabilities, labels, groups = _case()
    found = rebalance(SPEC, probabilities, labels, groups)
    a_anger, b_anger, a_calm, b_calm = found.draws.reshape(4, 10).mean(axis=1)
    assert b_anger > 1.5 * a_anger
    assert a_calm == pytest.approx(b_calm) == pytest.approx(1)
    assert found.draws[labels == 0].mean() == pytest.approx(1)
    assert rebalance(replace(SPEC, strength=0.0), probabilities, labels, groups).draws.tolist() == [1.0] * 40


def test_few_clips_say_little() -> None:
    probabilities, labels, groups = _case()
    groups[10:19] = [""] * 9
    draws = rebalance(SPEC, probabilities, labels, groups).draws
    losses = generalised_cross_entropy(probabilities, SPEC.exponent)
    times = losses[19] / losses[:20].mean()
    # One clip against the five that its class lends it, over an unknown speaker's clip.
    assert draws[19] / draws[10] == pytest.approx((times + 5) / 6)
    assert times > 1.5


def test_the_easiest_of_every_class_are_heard_in_other_voices() -> None:
    probabilities, labels, groups = _case()
    found = rebalance(replace(SPEC, guiding=0.5), probabilities, labels, groups)
    assert found.guiding[:10].all()
    assert not found.guiding[10:20].any()
    assert found.guiding[20:].sum() == 10


def test_nobody_to_compare_is_refused() -> None:
    probabilities, labels, _ = _case()
    with pytest.raises(InputError, match="fewer than two"):
        rebalance(replace(SPEC, group="sex"), probabilities, labels, [""] * 20 + ["f"] * 20)


def test_what_is_reported() -> None:
    case = _case()
    found = by_group(SPEC, *case, rebalance(SPEC, *case))
    assert found["a"]["clips"] == found["b"]["clips"] == 20
    assert found["b"]["loss"] > found["a"]["loss"]
    assert found["b"]["draws"] > 1 > found["a"]["draws"]


@given(draws=st.lists(st.floats(0.05, 4), min_size=1, max_size=40), seed=st.integers(0, 1000))
def test_clips_are_drawn_as_often_as_they_are_due(draws: list[float], seed: int) -> None:
    due = np.array(draws) * len(draws) / sum(draws)
    order = Rebalance(due, np.zeros(len(due), bool), 0.1).order(np.random.default_rng(seed))
    assert len(order) == len(due)
    drawn = np.bincount(order, minlength=len(due))
    assert (np.abs(drawn - due) < 1 + 1e-9).all()


def _examples(count: int) -> list[Example]:
    rng = np.random.default_rng(0)
    made = []
    for at in range(count):
        loud = rng.integers(60, 80, size=(TINY.segment_frames, 40)).astype(np.uint8)
        loud[:, 10 * (at % 2) : 10 * (at % 2) + 10] += 120
        made.append(Example(at % 2, "s", (loud,), ((0, len(loud)),)))
    return made


def test_only_guiding_clips_change_their_voice_and_off_changes_nothing() -> None:
    examples = _examples(40)
    quiet = AugmentSpec(
        copies=0, gain_db=0, time_shift_s=0, time_mask_frames=0, channel_mask=0, mixup=0, speed=0
    )
    plain = Epochs(
        examples, 2, TINY.segment_frames, RecipeSpec(augment=quiet), TINY.frontend, 1, centred=False
    )
    guiding = np.arange(40) < 20
    again = replace(plain, rebalance=Rebalance(np.ones(40), guiding, 0.3))
    whole = {one.versions[0].tobytes(): at for at, one in enumerate(examples)}

    def unchanged(epochs: Epochs) -> list[int]:
        inputs = np.rint(epochs.epoch(0)[0] * 255).astype(np.uint8)[..., 0]
        return sorted(whole[one.tobytes()] for one in inputs if one.tobytes() in whole)

    assert unchanged(plain) == list(range(40))
    left = unchanged(again)
    assert set(range(20, 40)) <= set(left)
    assert 4 <= len(set(left) & set(range(20))) <= 16


def test_the_first_pass_finds_the_clips_that_are_labelled_against_the_rest(tmp_path: Path) -> None:
    """Speaker b's clips carry the other class' label: a net that follows what is easy gives them a larger loss."""
    examples = _examples(48)
    clips = [Clip("made", Path("x.wav"), "b" if at % 6 < 2 else "a") for at in range(48)]
    examples = [
        replace(one, label=1 - one.label) if clip.speaker == "b" else one
        for one, clip in zip(examples, clips, strict=True)
    ]
    recipe = RecipeSpec(
        batch_size=8,
        learning_rate=3e-3,
        augment=AugmentSpec(copies=0),
        rebalance=RebalanceSpec(epochs=6, guiding=0.25),
    )
    spec = replace(
        TINY,
        acoustic=replace(
            TINY.acoustic,
            classes=("anger", "calm"),
            dropout=0.0,
            stem=(8, 8),
            dim=8,
            embedding=8,
            normalisation="none",  # what tells these clips apart is a level
        ),
        training=replace(TINY.training, acoustic=recipe),
    )
    done: list[int] = []
    found, digest = second_pass(spec, clips, examples, "key", tmp_path, done.append)
    badly = np.array([clip.speaker == "b" for clip in clips])
    assert sum(done) == 6
    assert found.draws[badly].mean() > 1.2 * found.draws[~badly].mean()
    assert not found.guiding[badly].any()
    same, told = second_pass(spec, clips, examples, "key", tmp_path, done.append)
    assert sum(done) == 6
    assert told == digest
    assert (same.draws == found.draws).all()
