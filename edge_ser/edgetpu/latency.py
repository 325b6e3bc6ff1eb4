"""How long an inference takes: an estimate, always an interval, with its terms.

time = fixed + (instructions + inputs) / upload + computation and streaming + outputs / download + rearranging

Parameters that are not on the chip arrive while the layers that need them compute; the layers before them
compute without (a stack of convolutions over USB 2, half of it streamed, follows that within 3 %). Constants
are in the hardware description files (:mod:`edge_ser.edgetpu.targets`).

The interval: each constant has its own range, and they do not know of each other, so that what each of them
does to the total on its own adds as squares. Two nets on one board share the constants: their intervals must
not be added, :func:`together` has theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

from edge_ser.edgetpu.cycles import Chip
from edge_ser.edgetpu.interval import Interval, exactly, independent
from edge_ser.edgetpu.model import Model
from edge_ser.edgetpu.payload import Payload, predicted_payload
from edge_ser.edgetpu.targets import Target
from edge_ser.errors import InputError

TERMS = ("fixed", "instructions", "inputs", "compute", "streaming", "outputs", "fusion")
"""What a decision's time consists of; streaming is what it adds to the computation."""

# The integer heads on the host: a load or two, a multiplication and an addition a weight (firmware_bridge/core/
# integer_head.c), on the Cortex-M7 of the Micro at 800 MHz.
_NS_PER_WEIGHT = Interval(2.0, 6.0, 25.0)


@dataclass(frozen=True)
class Estimate:
    """A predicted latency of one or several inferences, one after the other.

    Attributes:
        target: name of the target.
        clock_mhz: clock of the Edge TPU that it is for.
        payloads: what was estimated from.
        ms: milliseconds in the steady state.
        first_ms: milliseconds the first time, which also uploads the parameters.
        compute_ms: milliseconds in which the chip computes, part of ``ms``.
        terms: (name, milliseconds); their middles add up to that of ``ms``.
    """

    target: str
    clock_mhz: float
    payloads: tuple[Payload, ...]
    ms: Interval
    first_ms: Interval
    compute_ms: Interval
    terms: tuple[tuple[str, Interval], ...]

    @property
    def host_ops(self) -> tuple[str, ...]:
        """Operations that run on the host and are not in the estimate."""
        return tuple(op for payload in self.payloads for op in payload.host_ops)

    @property
    def dominant(self) -> str:
        """The term with the largest middle."""
        return max(self.terms, key=lambda term: term[1].mid)[0]


@dataclass(frozen=True)
class _Constants:
    """One value of everything that has a range."""

    fixed_ms: float
    upload: float
    download: float
    pixel_ns: float
    conv_efficiency: float
    depthwise_macs: float
    elements: float
    spread: float = 1.0
    weight_ns: float = _NS_PER_WEIGHT.mid
    # Which end of the ranges of the payloads: 0 low, 1 middle, 2 high.
    instructions: int = 1
    unknown_cycles: int = 1
    # Whether streaming overlaps all of the computation, and not only that of the layers that wait for it.
    overlaps_all: bool = False


def estimate(model: Model, target: Target, clock_mhz: float | None = None) -> Estimate:
    """Estimate the latency of an uncompiled model, as compiler 16 would compile it.

    Args:
        model: the quantised model.
        target: where it runs.
        clock_mhz: clock of the Edge TPU; the target's own where ``None``.

    Raises:
        InputError: the model is compiled already, or the target has no such clock.
    """
    return together([predicted_payload(model)], target, clock_mhz)


def together(
    payloads: Sequence[Payload], target: Target, clock_mhz: float | None = None, head_weights: int = 0
) -> Estimate:
    """Estimate the latency of what several inferences move and compute, one after the other.

    Args:
        payloads: of compiled or uncompiled models.
        target: where they run.
        clock_mhz: clock of the Edge TPU; the target's own where ``None``.
        head_weights: weights of the integer heads that the host computes afterwards.

    Raises:
        InputError: the target has no such clock.
    """
    clock = _clock(target, clock_mhz)

    def term(name: str) -> Callable[[_Constants], float]:
        if name == "fusion":
            return lambda constants: head_weights * constants.weight_ns * 1e-6
        return lambda constants: sum(_terms(item, constants, clock)[name] for item in payloads)

    def steady(constants: _Constants) -> float:
        heads = head_weights * constants.weight_ns * 1e-6
        return heads + sum(sum(_terms(item, constants, clock).values()) for item in payloads)

    def first(constants: _Constants) -> float:
        uploads = [item.first_bytes for item in payloads if item.first_bytes]
        return steady(constants) + sum(constants.fixed_ms + _ms(size, constants.upload) for size in uploads)

    def compute(constants: _Constants) -> float:
        return sum(_compute_ms(item, constants, clock) for item in payloads)

    return Estimate(
        target=target.name,
        clock_mhz=clock,
        payloads=tuple(payloads),
        ms=_range(steady, target),
        first_ms=_range(first, target),
        compute_ms=_range(compute, target),
        terms=tuple((name, _range(term(name), target)) for name in TERMS),
    )


