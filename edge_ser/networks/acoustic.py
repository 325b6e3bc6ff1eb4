"""The acoustic net: a convolutional front half, then transformer blocks redesigned for the Edge TPU.

Self-attention multiplies two activations, and no compiler log of any version shows that mapped. A block here keeps
the transformer's shape (token mixing and feed-forward, each with a residual); :mod:`edge_ser.networks.mixing` holds
what stands in for the attention.
"""

from __future__ import annotations

import keras
from keras import layers

from edge_ser.networks.layers import Tensor, conv, embed, gate, relu, squeeze_excite
from edge_ser.networks.mixing import mix
from edge_ser.spec import AcousticSpec, SystemSpec


def build_acoustic(spec: SystemSpec, batch_size: int | None = None) -> keras.Model:
    """The net from a spectrogram segment to the acoustic embedding.

    Args:
        spec: the system; its acoustic table and segment decide the shape.
        batch_size: 1 for conversion (a free batch leaves dynamic shapes in the file), ``None`` for training.

    Returns:
        float32 (B, frames, channels, 1), features / 255 → float32 (B, 1, 1, acoustic.embedding).
    """
    acoustic = spec.acoustic
    inputs = keras.Input(
        (spec.segment_frames, spec.frontend.channels, 1), batch_size=batch_size, name="features"
    )
    x = inputs
    for index, channels in enumerate(acoustic.stem):
        if index == 0:
            # The full map is by far the largest: halving it inside the convolution saves most of the time and memory.
            x = relu(conv(x, channels, 5, "stem0", stride=2), "stem0")
        else:
            x = relu(conv(x, channels, 3, f"stem{index}"), f"stem{index}")
            x = layers.MaxPooling2D(2, name=f"stem{index}_pool")(x)
        x = squeeze_excite(x, f"stem{index}_se", acoustic.gates)
    x = relu(conv(x, acoustic.dim, 3, "tokens"), "tokens")
    x = squeeze_excite(x, "tokens_se", acoustic.gates)
    for index in range(acoustic.blocks):
        x = _block(x, acoustic, f"block{index}")
    return keras.Model(inputs, _pool(embed(x, acoustic.embedding), acoustic), name="acoustic")


def _block(x: Tensor, acoustic: AcousticSpec, name: str) -> Tensor:
    """One transformer block on tokens (B, T, F, C): mixing and feed-forward, each added to its input."""
    channels = int(x.shape[-1])
    mixed = mix(x, acoustic, f"{name}_mix")
    if mixed is not None:
        x = layers.Add(name=f"{name}_mixed")([x, mixed])
    y = relu(conv(x, 2 * channels, 1, f"{name}_up"), f"{name}_up")
    y = conv(y, channels, 1, f"{name}_down")
    return relu(layers.Add(name=f"{name}_add")([x, y]), name)


def _pool(x: Tensor, acoustic: AcousticSpec) -> Tensor:
    """All tokens into one, (B, T, F, C) → (B, 1, 1, C): their mean, their mean weighted by a gate, or their deviation.

    The gate is frame-level attention (as in the multi-loss recipe, arXiv 2512.04551) without the softmax over
    frames, which would need a transpose; the classifier behind it takes the scale. The deviation is the mean of what
    lies above the mean, half the mean absolute deviation: the second statistic of x-vectors' pooling (Snyder et al.,
    ICASSP 2018) without the root, which the Edge TPU has not.
    """
    if acoustic.pooling == "attention":
        weights = gate(x, int(x.shape[-1]), "pool_weights", acoustic.gates)
        x = layers.Multiply(name="pool_weighted")([weights, x])
    elif acoustic.pooling == "deviation":
        mean = layers.GlobalAveragePooling2D(keepdims=True, name="pool_mean")(x)
        x = relu(layers.Subtract(name="pool_above")([x, mean]), "pool_above")
    return layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
