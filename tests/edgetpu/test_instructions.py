"""Instructions: the geometry of the tiles as it is decoded from compiled files, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_builder import Builder, small_net

from edge_ser.edgetpu.grid import (
    Window,
    borders,
    exchanges,
    lengths,
    plain_kinds,
    reading_kinds,
    stretches,
    writing_kinds,
)
from edge_ser.edgetpu.instructions import total_instructions
from edge_ser.edgetpu.interval import Interval
from edge_ser.edgetpu.model import Model, read_model
from edge_ser.edgetpu.prediction import predict_compiled
from edge_ser.edgetpu.rules import check_model


@pytest.mark.parametrize(
    ("length", "parts"),
    [(16, (4, 4, 4, 4)), (14, (4, 3, 4, 3)), (6, (2, 1, 2, 1)), (7, (2, 2, 2, 1)), (3, (1, 1, 1)), (1, (1,))],
)
def test_a_side_is_shared_as_in_compiled_files(length: int, parts: tuple[int, ...]) -> None:
    assert lengths(length) == parts


@pytest.mark.parametrize(
    ("length", "outputs", "stride", "sent", "writing"),
    [
        # Squares with a window of 3 x 3; MobileNets of google-coral, stacks of EdgeTPU-QuantRL-Evaluation.
        (16, 16, 1, 12, 1),
        (14, 14, 1, 32, 4),
        (28, 14, 2, 16, 2),
        (14, 7, 2, 28, 8),
        (16, 8, 2, 6, 1),
    ],
)
def test_exchanges_are_those_of_compiled_files(
    length: int, outputs: int, stride: int, sent: int, writing: int
) -> None:
    side = stretches(length, Window(3, stride, outputs, True))
    assert exchanges(side, side) == sent
    assert writing_kinds(side, side) == writing


def test_a_window_of_one_pixel_needs_no_neighbour() -> None:
    side = stretches(14, Window(1, 1, 14, True))
    assert exchanges(side, side) == 0


@given(length=st.integers(1, 400), size=st.integers(1, 9), stride=st.integers(1, 4), same=st.booleans())
def test_tiles_share_every_row_once_and_keep_what_their_window_needs(
    length: int, size: int, stride: int, same: bool
) -> None:
    outputs = -(-length // stride) if same else (length - size) // stride + 1
    if outputs < 1:
        return
    window = Window(size, stride, outputs, same)
    found = stretches(length, window)
    assert sum(item.own for item in found) == length == borders(length)[-1]
    assert all(item.held >= item.own > 0 and item.before >= 0 <= item.after for item in found)
    assert found[0].before == 0 == found[-1].after
    assert 0 < plain_kinds(length, length) <= 9
    assert 0 < reading_kinds(outputs, found) <= 4


def _stack(height: int, width: int, channels: int, layers: int = 6) -> Model:
    builder = Builder()
    source = result = builder.tensor((1, height, width, channels))
    for _ in range(layers):
        result = builder.conv(result, channels)
    return read_model(builder.finish([source], [result]), "net")


def _instructions(model: Model) -> Interval:
    return predict_compiled(model, check_model(model)).instruction_bytes


def test_a_picture_that_divides_by_four_is_cheaper_than_a_smaller_one_that_does_not() -> None:
    assert _instructions(_stack(16, 16, 16)).high < _instructions(_stack(14, 14, 16)).low


def test_instructions_do_not_grow_with_channels() -> None:
    narrow, wide = _instructions(_stack(16, 16, 8)), _instructions(_stack(16, 16, 64))
    assert narrow.mid == wide.mid


def test_inputs_whose_columns_do_not_begin_at_eight_bytes_cost_more() -> None:
    even, odd = (_instructions(_stack(16, 16, channels, layers=1)) for channels in (8, 7))
    assert odd.mid > even.mid


def test_what_no_file_shows_is_a_wider_range() -> None:
    def width(model: Model) -> float:
        found = _instructions(model)
        return (found.high - found.low) / found.mid

    assert width(read_model(small_net(extra="TANH"), "net")) < width(_gated())


def _gated() -> Model:
    builder = Builder()
    source = builder.tensor((1, 16, 16, 64))
    gate = builder.tensor((1, 1, 1, 64))
    result = builder.tensor((1, 16, 16, 64))
    builder.op("MUL", [source, gate], [result])
    return read_model(builder.finish([source, gate], [result]), "net")


def test_the_total_adds_middles_and_is_narrower_than_all_parts_together() -> None:
    prediction = predict_compiled(_gated(), check_model(_gated()))
    parts = [part.total for part in prediction.instructions]
    total = total_instructions(prediction.instructions)
    assert total.mid == sum(part.mid for part in parts)
    assert total == prediction.instruction_bytes
    assert total.low < total.mid < total.high


def test_every_operator_has_its_entry() -> None:
    model = _stack(14, 14, 8)
    parts = predict_compiled(model, check_model(model)).instructions
    assert [part.op for part in parts] == ["start", "input", *["CONV_2D"] * 6, "output"]
    assert [part.index for part in parts if part.index >= 0] == list(range(6))
    # The last one has no window after it, and so nothing to send to neighbours.
    assert [part.exchange_bytes > 0 for part in parts] == [False, True, *[True] * 5, False, False]
