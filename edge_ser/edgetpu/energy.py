"""Energy of a decision and average power of a duty cycle: a model, no measurement of any board."""

from __future__ import annotations

from dataclasses import dataclass

from edge_ser.edgetpu.interval import Interval, exactly, sum_intervals
from edge_ser.edgetpu.latency import Estimate
from edge_ser.edgetpu.targets import Power
from edge_ser.errors import InputError

_FULL_CLOCK_MHZ = 500.0
# Leakage and memory do not go with the clock; how much of the chip's power that is, is assumed.
_CLOCKED_SHARE = 0.5


@dataclass(frozen=True)
class Energy:
    """What decisions take.

    Attributes:
        decision_mj: energy of one decision, millijoules.
        first_mj: energy of one that uploads the parameters first.
        kept_w: average power with the Edge TPU powered all the time.
        switched_w: average power with the Edge TPU switched off between decisions, so that each uploads the parameters
            again; ``None`` where that takes longer than the period.
    """

    decision_mj: Interval
    first_mj: Interval
    kept_w: Interval
    switched_w: Interval | None


def energy_of(estimate: Estimate, power: Power, period_s: float) -> Energy:
    """Energy of one decision.

    Args:
        estimate: of its inferences, one after the other.
        power: what the target takes.
        period_s: seconds from one decision to the next.

    Raises:
        InputError: the decision takes longer than the period.
    """
    steady, first, compute = estimate.ms, estimate.first_ms, estimate.compute_ms
    if not 0 < period_s < 1e6 or steady.mid > period_s * 1e3:
        message = f"period {period_s:g} s: expected more than {steady.mid / 1e3:.3g} s, what a decision takes"
        raise InputError(message)
    share = (1 - _CLOCKED_SHARE) + _CLOCKED_SHARE * estimate.clock_mhz / _FULL_CLOCK_MHZ
    computing = compute.times(power.tpu_computing_w.times(share))
    decision = sum_intervals(computing, _serving(steady, compute, power))
    uploading = sum_intervals(computing, _serving(first, compute, power))
    kept = sum_intervals(power.idle_w, power.tpu_waiting_w)
    return Energy(
        decision_mj=decision,
        first_mj=uploading,
        kept_w=_average(decision, steady, kept, period_s),
        switched_w=None
        if first.high > period_s * 1e3
        else _average(uploading, first, power.idle_w, period_s),
    )


def _serving(busy: Interval, compute: Interval, power: Power) -> Interval:
    """Millijoules of the board, and of the Edge TPU while it does not compute."""
    waiting = Interval(
        *(max(all_ - part, 0.0) for all_, part in zip(_ends(busy), _ends(compute), strict=True))
    )
    return sum_intervals(busy.times(power.board_w), waiting.times(power.tpu_waiting_w))


def _average(decision_mj: Interval, busy_ms: Interval, idle_w: Interval, period_s: float) -> Interval:
    rest = Interval(*(max(period_s - busy / 1e3, 0.0) for busy in _ends(busy_ms)))
    return sum_intervals(decision_mj.times(1e-3), rest.times(idle_w)).times(exactly(1 / period_s))


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.mid, interval.high
