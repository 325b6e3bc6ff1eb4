"""What training minimises, and the model that gives the loss what it needs.

Multi-loss learning (arXiv 2512.04551) adds focal, centre and supervised contrastive loss to the divergence from the
target. All of them are for training only: what is deployed is the net below the classifier.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from edge_ser.networks.layers import Tensor, with_classifier
from edge_ser.spec import LossSpec

_CENTRES = "class_centres"
_FAR = -1e9
"""Added to a logit that must not count."""


def training_model(net: keras.Model, classes: int, dropout: float, loss: LossSpec) -> keras.Model:
    """The net with its classifier and, where the loss asks for them, with distances and directions beside it.

    Args:
        net: ends in an embedding (B, 1, 1, E).
        classes: how many.
        dropout: share of the embedding dropped before the classifier.
        loss: what will be minimised.

    Returns:
        A model to float32 (B, classes), the logits, or (B, 2 classes + E): logits, half the squared distance to the
        centre of every class, the embedding at length 1. :func:`classifier_of` gives the part that is kept.
    """
    model = with_classifier(net, classes, dropout)
    if not _needs_embedding(loss):
        return model
    embedding = model.get_layer("flat_embedding").output
    distances = ClassCentres(classes, name=_CENTRES)(embedding)
    directions = layers.UnitNormalization(name="directions")(embedding)
    beside = layers.Concatenate(name="objective")([model.output, distances, directions])
    return keras.Model(model.input, beside, name=f"{net.name}_objective")


def classifier_of(model: keras.Model) -> keras.Model:
    """The net with its classifier out of a :func:`training_model`; the weights are shared."""
    return keras.Model(model.input, model.get_layer("classifier").output, name=f"{model.name}_classifier")


def make_loss(loss: LossSpec, classes: int) -> keras.losses.Loss:
    """The loss of a :func:`training_model` against soft targets (B, classes)."""
    if loss == LossSpec(focal_gamma=loss.focal_gamma, temperature=loss.temperature):
        return keras.losses.CategoricalCrossentropy(from_logits=True)
    return MultiLoss(classes, **asdict(loss))


def make_optimizer(rate: Any, weight_decay: float) -> keras.optimizers.Optimizer:
    """AdamW with clipped gradients.

    Args:
        rate: learning rate or schedule.
        weight_decay: of all weights but the centres of classes, which are no part of the net.
    """
    optimizer = keras.optimizers.AdamW(rate, weight_decay=weight_decay, clipnorm=5.0)
    optimizer.exclude_from_weight_decay(var_names=[_CENTRES])
    return optimizer


def _needs_embedding(loss: LossSpec) -> bool:
    return loss.centre > 0 or loss.contrastive > 0


@keras.saving.register_keras_serializable("edge_ser")
class ClassCentres(layers.Layer):  # type: ignore[misc]
    """A learnt centre per class; (B, E) → (B, classes), half the squared distance to each.

    Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016; the centres follow
    the gradient of the loss instead of the paper's own running mean.
    """

    def __init__(self, classes: int, **options: Any) -> None:
        super().__init__(**options)
        self.classes = classes

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the centres, all at the origin; ``shape`` is that of the embedding, (B, E)."""
        self.centres = self.add_weight(
            shape=(self.classes, shape[-1]), initializer="zeros", name=_CENTRES, trainable=True
        )

    def call(self, embedding: Tensor) -> Tensor:
        """See the class."""
        return tf.reduce_sum((embedding[:, tf.newaxis] - self.centres) ** 2, axis=-1) / 2

    def get_config(self) -> dict[str, Any]:
        """What makes the layer again."""
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable("edge_ser")
class MultiLoss(keras.losses.Loss):  # type: ignore[misc]
    """The weighted sum of a :class:`~edge_ser.spec.LossSpec`, one value per clip before the reduction."""

    def __init__(
        self,
        classes: int,
        divergence: float,
        focal: float,
        focal_gamma: float,
        centre: float,
        contrastive: float,
        temperature: float,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.classes = classes
        self.spec = LossSpec(divergence, focal, focal_gamma, centre, contrastive, temperature)

    def call(self, targets: Tensor, outputs: Tensor) -> Tensor:
        """Loss per clip (B,) of targets (B, classes) and the outputs of :func:`training_model`."""
        spec, classes = self.spec, self.classes
        targets = tf.cast(targets, outputs.dtype)
        log_p = tf.nn.log_softmax(outputs[:, :classes])
        total = spec.divergence * tf.reduce_sum(tf.math.xlogy(targets, targets) - targets * log_p, axis=1)
        if spec.focal > 0:
            doubt = (1 - tf.exp(log_p)) ** spec.focal_gamma
            total += spec.focal * tf.reduce_sum(-targets * doubt * log_p, axis=1)
        if spec.centre > 0:
            total += spec.centre * tf.reduce_sum(targets * outputs[:, classes : 2 * classes], axis=1)
        if spec.contrastive > 0:
            total += spec.contrastive * contrastive(
                outputs[:, 2 * classes :], tf.argmax(targets, axis=1), spec.temperature
            )
        return total

    def get_config(self) -> dict[str, Any]:
        """What makes the loss again."""
        return {**super().get_config(), "classes": self.classes, **asdict(self.spec)}


def contrastive(directions: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss of every clip of a batch (Khosla et al., arXiv 2004.11362, L_out).

    Args:
        directions: float (B, E), each of length 1.
        labels: int (B,); of a mixed clip the label with the larger weight.
        temperature: scales the similarities.

    Returns:
        float (B,); 0 for a clip that is alone in its class.
    """
    others = 1 - tf.eye(tf.shape(directions)[0], dtype=directions.dtype)
    similarities = tf.matmul(directions, directions, transpose_b=True) / temperature
    log_p = tf.nn.log_softmax(similarities + (1 - others) * _FAR)
    alike = tf.cast(labels[:, tf.newaxis] == labels[tf.newaxis], directions.dtype) * others
    return -tf.math.divide_no_nan(tf.reduce_sum(alike * log_p, axis=1), tf.reduce_sum(alike, axis=1))
