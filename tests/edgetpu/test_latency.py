"""Predicted sizes and latencies against compiled files and published measurements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tflite_builder import Builder, small_net

from edge_ser.edgetpu.latency import convolution_cycles, estimate
from edge_ser.edgetpu.model import load_model, read_model
from edge_ser.edgetpu.prediction import predict_compiled
from edge_ser.edgetpu.rules import check_model
from edge_ser.edgetpu.targets import TARGETS, target_named
from edge_ser.errors import InputError

# Published latencies in milliseconds (iwatake2222/EdgeTPU_Analysis; edgetpu-tcn: its README).
MEASURED = (
    ("stride_padding/model_stride_2x2x3", "usb3", 0.292),
    ("stride_padding/model_stride_2x2x3", "usb2", 0.372),
    ("stride_padding/model_stride_128x128x3", "usb3", 0.412),
    ("stride_padding/model_stride_128x128x3", "usb2", 1.710),
    ("stride_padding/model_padding_128x128x3", "usb3", 2.397),
    ("stride_padding/model_padding_128x128x3", "usb2", 6.015),
    ("conv_dense/model_conv_128x128x3x32x7x10", "usb3", 7.817),
    ("conv_dense/model_conv_128x128x3x32x7x10", "usb2", 8.539),
    ("conv_dense/model_dense_2x2x3x100x100", "usb3", 1.440),
    ("conv_dense/model_dense_2x2x3x100x100", "usb2", 12.23),
    ("tcn/quantized_model", "usb2", 35.0),
)


@pytest.mark.parametrize(("name", "target", "measured_ms"), MEASURED)
def test_the_interval_holds_the_measured_latency(
    name: str, target: str, measured_ms: float, shared_models: Callable[[str], Path]
) -> None:
    ms = estimate(load_model(shared_models(f"{name}.tflite")), TARGETS[target]).ms
    assert ms.low <= measured_ms <= ms.high
    assert ms.mid == pytest.approx(measured_ms, rel=0.25)


@pytest.mark.parametrize(
    ("name", "compiled_bytes", "cached_bytes", "streamed_bytes"),
    [
        # Read from the compiled files' packages; compilers 14 and newer.
        ("coralmicro/yamnet_spectra_in", 4_137_888, 4_042_752, 0),
        ("tcn/quantized_model", 1_569_408, 1_536, 1_510_464),
        ("test_data_2021/mobilenet_v1_0.25_128_quant", 801_454, 566_912, 0),
    ],
)
def test_predicted_sizes(
    name: str,
    compiled_bytes: int,
    cached_bytes: int,
    streamed_bytes: int,
    shared_models: Callable[[str], Path],
) -> None:
    model = load_model(shared_models(f"{name}.tflite"))
    prediction = predict_compiled(model, check_model(model))
    assert prediction.cached_bytes == pytest.approx(cached_bytes, rel=0.03)
    assert prediction.streamed_bytes == streamed_bytes
    # The MobileNet carries 23 kB of appended labels that no rule knows of, and unusually many instructions.
    assert prediction.bytes == pytest.approx(compiled_bytes, rel=0.15)


@pytest.mark.parametrize(("extent", "kernel", "cycles"), [(256, 40, 6_553_600), (32, 6, 2_304)])
def test_convolution_cycles_are_those_that_old_compilers_wrote_into_their_files(
    extent: int, kernel: int, cycles: int
) -> None:
    # estimated_cycles of single convolutions with one channel: (H/4)(W/4) k k.
    assert convolution_cycles(extent, extent, kernel**2, 1, 1) == cycles


def test_terms_add_up_and_the_first_inference_costs_more() -> None:
    found = estimate(read_model(small_net(), "net"), TARGETS["coral-micro"])
    terms = dict(found.terms)
    parts = ("fixed", "instructions", "inputs", "outputs")
    total = sum(terms[name].mid for name in parts) + max(terms["compute"].mid, terms["streaming"].mid)
    assert found.ms.mid == pytest.approx(total)
    assert found.ms.low < found.ms.mid < found.ms.high < found.first_ms.high


def test_a_faster_clock_only_shortens_the_computation() -> None:
    model = read_model(small_net(), "net")
    slow, fast = (estimate(model, TARGETS["coral-micro"], clock) for clock in (250.0, 500.0))
    assert dict(fast.terms)["compute"].mid == pytest.approx(dict(slow.terms)["compute"].mid / 2)
    assert dict(fast.terms)["inputs"] == dict(slow.terms)["inputs"]


def test_transfers_are_those_of_the_compiled_files() -> None:
    # 2 x 2 x 3 bytes are sent as 16; 521 outputs are received as 528 (yamnet), 1 as 8 (tcn).
    for channels, received in ((521, 528), (1, 8), (149, 152)):
        builder = Builder()
        source = builder.tensor((1, 2, 2, 3))
        model = read_model(builder.finish([source], [builder.conv(source, channels, stride=(2, 2))]), "net")
        terms = dict(estimate(model, TARGETS["usb2"]).terms)
        assert terms["inputs"].mid == pytest.approx(16 / 36.3 / 1e3)
        assert terms["outputs"].mid == pytest.approx(received / 11.9 / 1e3)


def test_operations_on_the_host_are_named_and_not_counted() -> None:
    found = estimate(read_model(small_net(extra="HARD_SWISH"), "net"), TARGETS["usb3"])
    assert found.host_ops == ("HARD_SWISH", "CONV_2D")


def test_unknown_targets_and_clocks_are_input_errors() -> None:
    with pytest.raises(InputError, match="expected one of coral-micro, usb2, usb3"):
        target_named("usb4")
    with pytest.raises(InputError, match="63, 125, 250, 500"):
        estimate(read_model(small_net(), "net"), TARGETS["coral-micro"], 100.0)
