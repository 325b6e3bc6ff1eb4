"""The regression head on valence, arousal, dominance: its loss, its file, and its scores.

The head is never deployed, so whatever it scores is a float figure of the Keras net, beside the int8 scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from edge_ser.corpora.affect import DIMENSIONS, vad_of
from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.files import replacing
from edge_ser.networks.layers import Tensor
from edge_ser.training.fusion import FloatHead
from edge_ser.training.segments import cut_segments

if TYPE_CHECKING:
    from edge_ser.training.float_system import FloatSystem

VAD_HEAD = "vad_head"
"""Name of the layer in a training model."""

HEAD = "vad-head.npz"
"""The head's file, beside the weights that it was trained with."""


def ccc_loss(predicted: Tensor, vad: Tensor, weights: Tensor) -> Tensor:
    """Sum over the dimensions of 1 - CCC (Lin, Biometrics 45, 1989), the statistics taken over the batch.

    Args:
        predicted: float (B, 3).
        vad: float (B, 3); anything where the weight is 0.
        weights: float (B, 1), how much a clip counts; 0 without ratings.

    Returns:
        A number, 0 to 6; 0 where no clip of the batch has ratings. A dimension in which neither side varies has no
        concordance: CCC 0.
    """
    total = tf.reduce_sum(weights)
    shares = tf.math.divide_no_nan(weights, total)
    mean_p, mean_t = (tf.reduce_sum(shares * side, axis=0) for side in (predicted, vad))
    off_p, off_t = predicted - mean_p, vad - mean_t
    together = tf.reduce_sum(shares * off_p * off_t, axis=0)
    spread = tf.reduce_sum(shares * (off_p**2 + off_t**2), axis=0)
    ccc = tf.math.divide_no_nan(2 * together, spread + (mean_p - mean_t) ** 2)
    return tf.where(total > 0, tf.reduce_sum(1 - ccc), 0.0)


def save_vad_head(model: keras.Model, folder: Path) -> None:
    """Keep the regression head of a training model in ``folder``; nothing where the model has none."""
    layer = _head_of(model)
    if layer is None:
        return
    kernel, bias = layer.get_weights()
    with replacing(folder / HEAD) as beside, beside.open("wb") as file:
        np.savez(file, weights=kernel.T.astype(np.float64), bias=bias.astype(np.float64))


def restore_vad_head(model: keras.Model, folder: Path) -> None:
    """Give a training model the head that :func:`save_vad_head` kept; nothing where the model has none.

    Raises:
        InputError: there is no such file of a head.
    """
    layer = _head_of(model)
    if layer is not None:
        head = load_vad_head(folder)
        layer.set_weights([head.weights.T, head.bias])


def load_vad_head(folder: Path) -> FloatHead:
    """Read what :func:`save_vad_head` wrote: embedding to (valence, arousal, dominance), -1 to 1.

    Raises:
        InputError: there is no such file, or it is something else.
    """
    path = folder / HEAD
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return FloatHead(weights=arrays["weights"], bias=arrays["bias"])
    except (OSError, ValueError, KeyError) as error:
        message = f"{path}: not the head of a training with loss.ccc above 0 ({error}); train again"
        raise InputError(message) from None


def vad_report(system: FloatSystem, folder: Path, clips: Sequence[Clip]) -> dict[str, Any] | None:
    """Ratings of clips and what the float net with its training head makes of them.

    Args:
        system: the trained system.
        folder: where the acoustic net's weights lie.
        clips: labelled clips; those without ratings are left out.

    Returns:
        Ready for JSON: ``dimensions``; ``rated`` and ``predicted``, one row of three per clip, the segments of a
        clip averaged by their seconds. ``None`` where no clip has ratings.

    Raises:
        InputError: no head lies there, or an audio file cannot be read.
    """
    head = load_vad_head(folder)
    heard = [clip for clip in clips if clip.vad is not None]
    if not heard:
        return None
    segments = cut_segments(system.spec, heard, lambda _clips: None)
    acoustic, _ = system.embeddings(segments.features)
    predicted = segments.per_clip(head.logits(acoustic))
    return {
        "dimensions": list(DIMENSIONS),
        "rated": np.round(vad_of(heard), 5).tolist(),
        "predicted": np.round(predicted, 5).tolist(),
    }


def _head_of(model: keras.Model) -> keras.layers.Layer | None:
    return next((layer for layer in model.layers if layer.name == VAD_HEAD), None)