def _terms(payload: Payload, constants: _Constants, clock_mhz: float) -> dict[str, float]:
    chip = _chip(constants)
    resident = payload.resident.cycles(chip).mid
    if payload.unknown_cycles is not None:
        resident = _end(payload.unknown_cycles, constants.unknown_cycles) / constants.conv_efficiency
    resident /= clock_mhz * 1e3
    waiting = payload.streaming.cycles(chip).mid / (clock_mhz * 1e3)
    sent = _ms(payload.streamed_bytes, constants.upload)
    hidden = resident + waiting if constants.overlaps_all else waiting
    terms = {
        "fixed": constants.fixed_ms,
        "instructions": _ms(_end(payload.instruction_bytes, constants.instructions), constants.upload),
        "inputs": _ms(payload.input_bytes, constants.upload),
        "compute": resident + waiting,
        "streaming": max(sent - hidden, 0.0),
        "outputs": _ms(payload.output_bytes, constants.download)
        + payload.output_pixels * constants.pixel_ns * 1e-6,
    }
    return {name: constants.spread * value for name, value in terms.items()}


def _compute_ms(payload: Payload, constants: _Constants, clock_mhz: float) -> float:
    return _terms(payload, constants, clock_mhz)["compute"]


def _range(amount: Callable[[_Constants], float], target: Target) -> Interval:
    middle = _constants(target)
    return independent(amount(middle), [(amount(low), amount(high)) for low, high in _ends(target, middle)])


def predicted_ms(payload: Payload, target: Target, clock_mhz: float) -> float:
    """The middle of an estimate alone; what :mod:`edge_ser.edgetpu.calibrate` fits, many times."""
    return sum(_terms(payload, _constants(target), clock_mhz).values())


def _constants(target: Target) -> _Constants:
    chip = target.chip
    return _Constants(
        fixed_ms=target.fixed_ms.mid,
        upload=target.upload.mid,
        download=target.download.mid,
        pixel_ns=target.pixel_ns.mid,
        conv_efficiency=chip.conv_efficiency.mid,
        depthwise_macs=chip.depthwise_macs.mid,
        elements=chip.elements.mid,
        spread=target.spread.mid,
    )


def _ends(target: Target, middle: _Constants) -> Iterator[tuple[_Constants, _Constants]]:
    """Each constant at both ends of its range, the others in their middle."""
    ranges = {
        "fixed_ms": target.fixed_ms,
        "upload": target.upload,
        "download": target.download,
        "pixel_ns": target.pixel_ns,
        "spread": target.spread,
        "weight_ns": _NS_PER_WEIGHT,
        **{field.name: getattr(target.chip, field.name) for field in fields(Chip)},
        "instructions": Interval(0, 1, 2),
        "unknown_cycles": Interval(0, 1, 2),
        "overlaps_all": Interval(False, False, True),
    }
    for name, interval in ranges.items():
        yield replace(middle, **{name: interval.low}), replace(middle, **{name: interval.high})


def _chip(constants: _Constants) -> Chip:
    return Chip(
        exactly(constants.conv_efficiency), exactly(constants.depthwise_macs), exactly(constants.elements)
    )


def _end(interval: Interval, which: int) -> float:
    return (interval.low, interval.mid, interval.high)[which]


def _clock(target: Target, clock_mhz: float | None) -> float:
    if clock_mhz is None:
        return target.clock_mhz
    if clock_mhz not in target.clocks_mhz:
        choices = ", ".join(f"{clock:g}" for clock in target.clocks_mhz)
        message = f"clock {clock_mhz:g} MHz: {target.name} has none such; expected one of {choices}"
        raise InputError(message)
    return clock_mhz


def _ms(size: float, megabytes_per_second: float) -> float:
    """Milliseconds of a transfer."""
    return size / megabytes_per_second / 1e3
