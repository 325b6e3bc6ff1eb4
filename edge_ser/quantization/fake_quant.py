"""Fake quantisation: a trained net rebuilt so that it rounds in float where the int8 file rounds in integers.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", arXiv
1712.05877: BatchNorm folded into the convolutions, weights rounded symmetrically per channel, activations per tensor,
gradients passed straight through. A tensor is rounded exactly where the converter makes one: behind a convolution with
whatever fuses into it, behind mean, product, sum and difference; max pooling keeps its input's range, logistic and
softmax have 1/256 whatever comes out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.networks.layers import Tensor

Ranges = dict[str, tuple[float, float]]
"""Lowest and highest value of each rounded tensor, by the name of its :class:`FakeQuant`."""

_INPUT_RANGE = (0.0, 1.0)
_SHARE_RANGE = (0.0, 255 / 256)
"""Of logistic and softmax in int8 files: TFLite quantisation specification, scale 1/256, zero point -128."""

_MOMENTUM = 0.95
"""Of the ranges while training; arXiv 1712.05877 asks for an average over many steps, a corpus here has few."""

_LOWEST = -128
"""The int8 zero point of what is never negative."""

_HAIR = 4e-7
"""Above what rounding scales to float32 takes off, and too little to change a sum of less than a million steps."""

_SAME = 1e-5
"""Ranges that were aligned before, and rounded since, are not widened again."""

_LEAST_WEIGHT = 1e-9
"""Keeps the scale of a channel whose weights are all zero above zero."""

_ROOM = 1.2
"""How much wider the ranges of vectors are than what calibration saw, see :func:`leave_room`."""

_PROBE_BATCH = 32
_SUFFIX = "_range"
_PLAIN = (
    layers.ReLU,
    layers.Activation,
    layers.Softmax,
    layers.MaxPooling2D,
    layers.Add,
    layers.Subtract,
    layers.Multiply,
    layers.GlobalAveragePooling2D,
)


@keras.saving.register_keras_serializable("edge_ser")
class FakeQuant(layers.Layer):  # type: ignore[misc]
    """Rounds a tensor to 256 levels between two bounds that contain 0; any shape stays as it is.

    While training the bounds follow the tensor, unless they are fixed.

    Args:
        low: the lower bound at the start, in the tensor's own unit.
        high: the upper bound, in the same unit.
        fixed: whether they stay.
        **options: of every Keras layer.
    """

    def __init__(self, low: float = 0.0, high: float = 0.0, fixed: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.start, self.fixed = (low, high), fixed

    def build(self, _shape: tuple[int | None, ...]) -> None:
        """Make the bounds."""
        self.bounds = self.add_weight(
            shape=(2,), initializer=keras.initializers.Constant(0.0), trainable=False, name="bounds"
        )
        self.bounds.assign(self.start)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """See the class."""
        if training and not self.fixed:
            found = tf.stack([tf.minimum(tf.reduce_min(x), 0.0), tf.maximum(tf.reduce_max(x), 0.0)])
            self.bounds.assign(_MOMENTUM * self.bounds + (1 - _MOMENTUM) * tf.stop_gradient(found))
        bounds = tf.convert_to_tensor(self.bounds)
        return tf.quantization.fake_quant_with_min_max_vars(x, bounds[0], bounds[1])

    def get_config(self) -> dict[str, Any]:
        """What makes the layer again; the bounds are weights."""
        return {**super().get_config(), "fixed": self.fixed}


@keras.saving.register_keras_serializable("edge_ser")
class QuantConv2D(layers.Conv2D):  # type: ignore[misc]
    """A convolution that computes with rounded weights; bias in float, as int32 is fine enough to be exact."""

    def call(self, x: Tensor) -> Tensor:
        """(B, H, W, C) → (B, H', W', filters)."""
        return ops.add(self.convolution_op(x, rounded_weights(self.kernel)), self.bias)


@keras.saving.register_keras_serializable("edge_ser")
class QuantDepthwiseConv2D(layers.DepthwiseConv2D):  # type: ignore[misc]
    """A depthwise convolution that computes with rounded weights."""

    def call(self, x: Tensor) -> Tensor:
        """(B, H, W, C) → (B, H', W', C)."""
        shape = self.kernel.shape
        kernel = ops.reshape(rounded_weights(ops.reshape(self.kernel, shape[:-1])), shape)
        return ops.add(ops.depthwise_conv(x, kernel, self.strides, self.padding), self.bias)


def rounded_weights(weights: Tensor) -> Tensor:
    """Weights rounded to -127..127 steps per channel, the last axis; gradients pass."""
    axes = tuple(range(len(weights.shape) - 1))
    largest = tf.stop_gradient(tf.reduce_max(tf.abs(weights), axis=axes))
    largest = tf.maximum(largest, _LEAST_WEIGHT)
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        weights, -largest, largest, narrow_range=True
    )


def measure_ranges(net: keras.Model, features: NDArray[np.uint8]) -> Ranges:
    """Extremes of every tensor that int8 rounds, in float; what the converter's own calibration takes.

    Args:
        net: a trained net of :mod:`edge_ser.networks`.
        features: uint8 (n, frames, channels), training speakers.

    Returns:
        Bounds that contain 0, in the tensors' own units, for all tensors whose bounds are not fixed.
    """
    readers = _readers(net)
    free = [layer for layer in net.layers if _rounds(layer, readers) and _fixed_range(layer) is None]
    probe = keras.Model(net.input, [layer.output for layer in free])
    low, high = np.zeros(len(free)), np.zeros(len(free))
    for at in range(0, len(features), _PROBE_BATCH):
        values = probe(features[at : at + _PROBE_BATCH, ..., np.newaxis] / np.float32(255), training=False)
        low = np.minimum(low, [float(ops.min(value)) for value in values])
        high = np.maximum(high, [float(ops.max(value)) for value in values])
    return {layer.name: (float(low[at]), float(high[at])) for at, layer in enumerate(free)}


def fake_quantized(net: keras.Model, ranges: Mapping[str, tuple[float, float]]) -> keras.Model:
    """Rebuild a net with fake quantisation, BatchNorm folded.

    Args:
        net: a trained net of :mod:`edge_ser.networks`, up to its embedding.
        ranges: (low, high) of its rounded tensors, in the tensors' own units, see :func:`measure_ranges`.

    Returns:
        A model of the same input and output; layers with weights have the names that they have in the net.

    Raises:
        InputError: the net holds a layer of which it is not known what the converter makes, or a range is missing.
    """
    readers = _readers(net)
    entry = keras.Input(batch_shape=net.input.shape, name="features")
    made: dict[int, Tensor] = {}
    for layer in net.layers:
        if isinstance(layer, layers.InputLayer):
            result = entry
        elif isinstance(layer, layers.BatchNormalization):
            result = made[id(layer.input)]
        else:
            inputs = [made[id(tensor)] for tensor in _inputs(layer)]
            result = _rebuilt(layer)(inputs if len(inputs) > 1 else inputs[0])
        if _rounds(layer, readers):
            fixed = _fixed_range(layer)
            bounds = fixed or ranges.get(layer.name)
            if bounds is None:
                message = f"{net.name}: the range of {layer.name!r} is missing; measure the ranges of this net again"
                raise InputError(message)
            result = FakeQuant(*bounds, fixed=fixed is not None, name=f"{layer.name}{_SUFFIX}")(result)
        made[id(layer.output)] = result
    quantized = keras.Model(entry, made[id(net.output)], name=net.name)
    for layer in _convolutions(net):
        quantized.get_layer(layer.name).set_weights(_folded(layer, _norm_of(layer, readers)))
    return quantized


def ranges_of(quantized: keras.Model) -> Ranges:
    """The bounds that a model of :func:`fake_quantized` has come to, in the tensors' units, without the fixed ones."""
    return {
        layer.name.removesuffix(_SUFFIX): (float(layer.bounds[0]), float(layer.bounds[1]))
        for layer in quantized.layers
        if isinstance(layer, FakeQuant) and not layer.fixed
    }


