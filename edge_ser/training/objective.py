"""What training minimises, and the model that gives the loss what it needs.

Multi-loss learning (arXiv 2512.04551) adds focal, centre and supervised contrastive loss to the divergence from the
target; EmoSphere-SER (arXiv 2505.19693) adds valence, arousal, dominance and their octants. All of them are for
training only: what is deployed is the net below the classifier.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from edge_ser.corpora.affect import DIMENSIONS, OCTANTS
from edge_ser.networks.layers import Tensor, with_classifier
from edge_ser.spec_training import LossSpec
from edge_ser.training.affect import OCTANT, RATED, VAD
from edge_ser.training.lessons import Lesson
from edge_ser.training.vad import VAD_HEAD, ccc_loss

_CENTRES = "class_centres"
_FAR = -1e9
"""Added to a logit that must not count."""


def training_model(
    net: keras.Model, classes: int, dropout: float, loss: LossSpec, lesson: Lesson | None = None
) -> keras.Model:
    """The net with its classifier and, where the loss asks for them, with distances and directions beside it.

    Args:
        net: ends in an embedding (B, 1, 1, E).
        classes: how many.
        dropout: share of the embedding dropped before the classifier.
        loss: what will be minimised.
        lesson: what a teacher teaches beside that.

    Returns:
        A model to float32 (B, classes), the logits, and behind them what the loss asks for: valence, arousal,
        dominance (3), logits of the octants (8), half the squared distance to the centre of every class (classes),
        the embedding at length 1 (E), a guess of the teacher's vector (K). :func:`classifier_of` gives the part that
        is kept.
    """
    model = with_classifier(net, classes, dropout)
    beside = []
    dropped = model.get_layer("embedding_dropout").output
    if loss.ccc > 0:
        beside.append(layers.Dense(len(DIMENSIONS), dtype="float32", name=VAD_HEAD)(dropped))
    if loss.octant > 0:
        beside.append(layers.Dense(OCTANTS, dtype="float32", name="octant_head")(dropped))
    if _needs_embedding(loss):
        embedding = model.get_layer("flat_embedding").output
        beside.append(ClassCentres(classes, dtype="float32", name=_CENTRES)(embedding))
        beside.append(layers.UnitNormalization(dtype="float32", name="directions")(embedding))
    if lesson is not None and lesson.guessed:
        # From the embedding alone: what is guessed from anything else, fusion and a linear probe never get to see.
        embedding = model.get_layer("flat_embedding").output
        beside.append(layers.Dense(lesson.guessed, dtype="float32", name="teacher_vector")(embedding))
    if not beside:
        return model
    together = layers.Concatenate(dtype="float32", name="objective")([model.output, *beside])
    return keras.Model(model.input, together, name=f"{net.name}_objective")


def classifier_of(model: keras.Model) -> keras.Model:
    """The net with its classifier out of a :func:`training_model`; the weights are shared."""
    return keras.Model(model.input, model.get_layer("classifier").output, name=f"{model.name}_classifier")


def make_loss(loss: LossSpec, classes: int, lesson: Lesson | None = None) -> keras.losses.Loss:
    """The loss of a :func:`training_model` against soft targets (B, classes).

    Where the loss has a ``ccc`` or an ``octant`` term, the columns of
    :meth:`edge_ser.training.affect.AffectTargets.columns` lie behind the targets; where there is a lesson, its values
    lie behind them all.
    """
    if lesson is not None:
        return TaughtLoss(
            classes,
            lesson.form,
            lesson.values.shape[1],
            lesson.weight,
            lesson.temperature,
            asdict(loss),
            lesson.hint_size,
            lesson.hint_weight,
        )
    if loss == LossSpec(focal_gamma=loss.focal_gamma, temperature=loss.temperature):
        return keras.losses.CategoricalCrossentropy(from_logits=True)
    return MultiLoss(classes, **asdict(loss))


def make_optimizer(rate: Any, weight_decay: float) -> keras.optimizers.Optimizer:
    """AdamW with clipped gradients.

    Args:
        rate: learning rate or schedule.
        weight_decay: share that is taken off, times the learning rate, in every step, of all weights but the centres
            of classes, which are no part of the net.
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
    """The weighted sum of a :class:`~edge_ser.spec_training.LossSpec`, one value per clip before the reduction.

    Besides the number of classes its arguments are as :class:`~edge_ser.spec_training.LossSpec` has them.
    """

    def __init__(
        self,
        classes: int,
        divergence: float,
        focal: float,
        focal_gamma: float,
        centre: float,
        contrastive: float,
        temperature: float,
        ccc: float,
        octant: float,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.classes = classes
        self.spec = LossSpec(
            divergence, focal, focal_gamma, centre, contrastive, temperature, ccc=ccc, octant=octant
        )

    def call(self, targets: Tensor, outputs: Tensor) -> Tensor:
        """Loss per clip (B,) of the targets of :func:`make_loss` and the outputs of :func:`training_model`."""
        spec, classes = self.spec, self.classes
        targets = tf.cast(targets, outputs.dtype)
        targets, affect = targets[:, :classes], targets[:, classes:]
        log_p = tf.nn.log_softmax(outputs[:, :classes])
        total = spec.divergence * tf.reduce_sum(tf.math.xlogy(targets, targets) - targets * log_p, axis=1)
        if spec.focal > 0:
            doubt = (1 - tf.exp(log_p)) ** spec.focal_gamma
            total += spec.focal * tf.reduce_sum(-targets * doubt * log_p, axis=1)
        rest = outputs[:, classes:]
        if spec.ccc > 0:
            rated, predicted, rest = affect[:, RATED], rest[:, : len(DIMENSIONS)], rest[:, len(DIMENSIONS) :]
            # The same for every clip of the batch: a concordance is one of the batch.
            total += spec.ccc * ccc_loss(predicted, tf.math.divide_no_nan(affect[:, VAD], rated), rated)
        if spec.octant > 0:
            log_octants, rest = tf.nn.log_softmax(rest[:, :OCTANTS]), rest[:, OCTANTS:]
            total -= spec.octant * tf.reduce_sum(affect[:, OCTANT] * log_octants, axis=1)
        if spec.centre > 0:
            total += spec.centre * tf.reduce_sum(targets * rest[:, :classes], axis=1)
        if spec.contrastive > 0:
            total += spec.contrastive * contrastive(
                rest[:, classes:], tf.argmax(targets, axis=1), spec.temperature
            )
        return total

    def get_config(self) -> dict[str, Any]:
        """What makes the loss again."""
        return {**super().get_config(), "classes": self.classes, **asdict(self.spec)}


@keras.saving.register_keras_serializable("edge_ser")
class TaughtLoss(keras.losses.Loss):  # type: ignore[misc]
    """The labels' loss and a teacher's term, one value per clip before the reduction.

    With classes the term is ``T**2`` times the divergence of the student's from the teacher's probabilities, both
    softened by T, so that its gradient keeps its size whatever T is (Hinton et al., arXiv 1503.02531, section 2). With
    a vector it is the mean squared error of its values, whose own mean square is 1. A hint's squared error is added to
    either.

    Its ``form``, ``weight``, ``temperature`` and ``hint_weight`` are as :class:`~.lessons.Lesson` has them.
    """

    def __init__(
        self,
        classes: int,
        form: str,
        size: int,
        weight: float,
        temperature: float,
        labels: dict[str, Any],
        hint_size: int = 0,
        hint_weight: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.classes, self.form, self.size = classes, form, size
        self.weight, self.temperature = weight, temperature
        self.hint_size, self.hint_weight = hint_size, hint_weight
        self.spec = LossSpec(**labels)
        self.labels = make_loss(self.spec, classes)

    def call(self, targets: Tensor, outputs: Tensor) -> Tensor:
        """Loss per clip (B,) of the targets of :func:`make_loss` and the outputs of :func:`training_model`."""
        if self.hint_size:
            targets, hint = targets[:, : -self.hint_size], targets[:, -self.hint_size :]
            outputs, guess = outputs[:, : -self.hint_size], outputs[:, -self.hint_size :]
            return self._taught(targets, outputs) + self.hint_weight * _squared_error(hint, guess)
        return self._taught(targets, outputs)

    def _taught(self, targets: Tensor, outputs: Tensor) -> Tensor:
        targets, taught = targets[:, : -self.size], tf.cast(targets[:, -self.size :], outputs.dtype)
        if self.form == "vector":
            outputs, guessed = outputs[:, : -self.size], outputs[:, -self.size :]
            term = _squared_error(taught, guessed)
        else:
            log_p = tf.nn.log_softmax(outputs[:, : self.classes] / self.temperature)
            divergence = tf.reduce_sum(tf.math.xlogy(taught, taught) - taught * log_p, axis=1)
            term = self.temperature**2 * divergence
        if self.weight == 1:
            return term
        return (1 - self.weight) * self.labels.call(targets, outputs) + self.weight * term

    def get_config(self) -> dict[str, Any]:
        """What makes the loss again."""
        own = ("classes", "form", "size", "weight", "temperature", "hint_size", "hint_weight")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in own},
            "labels": asdict(self.spec),
        }


def _squared_error(taught: Tensor, guessed: Tensor) -> Tensor:
    return tf.reduce_mean(tf.square(guessed - tf.cast(taught, guessed.dtype)), axis=1)


def contrastive(directions: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss of every clip of a batch (Khosla et al., arXiv 2004.11362, L_out).

    Args:
        directions: float (B, E), each of length 1.
        labels: int (B,); of a mixed clip the label with the larger weight.
        temperature: divisor of the similarities.

    Returns:
        float (B,); 0 for a clip that is alone in its class.
    """
    others = 1 - tf.eye(tf.shape(directions)[0], dtype=directions.dtype)
    similarities = tf.matmul(directions, directions, transpose_b=True) / temperature
    log_p = tf.nn.log_softmax(similarities + (1 - others) * _FAR)
    alike = tf.cast(labels[:, tf.newaxis] == labels[tf.newaxis], directions.dtype) * others
    return -tf.math.divide_no_nan(tf.reduce_sum(alike * log_p, axis=1), tf.reduce_sum(alike, axis=1))
