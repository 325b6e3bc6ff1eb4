"""How long an inference takes, from the model alone: an estimate, always an interval, with its terms.

time = fixed + (instructions + inputs) / upload + max(compute, streamed / upload) + outputs / download

Streaming of parameters overlaps the computation (a stack of convolutions over USB 2 costs 1.42 ms a layer,
which is its bytes alone). Cycle models fitted on iwatake2222/EdgeTPU_Analysis (convolution stack, slope
2.05 ns a cycle) and on MobileNet v1 and v2 (depthwise, 38 to 41 MAC a cycle).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_ser.edgetpu.model import Model, Operator, Tensor
from edge_ser.edgetpu.prediction import CompiledPrediction, padded, predict_compiled
from edge_ser.edgetpu.rules import check_model
from edge_ser.edgetpu.targets import Interval, Target
from edge_ser.errors import InputError

_DEPTHWISE_MACS_PER_CYCLE = Interval(38.0, 39.5, 41.0)
# Operations without multiplications: at worst one tile works, at best all 16 of them; not measured.
_ELEMENTS_PER_CYCLE = Interval(64.0, 256.0, 1024.0)


@dataclass(frozen=True)
class Estimate:
    """A predicted latency.

    Attributes:
        target: name of the target.
        clock_mhz: clock of the Edge TPU that it is for.
        ms: predicted milliseconds of one inference in the steady state.
        first_ms: predicted milliseconds of the first one, which also uploads the parameters.
        terms: (name, milliseconds) of what adds up to ``ms``; compute and streaming overlap.
        host_ops: operations that run on the host and are not in the estimate.
    """

    target: str
    clock_mhz: float
    ms: Interval
    first_ms: Interval
    terms: tuple[tuple[str, Interval], ...]
    host_ops: tuple[str, ...]


def estimate(model: Model, target: Target, clock_mhz: float | None = None) -> Estimate:
    """Estimate the latency of an uncompiled model.

    Args:
        model: the quantised model.
        target: where it runs.
        clock_mhz: clock of the Edge TPU; the target's own where ``None``.

    Raises:
        InputError: the model is compiled already, or the target has no such clock.
    """
    if clock_mhz is not None and clock_mhz not in target.clocks_mhz:
        choices = ", ".join(f"{clock:g}" for clock in target.clocks_mhz)
        message = f"clock {clock_mhz:g} MHz: {target.name} has none such; expected one of {choices}"
        raise InputError(message)
    clock = target.clock_mhz if clock_mhz is None else clock_mhz
    report = check_model(model)
    prediction = predict_compiled(model, report)
    mapped, _ = report.parts(model)
    instructions = _time(prediction.instruction_bytes, target.upload)
    sent = _exactly(sum(_input_bytes(tensor) for tensor in inputs_of(mapped)))
    received = _exactly(sum(_output_bytes(tensor) for tensor in _outputs_of(mapped, model)))
    inputs = _time(sent, target.upload)
    outputs = _time(received, target.download)
    compute = _scaled(compute_cycles(mapped), 1e-3 / clock)
    streaming = _time(_exactly(prediction.streamed_bytes), target.upload)
    overlapped = Interval(
        max(compute.low, streaming.low), max(compute.mid, streaming.mid), max(compute.high, streaming.high)
    )
    steady = sum_intervals(target.fixed_ms, instructions, inputs, overlapped, outputs)
    return Estimate(
        target=target.name,
        clock_mhz=clock,
        ms=steady,
        first_ms=sum_intervals(steady, _first_upload(prediction, target)),
        terms=(
            ("fixed", target.fixed_ms),
            ("instructions", instructions),
            ("inputs", inputs),
            ("compute", compute),
            ("streaming", streaming),
            ("outputs", outputs),
        ),
        host_ops=report.host_ops,
    )


def compute_cycles(ops: list[Operator]) -> Interval:
    """Cycles of the chip for these operators, run one after the other."""
    return sum_intervals(*(_cycles(op) for op in ops))


def convolution_cycles(height: int, width: int, kernel: int, inputs: int, outputs: int) -> int:
    """Cycles of a convolution: 4 x 4 tiles share the plane, a lane takes four inputs, a tile has 64 lanes.

    Args:
        height: output height.
        width: output width.
        kernel: kernel height x width.
        inputs: input channels.
        outputs: output channels.
    """
    plane = math.ceil(height / 4) * math.ceil(width / 4)
    return plane * kernel * math.ceil(inputs / 4) * math.ceil(outputs / 64)


def _cycles(op: Operator) -> Interval:
    weights = op.input(1)
    result = op.outputs[0].shape if op.outputs else ()
    spatial = weights is not None and len(weights.shape) == len(result) == 4
    if op.name in ("CONV_2D", "TRANSPOSE_CONV") and weights is not None and spatial:
        outputs, height, width, inputs = weights.shape
        return _exactly(convolution_cycles(result[1], result[2], height * width, inputs, outputs))
    if op.name == "FULLY_CONNECTED" and weights is not None and len(weights.shape) == 2:
        outputs, inputs = weights.shape
        return _exactly(convolution_cycles(math.prod(result[:-1]), 1, 1, inputs, outputs))
    elements = math.prod(result)
    if op.name == "DEPTHWISE_CONV_2D" and weights is not None and spatial:
        macs = elements * weights.shape[1] * weights.shape[2]
        return _over(macs, _DEPTHWISE_MACS_PER_CYCLE)
    if op.name in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
        return _exactly(0)
    return _over(max((tensor.elements for tensor in op.activations), default=0), _ELEMENTS_PER_CYCLE)


def inputs_of(ops: list[Operator]) -> tuple[Tensor, ...]:
    """The tensors that a part of a graph reads and does not compute itself."""
    made = {tensor.index for op in ops for tensor in op.outputs}
    read = {t.index: t for op in ops for t in op.inputs if t is not None and not t.constant}
    return tuple(tensor for index, tensor in read.items() if index not in made)


def _outputs_of(ops: list[Operator], model: Model) -> tuple[Tensor, ...]:
    """The tensors that a part of a graph computes and something outside it reads."""
    inside = {op.index for op in ops}
    read = {t.index for op in model.operators if op.index not in inside for t in op.inputs if t is not None}
    read |= {tensor.index for tensor in model.outputs}
    return tuple(tensor for op in ops for tensor in op.outputs if tensor.index in read)


def _input_bytes(tensor: Tensor) -> int:
    """Bytes of an input as it is sent: padded to 8 (12 bytes are sent as 16 in the compiled files)."""
    return padded(tensor.bytes, 8)


def _output_bytes(tensor: Tensor) -> int:
    """Bytes of an output as it is received: channels padded to 4, then all to 8 (521 become 528)."""
    channels = tensor.shape[-1] if tensor.shape else 1
    return padded(tensor.bytes // max(channels, 1) * padded(channels, 4), 8)


def _first_upload(prediction: CompiledPrediction, target: Target) -> Interval:
    return _time(_exactly(prediction.cached_bytes), target.upload)


def _exactly(count: float) -> Interval:
    return Interval(count, count, count)


def _time(size: Interval, megabytes_per_second: Interval) -> Interval:
    """Milliseconds of a transfer; the fastest link with the fewest bytes is the low end."""
    speed = megabytes_per_second
    return Interval(size.low / speed.high / 1e3, size.mid / speed.mid / 1e3, size.high / speed.low / 1e3)


def _over(amount: float, rate: Interval) -> Interval:
    return Interval(amount / rate.high, amount / rate.mid, amount / rate.low)


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(interval.low * factor, interval.mid * factor, interval.high * factor)


def sum_intervals(*intervals: Interval) -> Interval:
    """Intervals added end by end."""
    return Interval(
        sum(item.low for item in intervals),
        sum(item.mid for item in intervals),
        sum(item.high for item in intervals),
    )
