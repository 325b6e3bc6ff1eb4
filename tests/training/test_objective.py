"""Each term of the loss against its formula in NumPy, and a training with all of them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from edge_ser.networks.layers import conv, embed, relu, with_classifier
from edge_ser.spec import FrontendSpec
from edge_ser.spec_training import AugmentSpec, LossSpec, RecipeSpec
from edge_ser.training.examples import Epochs, Example
from edge_ser.training.loop import Validation, train_net
from edge_ser.training.objective import ClassCentres, contrastive, make_loss, training_model

CLASSES = 3
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(5, CLASSES)).astype(np.float32)
DISTANCES = RNG.uniform(size=(5, CLASSES)).astype(np.float32)
DIRECTIONS = RNG.normal(size=(5, 4)).astype(np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
TARGETS = np.eye(CLASSES, dtype=np.float32)[[0, 1, 0, 0, 2]] * 0.9 + np.float32(0.1 / CLASSES)
OUTPUTS = np.hstack([LOGITS, DISTANCES, DIRECTIONS])


def _value(loss: LossSpec) -> float:
    return float(make_loss(loss, CLASSES)(TARGETS, OUTPUTS))


def test_the_default_is_cross_entropy() -> None:
    loss = make_loss(LossSpec(), CLASSES)
    assert isinstance(loss, keras.losses.CategoricalCrossentropy)
    expected = -(TARGETS * log_softmax(LOGITS, axis=1)).sum(axis=1).mean()
    assert float(loss(TARGETS, LOGITS)) == pytest.approx(expected, rel=1e-5)


def test_terms_are_their_formulas_and_add_up() -> None:
    log_p = log_softmax(LOGITS, axis=1)
    divergence = (TARGETS * (np.log(TARGETS) - log_p)).sum(axis=1).mean()
    focal = -(TARGETS * (1 - np.exp(log_p)) ** 2 * log_p).sum(axis=1).mean()
    centre = (TARGETS * DISTANCES).sum(axis=1).mean()
    assert _value(LossSpec(divergence=2.0)) == pytest.approx(2 * divergence, rel=1e-4)
    assert _value(LossSpec(divergence=0.0, focal=0.5)) == pytest.approx(0.5 * focal, rel=1e-4)
    assert _value(LossSpec(centre=0.1)) == pytest.approx(divergence + 0.1 * centre, rel=1e-4)
    whole = LossSpec(focal=0.5, centre=0.1, contrastive=0.3)
    pulled = np.asarray(contrastive(DIRECTIONS, np.array([0, 1, 0, 0, 2]), 0.1)).mean()
    assert _value(whole) == pytest.approx(divergence + 0.5 * focal + 0.1 * centre + 0.3 * pulled, rel=1e-4)


def test_a_hard_target_has_a_finite_divergence() -> None:
    hard = np.eye(CLASSES, dtype=np.float32)[[0, 1, 0, 0, 2]]
    assert np.isfinite(float(make_loss(LossSpec(focal=1.0), CLASSES)(hard, OUTPUTS)))


def test_contrastive_loss_pulls_its_own_class() -> None:
    labels = np.array([0, 1, 0, 0, 2])
    found = np.asarray(contrastive(DIRECTIONS, labels, 0.5))
    similarities = DIRECTIONS @ DIRECTIONS.T / 0.5
    for at, label in enumerate(labels):
        others = [other for other in range(5) if other != at]
        positives = [other for other in others if labels[other] == label]
        rest = np.log(np.exp(similarities[at, others]).sum())
        expected = np.mean([rest - similarities[at, other] for other in positives]) if positives else 0.0
        assert found[at] == pytest.approx(expected, abs=1e-4)


def test_centres_measure_half_the_squared_distance() -> None:
    layer = ClassCentres(2)
    layer.build((None, 3))
    layer.set_weights([np.array([[1.0, 0, 0], [0, 2, 0]])])
    found = np.asarray(layer(np.array([[1.0, 0, 0], [0, 0, 0]], np.float32)))
    assert found == pytest.approx(np.array([[0, 2.5], [0.5, 2]]))


def _net() -> keras.Model:
    inputs = keras.Input((20, 10, 1))
    x = relu(conv(inputs, 4, 3, "stem"), "stem")
    return keras.Model(inputs, embed(keras.layers.GlobalAveragePooling2D(keepdims=True)(x), 4), name="net")


def test_what_is_kept_is_the_classifier_alone() -> None:
    model = training_model(_net(), CLASSES, 0.0, LossSpec(contrastive=1.0))
    assert model.output_shape == (None, 2 * CLASSES + 4)
    assert training_model(_net(), CLASSES, 0.0, LossSpec(focal=1.0)).output_shape == (None, CLASSES)


RECIPE = RecipeSpec(
    epochs=12,
    batch_size=8,
    learning_rate=2e-2,
    loss=LossSpec(focal=1.0, centre=1e-3, contrastive=0.3),
    augment=AugmentSpec(
        copies=0,
        vtlp=0.05,
        time_warp_frames=2,
        time_mask_frames=2,
        channel_mask=1,
        channel_masks=2,
        mixup=0.0,
        energy_mixup=0.5,
        energy_mixup_snr_db=(5.0, 20.0),
    ),
)
FRONTEND = FrontendSpec(channels=10)


def _examples(rng: np.random.Generator) -> list[Example]:
    """Two classes: every second channel loud, or all alike."""
    made = []
    for at in range(40):
        features = rng.integers(1, 60, size=(20, 10), dtype=np.uint8)
        features[:, ::2] += np.uint8(150 if at % 2 else 70)
        features[:, 1::2] += np.uint8(0 if at % 2 else 70)
        made.append(Example(at % 2, f"s{at % 4}", (features,), ((0, 20),)))
    return made


def test_a_training_with_everything_learns_resumes_and_leaves_plain_weights(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    examples, held = _examples(rng), _examples(rng)
    validation = Validation(
        np.stack([one.versions[0] for one in held]), np.array([one.label for one in held], dtype=np.int64)
    )
    epochs = Epochs(examples, 2, 20, RECIPE, FRONTEND, seed=1, centred=False)

    def stop(_steps: int) -> None:
        if (tmp_path / "checkpoint.keras").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_net(_net(), epochs, validation, RECIPE, 0.0, 1, tmp_path, stop)
    trained = train_net(_net(), epochs, validation, RECIPE, 0.0, 1, tmp_path, lambda _steps: None)
    inputs = validation.features[..., np.newaxis] / np.float32(255)
    logits = trained.predict(inputs, verbose=0)
    assert logits.shape == (40, 2)
    assert (logits.argmax(axis=1) == validation.labels).mean() > 0.9
    plain = with_classifier(_net(), 2, 0.0)
    plain.load_weights(tmp_path / "weights.weights.h5")
    assert np.allclose(plain.predict(inputs, verbose=0), logits, atol=1e-5)


def test_targets_are_taken_with_their_examples() -> None:
    examples = _examples(np.random.default_rng(0))[:6]
    recipe = RecipeSpec(label_smoothing=0.0, augment=AugmentSpec(copies=0, mixup=0.0, gain_db=0.0))
    targets = np.linspace(0, 1, 6, dtype=np.float32)
    taught = np.stack([targets, 1 - targets], axis=1)
    epochs = Epochs(examples, 2, 20, recipe, FRONTEND, seed=1, centred=False, targets=taught)
    inputs, found, _ = epochs.epoch(0)
    order = np.random.default_rng([1, 0]).permutation(6)
    assert np.allclose(found, taught[order])
    assert len(inputs) == 6
