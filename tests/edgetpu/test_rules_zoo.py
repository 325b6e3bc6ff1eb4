"""The rules on nets of the common kinds, in small: which operations their compiled files leave to the host.

What the real ones do: mobilenet_v1, mobilenet_v2, deeplab, posenet, movenet and ssd_mobilenet of google-coral/test_data
and edgetpu as compiled by the vendor; HARD_SWISH by edgetpu issue 272; UNet by issues 187 and 684.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tflite
from tflite_builder import Builder

from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.rules import ONE_PARTITION, CheckReport, check_model


@dataclass
class Net(Builder):
    """A builder with the layers of image nets; every layer gives its output tensor."""

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self.tensors[tensor].shape)

    def unary(self, name: str, source: int, after: tuple[int, ...] | None = None, version: int = 2) -> int:
        result = self.tensor(after or self.shape(source))
        self.op(name, [source], [result], version=version)
        return result

    def depthwise(self, source: int, stride: int = 1) -> int:
        _, height, width, channels = self.shape(source)
        weights = self.constant(np.ones((1, 3, 3, channels)), "int8", scales=channels)
        bias = self.constant(np.zeros(channels), "int32", scales=channels)
        result = self.tensor((1, -(-height // stride), -(-width // stride), channels))
        options = tflite.DepthwiseConv2DOptionsT()
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = options.depthMultiplier = 1
        self.op("DEPTHWISE_CONV_2D", [source, weights, bias], [result], options, version=3)
        return result

    def binary(self, name: str, first: int, second: int) -> int:
        result = self.tensor(self.shape(first))
        self.op(name, [first, second], [result], version=2)
        return result

    def inverted(self, source: int, outputs: int, stride: int = 1) -> int:
        """An inverted residual block of MobileNet v2."""
        wide = self.conv(source, 6 * self.shape(source)[3], (1, 1))
        result = self.conv(self.depthwise(wide, stride), outputs, (1, 1))
        same = self.shape(result) == self.shape(source)
        return self.binary("ADD", result, source) if same else result

    def squeeze_excite(self, source: int) -> int:
        channels = self.shape(source)[3]
        gate = self.conv(self.mean(source), channels, (1, 1))
        return self.binary("MUL", source, self.unary("LOGISTIC", gate))

    def mean(self, source: int) -> int:
        result = self.tensor((1, 1, 1, self.shape(source)[3]))
        options = tflite.ReducerOptionsT()
        options.keepDims = True
        self.op("MEAN", [source, self.constant([1, 2])], [result], options, version=2)
        return result

    def reshape(self, source: int, after: tuple[int, ...]) -> int:
        result = self.tensor(after)
        self.op("RESHAPE", [source, self.constant(after)], [result])
        return result

    def dense(self, source: int, outputs: int) -> int:
        weights = self.constant(np.ones((outputs, self.shape(source)[-1])), "int8", scales=1)
        result = self.tensor((*self.shape(source)[:-1], outputs))
        self.op(
            "FULLY_CONNECTED", [source, weights, -1], [result], tflite.FullyConnectedOptionsT(), version=4
        )
        return result

    def resize(self, source: int, side: int, name: str = "RESIZE_BILINEAR") -> int:
        result = self.tensor((1, side, side, self.shape(source)[3]))
        self.op(name, [source, self.constant([side, side])], [result], version=2)
        return result

    def concatenate(self, parts: list[int], axis: int) -> int:
        after = list(self.shape(parts[0]))
        after[axis] = sum(self.shape(part)[axis] for part in parts)
        options = tflite.ConcatenationOptionsT()
        options.axis = axis
        result = self.tensor(tuple(after))
        self.op("CONCATENATION", parts, [result], options, version=2)
        return result

    def upconv(self, source: int, outputs: int) -> int:
        _, height, width, channels = self.shape(source)
        after = (1, 2 * height, 2 * width, outputs)
        weights = self.constant(np.ones((outputs, 2, 2, channels)), "int8", scales=outputs)
        options = tflite.TransposeConvOptionsT()
        options.strideH = options.strideW = 2
        result = self.tensor(after)
        self.op("TRANSPOSE_CONV", [self.constant(after), weights, source], [result], options)
        return result

    def report(self, source: int, *results: int) -> CheckReport:
        return check_model(read_model(self.finish([source], list(results)), "net"))


def _net(side: int = 64) -> tuple[Net, int]:
    net = Net()
    return net, net.tensor((1, side, side, 3), "uint8")


def test_mobilenet_v1_and_efficientnet_lite_map_fully() -> None:
    net, source = _net()
    x = net.conv(source, 8, stride=(2, 2))
    for stride in (1, 2, 2):
        x = net.conv(net.depthwise(x, stride), 16, (1, 1))
    logits = net.reshape(net.conv(net.mean(x), 12, (1, 1)), (1, 12))
    assert net.report(source, net.unary("SOFTMAX", logits)).maps_fully


def test_mobilenet_v2_and_squeeze_and_excite_map_fully() -> None:
    net, source = _net()
    x = net.inverted(net.conv(source, 8, stride=(2, 2)), 16, 2)
    x = net.squeeze_excite(net.inverted(x, 16))
    report = net.report(source, net.dense(net.reshape(net.mean(x), (1, 16)), 12))
    assert report.maps_fully
    assert [v.rule for v in report.ops if v.op == "MUL"] == ["broadcast"]


def test_mobilenet_v3_splits_at_its_first_hard_swish() -> None:
    net, source = _net()
    x = net.unary("HARD_SWISH", net.conv(source, 8, stride=(2, 2)), version=1)
    report = net.report(source, net.inverted(x, 8))
    assert report.host_ops == ("HARD_SWISH", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD")
    assert report.split_at == 1
    assert "x * relu6(x + 3)" in report.ops[1].hint


@pytest.mark.parametrize("after", [(), ("DEQUANTIZE",)])
def test_ssd_leaves_its_post_processing_to_the_host(after: tuple[str, ...]) -> None:
    net, source = _net()
    features = net.inverted(net.conv(source, 8, stride=(2, 2)), 16, 2)
    boxes = net.reshape(net.conv(features, 12, (1, 1)), (1, 768, 4))
    more = net.reshape(net.conv(net.inverted(features, 16, 2), 12, (1, 1)), (1, 192, 4))
    scores = net.unary("LOGISTIC", net.concatenate([boxes, more], 1))
    places = net.concatenate([boxes, more], 1)
    if after:
        scores, old = net.tensor((1, 960, 4), "float32"), scores
        net.op("DEQUANTIZE", [old], [scores], version=2)
    result = net.tensor((1, 10, 4), "float32")
    net.op("CUSTOM", [scores, places], [result], custom=b"TFLite_Detection_PostProcess")
    report = net.report(source, result)
    assert report.host_ops == (*after, "TFLite_Detection_PostProcess")
    assert all(verdict.verdict != "unknown" for verdict in report.ops)


def test_deeplab_splits_where_the_pooled_pixel_is_resized_and_not_where_it_is_tiled() -> None:
    for name in ("RESIZE_BILINEAR", "TILE"):
        net, source = _net(33)
        x = net.conv(source, 16)
        pooled = net.conv(net.mean(x), 16, (1, 1))
        if name == "TILE":
            spread = net.tensor((1, 33, 33, 16))
            net.op("TILE", [pooled, net.constant([1, 33, 33, 1])], [spread])
        else:
            spread = net.resize(pooled, 33)
        x = net.concatenate([spread, net.conv(x, 16, (1, 1))], 3)
        full = net.resize(net.resize(net.conv(x, 4, (1, 1)), 33), 513)
        report = net.report(source, net.unary("ARG_MAX", full, (1, 513, 513)))
        early = ("RESIZE_BILINEAR", "CONCATENATION", "CONV_2D", "RESIZE_BILINEAR") if name != "TILE" else ()
        assert report.host_ops == (*early, "RESIZE_BILINEAR", "ARG_MAX")
        assert [v.op for v in report.ops if v.op == "TILE" and v.mapped] == (
            ["TILE"] if name == "TILE" else []
        )


def test_movenet_from_integers_maps_between_its_borders() -> None:
    net = Net()
    source = net.tensor((1, 24, 24, 3), "int32", scales=0)
    cast = net.tensor((1, 24, 24, 3), "float32")
    net.op("CAST", [source], [cast])
    quantised = net.tensor((1, 24, 24, 3))
    net.op("QUANTIZE", [cast], [quantised])
    x = net.conv(quantised, 8, stride=(2, 2))
    x = net.resize(net.inverted(x, 8, 2), 12)
    heat = net.unary("LOGISTIC", net.conv(x, 4, (1, 1)))
    peak = net.tensor((1, 4), "int32", scales=0)
    net.op("ARG_MAX", [heat, net.constant(1)], [peak], version=2)
    rows = net.tensor((1, 4), "int32", scales=0)
    net.op("FLOOR_DIV", [peak, net.constant(12)], [rows], version=2)
    report = net.report(source, rows)
    assert report.host_ops == ("CAST", "QUANTIZE", "ARG_MAX", "FLOOR_DIV")
    assert report.split_at == len(report.ops) - 2


@pytest.mark.parametrize(("side", "verdict"), [(128, "mapped"), (200, "unknown"), (512, "host")])
def test_unet_by_resizes_maps_only_while_it_is_small(side: int, verdict: str) -> None:
    net, source = _net(side)
    skip = net.conv(source, 8)
    x = net.unary("MAX_POOL_2D", skip, (1, side // 2, side // 2, 8))
    x = net.resize(net.conv(x, 8), side, "RESIZE_NEAREST_NEIGHBOR")
    report = net.report(source, net.conv(net.concatenate([x, skip], 3), 2, (1, 1)))
    assert report.ops[3].verdict == verdict
    assert report.maps_fully == (verdict == "mapped")


def test_unet_by_transposed_convolutions_maps_fully() -> None:
    net, source = _net(64)
    skip = net.conv(source, 8)
    x = net.upconv(net.conv(net.unary("MAX_POOL_2D", skip, (1, 32, 32, 8)), 16), 8)
    x = net.conv(net.concatenate([x, skip], 3), 3, (1, 1))
    assert net.report(source, net.unary("SOFTMAX", x)).maps_fully


def test_bert_splits_at_the_product_of_its_activations() -> None:
    net = Net()
    tokens = net.tensor((1, 12), "int32", scales=0)
    embedded = net.tensor((1, 12, 16))
    net.op("GATHER", [net.constant(np.ones((30, 16)), "int8", 1), tokens], [embedded], version=2)
    query, key, value = (net.dense(embedded, 16) for _ in range(3))
    product = net.tensor((1, 12, 12))
    net.op("BATCH_MATMUL", [query, key], [product], version=2)
    mixed = net.tensor((1, 12, 16))
    net.op("BATCH_MATMUL", [net.unary("SOFTMAX", product), value], [mixed], version=2)
    report = net.report(tokens, net.dense(mixed, 4))
    assert [v.op for v in report.ops if v.mapped] == ["FULLY_CONNECTED"] * 3
    assert report.host_ops == ("GATHER", "BATCH_MATMUL", "SOFTMAX", "BATCH_MATMUL", "FULLY_CONNECTED")
    assert [v.rule for v in report.ops][-1] == ONE_PARTITION
    assert report.split_at == 4


def test_pytorch_exports_split_at_their_first_five_dimensional_shuffle() -> None:
    net, source = _net(16)
    x = net.conv(source, 16)
    parts = net.reshape(x, (1, 16, 16, 2, 8))
    turned = net.tensor((1, 16, 16, 8, 2))
    net.op("TRANSPOSE", [parts, net.constant([0, 1, 2, 4, 3])], [turned], version=2)
    report = net.report(source, net.conv(net.reshape(turned, (1, 16, 16, 16)), 4))
    assert report.host_ops == ("RESHAPE", "TRANSPOSE", "RESHAPE", "CONV_2D")
    assert report.ops[1].rule == "three-inner-dimensions"