def leave_room(net: keras.Model, ranges: Mapping[str, tuple[float, float]]) -> Ranges:
    """Widen the measured ranges of vectors, of which every input has one, for inputs that calibration did not hear.

    A map has thousands of values per input, and its extremes are known after a few; of a mean over the map, and of what
    squeeze-and-excite computes from it, two hundred inputs show two hundred values per channel. Other voices and
    microphones lie beyond: the net of the shipped bundle, taught by CREMA-D, reaches 1.6 times those ranges on EMO-DB
    and URDU. With a fifth more its fake-quantised embedding's signal-to-noise ratio rose there from 26.2 and 26.5 dB to
    29.0 and 28.0 and went from 28.6 to 28.5 on CREMA-D; with a half more it had 27.8, 26.8 and 27.4, for the steps
    grow. Of 1,293 clips of four corpora 1,265 instead of 1,260 keep their class in the int8 file. A keyword net gains
    and loses nothing.

    Args:
        net: a net of :mod:`edge_ser.networks`.
        ranges: of :func:`measure_ranges`, in the tensors' own units.

    Returns:
        All ranges, in the same units; those of vectors a fifth wider.
    """
    vectors = {layer.name for layer in net.layers if tuple(layer.output.shape[1:3]) == (1, 1)}
    return {
        name: (low * _ROOM, high * _ROOM) if name in vectors else (low, high)
        for name, (low, high) in ranges.items()
    }


