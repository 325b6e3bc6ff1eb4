"""The probe models of layers: convolutions, dense layers, softmax, activations, recurrence, versions."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from edge_ser.edgetpu.model_writer import ModelWriter

Build = Callable[[], bytes]

DESCRIPTION = "edge-ser probe"
SIDE, CHANNELS, ROWS = 8, 8, 12
IMAGE = (1, SIDE, SIDE, CHANNELS)

_WEIGHT_SCALE = 0.01
_INPUT_SCALE = 0.05
# What the int8 kernels of TensorFlow Lite demand of the results of these operations.
FIXED_RESULTS = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}


def noise(count: int) -> list[int]:
    """``count`` int8 values, always the same: neither all zero nor an identity, which fail to compile."""
    return random.Random(count).choices(range(-127, 128), k=count)


def convolution(
    kernel: tuple[int, int] = (3, 3),
    dilation: tuple[int, int] = (1, 1),
    image: tuple[int, int, int, int] = IMAGE,
    version: int = 3,
    dtype: str = "int8",
) -> Build:
    """One CONV_2D with same padding; per-channel weights, or per-tensor ones for uint8."""

    def build() -> bytes:
        writer = ModelWriter()
        channels = image[3]
        zero = 128 if dtype == "uint8" else 0
        source = writer.tensor(image, dtype, _INPUT_SCALE, zero)
        scales = [_WEIGHT_SCALE] * (channels if dtype == "int8" else 1)
        values = [value + zero for value in noise(kernel[0] * kernel[1] * channels * channels)]
        weights = writer.constant((channels, *kernel, channels), values, dtype, scales, zero_point=zero)
        bias = _bias(writer, channels, len(scales))
        result = writer.tensor(image, dtype, _INPUT_SCALE, zero)
        options = {"stride_w": 1, "stride_h": 1, "dilation_h": dilation[0], "dilation_w": dilation[1]}
        writer.op("CONV_2D", [source, weights, bias], [result], version, options)
        return writer.finish([source], [result], DESCRIPTION)

    return build


def depthwise(
    kernel: tuple[int, int] = (3, 3), dilation: tuple[int, int] = (1, 1), version: int = 3
) -> Build:
    """One DEPTHWISE_CONV_2D with same padding and per-channel weights."""

    def build() -> bytes:
        writer = ModelWriter()
        source = writer.tensor(IMAGE)
        values = noise(kernel[0] * kernel[1] * CHANNELS)
        scales = [_WEIGHT_SCALE] * CHANNELS
        weights = writer.constant((1, *kernel, CHANNELS), values, "int8", scales, axis=3)
        bias = _bias(writer, CHANNELS, CHANNELS)
        result = writer.tensor(IMAGE)
        options = {"stride_w": 1, "stride_h": 1, "dilation_h": dilation[0], "dilation_w": dilation[1]}
        writer.op("DEPTHWISE_CONV_2D", [source, weights, bias], [result], version, options)
        return writer.finish([source], [result], DESCRIPTION)

    return build


def transpose_convolution(version: int = 1) -> Build:
    """One TRANSPOSE_CONV that doubles height and width; with a bias from version 3 on."""

    def build() -> bytes:
        writer = ModelWriter()
        source = writer.tensor(IMAGE)
        size = writer.constant((4,), (1, 2 * SIDE, 2 * SIDE, CHANNELS))
        values = noise(4 * CHANNELS * CHANNELS)
        weights = writer.constant((CHANNELS, 2, 2, CHANNELS), values, "int8", [_WEIGHT_SCALE] * CHANNELS)
        result = writer.tensor((1, 2 * SIDE, 2 * SIDE, CHANNELS))
        inputs = [size, weights, source]
        if version >= 3:
            inputs.append(_bias(writer, CHANNELS, CHANNELS))
        writer.op("TRANSPOSE_CONV", inputs, [result], version, {"stride_w": 2, "stride_h": 2})
        return writer.finish([source], [result], DESCRIPTION)

    return build


def dense(rows: int = 1, per_channel: bool = False, computed: bool = False, version: int = 4) -> Build:
    """One FULLY_CONNECTED from 32 to 16 values."""

    def build() -> bytes:
        writer = ModelWriter()
        source = writer.tensor((rows, 32))
        scales = [_WEIGHT_SCALE] * (16 if per_channel else 1)
        inputs = [source]
        if computed:
            inputs.append(writer.tensor((16, 32), scale=_WEIGHT_SCALE))
        else:
            inputs.append(writer.constant((16, 32), noise(16 * 32), "int8", scales))
            inputs.append(_bias(writer, 16, len(scales)))
        result = writer.tensor((rows, 16))
        writer.op("FULLY_CONNECTED", inputs, [result], version, {})
        return writer.finish(inputs[:2] if computed else [source], [result], DESCRIPTION)

    return build


def batch_matmul() -> bytes:
    """The product of two activations."""
    writer = ModelWriter()
    left, right = writer.tensor((1, ROWS, 16)), writer.tensor((1, 16, ROWS))
    result = writer.tensor((1, ROWS, ROWS))
    writer.op("BATCH_MATMUL", [left, right], [result], 2, {})
    return writer.finish([left, right], [result], DESCRIPTION)


def activation(name: str, shape: Sequence[int] = IMAGE, version: int = 2, **options: float) -> Build:
    """One operation of one input whose result has the same shape.

    Its ``options`` are as :meth:`~.model_writer.ModelWriter.op` takes them.
    """

    def build() -> bytes:
        writer = ModelWriter()
        source = writer.tensor(shape)
        scale, zero_point = FIXED_RESULTS.get(name, (_INPUT_SCALE, 0))
        result = writer.tensor(shape, scale=scale, zero_point=zero_point)
        writer.op(name, [source], [result], version, options)
        return writer.finish([source], [result], DESCRIPTION)

    return build


def rsqrt() -> bytes:
    """A reciprocal square root of values above zero."""
    writer = ModelWriter()
    source = writer.tensor(IMAGE, scale=0.01, zero_point=-128)
    result = writer.tensor(IMAGE, zero_point=-128)
    writer.op("RSQRT", [source], [result], 2)
    return writer.finish([source], [result], DESCRIPTION)


def l2_normalization() -> bytes:
    """Each pixel's channels divided by their length."""
    writer = ModelWriter()
    source = writer.tensor(IMAGE)
    result = writer.tensor(IMAGE, scale=1 / 128)
    writer.op("L2_NORMALIZATION", [source], [result], 2, {})
    return writer.finish([source], [result], DESCRIPTION)


