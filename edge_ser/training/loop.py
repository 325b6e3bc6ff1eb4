"""The training loop of both nets: one epoch at a time, a line of JSON per epoch, resumable after every epoch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from edge_ser.bundle_curves import LOG
from edge_ser.files import replacing
from edge_ser.spec_training import RecipeSpec
from edge_ser.training.examples import Epochs
from edge_ser.training.objective import classifier_of, make_loss, make_optimizer, training_model
from edge_ser.training.vad import save_vad_head

CHECKPOINT = "checkpoint.keras"
WEIGHTS = "weights.weights.h5"


@dataclass(frozen=True)
class Validation:
    """What an epoch's log line is measured on: uint8 (n, frames, channels) features and int labels (n,)."""

    features: NDArray[np.uint8]
    labels: NDArray[np.int64]


def train_net(
    net: keras.Model,
    epochs: Epochs,
    validation: Validation,
    recipe: RecipeSpec,
    dropout: float,
    seed: int,
    folder: Path,
    advance: Callable[[int], None],
    begin: Callable[[keras.Model], None] | None = None,
) -> keras.Model:
    """Train a net with its classifier; the last epoch is kept, so nothing is selected on any speaker.

    After every epoch the whole state goes to ``folder``; called again after a stop, training goes on from there.

    Args:
        net: ends in an embedding.
        epochs: makes each epoch's batches.
        validation: watched, never selected on.
        recipe: epochs, batch size, optimiser, loss.
        dropout: share of the embedding dropped before the classifier.
        seed: of dropout; the batches have their own.
        folder: takes the checkpoint, the log and at the end the weights.
        advance: called with 1 for every epoch done, those done before included.
        begin: gives a new model the weights that it starts from; ``None`` leaves them random.

    Returns:
        The trained model with classifier; its weights are in ``folder / WEIGHTS``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    checkpoint, log = folder / CHECKPOINT, folder / LOG
    steps = math.ceil(len(epochs.examples) / recipe.batch_size)
    done = 0
    if checkpoint.exists():
        model = keras.models.load_model(checkpoint)
        done = int(model.optimizer.iterations.numpy()) // steps
    else:
        log.unlink(missing_ok=True)
        model = training_model(net, epochs.classes, dropout, recipe.loss, epochs.lesson)
        if begin is not None:
            begin(model)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(steps * recipe.epochs, 1), warmup_target=recipe.learning_rate, warmup_steps=steps
        )
        model.compile(
            optimizer=make_optimizer(rate, recipe.weight_decay),
            loss=make_loss(recipe.loss, epochs.classes, epochs.lesson),
        )
    classifier = classifier_of(model)
    advance(done)
    inputs = validation.features[..., np.newaxis].astype(np.float32) / np.float32(255)
    for epoch in range(done, recipe.epochs):
        started = time.monotonic()
        x, y, weights = epochs.epoch(epoch)
        history = model.fit(
            x, y, sample_weight=weights, batch_size=recipe.batch_size, shuffle=False, verbose=0
        )
        predicted = classifier.predict(inputs, batch_size=256, verbose=0).argmax(axis=1)
        line = {
            "epoch": epoch + 1,
            "loss": round(float(history.history["loss"][0]), 5),
            "validation_uar": round(float(balanced_accuracy_score(validation.labels, predicted)), 5),
            "seconds": round(time.monotonic() - started, 2),
        }
        with replacing(checkpoint) as beside:
            model.save(beside.with_suffix(".keras"))
            beside.with_suffix(".keras").replace(beside)
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        advance(1)
    save_vad_head(model, folder)
    with replacing(folder / WEIGHTS) as beside:
        partial = beside.with_name(f"partial-{WEIGHTS}")
        classifier.save_weights(partial)
        partial.replace(beside)
    checkpoint.unlink(missing_ok=True)
    return classifier
