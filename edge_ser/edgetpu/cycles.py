"""How many cycles the Edge TPU computes on an operation.

Convolutions: 4 x 4 tiles share the plane, a lane takes four inputs at once, a tile has 64 lanes (reference
model of the field ``estimated_cycles`` that old compilers wrote, times four; it follows 43 measured nets of
32 to 442 channels with its steps at every 64). How much of that ideal is reached is in the chip's file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_ser.edgetpu.grid import LANES, TILES, TILES_PER_SIDE
from edge_ser.edgetpu.instructions import ALIASES
from edge_ser.edgetpu.interval import Interval, exactly, sum_intervals
from edge_ser.edgetpu.model import Operator


@dataclass(frozen=True)
class Chip:
    """What the chip does in a cycle.

    Attributes:
        conv_efficiency: share of the ideal cycles that convolutions reach.
        depthwise_macs: multiplications of depthwise convolutions a cycle.
        elements: values a cycle of operations without multiplications.
    """

    conv_efficiency: Interval
    depthwise_macs: Interval
    elements: Interval


@dataclass(frozen=True)
class Work:
    """What there is to compute, before any chip is asked.

    Attributes:
        conv_cycles: ideal cycles of convolutions and matrices.
        depthwise_macs: multiplications of depthwise convolutions.
        elements: values that other operations touch.
    """

    conv_cycles: int = 0
    depthwise_macs: int = 0
    elements: int = 0

    def cycles(self, chip: Chip) -> Interval:
        """Cycles on a chip, the operations run one after the other."""
        return sum_intervals(
            exactly(self.conv_cycles).over(chip.conv_efficiency),
            exactly(self.depthwise_macs).over(chip.depthwise_macs),
            exactly(self.elements).over(chip.elements),
        )


def convolution_cycles(height: int, width: int, kernel: int, inputs: int, outputs: int) -> int:
    """Ideal cycles of a convolution.

    Args:
        height: output height.
        width: output width.
        kernel: kernel height x width.
        inputs: input channels.
        outputs: output channels.
    """
    plane = math.ceil(height / TILES_PER_SIDE) * math.ceil(width / TILES_PER_SIDE)
    return plane * kernel * math.ceil(inputs / 4) * math.ceil(outputs / LANES)


def work_of(ops: Sequence[Operator]) -> Work:
    """What there is to compute for these operators."""
    parts = [_work(op) for op in ops]
    return Work(
        sum(part.conv_cycles for part in parts),
        sum(part.depthwise_macs for part in parts),
        sum(part.elements for part in parts),
    )


def _work(op: Operator) -> Work:
    weights = op.input(1)
    result = op.outputs[0].shape if op.outputs else ()
    picture = weights is not None and len(weights.shape) == len(result) == 4
    if op.name in ("CONV_2D", "TRANSPOSE_CONV") and weights is not None and picture:
        outputs, height, width, inputs = weights.shape
        return Work(convolution_cycles(result[1], result[2], height * width, inputs, outputs))
    if op.name == "FULLY_CONNECTED" and weights is not None and len(weights.shape) == 2:
        outputs, inputs = weights.shape
        # A matrix lies on as many tiles as its outputs fill with 64 each, and they work at the same time.
        rows = math.prod(result[:-1])
        return Work(rows * math.ceil(inputs / 4) * math.ceil(outputs / (TILES * LANES)))
    if op.name == "DEPTHWISE_CONV_2D" and weights is not None and picture:
        return Work(depthwise_macs=math.prod(result) * weights.shape[1] * weights.shape[2])
    if op.name in ALIASES:
        return Work()
    return Work(elements=max((tensor.elements for tensor in op.activations), default=0))