def align_means(net: keras.Model, ranges: Mapping[str, tuple[float, float]]) -> Ranges:
    """Widen the ranges of means, so that every runtime computes the same mean.

    A mean is a sum times a factor. LiteRT's optimised kernel also takes the zero point off after it has rounded it on
    the output's scale (tensorflow/lite/kernels/internal/optimized/integer_ops/mean.h); its reference kernel and TFLM
    do not, and round the product by another rule (.../reference/reduce.h): of some means one value in forty came out a
    step apart, of one that may be negative one in fourteen, and embeddings up to eleven steps.

    Behind a ReLU, where nothing is negative, the factor is made a power of two: every rule then rounds alike, and the
    zero point is a whole number. It is made so a hair too small, which the fixed-point factor of 31 bits represents as
    nearly one; as one half it would cost the product a bit. Elsewhere halves are rounded by two rules whatever the
    factor; there the zero point alone is made a whole number on the output's scale.

    Args:
        net: a net of :mod:`edge_ser.networks`.
        ranges: (low, high) of its rounded tensors, in the tensors' own units.

    Returns:
        The ranges, in the same units; those of means behind a ReLU are at most twice as wide, which costs at most one
        bit of a mean, those of others wider by at most one part in the zero point's size on the output's
        scale.
    """
    readers, makers = _readers(net), {id(layer.output): layer for layer in net.layers}
    aligned = dict(ranges)
    for layer in net.layers:
        if not isinstance(layer, layers.GlobalAveragePooling2D) or not _rounds(layer, readers):
            continue
        source = makers[id(layer.input)]
        while not _rounds(source, readers):
            source = makers[id(source.input)]
        scale, zero_point = _affine(_fixed_range(source) or aligned[source.name])
        low, high = aligned[layer.name]
        if not (low < high and scale > 0):
            continue
        ratio = scale * 255 / (high - low)
        if zero_point == _LOWEST and low == 0:
            count = int(layer.input.shape[1]) * int(layer.input.shape[2])
            halvings = math.ceil(math.log2(count / ratio) - _SAME)
            factor = ratio * 2**halvings / count * (1 + _HAIR)
        else:
            steps = math.floor(abs(zero_point) * ratio + _SAME)
            factor = abs(zero_point) * ratio / steps if steps > 0 else 1.0
        aligned[layer.name] = (low * factor, high * factor)
    return aligned