def prelu() -> bytes:
    """A PRELU with one slope per channel."""
    writer = ModelWriter()
    source = writer.tensor(IMAGE)
    alpha = writer.constant((1, 1, CHANNELS), noise(CHANNELS), "int8", [0.002])
    result = writer.tensor(IMAGE)
    writer.op("PRELU", [source, alpha], [result])
    return writer.finish([source], [result], DESCRIPTION)


def hard_swish_written_out() -> bytes:
    """``x * relu6(x + 3) / 6`` with ADD, MUL, MUL."""
    writer = ModelWriter()
    source = writer.tensor(IMAGE)
    three = writer.constant((), (60,), "int8", [_INPUT_SCALE])
    moved = writer.tensor(IMAGE, scale=6 / 255, zero_point=-128)
    writer.op("ADD", [source, three], [moved], 2, {"fused_activation": 3})
    product = writer.tensor(IMAGE, scale=0.3)
    writer.op("MUL", [source, moved], [product], 2, {})
    sixth = writer.constant((), (100,), "int8", [1 / 600])
    result = writer.tensor(IMAGE)
    writer.op("MUL", [product, sixth], [result], 2, {})
    return writer.finish([source], [result], DESCRIPTION)


def layer_norm() -> bytes:
    """Mean and variance over the channels, and the quotient by RSQRT."""
    writer = ModelWriter()
    source = writer.tensor(IMAGE)
    axes = writer.constant((1,), (3,))
    pixels = (*IMAGE[:3], 1)
    mean, variance = writer.tensor(pixels), writer.tensor(pixels, scale=0.02, zero_point=-128)
    writer.op("MEAN", [source, axes], [mean], 2, {"keep_dims": 1})
    squares = writer.tensor(IMAGE, scale=0.05, zero_point=-128)
    writer.op("SQUARED_DIFFERENCE", [source, mean], [squares], 2, {})
    writer.op("MEAN", [squares, axes], [variance], 2, {"keep_dims": 1})
    lifted = writer.tensor(pixels, scale=0.02, zero_point=-128)
    epsilon = writer.constant((), (1,), "int8", [0.02])
    writer.op("ADD", [variance, epsilon], [lifted], 2, {})
    factor = writer.tensor(pixels, zero_point=-128)
    writer.op("RSQRT", [lifted], [factor], 2)
    centred, result = writer.tensor(IMAGE), writer.tensor(IMAGE)
    writer.op("SUB", [source, mean], [centred], 2, {})
    writer.op("MUL", [centred, factor], [result], 2, {})
    return writer.finish([source], [result], DESCRIPTION)


def lstm() -> bytes:
    """A UNIDIRECTIONAL_SEQUENCE_LSTM of 8 units on 4 steps, int8 with an int16 cell state."""
    units, steps = 8, 4
    writer = ModelWriter()
    source = writer.tensor((1, steps, units))
    weights = [
        writer.constant((units, units), noise(units * units), "int8", [_WEIGHT_SCALE]) for _ in range(8)
    ]
    biases = [_bias(writer, units, 1) for _ in range(4)]
    output_state = writer.tensor((1, units), scale=1 / 128, variable=True)
    cell_state = writer.tensor((1, units), "int16", 2.0**-11, variable=True)
    result = writer.tensor((1, steps, units), scale=1 / 128)
    gates = [writer.tensor((), scale=2.0**-12) for _ in range(4)]
    hidden = writer.tensor((), scale=1 / 128)
    absent = [-1]
    inputs = [source, *weights, *absent * 3, *biases, *absent * 2, output_state, cell_state, *absent * 4]
    options = {"fused_activation": 4, "cell_clip": 0.0}
    writer.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [result], 1, options, [*gates, hidden])
    return writer.finish([source], [result], DESCRIPTION)


def _bias(writer: ModelWriter, count: int, scales: int) -> int:
    return writer.constant((count,), noise(count), "int32", [_WEIGHT_SCALE * _INPUT_SCALE] * scales)
