"""Refitting constants: what a synthetic board is made of comes back, and what it does not show stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from package_builder import Compiled
from tflite_builder import small_net

from edge_ser.edgetpu.calibrate import Measurement, calibrate, target_text
from edge_ser.edgetpu.cycles import Work
from edge_ser.edgetpu.interval import Interval, exactly
from edge_ser.edgetpu.latency import predicted_ms, together
from edge_ser.edgetpu.measurements import read_measurements
from edge_ser.edgetpu.payload import Payload, load_payload
from edge_ser.edgetpu.targets import TARGETS, Target, read_target
from edge_ser.errors import InputError

MICRO = TARGETS["coral-micro"]
# A board that the prior did not expect: fast uploads, slow downloads, long waits.
BOARD = replace(
    MICRO,
    fixed_ms=exactly(1.4),
    upload=exactly(33.0),
    download=exactly(4.5),
    pixel_ns=exactly(300.0),
    spread=exactly(1.0),
)


def _payload(**changes: object) -> Payload:
    small = Payload(
        name="net",
        exact=True,
        operations=1,
        instruction_bytes=exactly(5_000),
        instructions=(),
        input_bytes=64,
        output_bytes=64,
        output_pixels=1,
        streamed_bytes=0,
        first_bytes=0,
        resident=Work(),
        streaming=Work(),
        unknown_cycles=None,
        host_ops=(),
    )
    return replace(small, **changes)


PAYLOADS = (
    _payload(),
    _payload(input_bytes=50_000),
    _payload(input_bytes=400_000),
    _payload(instruction_bytes=exactly(200_000)),
    _payload(streamed_bytes=700_000),
    _payload(output_bytes=50_000),
    _payload(output_bytes=200_000),
    _payload(output_bytes=40_000, output_pixels=10_000),
    _payload(output_bytes=80_000, output_pixels=20_000),
    _payload(resident=Work(conv_cycles=500_000)),
)


def _measured(board: Target, noise: float = 0.0, seed: int = 0) -> list[Measurement]:
    factors = np.exp(np.random.default_rng(seed).normal(0, noise, len(PAYLOADS)))
    return [
        Measurement(payload, predicted_ms(payload, board, 250.0) * float(factor), 250.0)
        for payload, factor in zip(PAYLOADS, factors, strict=True)
    ]


def test_the_constants_of_a_board_come_back() -> None:
    found = calibrate(MICRO, _measured(BOARD), "mine").target
    assert found.name == "mine"
    assert found.fixed_ms.mid == pytest.approx(1.4, rel=0.05)
    assert found.upload.mid == pytest.approx(33.0, rel=0.05)
    assert found.download.mid == pytest.approx(4.5, rel=0.05)
    assert found.pixel_ns.mid == pytest.approx(300.0, rel=0.15)
    assert found.chip.conv_efficiency.mid == pytest.approx(BOARD.chip.conv_efficiency.mid, rel=0.05)
    for name in ("fixed_ms", "upload", "download", "pixel_ns"):
        before, now = getattr(MICRO, name), getattr(found, name)
        assert now.high / now.low < before.high / before.low


# Published latencies of USB 2 (iwatake2222/EdgeTPU_Analysis).
USB2 = {
    "stride_padding/model_stride_2x2x3": 0.372,
    "stride_padding/model_stride_128x128x3": 1.710,
    "stride_padding/model_padding_128x128x3": 6.015,
    "conv_dense/model_conv_128x128x3x32x7x10": 8.539,
    "conv_dense/model_dense_2x2x3x100x100": 12.23,
}


def test_five_real_measurements_turn_the_micro_into_usb_2(shared_models: Callable[[str], Path]) -> None:
    """Every constant of the prior is off, the fixed one by a factor of four; the errors are not noise."""
    measurements = [
        Measurement(load_payload(shared_models(f"{name}_edgetpu.tflite")), ms, 500.0)
        for name, ms in USB2.items()
    ]
    result = calibrate(MICRO, measurements, "mine")
    assert result.median_error < 0.02
    found, usb2 = result.target, TARGETS["usb2"]
    assert found.fixed_ms.mid == pytest.approx(usb2.fixed_ms.mid, rel=0.1)
    assert found.upload.mid == pytest.approx(usb2.upload.mid, rel=0.03)
    assert found.download.mid == pytest.approx(usb2.download.mid, rel=0.1)


def test_what_no_measurement_touches_stays_as_it_was() -> None:
    chip = calibrate(MICRO, _measured(BOARD), "mine").target.chip
    assert chip.depthwise_macs.mid == pytest.approx(MICRO.chip.depthwise_macs.mid, rel=1e-3)
    assert chip.depthwise_macs.high / chip.depthwise_macs.low == pytest.approx(
        MICRO.chip.depthwise_macs.high / MICRO.chip.depthwise_macs.low, rel=0.01
    )


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_averaged_and_the_intervals_hold_the_board(seed: int) -> None:
    measurements = _measured(BOARD, noise=0.05, seed=seed)
    result = calibrate(MICRO, measurements, "mine")
    assert result.median_error < 0.06
    inside = [together([item.payload], result.target, 250.0).ms.holds(item.ms) for item in measurements]
    assert sum(inside) >= 9
    assert result.target.upload.mid == pytest.approx(33.0, rel=0.15)


def test_one_wild_measurement_does_not_spoil_the_rest() -> None:
    measurements = _measured(BOARD)
    measurements[2] = replace(measurements[2], ms=measurements[2].ms * 10)
    result = calibrate(MICRO, measurements, "mine")
    assert result.target.upload.mid == pytest.approx(33.0, rel=0.1)
    assert result.errors[2] == pytest.approx(-0.9, abs=0.05)


def test_a_target_file_is_what_was_fitted() -> None:
    result = calibrate(MICRO, _measured(BOARD, noise=0.02), 'my "board"\\\n')
    text = target_text(result, "my-board.csv", MICRO.name)
    assert "fitted to 10 latencies of my-board.csv, from what coral-micro says" in text
    found = read_target(text, "mine.toml")
    assert found.name == 'my "board"\\ '
    assert found.clocks_mhz == MICRO.clocks_mhz
    assert found.power == MICRO.power
    for name in ("fixed_ms", "upload", "download", "pixel_ns", "spread"):
        fitted, read = getattr(result.target, name), getattr(found, name)
        assert (read.low, read.mid, read.high) == pytest.approx(
            (fitted.low, fitted.mid, fitted.high), rel=1e-4
        )
    assert found.chip.conv_efficiency.high <= 1
    usb = target_text(calibrate(TARGETS["usb2"], _measured(BOARD), "u"), "x", "usb2")
    assert read_target(usb, "u").power == TARGETS["usb2"].power


def test_too_few_measurements_and_times_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="measurements: 2; expected at least 3"):
        calibrate(MICRO, _measured(BOARD)[:2], "mine")
    for ms in (0.0, -1.0, float("nan"), float("inf")):
        broken = [*_measured(BOARD)[:4], Measurement(_payload(), ms, 250.0)]
        with pytest.raises(InputError, match="expected a time above 0"):
            calibrate(MICRO, broken, "mine")


def _nets(folder: Path) -> None:
    (folder / "net.tflite").write_bytes(small_net())
    (folder / "net_edgetpu.tflite").write_bytes(Compiled().data())


def test_measurements_are_read_from_a_table(tmp_path: Path) -> None:
    _nets(tmp_path)
    path = tmp_path / "mine.csv"
    # What a spreadsheet writes: a byte order mark, carriage returns, an empty cell, other columns.
    path.write_bytes(
        "\ufeffmodel,ms,clock_mhz,note\r\nnet.tflite,2.5,,x\r\nnet_edgetpu.tflite,1.5,500,\r\n".encode()
    )
    first, second = read_measurements(path, MICRO)
    assert (first.ms, first.clock_mhz, first.payload.exact) == (2.5, 250.0, False)
    assert (second.ms, second.clock_mhz, second.payload.exact) == (1.5, 500.0, True)


def test_measurements_are_read_from_json(tmp_path: Path) -> None:
    _nets(tmp_path)
    path = tmp_path / "mine.json"
    rows = [{"model": "net.tflite", "ms": 2.5}, {"model": "net.tflite", "p50_ms": 3, "clock_mhz": 500}]
    path.write_text(json.dumps({"measurements": rows}))
    found = read_measurements(path, MICRO)
    assert [(item.ms, item.clock_mhz) for item in found] == [(2.5, 250.0), (3.0, 500.0)]
    path.write_text(json.dumps({"model": "net.tflite", "p50_ms": 3.5}))
    assert [item.ms for item in read_measurements(path, MICRO)] == [3.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model,milliseconds\nnet.tflite,2\n", "columns model, milliseconds; expected"),
        ("", "columns none; expected"),
        ("model,ms\nnet.tflite,fast\n", "row 2: ms is 'fast'; expected a number above 0"),
        ("model,ms\nnet.tflite,-1\n", "row 2: ms is '-1'"),
        ("model,ms\nnet.tflite,nan\n", "row 2: ms is 'nan'"),
        ("model,ms\nnet.tflite\n", "row 2: ms is 'None'"),
        ("model,ms\n,2\n", "row 2: no model"),
        ("model,ms,clock_mhz\nnet.tflite,2,300\n", "row 2: clock_mhz 300; coral-micro has none such"),
        ("model,ms\nabsent.tflite,2\n", r"absent\.tflite"),
        ('model,ms\n"net.tflite,2\n', "not a table"),
        ("{", "not valid JSON|not a JSON"),
        ('{"measurements": 3}', "'measurements' is int; expected a list"),
        ('{"measurements": [3]}', "a measurement is 3; expected an object"),
        ('{"model": "net.tflite", "ms": true}', "row 1: ms is 'True'"),
        ('{"ms": 3}', "row 1: no model"),
    ],
)
def test_bad_measurements_are_named(text: str, words: str, tmp_path: Path) -> None:
    _nets(tmp_path)
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_measurements(path, MICRO)


def test_measurements_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    with pytest.raises(InputError, match="cannot be read"):
        read_measurements(path, MICRO)
    path.write_bytes(b"model,ms\n\xff,2\n")
    with pytest.raises(InputError, match="not a table"):
        read_measurements(path, MICRO)
    path.write_bytes(b"x" * 11_000_000)
    with pytest.raises(InputError, match="over 10000000 bytes"):
        read_measurements(path, MICRO)


@given(text=st.text(st.sampled_from('model,ms clock_mhz\n"0123456789.{}[]:-\r\x00e'), max_size=120))
def test_any_text_is_read_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(text.encode())
    try:
        found = read_measurements(path, MICRO)
    except InputError:
        return
    assert found == ()


def test_ranges_of_a_fit_contain_their_middle() -> None:
    found = calibrate(MICRO, _measured(BOARD, noise=0.2, seed=5), "mine").target
    assert isinstance(found.spread, Interval)
    assert found.spread.low < 1 < found.spread.high