def _affine(bounds: tuple[float, float]) -> tuple[float, int]:
    """Scale and int8 zero point of a range; the zero point is rounded as TensorFlow's fake_quant op does it."""
    low, high = bounds
    scale = (high - low) / 255
    return scale, round(-128 - low / scale) if scale > 0 else 0


def unfold(quantized: keras.Model, net: keras.Model) -> None:
    """Put the weights of a fake-quantised model back into its net; BatchNorm becomes the bias alone.

    Args:
        quantized: what :func:`fake_quantized` made of the net, trained on.
        net: changed in place.
    """
    readers = _readers(net)
    for layer in _convolutions(net):
        kernel, bias = quantized.get_layer(layer.name).get_weights()
        norm = _norm_of(layer, readers)
        if norm is None:
            layer.set_weights([kernel, bias] if layer.use_bias else [kernel])
            continue
        layer.set_weights([kernel])
        ones = np.ones_like(bias)
        norm.set_weights([ones, bias, np.zeros_like(bias), ones - norm.epsilon])


def _readers(net: keras.Model) -> dict[int, list[Any]]:
    """The layers that read each tensor of a net, by the tensor's identity."""
    readers: dict[int, list[Any]] = {}
    for layer in net.layers:
        for tensor in _inputs(layer):
            readers.setdefault(id(tensor), []).append(layer)
    return readers


def _inputs(layer: Any) -> list[Tensor]:
    if isinstance(layer, layers.InputLayer):
        return []
    found = layer.input
    return list(found) if isinstance(found, list | tuple) else [found]


def _convolutions(net: keras.Model) -> list[Any]:
    return [layer for layer in net.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]


def _norm_of(layer: Any, readers: Mapping[int, list[Any]]) -> Any:
    """The BatchNorm that folds into a convolution, or ``None``."""
    after = readers.get(id(layer.output), [])
    return after[0] if len(after) == 1 and isinstance(after[0], layers.BatchNormalization) else None


def _rounds(layer: Any, readers: Mapping[int, list[Any]]) -> bool:
    """Whether the int8 file holds the layer's output as a tensor with a range of its own."""
    after = readers.get(id(layer.output), [])
    fuses = len(after) == 1 and isinstance(after[0], layers.BatchNormalization | layers.ReLU)
    return not fuses and not isinstance(layer, layers.MaxPooling2D)


def _fixed_range(layer: Any) -> tuple[float, float] | None:
    if isinstance(layer, layers.InputLayer):
        return _INPUT_RANGE
    return _SHARE_RANGE if isinstance(layer, layers.Softmax | layers.Activation) else None


def _rebuilt(layer: Any) -> Any:
    """The layer again, convolutions with rounded weights and a bias."""
    config = layer.get_config()
    if isinstance(layer, layers.DepthwiseConv2D):
        return QuantDepthwiseConv2D.from_config({**config, "use_bias": True})
    if isinstance(layer, layers.Conv2D):
        return QuantConv2D.from_config({**config, "use_bias": True})
    if isinstance(layer, _PLAIN):
        return type(layer).from_config(config)
    message = f"layer {layer.name!r} is a {type(layer).__name__}, of which fake quantisation knows nothing"
    raise InputError(message)


def _folded(layer: Any, norm: Any) -> list[NDArray[np.float32]]:
    """Kernel and bias of a convolution with its BatchNorm folded in."""
    kernel, *biases = layer.get_weights()
    channels = kernel.shape[-2] if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[-1]
    bias = biases[0] if biases else np.zeros(channels, np.float32)
    if norm is None:
        return [kernel, bias]
    gain, offset, mean, variance = norm.get_weights()
    scale = gain / np.sqrt(variance + norm.epsilon)
    # A depthwise kernel is (height, width, channels, 1).
    by_channel = scale[:, np.newaxis] if isinstance(layer, layers.DepthwiseConv2D) else scale
    return [kernel * by_channel, offset + (bias - mean) * scale]
