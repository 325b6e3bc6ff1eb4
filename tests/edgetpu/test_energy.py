"""Energy of a decision: arithmetic of the model, and what it promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tflite_builder import small_net

from edge_ser.edgetpu.energy import energy_of
from edge_ser.edgetpu.interval import Interval, exactly
from edge_ser.edgetpu.latency import Estimate, estimate
from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.targets import TARGETS, Power
from edge_ser.errors import InputError

POWER = Power(
    tpu_computing_w=exactly(2.0), tpu_waiting_w=exactly(0.5), board_w=exactly(1.0), idle_w=exactly(0.25)
)


def _estimate(ms: float, compute_ms: float, first_ms: float, clock_mhz: float = 500.0) -> Estimate:
    found = estimate(read_model(small_net(), "net"), TARGETS["coral-micro"], clock_mhz)
    return replace(
        found, ms=exactly(ms), compute_ms=exactly(compute_ms), first_ms=exactly(first_ms), clock_mhz=clock_mhz
    )


def test_a_decision_is_computing_waiting_and_the_board() -> None:
    energy = energy_of(_estimate(10.0, 4.0, 30.0), POWER, 1.0)
    assert energy.decision_mj.mid == pytest.approx(4 * 2.0 + 6 * 0.5 + 10 * 1.0)
    assert energy.first_mj.mid == pytest.approx(4 * 2.0 + 26 * 0.5 + 30 * 1.0)


def test_a_slower_clock_takes_less_power_while_it_computes() -> None:
    # Half of the chip's power goes with the clock: at 250 of 500 MHz three quarters are left.
    energy = energy_of(_estimate(10.0, 4.0, 30.0, clock_mhz=250.0), POWER, 1.0)
    assert energy.decision_mj.mid == pytest.approx(4 * 2.0 * 0.75 + 6 * 0.5 + 10 * 1.0)


def test_the_average_is_that_of_the_duty_cycle() -> None:
    energy = energy_of(_estimate(10.0, 4.0, 30.0), POWER, 2.0)
    assert energy.kept_w.mid == pytest.approx((21e-3 + 1.990 * 0.75) / 2)
    assert energy.switched_w is not None
    assert energy.switched_w.mid == pytest.approx((51e-3 + 1.970 * 0.25) / 2)
    # Rarer decisions end at what the board takes while it waits.
    rare = energy_of(_estimate(10.0, 4.0, 30.0), POWER, 1e5)
    assert rare.kept_w.mid == pytest.approx(0.75, rel=1e-3)


def test_a_period_shorter_than_the_upload_cannot_switch_off() -> None:
    assert energy_of(_estimate(10.0, 4.0, 30.0), POWER, 0.02).switched_w is None


@pytest.mark.parametrize("period_s", [0.0, -1.0, 0.005, float("nan"), float("inf")])
def test_a_period_shorter_than_the_decision_is_refused(period_s: float) -> None:
    with pytest.raises(InputError, match=r"expected more than 0\.01 s"):
        energy_of(_estimate(10.0, 4.0, 30.0), POWER, period_s)


def test_shipped_targets_give_ranges_that_hold_the_one_published_figure() -> None:
    found = estimate(read_model(small_net(), "net"), TARGETS["coral-micro"])
    power = TARGETS["coral-micro"].power
    assert power is not None
    energy = energy_of(found, power, 5.0)
    # 2.5 W with everything powered all the time (see the file's note on power).
    assert energy.kept_w.holds(2.5)
    assert energy.decision_mj.low < energy.decision_mj.mid < energy.decision_mj.high
    assert isinstance(energy.kept_w, Interval)
