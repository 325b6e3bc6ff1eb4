"""Quantisation-aware training: a trained net goes on for a few epochs with the rounding of int8 in it.

The result is a net in float as before (BatchNorm becomes a bias, see :func:`edge_ser.quantization.fake_quant.unfold`)
and the ranges of its activations, which the converter is then told instead of measuring them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from edge_ser.bundle_curves import LOG
from edge_ser.errors import InputError
from edge_ser.files import read_json, replacing, write_json
from edge_ser.networks.layers import with_classifier
from edge_ser.quantization.fake_quant import (
    Ranges,
    align_means,
    fake_quantized,
    measure_ranges,
    ranges_of,
    unfold,
)
from edge_ser.spec import QuantizationSpec
from edge_ser.training.examples import Epochs
from edge_ser.training.loop import WEIGHTS
from edge_ser.training.objective import classifier_of, make_loss, make_optimizer, training_model
from edge_ser.training.vad import restore_vad_head, save_vad_head

RANGES = "ranges.json"


def train_aware(
    build: Callable[[], keras.Model],
    weights: Path,
    epochs: Epochs,
    calibration: NDArray[np.uint8],
    quantization: QuantizationSpec,
    dropout: float,
    folder: Path,
    advance: Callable[[int], None],
) -> keras.Model:
    """Fine-tune a trained net with fake quantisation; a stopped one begins again, it is short.

    Args:
        build: makes the net without weights.
        weights: its Keras weights file, classifier included.
        epochs: makes each epoch's batches, and holds the recipe; numbers go on behind the recipe's epochs.
        calibration: uint8 (n, frames, channels) of training speakers; they set the first ranges.
        quantization: how many epochs, how fast.
        dropout: share of the embedding dropped before the classifier.
        folder: takes the log, the new weights, and the ranges in ``RANGES``.
        advance: called with 1 for every epoch done.

    Returns:
        The fine-tuned net with its classifier, in float.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recipe = epochs.recipe
    net = build()
    whole = with_classifier(net, epochs.classes, dropout)
    whole.load_weights(weights)
    quantized = fake_quantized(net, measure_ranges(net, calibration))
    model = training_model(quantized, epochs.classes, dropout, recipe.loss, epochs.lesson)
    head = model.get_layer("classifier")
    head.set_weights(whole.get_layer("classifier").get_weights())
    restore_vad_head(model, weights.parent)
    steps = math.ceil(len(epochs.examples) / recipe.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(
        quantization.aware_learning_rate, steps * quantization.aware_epochs
    )
    model.compile(
        optimizer=make_optimizer(rate, recipe.weight_decay),
        loss=make_loss(recipe.loss, epochs.classes, epochs.lesson),
    )
    (folder / LOG).unlink(missing_ok=True)
    for epoch in range(quantization.aware_epochs):
        x, y, sample_weights = epochs.epoch(recipe.epochs + epoch)
        history = model.fit(
            x, y, sample_weight=sample_weights, batch_size=recipe.batch_size, shuffle=False, verbose=0
        )
        line = {"epoch": epoch + 1, "loss": round(float(history.history["loss"][0]), 5)}
        with (folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        advance(1)
    unfold(quantized, net)
    whole.get_layer("classifier").set_weights(classifier_of(model).get_layer("classifier").get_weights())
    save_vad_head(model, folder)
    save_ranges(folder / RANGES, align_means(net, ranges_of(quantized)))
    with replacing(folder / WEIGHTS) as beside:
        partial = beside.with_name(f"partial-{WEIGHTS}")
        whole.save_weights(partial)
        partial.replace(beside)
    return whole


def save_ranges(path: Path, ranges: Ranges) -> None:
    """Write the ranges of a net's activations, in the tensors' own units, as JSON."""
    write_json(path, {name: list(bounds) for name, bounds in ranges.items()})


def load_ranges(path: Path) -> Ranges:
    """Read what :func:`save_ranges` wrote.

    Returns:
        (low, high) of each tensor, in the tensors' own units.

    Raises:
        InputError: the file is not such a file.
    """
    found = read_json(path)
    ranges: Ranges = {}
    for name, bounds in found.items():
        if (
            not isinstance(bounds, list)
            or len(bounds) != 2
            or not all(isinstance(bound, int | float) and math.isfinite(bound) for bound in bounds)
            or not bounds[0] <= 0 <= bounds[1]
        ):
            message = (
                f"{path}: range {name!r} is {bounds!r}; expected two numbers with 0 between them; train again"
            )
            raise InputError(message)
        ranges[name] = (float(bounds[0]), float(bounds[1]))
    return ranges
