"""The acoustic net: a convolutional front half, then transformer blocks redesigned for the Edge TPU.

Self-attention multiplies two activations, and no compiler log of any version shows that mapped. A block here keeps
the transformer's shape (token mixing and feed-forward, each with a residual) and mixes tokens with gates and means.
"""

from __future__ import annotations

import keras
from keras import layers

from edge_ser.networks.layers import Tensor, conv, embed, relu, squeeze_excite
from edge_ser.spec import SystemSpec


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
        x = squeeze_excite(x, f"stem{index}_se")
    x = relu(conv(x, acoustic.dim, 3, "tokens"), "tokens")
    x = squeeze_excite(x, "tokens_se")
    for index in range(acoustic.blocks):
        x = _block(x, acoustic.mixing, f"block{index}")
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    return keras.Model(inputs, embed(x, acoustic.embedding), name="acoustic")


def _block(x: Tensor, mixing: str, name: str) -> Tensor:
    """One transformer block on tokens (B, T, F, C): mixing and feed-forward, each added to its input."""
    channels = int(x.shape[-1])
    if mixing == "gated":
        x = layers.Add(name=f"{name}_mixed")([x, _gated_attention(x, f"{name}_mix")])
    y = relu(conv(x, 2 * channels, 1, f"{name}_up"), f"{name}_up")
    y = conv(y, channels, 1, f"{name}_down")
    return relu(layers.Add(name=f"{name}_add")([x, y]), name)


def _gated_attention(x: Tensor, name: str) -> Tensor:
    """Gated global attention: every token says how much of itself goes into one summary, and how much it takes back.

    keys = sigmoid(Wk x), values = Wv x, summary = mean over tokens of keys * values, result = sigmoid(Wq x) * summary.
    It is single-head attention with the softmax over keys replaced by a gate, so that both products have a
    broadcast or an element-wise form.
    """
    channels = int(x.shape[-1])
    keys = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_keys")(x)
    values = conv(x, channels, 1, f"{name}_values")
    summary = layers.Multiply(name=f"{name}_weighted")([keys, values])
    summary = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_summary")(summary)
    queries = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_queries")(x)
    return layers.Multiply(name=f"{name}_taken")([queries, summary])
