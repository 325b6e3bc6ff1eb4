"""What a compiled file will hold, from the uncompiled one: parameters, instructions, container.

The container (flatbuffers, pages) is what about 150 compiled files have in common. What a person's own tools
append afterwards (labels, metadata) is not in it: the compiler drops what it does not need.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from edge_ser.edgetpu.instructions import OpInstructions, instructions_of, total_instructions
from edge_ser.edgetpu.interval import Interval
from edge_ser.edgetpu.model import Model, Operator, Tensor
from edge_ser.edgetpu.parameters import PARAMETER_OPS, Placement, place
from edge_ser.edgetpu.rules import CheckReport

_PAGE: Final = 4096
# A file holds two executables (inference, parameters) and the package around them, each rounded up to a page.
_EXECUTABLE_HEADERS: Final = (5000, 3000)
_CONTAINER_BYTES: Final = 4 * _PAGE + 800
_CACHING_INSTRUCTIONS: Final = (800, 200)


@dataclass(frozen=True)
class CompiledPrediction:
    """What the compiler will probably make of a model; every number is predicted.

    Attributes:
        bytes: size of the compiled file.
        cached_bytes: parameters kept on the chip.
        streamed_bytes: parameters sent at every inference.
        instruction_bytes: instructions sent at every inference, as a range.
        instructions: the parts that they consist of.
        placement: which parameters are sent.
    """

    bytes: int
    cached_bytes: int
    streamed_bytes: int
    instruction_bytes: Interval
    instructions: tuple[OpInstructions, ...]
    placement: Placement


def predict_compiled(model: Model, report: CheckReport) -> CompiledPrediction:
    """Predict sizes.

    Args:
        model: the uncompiled model.
        report: what :func:`edge_ser.edgetpu.rules.check_model` says about it, for the compiler in question.
    """
    mapped, host = report.parts(model)
    major = int(report.compiler.split(".")[0])
    placement = place(mapped, major)
    parts = instructions_of(mapped, inputs_of(mapped), outputs_of(mapped, model), major) if mapped else ()
    instructions = total_instructions(parts)
    fixed, each = _CACHING_INSTRUCTIONS
    caching = fixed + each * sum(op.name in PARAMETER_OPS for op in mapped)
    inference = _pages(instructions.mid + placement.streamed + _EXECUTABLE_HEADERS[0])
    parameters = _pages(caching + placement.cached + _EXECUTABLE_HEADERS[1]) if placement.cached else 0
    host_bytes = sum(len(t.data) for op in host for t in op.inputs if t is not None and t.constant)
    size = inference + parameters + _CONTAINER_BYTES + host_bytes if mapped else model.size_bytes
    return CompiledPrediction(size, placement.cached, placement.streamed, instructions, parts, placement)


def inputs_of(ops: list[Operator]) -> tuple[Tensor, ...]:
    """The tensors that a part of a graph reads and does not compute itself."""
    made = {tensor.index for op in ops for tensor in op.outputs}
    read = {t.index: t for op in ops for t in op.inputs if t is not None and not t.constant}
    return tuple(tensor for index, tensor in read.items() if index not in made)


def outputs_of(ops: list[Operator], model: Model) -> tuple[Tensor, ...]:
    """The tensors that a part of a graph computes and something outside it reads."""
    inside = {op.index for op in ops}
    read = {t.index for op in model.operators if op.index not in inside for t in op.inputs if t is not None}
    read |= {tensor.index for tensor in model.outputs}
    return tuple(tensor for op in ops for tensor in op.outputs if tensor.index in read)


def _pages(size: float) -> int:
    return math.ceil(size / _PAGE) * _PAGE
