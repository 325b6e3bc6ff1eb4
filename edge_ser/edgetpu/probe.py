"""The probe pack: small models of one pattern each, whose compilation tells what a compiler really maps.

The compiler is closed and its documentation incomplete. A person who has it compiles these once; the answers
become the op table that :mod:`edge_ser.edgetpu.rules` then believes more than its own rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_ser.edgetpu import probe_layers as layers
from edge_ser.edgetpu import probe_tensors as tensors
from edge_ser.edgetpu.probe_layers import CHANNELS, IMAGE, ROWS, SIDE, Build

_ROW = (1, ROWS, 1, CHANNELS)


@dataclass(frozen=True)
class Probe:
    """One probe model.

    Attributes:
        name: what it is called; also the stem of its file.
        pattern: the form of the operation that it asks about (:func:`edge_ser.edgetpu.patterns.pattern_of`);
            ``""`` where it asks about a chain of operations or about a version.
        rule: name of the rule that speaks about it where nobody was asked; ``""`` where none does.
        build: makes the ``.tflite`` file.
        version: version of the operation, for a rung of a version ladder; else 0.
        op: the operation of a version ladder, or of the pattern; ``""`` for a chain.
    """

    name: str
    pattern: str
    rule: str
    build: Build = field(repr=False)
    version: int = 0
    ladder: str = ""

    @property
    def op(self) -> str:
        """The operation that it asks about; ``""`` for a chain of operations."""
        return self.ladder or self.pattern.partition(" ")[0]


def _rung(op: str, version: int, build: Build) -> Probe:
    name = f"version-{op.lower().replace('_', '-')}-{version}"
    return Probe(name, "", "", build, version, op)


_LIST = "operation-in-list"

PROBES: tuple[Probe, ...] = (
    Probe("conv-1x1", "CONV_2D 1x1", "", layers.convolution((1, 1))),
    Probe("conv-3x3", "CONV_2D square", "", layers.convolution()),
    Probe("conv-3x3-uint8", "CONV_2D square uint8", "", layers.convolution(version=1, dtype="uint8")),
    Probe(
        "conv-5x1-width-1", "CONV_2D one-sided", "", layers.convolution((5, 1), image=(1, 32, 1, CHANNELS))
    ),
    Probe("conv-3x1-dilated", "CONV_2D one-sided unequally dilated", "", layers.convolution((3, 1), (2, 1))),
    Probe("conv-3x3-dilated", "CONV_2D square dilated", "", layers.convolution(dilation=(2, 2))),
    Probe(
        "conv-3x3-unequally-dilated",
        "CONV_2D square unequally dilated",
        "equal-dilation",
        layers.convolution(dilation=(2, 1)),
    ),
    Probe("depthwise-3x3", "DEPTHWISE_CONV_2D square", "", layers.depthwise()),
    Probe("depthwise-5x1", "DEPTHWISE_CONV_2D one-sided", "", layers.depthwise((5, 1))),
    Probe("depthwise-dilated", "DEPTHWISE_CONV_2D square dilated", "", layers.depthwise(dilation=(2, 2))),
    Probe("transpose-conv-2x2", "TRANSPOSE_CONV square", "", layers.transpose_convolution()),
    Probe("dense", "FULLY_CONNECTED one row", "", layers.dense()),
    Probe("dense-over-rows", "FULLY_CONNECTED several rows", "dense-over-rows", layers.dense(ROWS)),
    Probe(
        "dense-per-channel",
        "FULLY_CONNECTED one row per channel",
        "dense-per-channel",
        layers.dense(per_channel=True),
    ),
    Probe(
        "dense-computed-weights",
        "FULLY_CONNECTED several rows computed weights",
        "constant-parameters",
        layers.dense(ROWS, computed=True),
    ),
    Probe("batch-matmul", "BATCH_MATMUL", "product-of-activations", layers.batch_matmul),
    Probe("softmax", "SOFTMAX one row", "", layers.activation("SOFTMAX", (1, 16), beta=1.0)),
    Probe(
        "softmax-over-rows",
        "SOFTMAX several rows",
        "softmax-over-rows",
        layers.activation("SOFTMAX", _ROW, beta=1.0),
    ),
    Probe("relu6", "RELU6", "", layers.activation("RELU6")),
    Probe("logistic", "LOGISTIC", "", layers.activation("LOGISTIC")),
    Probe("tanh", "TANH", "", layers.activation("TANH")),
    Probe("prelu", "PRELU per channel", "", layers.prelu),
    Probe("leaky-relu", "LEAKY_RELU", _LIST, layers.activation("LEAKY_RELU", alpha=0.1)),
    Probe("hard-swish", "HARD_SWISH", _LIST, layers.activation("HARD_SWISH", version=1)),
    Probe("rsqrt", "RSQRT", "", layers.rsqrt),
    Probe("l2-normalization", "L2_NORMALIZATION", "", layers.l2_normalization),
    Probe("lstm", "UNIDIRECTIONAL_SEQUENCE_LSTM", "", layers.lstm),
    Probe("add", "ADD same shape", "", tensors.elementwise("ADD")),
    Probe("sub", "SUB same shape", "", tensors.elementwise("SUB")),
    Probe("mul", "MUL same shape", "", tensors.elementwise("MUL")),
    Probe("maximum", "MAXIMUM same shape", "", tensors.elementwise("MAXIMUM")),
    Probe(
        "squared-difference", "SQUARED_DIFFERENCE same shape", "", tensors.elementwise("SQUARED_DIFFERENCE")
    ),
    Probe(
        "mul-gate-per-channel",
        "MUL broadcast z",
        "broadcast",
        tensors.elementwise("MUL", (1, 1, 1, CHANNELS)),
    ),
    Probe(
        "mul-gate-per-frame",
        "MUL broadcast y",
        "broadcast-along-channels",
        tensors.elementwise("MUL", (1, SIDE, 1, 1)),
    ),
    Probe(
        "mul-gate-per-pixel",
        "MUL broadcast yx",
        "broadcast-along-channels",
        tensors.elementwise("MUL", (1, SIDE, SIDE, 1)),
    ),
    Probe(
        "mul-constant-per-channel",
        "MUL broadcast z constant",
        "broadcast-of-constant",
        tensors.elementwise("MUL", (CHANNELS,), constant=True),
    ),
    Probe(
        "add-constant",
        "ADD broadcast scalar constant",
        "broadcast-of-constant",
        tensors.elementwise("ADD", (), constant=True),
    ),
    Probe("mean-over-image", "MEAN over yx", "", tensors.reduction("MEAN", (1, 2))),
    Probe("mean-over-height", "MEAN over y", "", tensors.reduction("MEAN", (1,))),
    Probe("mean-over-width", "MEAN over x", "", tensors.reduction("MEAN", (2,))),
    Probe("mean-over-channels", "MEAN over z", "", tensors.reduction("MEAN", (3,))),
    Probe(
        "mean-over-6-channels",
        "MEAN over z z not a multiple of 4",
        "mean-over-channels",
        tensors.reduction("MEAN", (3,), 6),
    ),
    Probe("sum-over-image", "SUM over yx", "", tensors.reduction("SUM", (1, 2))),
    Probe("sum-over-channels", "SUM over z", "", tensors.reduction("SUM", (3,))),
    Probe("max-over-image", "REDUCE_MAX over yx", "", tensors.reduction("REDUCE_MAX", (1, 2))),
    Probe("max-over-channels", "REDUCE_MAX over z", "", tensors.reduction("REDUCE_MAX", (3,))),
    Probe("transpose-0132", "TRANSPOSE order 0132", "transpose-order", tensors.transpose((0, 1, 3, 2))),
    Probe("transpose-0213", "TRANSPOSE order 0213", "transpose-order", tensors.transpose((0, 2, 1, 3))),
    Probe("transpose-0321", "TRANSPOSE order 0321", "transpose-order", tensors.transpose((0, 3, 2, 1))),
    Probe(
        "expand-dims",
        "EXPAND_DIMS",
        "",
        tensors.layout("EXPAND_DIMS", (1, 1, ROWS, CHANNELS), ((1,),), (1, ROWS, CHANNELS), options={}),
    ),
    Probe(
        "squeeze",
        "SQUEEZE",
        "",
        tensors.layout("SQUEEZE", (ROWS, CHANNELS), (), (1, ROWS, 1, CHANNELS), options={}),
    ),
    Probe("reshape", "RESHAPE", "", tensors.layout("RESHAPE", (1, 512), ((1, 512),), options={})),
    Probe(
        "pack",
        "PACK along x",
        "",
        tensors.joined("PACK", (1, ROWS, CHANNELS), (1, ROWS, 2, CHANNELS), {"axis": 2, "values_count": 2}),
    ),
    Probe(
        "concatenation",
        "CONCATENATION along z",
        "",
        tensors.joined("CONCATENATION", IMAGE, (1, SIDE, SIDE, 2 * CHANNELS), {"axis": 3}),
    ),
    Probe("concatenation-zeros", "CONCATENATION along z constant", "", tensors.concatenation_with_zeros),
    Probe("split", "SPLIT along z", "", tensors.split(IMAGE)),
    Probe("split-2d", "SPLIT along z of two dimensions", "split-of-image", tensors.split((ROWS, CHANNELS))),
    Probe(
        "strided-slice",
        "STRIDED_SLICE",
        "",
        tensors.layout(
            "STRIDED_SLICE", (1, 4, SIDE, CHANNELS), ((0, 2, 0, 0), (1, 6, SIDE, CHANNELS), (1, 1, 1, 1))
        ),
    ),
    Probe(
        "slice", "SLICE", "", tensors.layout("SLICE", (1, 4, SIDE, CHANNELS), ((0, 2, 0, 0), (1, 4, -1, -1)))
    ),
    Probe("pad-image", "PAD along yx", "", tensors.padding(((0, 0), (1, 1), (1, 1), (0, 0)))),
    Probe("pad-channels", "PAD along z", "", tensors.padding(((0, 0), (0, 0), (0, 0), (0, 4)))),
    Probe(
        "space-to-depth",
        "SPACE_TO_DEPTH",
        "",
        tensors.layout("SPACE_TO_DEPTH", (1, 4, 4, 4 * CHANNELS), version=2, options={"block_size": 2}),
    ),
    Probe(
        "resize-bilinear",
        "RESIZE_BILINEAR twice half pixel centers",
        "",
        tensors.layout(
            "RESIZE_BILINEAR",
            (1, 16, 16, CHANNELS),
            ((16, 16),),
            version=3,
            options={"half_pixel_centers": 1},
        ),
    ),
    Probe(
        "resize-nearest",
        "RESIZE_NEAREST_NEIGHBOR twice",
        "",
        tensors.layout("RESIZE_NEAREST_NEIGHBOR", (1, 16, 16, CHANNELS), ((16, 16),), version=2, options={}),
    ),
    Probe("max-pool", "MAX_POOL_2D", "", tensors.pooling("MAX_POOL_2D")),
    Probe("average-pool", "AVERAGE_POOL_2D", "", tensors.pooling("AVERAGE_POOL_2D")),
    Probe("quantize", "QUANTIZE uint8", "", tensors.quantize()),
    Probe("hard-swish-written-out", "", "", layers.hard_swish_written_out),
    Probe("layer-norm", "", "", layers.layer_norm),
    _rung("CONV_2D", 6, layers.convolution(version=6)),
    _rung("DEPTHWISE_CONV_2D", 7, layers.depthwise(version=7)),
    _rung("FULLY_CONNECTED", 10, layers.dense(version=10)),
    _rung("QUANTIZE", 3, tensors.quantize(3)),
    _rung("TRANSPOSE", 6, tensors.transpose((0, 2, 1, 3), 6)),
    _rung("TRANSPOSE_CONV", 4, layers.transpose_convolution(4)),
)
"""Every probe model."""


def probe_files() -> dict[str, bytes]:
    """The probe pack: every model by its name."""
    return {probe.name: probe.build() for probe in PROBES}
