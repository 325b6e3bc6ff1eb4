"""DSResNet-SE, the keyword net (Xu & Zhang, "Depthwise Separable Convolutional ResNet with Squeeze-and-Excitation
Blocks for Small-Footprint Keyword Spotting", Interspeech 2020, arXiv 2004.12200).
"""

from __future__ import annotations

import keras
from keras import layers

from edge_ser.networks.layers import Tensor, conv, embed, relu, separable, squeeze_excite
from edge_ser.spec import Gates, SystemSpec


def build_keyword(spec: SystemSpec, batch_size: int | None = None) -> keras.Model:
    """The net from a spectrogram window to the keyword embedding.

    The map is halved in both directions at once in the stem: 18 times fewer multiplies for under a point
    (papers: DS-ResNet14 against DS-ResNet18).

    Args:
        spec: the system; its keyword table and window decide the shape.
        batch_size: 1 for conversion (a free batch leaves dynamic shapes in the file), ``None`` for training.

    Returns:
        float32 (B, frames, channels, 1), features / 255 → float32 (B, 1, 1, keyword.embedding).
    """
    width = spec.keyword.width
    inputs = keras.Input(
        (spec.keyword_frames, spec.frontend.channels, 1), batch_size=batch_size, name="features"
    )
    x = relu(conv(inputs, width, 3, "stem", stride=2), "stem")
    for index in range(spec.keyword.blocks):
        # Every second block halves the map and widens: 1, 2, 2, 3, 3, … times the stem's width.
        stride = 1 + index % 2
        x = _residual(x, width * (1 + (index + 1) // 2), stride, f"block{index}", spec.keyword.gates)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(embed(x, spec.keyword.embedding))
    return keras.Model(inputs, x, name="keyword")


def _residual(x: Tensor, channels: int, stride: int, name: str, gates: Gates) -> Tensor:
    """Two separable convolutions, squeeze-and-excite on the first's output, and a shortcut."""
    shortcut = x
    if stride != 1 or int(x.shape[-1]) != channels:
        shortcut = conv(x, channels, 1, f"{name}_shortcut", stride=stride)
    y = relu(separable(x, channels, f"{name}_first", stride=stride), f"{name}_first")
    y = squeeze_excite(y, f"{name}_se", gates)
    y = separable(y, channels, f"{name}_second")
    return relu(layers.Add(name=f"{name}_add")([y, shortcut]), name)
