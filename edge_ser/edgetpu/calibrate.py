"""Refitting a target's constants to latencies that a person measured on their own board.

Each constant starts from what the target's file says, as a log-normal prior whose 90 % range is low to high;
each measurement pulls by its relative error, far-off ones less. Ten models that differ in what dominates them
(bytes up, bytes down, computation) settle the constants; fewer leave those that they do not touch where they were.
Algorithm: maximum a posteriori by Gauss-Newton, weights of a Student distribution with four degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.edgetpu.interval import Interval
from edge_ser.edgetpu.latency import predicted_ms
from edge_ser.edgetpu.payload import Payload
from edge_ser.edgetpu.targets import Power, Target
from edge_ser.errors import InputError

_LINK: Final = ("fixed_ms", "upload", "download", "pixel_ns")
_CHIP: Final = ("conv_efficiency", "depthwise_macs", "elements")
_KEYS: Final = {
    "fixed_ms": "fixed_ms",
    "upload": "upload_mb_per_s",
    "download": "download_mb_per_s",
    "pixel_ns": "pixel_ns",
    "conv_efficiency": "conv_efficiency",
    "depthwise_macs": "depthwise_macs_per_cycle",
    "elements": "elements_per_cycle",
}
# 90 % of a normal distribution lie within so many standard deviations.
_NINETY: Final = 1.645
_LEAST_SPREAD: Final = 0.03
# Errors of other models are larger than those of the measured ones: 95 % of these for 90 % of those.
_KEPT: Final = 0.95
_FREEDOM: Final = 4.0
_STEPS: Final = 20
_SETTLED: Final = 1e-5
_FIRST_SCALE: Final = 0.05
_LONGEST_STEP: Final = 0.4
_NUDGE: Final = 1e-5

FEWEST: Final = 3
"""Measurements without which a fit says nothing."""


@dataclass(frozen=True)
class Measurement:
    """One latency that somebody measured.

    Attributes:
        payload: what the inference moves and computes.
        ms: its steady-state latency, milliseconds.
        clock_mhz: clock of the Edge TPU.
    """

    payload: Payload
    ms: float
    clock_mhz: float


@dataclass(frozen=True)
class Calibration:
    """A refitted target.

    Attributes:
        target: the target with the constants that were fitted.
        errors: relative ones, predicted over measured, less one, per measurement, with the fitted constants.
    """

    target: Target
    errors: tuple[float, ...]

    @property
    def median_error(self) -> float:
        """Median of the absolute relative errors."""
        return float(np.median(np.abs(self.errors)))


def calibrate(target: Target, measurements: Sequence[Measurement], name: str) -> Calibration:
    """Refit a target's constants.

    Args:
        target: the target to start from.
        measurements: what was measured.
        name: name of the new target.

    Raises:
        InputError: fewer than three measurements, or one that is no time.
    """
    if len(measurements) < FEWEST:
        message = (
            f"measurements: {len(measurements)}; expected at least {FEWEST}, better ten models that differ in"
            " instructions, inputs, outputs and computation"
        )
        raise InputError(message)
    for item in measurements:
        if not 0 < item.ms < 1e7:
            message = f"{item.payload.name}: measured {item.ms:g} ms; expected a time above 0"
            raise InputError(message)
    fit = _fit(target, measurements)
    errors = _residuals(fit.values, target, measurements)
    fitted = replace(
        _with(target, fit.values, fit.deviations), name=name, spread=_spread(errors, fit.settled)
    )
    return Calibration(fitted, tuple(float(value) for value in np.expm1(errors)))


def target_text(calibration: Calibration, measured: str, start: str) -> str:
    """A hardware description file of a calibrated target.

    Args:
        calibration: what was fitted.
        measured: where the measurements are from; becomes the source of every constant.
        start: name of the target that it was fitted from.

    Returns:
        TOML that :func:`edge_ser.edgetpu.targets.read_target` reads.
    """
    target = calibration.target
    source = f"fitted to {len(calibration.errors)} latencies of {measured}, from what {start} says"
    kept = f"as in {start}; not fitted"
    lines = [
        f"name = {_quoted(target.name)}",
        f"title = {_quoted(target.title)}",
        'chip = "edgetpu"',
        f"source = {_quoted(f'{source}; median error {100 * calibration.median_error:.1f} %')}",
    ]
    ranges = {_KEYS[key]: getattr(target, key) for key in _LINK}
    ranges |= {"spread": target.spread}
    ranges |= {_KEYS[key]: getattr(target.chip, key) for key in _CHIP}
    for key, interval in ranges.items():
        lines += _table(key, interval, source)
    choices = ", ".join(f"{clock!r}" for clock in target.clocks_mhz)
    lines += ["", "[clock_mhz]", f"default = {target.clock_mhz!r}", f"choices = [{choices}]"]
    lines += [f"source = {_quoted(kept)}"]
    for field in fields(Power) if target.power is not None else ():
        lines += _table(f"power.{field.name}", getattr(target.power, field.name), kept)
    return "\n".join(lines) + "\n"


def _table(key: str, interval: Interval, source: str) -> list[str]:
    ends = (f"{end} = {getattr(interval, end):.5g}" for end in ("low", "mid", "high"))
    return ["", f"[{key}]", *ends, f"source = {_quoted(source)}"]


def _quoted(text: str) -> str:
    """A TOML basic string."""
    safe = "".join(char if char.isprintable() else " " for char in text)
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class _Fit:
    """Fitted logarithms, their standard deviations, and how many constants the measurements settled."""

    values: NDArray[np.float64]
    deviations: NDArray[np.float64]
    settled: float


def _fit(target: Target, measurements: Sequence[Measurement]) -> _Fit:
    ranges = [getattr(target, key) for key in _LINK] + [getattr(target.chip, key) for key in _CHIP]
    prior = np.log([item.mid for item in ranges])
    widths = np.array([max(math.log(item.high / item.low) / (2 * _NINETY), 1e-3) for item in ranges])
    values = prior.copy()
    scale, hessian, data = _FIRST_SCALE, np.eye(len(prior)), np.zeros((len(prior), len(prior)))
    # A board unlike the prior has large errors at first. Were they taken for noise at once, the prior would stay:
    # only when the constants have settled the errors say what the noise is.
    for noise_known in (True, False):
        for _ in range(_STEPS):
            errors = _residuals(values, target, measurements)
            if not noise_known:
                scale = max(_LEAST_SPREAD, 1.4826 * float(np.median(np.abs(errors))))
            weights = (_FREEDOM + 1) / (_FREEDOM + (errors / scale) ** 2) / scale**2
            slopes = _slopes(values, errors, target, measurements)
            data = slopes.T @ (slopes * weights[:, None])
            hessian = data + np.diag(widths**-2)
            gradient = slopes.T @ (weights * errors) + (values - prior) / widths**2
            step = np.clip(-np.linalg.solve(hessian, gradient), -_LONGEST_STEP, _LONGEST_STEP)
            values = values + step
            if float(np.max(np.abs(step))) < _SETTLED:
                break
    covariance = np.linalg.inv(hessian)
    return _Fit(values, np.sqrt(np.diag(covariance)), float(np.trace(data @ covariance)))


def _residuals(
    values: NDArray[np.float64], target: Target, measurements: Sequence[Measurement]
) -> NDArray[np.float64]:
    trial = _with(target, values, np.zeros_like(values))
    predicted = [predicted_ms(item.payload, trial, item.clock_mhz) for item in measurements]
    errors: NDArray[np.float64] = np.log(np.array(predicted) / np.array([item.ms for item in measurements]))
    return errors


def _slopes(
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    target: Target,
    measurements: Sequence[Measurement],
) -> NDArray[np.float64]:
    columns = []
    for index in range(len(values)):
        moved = values.copy()
        moved[index] += _NUDGE
        columns.append((_residuals(moved, target, measurements) - errors) / _NUDGE)
    return np.stack(columns, axis=1)


def _with(target: Target, values: NDArray[np.float64], deviations: NDArray[np.float64]) -> Target:
    """The target with these constants, each with a 90 % range; an efficiency cannot exceed one."""
    found = {}
    for key, value, deviation in zip((*_LINK, *_CHIP), values, deviations, strict=True):
        ends = (float(np.exp(value + sign * _NINETY * deviation)) for sign in (-1, 0, 1))
        low, mid, high = (min(end, 1.0) if key == "conv_efficiency" else end for end in ends)
        found[key] = Interval(low, mid, high)
    chip = replace(target.chip, **{key: found[key] for key in _CHIP})
    return replace(
        target,
        fixed_ms=found["fixed_ms"],
        upload=found["upload"],
        download=found["download"],
        pixel_ns=found["pixel_ns"],
        chip=chip,
        spread=Interval(1.0, 1.0, 1.0),
    )


def _spread(errors: NDArray[np.float64], settled: float) -> Interval:
    """What errors remain: nearly the largest one, widened for the constants that were fitted to them."""
    count = len(errors)
    freedom = max(count - settled, 1.0)
    worst = float(np.quantile(np.abs(errors), _KEPT))
    width = max(worst * math.sqrt(count / freedom), _LEAST_SPREAD)
    return Interval(math.exp(-width), 1.0, math.exp(width))
