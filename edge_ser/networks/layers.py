"""The building blocks that both nets share.

Only operations that the Edge TPU maps appear here: convolutions, BatchNorm that folds into them, ReLU and ReLU6,
mean, logistic, multiply, add, max pooling. 1x1 convolutions stand where one would write Dense, because the
converter quantises Dense per channel and the board's TFLM reads only the first scale. Every activation is a layer of
its own, so that quantisation-aware training can tell what fuses into a convolution and what is a tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from edge_ser.spec import Gates
from edge_ser.spec_training import Precision

Tensor = Any

_MOMENTUM = 0.9
"""Of BatchNorm's running statistics: a corpus of 1,500 clips has about 50 steps an epoch, too few for Keras' 0.99."""


@contextmanager
def computed_in(precision: Precision) -> Iterator[None]:
    """Layers made inside compute so, unless they say otherwise; their weights are float32 all the same."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@keras.saving.register_keras_serializable("edge_ser")
class BatchNorm(layers.BatchNormalization):  # type: ignore[misc]
    """BatchNormalization over the channels, in training by TensorFlow's one fused operation.

    Keras 3 writes it out as a dozen operations over the whole map, which are a third of a training step of these nets
    on a CPU. The running variance is the unbiased one, n / (n - 1) of Keras'. When not training it is Keras' own.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"momentum": _MOMENTUM, **options})

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        """(B, H, W, C) → the same shape."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        for running, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(running * self.momentum + now * (1.0 - self.momentum))
        return outputs


def conv(x: Tensor, channels: int, kernel: int | tuple[int, int], name: str, stride: int = 1) -> Tensor:
    """Convolution without bias, then BatchNorm, which the converter folds; (B, H, W, C) → (B, H', W', channels)."""
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")(
        x
    )
    return BatchNorm(name=f"{name}_bn")(x)


def separable(x: Tensor, channels: int, name: str, stride: int = 1) -> Tensor:
    """Depthwise-separable convolution: depthwise 3x3, BatchNorm, ReLU, then 1x1 and BatchNorm (arXiv 1704.04861).

    Between the two a BatchNorm and a ReLU: they cost no operation, and bring all channels to one range. Without them
    one int8 step of a quiet channel is multiplied by the large weights that it gets behind it.
    """
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = relu(BatchNorm(name=f"{name}_depthwise_bn")(x), f"{name}_depthwise")
    return conv(x, channels, 1, f"{name}_point")


def relu(x: Tensor, name: str) -> Tensor:
    """ReLU, which fuses into the convolution before it."""
    return layers.ReLU(name=f"{name}_relu")(x)


def gate(x: Tensor, channels: int, name: str, gates: Gates) -> Tensor:
    """A gate per channel, (B, H, W, C) → (B, H, W, channels): 1x1 convolution, then logistic or ReLU6.

    ReLU6 fuses into the convolution and saves the LOGISTIC. It starts at 3, the middle of its range, as in the hard
    sigmoid relu6(x + 3) / 6 (arXiv 1905.02244), whose division by 6 is left to what follows. Started at 1 with random
    weights, nets learnt worse.
    """
    if gates == "fused":
        x = layers.Conv2D(channels, 1, bias_initializer=keras.initializers.Constant(3.0), name=name)(x)
        return layers.ReLU(max_value=6.0, name=f"{name}_gate")(x)
    x = layers.Conv2D(channels, 1, name=name)(x)
    return layers.Activation("sigmoid", name=f"{name}_gate")(x)


def squeeze_excite(x: Tensor, name: str, gates: Gates = "logistic", reduction: int = 4) -> Tensor:
    """Squeeze-and-excite: channel gates from the mean over height and width; the shape stays.

    ``logistic`` is the original (arXiv 1709.01507): two layers and a logistic, five operations. ``fused`` is
    effective squeeze-and-excite (CenterMask, arXiv 1911.06667): one layer, here with ReLU6 for its hard sigmoid,
    three operations.
    """
    channels = int(x.shape[-1])
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    if gates == "logistic":
        hidden = max(4, channels // reduction // 4 * 4)
        squeezed = layers.Conv2D(hidden, 1, name=f"{name}_reduce")(squeezed)
        squeezed = relu(squeezed, f"{name}_reduce")
    return layers.Multiply(name=f"{name}_excite")([x, gate(squeezed, channels, f"{name}_expand", gates)])


def embed(x: Tensor, size: int) -> Tensor:
    """What is pooled into the embedding that fusion reads: 1x1 convolution and ReLU6, (B, H, W, C) → (B, H, W, size).

    ReLU6 bounds the range, so that one uint8 scale serves every input. It comes before the pooling, not behind: TFLM
    and LiteRT round a MEAN differently, by one step, and a convolution behind it adds up the steps of all its inputs
    (6 steps of the embedding on a trained acoustic net, 2 to 3 this way).
    """
    x = conv(x, size, 1, "embedding")
    return layers.ReLU(max_value=6.0, name="embedding")(x)


def with_classifier(net: keras.Model, classes: int, dropout: float) -> keras.Model:
    """The net with the dense layer that trains it; on the device that layer is part of the integer head.

    Args:
        net: a model that ends in an embedding (B, 1, 1, E).
        classes: how many.
        dropout: share of the embedding dropped in training.

    Returns:
        A model from the net's input to float32 logits (B, classes).
    """
    x = layers.Flatten(name="flat_embedding")(net.output)
    x = layers.Dropout(dropout, name="embedding_dropout")(x)
    logits = layers.Dense(classes, dtype="float32", name="classifier")(x)
    return keras.Model(net.input, logits, name=f"{net.name}_classifier")
