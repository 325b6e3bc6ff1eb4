"""Estimated latencies against published measurements, and what an estimate promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from package_builder import Compiled, Layer
from tflite_builder import Builder, small_net

from edge_ser.edgetpu.cycles import Work, convolution_cycles, work_of
from edge_ser.edgetpu.interval import Interval, exactly, independent
from edge_ser.edgetpu.latency import TERMS, estimate, predicted_ms, together
from edge_ser.edgetpu.model import load_model, read_model
from edge_ser.edgetpu.package import read_compiled
from edge_ser.edgetpu.payload import Payload, compiled_payload, load_payload, predicted_payload
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


def _off(name: str) -> float:
    """The middle is that of the host that measured all of these but the last one, which nobody names."""
    return 0.25 if name.startswith("tcn") else 0.05


def _payload(**changes: object) -> Payload:
    """An inference that moves and computes nothing, but for the changes."""
    nothing = Payload(
        name="net",
        exact=True,
        operations=1,
        instruction_bytes=exactly(0),
        instructions=(),
        input_bytes=0,
        output_bytes=0,
        output_pixels=0,
        streamed_bytes=0,
        first_bytes=0,
        resident=Work(),
        streaming=Work(),
        unknown_cycles=None,
        host_ops=(),
    )
    return replace(nothing, **changes)


@pytest.mark.parametrize(("name", "target", "measured_ms"), MEASURED)
def test_the_interval_holds_the_measured_latency(
    name: str, target: str, measured_ms: float, shared_models: Callable[[str], Path]
) -> None:
    ms = estimate(load_model(shared_models(f"{name}.tflite")), TARGETS[target]).ms
    assert ms.holds(measured_ms)
    # The instructions are predicted, too.
    assert ms.mid == pytest.approx(measured_ms, rel=_off(name) + 0.05)


@pytest.mark.parametrize(("name", "target", "measured_ms"), MEASURED)
def test_compiled_files_are_estimated_from_their_own_bytes(
    name: str, target: str, measured_ms: float, shared_models: Callable[[str], Path]
) -> None:
    payload = load_payload(shared_models(f"{name}_edgetpu.tflite"))
    assert payload.exact
    # The uncompiled file lies beside and says what there is to compute.
    assert payload.unknown_cycles is None
    ms = together([payload], TARGETS[target]).ms
    assert ms.holds(measured_ms)
    assert ms.mid == pytest.approx(measured_ms, rel=_off(name))


@pytest.mark.parametrize(("extent", "kernel", "cycles"), [(256, 40, 6_553_600), (32, 6, 2_304)])
def test_convolution_cycles_are_those_that_old_compilers_wrote_into_their_files(
    extent: int, kernel: int, cycles: int
) -> None:
    # estimated_cycles of single convolutions with one channel: (H/4)(W/4) k k.
    assert convolution_cycles(extent, extent, kernel**2, 1, 1) == cycles


def test_convolutions_step_with_64_output_and_4_input_channels() -> None:
    def cycles(inputs: int, outputs: int) -> int:
        return convolution_cycles(8, 8, 9, inputs, outputs)

    assert cycles(32, 64) == cycles(29, 1) == 4 * 9 * 8
    assert cycles(32, 65) == 2 * cycles(32, 64)
    assert cycles(33, 64) == cycles(32, 64) * 9 // 8


def test_work_is_counted_by_kind_of_operation() -> None:
    work = work_of(read_model(small_net(), "net").operators)
    # 16 x 16 pixels, 3 x 3, 4 and then 16 channels to 16.
    assert work == Work(conv_cycles=16 * 9 * (1 + 4))


def test_terms_add_up_and_the_first_inference_costs_more() -> None:
    found = estimate(read_model(small_net(), "net"), TARGETS["coral-micro"])
    assert tuple(name for name, _ in found.terms) == TERMS
    assert found.ms.mid == pytest.approx(sum(interval.mid for _, interval in found.terms))
    assert found.ms.low < found.ms.mid < found.ms.high
    upload = found.payloads[0].first_bytes / TARGETS["coral-micro"].upload.mid / 1e3
    assert found.first_ms.mid == pytest.approx(
        found.ms.mid + TARGETS["coral-micro"].fixed_ms.mid + upload, rel=1e-6
    )


def test_the_range_of_the_whole_is_wider_than_any_term_and_narrower_than_all() -> None:
    found = estimate(read_model(small_net(), "net"), TARGETS["coral-micro"])
    widths = [interval.high - interval.low for _, interval in found.terms]
    assert max(widths) < found.ms.high - found.ms.low < sum(widths)


def test_two_nets_share_the_constants_and_are_wider_than_independent_ones() -> None:
    target = TARGETS["coral-micro"]
    payload = predicted_payload(read_model(small_net(), "net"))
    one, two = together([payload], target).ms, together([payload, payload], target).ms
    assert two.mid == pytest.approx(2 * one.mid)
    assert two.high - two.mid == pytest.approx(2 * (one.high - one.mid))


def test_a_faster_clock_only_shortens_the_computation() -> None:
    model = read_model(small_net(), "net")
    found = [dict(estimate(model, TARGETS["coral-micro"], clock).terms) for clock in (63, 125, 250, 500)]
    assert [
        terms["compute"].mid * clock for terms, clock in zip(found, (63, 125, 250, 500), strict=True)
    ] == (pytest.approx([found[0]["compute"].mid * 63] * 4))
    assert len({terms["inputs"] for terms in found}) == 1


def test_transfers_are_those_of_the_compiled_files() -> None:
    # 2 x 2 x 3 bytes are sent as 16; 521 outputs are received as 528 (yamnet), 1 as 8 (tcn).
    for channels, received in ((521, 528), (1, 8), (149, 152)):
        builder = Builder()
        source = builder.tensor((1, 2, 2, 3))
        model = read_model(builder.finish([source], [builder.conv(source, channels, stride=(2, 2))]), "net")
        payload = predicted_payload(model)
        assert (payload.input_bytes, payload.output_bytes, payload.output_pixels) == (16, received, 1)


def test_each_term_is_its_bytes_over_its_rate() -> None:
    usb2 = TARGETS["usb2"]
    payload = _payload(
        instruction_bytes=Interval(90, 100, 120), input_bytes=200, output_bytes=300, output_pixels=7
    )
    terms = {name: interval.mid for name, interval in together([payload], usb2, head_weights=1000).terms}
    assert terms["fixed"] == pytest.approx(usb2.fixed_ms.mid)
    assert terms["instructions"] == pytest.approx(100 / usb2.upload.mid / 1e3)
    assert terms["inputs"] == pytest.approx(200 / usb2.upload.mid / 1e3)
    assert terms["outputs"] == pytest.approx(300 / usb2.download.mid / 1e3 + 7 * usb2.pixel_ns.mid / 1e6)
    assert terms["compute"] == terms["streaming"] == 0
    assert terms["fusion"] == pytest.approx(0.006)


def test_streaming_hides_only_the_computation_that_waits_for_it() -> None:
    usb2 = TARGETS["usb2"]
    million = Work(conv_cycles=1_000_000)
    sent = 1_000_000 / usb2.upload.mid / 1e3
    computed = 1_000_000 / usb2.chip.conv_efficiency.mid / 500e3

    def ms(**changes: object) -> float:
        return predicted_ms(_payload(**changes), usb2, 500) - usb2.fixed_ms.mid

    assert ms(streamed_bytes=1_000_000, streaming=million) == pytest.approx(max(sent, computed))
    assert ms(streamed_bytes=1_000_000, resident=million) == pytest.approx(sent + computed)
    assert ms(streamed_bytes=10, streaming=million) == pytest.approx(computed)


def test_a_compiled_file_without_its_model_has_a_guessed_computation(tmp_path: Path) -> None:
    path = tmp_path / "net_edgetpu.tflite"
    path.write_bytes(Compiled(cached=400_000).data())
    payload = load_payload(path)
    assert payload.unknown_cycles is not None
    assert payload.unknown_cycles.low < payload.unknown_cycles.mid < payload.unknown_cycles.high
    found = together([payload], TARGETS["usb2"])
    compute = dict(found.terms)["compute"]
    assert compute.high > 2 * compute.low


def test_a_model_beside_a_compiled_file_is_only_taken_where_its_inputs_fit(tmp_path: Path) -> None:
    path = tmp_path / "net_edgetpu.tflite"
    path.write_bytes(Compiled(inputs=(Layer("in", 1024, (16, 16, 4)),)).data())
    beside = tmp_path / "net.tflite"
    beside.write_bytes(small_net())
    assert load_payload(path).operations == 2
    builder = Builder()
    source = builder.tensor((1, 8, 8, 4))
    beside.write_bytes(builder.finish([source], [builder.conv(source, 4)]))
    assert load_payload(path).operations == 0
    # What a person names is not passed over in silence.
    with pytest.raises(InputError, match=r"not what .* was compiled from"):
        load_payload(path, beside)
    with pytest.raises(InputError, match=r"not what .* was compiled from"):
        load_payload(path, path)
    with pytest.raises(InputError, match="not compiled, so that it is its own source"):
        load_payload(beside, beside)


def test_parameters_that_a_compiled_file_streams_are_those_of_its_last_layers() -> None:
    model = read_model(small_net(64), "net")
    second = model.operators[1].input(1)
    assert second is not None
    size = 64 * (9 * 64 + 8)
    compiled = read_compiled(Compiled(inputs=(Layer("in", 1024, (16, 16, 4)),), streamed=size).data(), "net")
    payload = compiled_payload(compiled, model)
    assert payload.streaming == work_of(model.operators[1:])
    assert payload.resident == work_of(model.operators[:1])


def test_operations_on_the_host_are_named_and_not_counted() -> None:
    found = estimate(read_model(small_net(extra="HARD_SWISH"), "net"), TARGETS["usb3"])
    assert found.host_ops == ("HARD_SWISH", "CONV_2D")


def test_unknown_targets_and_clocks_are_input_errors() -> None:
    with pytest.raises(InputError, match="expected one of coral-micro, usb2, usb3"):
        target_named("usb4")
    with pytest.raises(InputError, match="63, 125, 250, 500"):
        estimate(read_model(small_net(), "net"), TARGETS["coral-micro"], 100.0)


def test_independent_causes_add_as_squares_and_never_below_zero() -> None:
    assert independent(10.0, []) == exactly(10.0)
    found = independent(10.0, [(7.0, 13.0), (6.0, 14.0)])
    assert (found.low, found.high) == (pytest.approx(5.0), pytest.approx(15.0))
    # A rate's high end makes the time short: which end does what is not assumed.
    assert independent(10.0, [(13.0, 7.0)]) == independent(10.0, [(7.0, 13.0)])
    assert independent(1.0, [(0.0, 2.0), (0.0, 2.0)]).low == 0.0
