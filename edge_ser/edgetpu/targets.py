"""What each target's link and chip are worth in time, with the source of every number.

Measured targets: latencies of iwatake2222/EdgeTPU_Analysis (github.com, commit 1f5fbce4; Jetson Nano host)
against the bytes in its compiled files. The Micro has no published measurement of its link: its numbers are
a prior.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_ser.errors import InputError


@dataclass(frozen=True)
class Interval:
    """A range with its middle.

    Attributes:
        low: smallest plausible value.
        mid: best guess.
        high: largest plausible value.
    """

    low: float
    mid: float
    high: float


@dataclass(frozen=True)
class Target:
    """One way to reach an Edge TPU.

    Attributes:
        name: what the command line calls it.
        fixed_ms: cost of an inference that moves nothing, milliseconds.
        upload: host to Edge TPU, megabytes (10**6) per second.
        download: Edge TPU to host, megabytes per second.
        clock_mhz: clock of the Edge TPU.
        clocks_mhz: clocks that can be chosen.
        source: where the numbers are from.
    """

    name: str
    fixed_ms: Interval
    upload: Interval
    download: Interval
    clock_mhz: float
    clocks_mhz: tuple[float, ...]
    source: str


_MICRO = Target(
    name="coral-micro",
    fixed_ms=Interval(0.5, 1.0, 1.5),
    upload=Interval(15.0, 25.0, 36.0),
    download=Interval(4.0, 8.0, 12.0),
    # PerformanceMode kHigh, the default of EdgeTpuManager::OpenDevice (coralmicro, libs/tpu).
    clock_mhz=250.0,
    clocks_mhz=(63.0, 125.0, 250.0, 500.0),
    source="a prior from the USB 2 numbers and the driver's 32 KiB staging; not verified on a board",
)
_USB2 = Target(
    name="usb2",
    fixed_ms=Interval(0.30, 0.35, 0.40),
    upload=Interval(34.0, 36.3, 45.0),
    download=Interval(11.0, 11.9, 13.0),
    # Slope of a stack of convolutions, 2.05 ns a cycle; the chip is specified with 500 MHz.
    clock_mhz=487.0,
    clocks_mhz=(250.0, 487.0),
    source="iwatake2222/EdgeTPU_Analysis, USB 2 columns; upper end: 35 ms of fredriktegnell/edgetpu-tcn",
)
_USB3 = Target(
    name="usb3",
    fixed_ms=Interval(0.24, 0.27, 0.30),
    upload=Interval(280.0, 320.0, 350.0),
    download=Interval(28.0, 30.8, 34.0),
    clock_mhz=487.0,
    clocks_mhz=(250.0, 487.0),
    source="iwatake2222/EdgeTPU_Analysis, USB 3 columns",
)
TARGETS = {target.name: target for target in (_MICRO, _USB2, _USB3)}
"""The targets by name."""


def target_named(name: str) -> Target:
    """The target of that name.

    Raises:
        InputError: there is none.
    """
    if name not in TARGETS:
        message = f"target {name!r}: no such target; expected one of {', '.join(TARGETS)}"
        raise InputError(message)
    return TARGETS[name]
