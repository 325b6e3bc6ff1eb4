"""Lessons against their formulas, the loss that takes them, and the rules of the spec's table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from teacher_cases import SPEC, progress_into

from edge_ser.errors import InputError
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.spec import FrontendSpec
from edge_ser.spec_file import spec_from_dict
from edge_ser.spec_training import AugmentSpec, LossSpec, RecipeSpec, TeacherSpec
from edge_ser.training.examples import UNLABELLED, Epochs, Example
from edge_ser.training.lessons import (
    Lesson,
    joined_vectors,
    make_lessons,
    probe_logits,
    taught_vectors,
)
from edge_ser.training.objective import TaughtLoss, make_loss, training_model

RNG = np.random.default_rng(0)
CLASSES = 3
LABELS = np.arange(40) % CLASSES
SPEAKERS = [f"s{at // 8}" for at in range(40)]
QUIET = progress_into([])


def _logits(seed: int, columns: int = CLASSES) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(40, columns)).astype(np.float32)


def test_an_ensemble_is_the_mean_of_softened_probabilities_of_the_same_classes() -> None:
    first, second = _logits(1), _logits(2, 4)
    teacher = TeacherSpec(("a", "b"), temperature=3.0, weight=0.25)
    lessons = make_lessons(teacher, [first, second], [(0, 1, 2), (3, 0, 2)], LABELS, SPEAKERS, CLASSES, QUIET)
    expected = (softmax(first / 3, axis=1) + softmax(second[:, [3, 0, 2]] / 3, axis=1)) / 2
    assert lessons.head is None
    assert (lessons.net.form, lessons.net.weight, lessons.net.temperature) == ("classes", 0.25, 3.0)
    assert lessons.net.values == pytest.approx(expected, abs=1e-6)


def test_probabilities_teach_what_their_logits_would() -> None:
    logits = _logits(1)
    columns = [(0, 1, 2)]
    by_logits = make_lessons(TeacherSpec(("a",)), [logits], columns, LABELS, SPEAKERS, CLASSES, QUIET)
    asked = TeacherSpec(("a",), "keras", "probabilities")
    shares = softmax(logits, axis=1)
    found = make_lessons(asked, [shares], columns, LABELS, SPEAKERS, CLASSES, QUIET)
    assert found.net.values == pytest.approx(by_logits.net.values, abs=1e-5)
    with pytest.raises(InputError, match="do not sum to 1"):
        make_lessons(asked, [logits], columns, LABELS, SPEAKERS, CLASSES, QUIET)


def test_vectors_are_told_apart_although_they_point_one_way() -> None:
    away = np.full(6, 100.0)
    vectors = (away + RNG.normal(size=(40, 6))).astype(np.float32)
    raw = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (raw @ raw.T).min() > 0.99
    joined = joined_vectors([vectors, np.hstack([vectors, np.ones((40, 1), np.float32)])])
    assert joined.shape == (40, 13)
    assert np.linalg.norm(joined, axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    assert (joined @ joined.T).min() < -0.3
    # A constant says nothing, and does no harm.
    assert np.array_equal(joined[:, -1], np.zeros(40))


@pytest.mark.parametrize("clips", [40, 200])
def test_what_is_taught_of_vectors_is_their_largest_components(clips: int) -> None:
    rng = np.random.default_rng(3)
    hidden = rng.normal(size=(clips, 3)) * (9.0, 3.0, 1.0)
    taught = taught_vectors((hidden @ rng.normal(size=(3, 150)) + 5.0).astype(np.float32))
    # Three directions are all there is; the rest is rounding and is not taught.
    assert taught.shape == (clips, 3)
    assert taught.dtype == np.float32
    assert np.mean(taught**2) == pytest.approx(1, rel=1e-5)
    assert np.abs(np.corrcoef(taught.T) - np.eye(3)).max() < 0.05
    spreads = taught.std(axis=0)
    assert (np.diff(spreads) < 0).all()
    # Drawn in: a ninth of the variance becomes a third of the deviation's root, not of the deviation.
    assert spreads[0] / spreads[2] < 6


def test_vectors_that_are_all_alike_teach_nothing() -> None:
    assert taught_vectors(np.ones((5, 8), np.float32)).shape == (5, 0)


def test_a_vector_is_guessed_from_the_embedding_alone() -> None:
    lesson = Lesson(np.zeros((4, 7), np.float32), "vector", 0.5, 1.0)
    model = training_model(build_acoustic(SPEC), CLASSES, 0.0, SPEC.training.acoustic.loss, lesson)
    assert model.get_layer("teacher_vector").kernel.shape == (SPEC.acoustic.embedding, 7)


def test_a_probe_is_right_on_speakers_that_it_was_not_fitted_on() -> None:
    centres = np.eye(CLASSES, 8)
    told = joined_vectors([(centres[LABELS] + RNG.normal(size=(40, 8)) * 0.1).astype(np.float32)])
    logits = probe_logits(told, LABELS, SPEAKERS, CLASSES, QUIET)
    assert (logits.argmax(axis=1) == LABELS).all()
    assert np.exp(logits).sum(axis=1) == pytest.approx(np.ones(40))
    # Pure noise has nothing to tell, and a probe that had seen the clips would still be right on most of them.
    noise = joined_vectors([RNG.normal(size=(40, 60)).astype(np.float32)])
    guessed = probe_logits(noise, LABELS, SPEAKERS, CLASSES, QUIET)
    assert (guessed.argmax(axis=1) == LABELS).mean() < 0.7
    with pytest.raises(InputError, match="at least 2 training speakers"):
        probe_logits(told, LABELS, ["one"] * 40, CLASSES, QUIET)


def test_a_probe_says_of_speech_without_labels_what_all_labelled_clips_taught_it() -> None:
    rng = np.random.default_rng(3)
    meant = np.concatenate([LABELS, np.arange(12) % CLASSES])
    told = joined_vectors([(np.eye(CLASSES, 8)[meant] + rng.normal(size=(52, 8)) * 0.1).astype(np.float32)])
    labels = np.concatenate([LABELS, np.full(12, UNLABELLED)])
    # Whoever speaks there may be one of the labelled: nothing is fitted on it, nothing is held out with it.
    speakers = [*SPEAKERS, *["s0"] * 12]
    logits = probe_logits(told, labels, speakers, CLASSES, QUIET)
    assert (logits[40:].argmax(axis=1) == meant[40:]).all()
    assert np.exp(logits).sum(axis=1) == pytest.approx(np.ones(52))
    alone = probe_logits(told[:40], LABELS, SPEAKERS, CLASSES, QUIET)
    assert logits[:40] == pytest.approx(alone, abs=1e-9)
    with pytest.raises(InputError, match="at least 2 training speakers"):
        probe_logits(told, labels, ["one"] * 40 + [f"s{at}" for at in range(12)], CLASSES, QUIET)


def test_a_probe_says_how_far_it_is() -> None:
    told: list[int] = []

    @contextmanager
    def progress(_description: str, total: int) -> Iterator[Callable[[int], None]]:
        told.append(total)
        yield lambda steps: told.append(-steps)

    probe_logits(joined_vectors([_logits(3)]), LABELS, SPEAKERS, CLASSES, progress)
    assert told[0] > 1
    assert sum(told) == 0


def test_a_probe_does_not_forget_a_class_that_has_few_clips() -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], [180, 20])
    speakers = [f"s{at % 10}" for at in range(200)]
    vectors = joined_vectors([(labels[:, np.newaxis] + rng.normal(size=(200, 2))).astype(np.float32)])
    found = probe_logits(vectors, labels, speakers, 2, QUIET).argmax(axis=1)
    recalls = [float((found == labels)[labels == each].mean()) for each in (0, 1)]
    # By number alone the rare class would be guessed hardly ever.
    assert min(recalls) > 0.5


def test_a_probe_lives_with_a_class_that_one_speaker_alone_has() -> None:
    vectors = joined_vectors([RNG.normal(size=(6, 4)).astype(np.float32)])
    logits = probe_logits(
        vectors, np.array([0, 1, 0, 1, 0, 2]), ["a", "a", "b", "b", "c", "c"], CLASSES, QUIET
    )
    assert np.isfinite(logits).all()


def test_which_lessons_an_output_makes() -> None:
    vectors = [RNG.normal(size=(40, 5)).astype(np.float32)]

    def made(**options: Any) -> tuple[str, float, str | None]:
        teacher = TeacherSpec(("a",), "huggingface", learned_from="x", **options)
        lessons = make_lessons(teacher, vectors, [()], LABELS, SPEAKERS, CLASSES, QUIET)
        head = lessons.head.form if lessons.head is not None else None
        return lessons.net.form, lessons.net.weight, head

    assert made(output="vector", weight=0.4) == ("vector", 0.4, None)
    assert made(output="probe", weight=0.4) == ("classes", 0.4, None)
    # In two stages the first knows no labels.
    assert made(output="vector", weight=0.4, head_epochs=3) == ("vector", 1.0, "classes")


LOGITS = RNG.normal(size=(5, CLASSES)).astype(np.float32)
TARGETS = np.eye(CLASSES, dtype=np.float32)[[0, 1, 0, 0, 2]] * 0.9 + np.float32(0.1 / CLASSES)


def _lesson(form: str, values: np.ndarray, weight: float, temperature: float = 2.0) -> Lesson:
    return Lesson(values.astype(np.float32), form, weight, temperature)  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", [LossSpec(), LossSpec(focal=1.0)])
def test_the_loss_weighs_labels_and_teacher(loss: LossSpec) -> None:
    soft = softmax(RNG.normal(size=(5, CLASSES)), axis=1)
    labels = float(make_loss(loss, CLASSES)(TARGETS, LOGITS))
    divergence = (soft * (np.log(soft) - log_softmax(LOGITS / 2, axis=1))).sum(axis=1).mean()
    targets = np.hstack([TARGETS, soft]).astype(np.float32)
    for weight in (0.3, 1.0):
        found = float(make_loss(loss, CLASSES, _lesson("classes", soft, weight))(targets, LOGITS))
        assert found == pytest.approx((1 - weight) * labels + weight * 4 * divergence, rel=1e-4)
    agreed = np.hstack([TARGETS, softmax(LOGITS / 2, axis=1)]).astype(np.float32)
    alone = make_loss(loss, CLASSES, _lesson("classes", soft, 1.0))
    assert float(alone(agreed, LOGITS)) == pytest.approx(0, abs=1e-6)


def test_a_vector_teaches_its_values() -> None:
    vector, guess = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))
    lesson = _lesson("vector", vector, 0.5)
    targets = np.hstack([TARGETS, vector]).astype(np.float32)
    outputs = np.hstack([LOGITS, guess]).astype(np.float32)
    error = ((vector - guess) ** 2).mean()
    labels = float(make_loss(LossSpec(), CLASSES)(TARGETS, LOGITS))
    loss = make_loss(LossSpec(), CLASSES, lesson)
    assert float(loss(targets, outputs)) == pytest.approx(0.5 * labels + 0.5 * error, rel=1e-4)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert isinstance(again, TaughtLoss)
    assert float(again(targets, outputs)) == float(loss(targets, outputs))


def test_a_hint_is_guessed_beside_the_classes() -> None:
    soft, hint, guess = softmax(RNG.normal(size=(5, CLASSES)), axis=1), *RNG.normal(size=(2, 5, 4))
    plain = _lesson("classes", soft, 0.5)
    lesson = replace(plain, hint=hint.astype(np.float32), hint_weight=0.7)
    assert (lesson.guessed, lesson.columns.shape) == (4, (5, CLASSES + 4))
    assert (plain.guessed, plain.columns.shape, plain.without_hint) == (0, (5, CLASSES), plain)
    assert lesson.without_hint.columns.shape == plain.columns.shape
    targets = np.hstack([TARGETS, lesson.columns]).astype(np.float32)
    outputs = np.hstack([LOGITS, guess]).astype(np.float32)
    loss = make_loss(LossSpec(), CLASSES, lesson)
    without = float(make_loss(LossSpec(), CLASSES, plain)(targets[:, :-4], LOGITS))
    assert float(loss(targets, outputs)) == pytest.approx(
        without + 0.7 * ((hint - guess) ** 2).mean(), rel=1e-4
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(again(targets, outputs)) == float(loss(targets, outputs))


def test_a_probe_hints_at_its_vectors_if_asked() -> None:
    vectors = [RNG.normal(size=(40, 5)).astype(np.float32)]
    asked = TeacherSpec(("a",), "vectors", output="probe", learned_from="x")
    plain = make_lessons(asked, vectors, [()], LABELS, SPEAKERS, CLASSES, QUIET).net
    hinting = make_lessons(
        replace(asked, vector_weight=1.5), vectors, [()], LABELS, SPEAKERS, CLASSES, QUIET
    ).net
    assert plain.hint is None
    assert hinting.hint is not None
    assert (hinting.hint_weight, hinting.hint.shape[0]) == (1.5, 40)
    assert np.array_equal(hinting.values, plain.values)
    assert np.mean(hinting.hint**2) == pytest.approx(1, rel=1e-5)


def test_a_lesson_goes_with_its_example() -> None:
    examples = [Example(at % 2, "s", (np.full((9, 8), at + 1, np.uint8),), ((0, 9),)) for at in range(6)]
    recipe = RecipeSpec(
        label_smoothing=0.0,
        augment=AugmentSpec(
            copies=0, gain_db=0.0, mixup=0.0, time_shift_s=0.0, time_mask_frames=0, channel_mask=0
        ),
    )
    lesson = _lesson("vector", np.arange(6)[:, np.newaxis] + 1, 0.5)
    epochs = Epochs(examples, 2, 9, recipe, FrontendSpec(channels=8), 1, centred=False, lesson=lesson)
    inputs, targets, _ = epochs.epoch(0)
    assert targets.shape == (6, 3)
    assert targets[:, 2] == pytest.approx(inputs[:, 0, 0, 0] * 255)
    assert len(set(targets[:, 2].tolist())) == 6


@pytest.mark.parametrize(
    ("table", "key", "rule"),
    [
        ({"weight": 0.3}, "paths", "at least one path"),
        ({"paths": ["a"], "vector_weight": 0.5}, "vector_weight", "0 unless output is probe"),
        ({"paths": ["a", "a"]}, "paths", "none twice"),
        ({"paths": ["a"], "output": "probabilities"}, "output", "logits or vector or probe"),
        ({"paths": ["a"], "kind": "huggingface", "learned_from": "x"}, "output", "vector or probe"),
        ({"paths": ["a"], "kind": "keras", "learned_from": "x"}, "classes", "emotions of its outputs"),
        ({"paths": ["a"], "classes": ["anger", "neutral"]}, "classes", "else empty"),
        (
            {"paths": ["a"], "kind": "keras", "learned_from": "x", "classes": ["anger", "joy"]},
            "classes",
            "names of",
        ),
        (
            {"paths": ["a"], "kind": "keras", "learned_from": "x", "classes": ["anger", "fear"]},
            "classes",
            "every one of acoustic.classes",
        ),
        ({"paths": ["a"], "kind": "keras", "output": "vector"}, "learned_from", "in words"),
        ({"paths": ["a"], "learned_from": "x"}, "learned_from", "trainings and bundles tell"),
        ({"paths": ["a"], "weight": 0.0}, "weight", "above 0"),
        ({"paths": ["a"], "output": "vector", "weight": 1.0}, "weight", "names no classes"),
        ({"paths": ["a"], "head_epochs": 3}, "head_epochs", "0 unless output is vector"),
        ({"paths": ["a"], "output": "vector", "temperature": 3.0}, "temperature", "not softened"),
        ({"paths": ["a"], "temperature": 0.0}, "temperature", "0.1 to 20"),
    ],
)
def test_what_has_no_effect_or_no_meaning_is_an_error(table: dict[str, Any], key: str, rule: str) -> None:
    plain = SPEC.to_dict()
    plain["training"]["acoustic"]["teacher"] |= table
    with pytest.raises(InputError, match=rf"'training\.acoustic\.teacher\.{key}'.*{rule}"):
        spec_from_dict(plain)


def test_a_keyword_net_has_no_teacher() -> None:
    plain = SPEC.to_dict()
    plain["training"]["keyword"]["teacher"] |= {"paths": ["a"]}
    with pytest.raises(InputError, match="only the acoustic net is taught"):
        spec_from_dict(plain)
