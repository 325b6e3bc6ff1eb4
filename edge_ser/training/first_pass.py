"""The first pass of re-augmentation: a net that follows what is easy says which clips are (see ``rebalance.py``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edge_ser.corpora.clip import Clip
from edge_ser.files import replacing
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.layers import Tensor, with_classifier
from edge_ser.provenance import code_digest
from edge_ser.spec import SystemSpec
from edge_ser.spec_training import RecipeSpec
from edge_ser.training import stages
from edge_ser.training.examples import Epochs, Example, cut
from edge_ser.training.objective import make_optimizer
from edge_ser.training.rebalance import Rebalance, by_group, rebalance

_FIRST_CODE = ("training/first_pass.py",)
_SECOND_CODE = ("training/rebalance.py",)
_LEAST = 1e-7
"""A probability of 0 has no gradient through a root."""


class GeneralisedCrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """``sum_c target[c] * (1 - p[c]**q) / q`` of logits (arXiv 1805.07836), one value per clip.

    Args:
        exponent: the exponent q, above 0.
    """

    def __init__(self, exponent: float) -> None:
        super().__init__(name="generalised_cross_entropy")
        self.exponent = exponent

    def call(self, targets: Tensor, logits: Tensor) -> Tensor:
        """Loss per clip (B,) of targets and logits (B, classes)."""
        p = tf.maximum(tf.nn.softmax(logits), _LEAST)
        return tf.reduce_sum(tf.cast(targets, p.dtype) * (1 - p**self.exponent) / self.exponent, axis=1)


def second_pass(
    spec: SystemSpec,
    clips: Sequence[Clip],
    examples: Sequence[Example],
    examples_key: str,
    folder: Path,
    advance: Callable[[int], None],
) -> tuple[Rebalance, str]:
    """Train the first pass, or read what it found, and decide on every training clip.

    Args:
        spec: the system; ``training.acoustic.rebalance.epochs`` is above 0.
        clips: the training clips, in the order of ``examples``; they say speaker and sex.
        examples: the clips as features.
        examples_key: the key that they were made under.
        folder: takes what the first pass found.
        advance: called with 1 for every epoch.

    Returns:
        What the second pass does with each clip, and a digest of it.

    Raises:
        InputError: the clips name fewer than two groups.
    """
    recipe, seed = spec.training.acoustic, spec.training.seed
    plain = plain_recipe(recipe)
    about = [spec.to_dict()[table] for table in ("acoustic", "frontend")]
    code = code_digest((*stages.NET_CODE, *_FIRST_CODE))
    key = stages.digest(
        [about, _plain(plain), recipe.rebalance.epochs, recipe.rebalance.exponent, seed, examples_key, code]
    )
    kept = folder / "probabilities.npy"
    done = stages.is_done(folder, key)
    if not done:
        found = label_probabilities(spec, examples, plain, advance)
        with replacing(kept) as beside, beside.open("wb") as file:
            np.save(file, found)
    probabilities = np.load(kept, allow_pickle=False)
    labels = np.array([example.label for example in examples], dtype=np.int64)
    groups = [
        f"{clip.corpus}/{clip.speaker}" if recipe.rebalance.group == "speaker" else clip.sex for clip in clips
    ]
    decided = rebalance(recipe.rebalance, probabilities, labels, groups)
    stages.mark_done(folder, {"groups": by_group(recipe.rebalance, probabilities, labels, groups, decided)})
    return decided, stages.digest(
        [decided.draws.tolist(), decided.guiding.tolist(), code_digest(_SECOND_CODE)]
    )


def plain_recipe(recipe: RecipeSpec) -> RecipeSpec:
    """The recipe with hard labels: generalised cross-entropy is about the one class that a clip has."""
    augment = replace(recipe.augment, mixup=0.0, energy_mixup=0.0)
    return replace(recipe, label_smoothing=0.0, augment=augment)


def label_probabilities(
    spec: SystemSpec, examples: Sequence[Example], recipe: RecipeSpec, advance: Callable[[int], None]
) -> NDArray[np.float64]:
    """What a net gives to each clip's own class after a few epochs of generalised cross-entropy.

    Args:
        spec: the system; the net is its acoustic net.
        examples: the training clips.
        recipe: see :func:`plain_recipe`.
        advance: called with 1 for every epoch.

    Returns:
        float64 (n,), of the first segment of every clip as recorded.
    """
    seed, classes, frames = spec.training.seed, len(spec.acoustic.classes), spec.segment_frames
    rule = spec.acoustic.normalisation
    epochs = Epochs(examples, classes, frames, recipe, spec.frontend, seed, centred=False, normalisation=rule)
    keras.utils.set_random_seed(seed)
    model = with_classifier(build_acoustic(spec), classes, spec.acoustic.dropout)
    model.compile(
        optimizer=make_optimizer(recipe.learning_rate, recipe.weight_decay),
        loss=GeneralisedCrossEntropy(recipe.rebalance.exponent),
    )
    for epoch in range(recipe.rebalance.epochs):
        inputs, targets, weights = epochs.epoch(epoch)
        model.fit(
            inputs, targets, sample_weight=weights, batch_size=recipe.batch_size, shuffle=False, verbose=0
        )
        advance(1)
    features = np.stack([cut(one.versions[0], one.focuses[0][0], frames) for one in examples])
    heard = acoustic_input(features, rule)
    logits = model.predict(heard[..., np.newaxis] / np.float32(255), batch_size=256, verbose=0)
    labels = np.array([one.label for one in examples])
    probabilities: NDArray[np.float64] = keras.ops.convert_to_numpy(keras.ops.softmax(logits))[
        np.arange(len(labels)), labels
    ].astype(np.float64)
    return probabilities


def _plain(recipe: RecipeSpec) -> dict[str, Any]:
    """What of a recipe the first pass depends on, ready for JSON."""
    return {
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "augment": asdict(recipe.augment),
    }
