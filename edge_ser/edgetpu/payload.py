"""What one inference moves and computes: exact for a compiled file, a range for an uncompiled one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_ser.edgetpu.compilers import LATEST, Compiler
from edge_ser.edgetpu.cycles import Work, work_of
from edge_ser.edgetpu.instructions import OpInstructions, picture
from edge_ser.edgetpu.interval import Interval, exactly
from edge_ser.edgetpu.model import Model, Operator, Tensor, load_model
from edge_ser.edgetpu.package import CompiledModel, load_compiled
from edge_ser.edgetpu.parameters import padded, parameter_bytes
from edge_ser.edgetpu.prediction import inputs_of, outputs_of, predict_compiled
from edge_ser.edgetpu.rules import check_model
from edge_ser.errors import InputError

_LEAST_TRANSFER = 8
_COMPILED_MAJOR = 16


@dataclass(frozen=True)
class Payload:
    """What one inference moves and computes.

    Attributes:
        name: the model's name.
        exact: whether the bytes are read from a compiled file, and not predicted.
        operations: operations on the Edge TPU; 0 where only the compiled file is there, which does not say.
        instruction_bytes: sent at every inference.
        instructions: the parts that a prediction consists of.
        input_bytes: sent at every inference, padding included.
        output_bytes: received at every inference, padding included.
        output_pixels: pixels of the outputs, which the host rearranges one by one.
        streamed_bytes: parameters sent at every inference.
        first_bytes: what the first inference sends beyond the others.
        resident: what is computed with parameters that are on the chip.
        streaming: what is computed while its parameters arrive.
        unknown_cycles: range of ideal cycles where there is no model to count them in.
        host_ops: operations left to the host, which no estimate covers.
    """

    name: str
    exact: bool
    operations: int
    instruction_bytes: Interval
    instructions: tuple[OpInstructions, ...]
    input_bytes: int
    output_bytes: int
    output_pixels: int
    streamed_bytes: int
    first_bytes: int
    resident: Work
    streaming: Work
    unknown_cycles: Interval | None
    host_ops: tuple[str, ...]


def predicted_payload(model: Model, compiler: Compiler = LATEST) -> Payload:
    """The payload of an uncompiled model.

    Args:
        model: the quantised model.
        compiler: the compiler that will compile it.

    Raises:
        InputError: the model is compiled already, or holds no operation.
    """
    report = check_model(model, compiler)
    prediction = predict_compiled(model, report)
    mapped, _ = report.parts(model)
    outputs = outputs_of(mapped, model)
    sent = prediction.placement.streamed_ops
    return Payload(
        name=model.name,
        exact=False,
        operations=len(mapped),
        instruction_bytes=prediction.instruction_bytes,
        instructions=prediction.instructions,
        input_bytes=sum(padded(tensor.bytes, _LEAST_TRANSFER) for tensor in inputs_of(mapped)),
        output_bytes=sum(_output_bytes(tensor) for tensor in outputs),
        output_pixels=sum(_pixels(tensor) for tensor in outputs),
        streamed_bytes=prediction.streamed_bytes,
        first_bytes=prediction.cached_bytes,
        resident=work_of([op for op in mapped if op.index not in sent]),
        streaming=work_of([op for op in mapped if op.index in sent]),
        unknown_cycles=None,
        host_ops=report.host_ops,
    )


def compiled_payload(compiled: CompiledModel, source: Model | None = None) -> Payload:
    """The payload of a compiled file.

    Args:
        compiled: the file.
        source: the model that it was compiled from; only it says what there is to compute.

    Raises:
        InputError: the source is compiled itself, or holds no operation.
    """
    inputs = sum(item.transferred("input") for item in compiled.inference)
    outputs = sum(item.transferred("output") for item in compiled.inference)
    layers = compiled.outputs
    resident = streaming = Work()
    operations = 0
    if source is not None:
        mapped, _ = check_model(source).parts(source)
        sent = _last_parameters(mapped, compiled.streamed_bytes)
        resident = work_of([op for op in mapped if op.index not in sent])
        streaming = work_of([op for op in mapped if op.index in sent])
        operations = len(mapped)
    return Payload(
        name=compiled.name,
        exact=True,
        operations=operations,
        instruction_bytes=exactly(compiled.instruction_bytes),
        instructions=(),
        input_bytes=inputs or sum(layer.transfer_bytes * layer.executions for layer in compiled.inputs),
        output_bytes=outputs or sum(layer.transfer_bytes * layer.executions for layer in layers),
        output_pixels=sum(max(layer.shape[0], 1) * max(layer.shape[1], 1) for layer in layers),
        streamed_bytes=compiled.streamed_bytes,
        first_bytes=compiled.first_inference_bytes,
        resident=resident,
        streaming=streaming,
        unknown_cycles=None if source is not None else _cycles_of_parameters(compiled),
        host_ops=tuple(op.custom_code or op.name for op in compiled.host_ops),
    )


def _last_parameters(ops: Sequence[Operator], streamed: int) -> frozenset[int]:
    """The operators at the end of the net whose parameters make up the streamed bytes."""
    found = set()
    left = streamed
    for op in reversed(ops):
        size = parameter_bytes(op, _COMPILED_MAJOR)
        if size and left >= size / 2:
            found.add(op.index)
            left -= size
    return frozenset(found)


def _cycles_of_parameters(compiled: CompiledModel) -> Interval:
    """Ideal cycles without the model: what an old compiler counted, or from the parameters alone.

    The count of compilers before 14 is one to four times that of :mod:`edge_ser.edgetpu.cycles`. A parameter is
    used once, by all tiles at the same time, or at most for every value of an input that is halved at once.
    """
    counted = sum(item.estimated_cycles for item in compiled.inference)
    if counted:
        return Interval(counted / 4, counted / 2, counted)
    size = compiled.cached_bytes + compiled.streamed_bytes
    values = sum(math.prod(max(side, 1) for side in layer.shape) for layer in compiled.inputs)
    low, high = size / 4096, size / 256 * max(values / 64, 1)
    return Interval(low, (low * high) ** 0.5, max(low, high))


def _output_bytes(tensor: Tensor) -> int:
    """Bytes of an output as it is received: channels padded to 4, then all to 8 (521 become 528)."""
    channels = max(tensor.shape[-1] if tensor.shape else 1, 1)
    return padded(tensor.bytes // channels * padded(channels, 4), _LEAST_TRANSFER)


def _pixels(tensor: Tensor) -> int:
    height, width, _ = picture(tensor)
    return height * width


def load_payload(path: Path, source: Path | None = None) -> Payload:
    """The payload of a model file, compiled or not.

    Args:
        path: a .tflite file.
        source: for a compiled file, the model that it was compiled from; ``None`` looks for one beside it, without
            the ``_edgetpu`` of its name.

    Raises:
        InputError: a file cannot be read or is damaged, or the source is not that of the compiled file.
    """
    model = load_model(path)
    if not model.compiled:
        if source is not None:
            message = f"{path}: not compiled, so that it is its own source; leave out {source}"
            raise InputError(message)
        return predicted_payload(model)
    compiled = load_compiled(path)
    if source is not None:
        found = load_model(source)
        if found.compiled or not is_source(found, compiled):
            message = f"{source}: not what {path} was compiled from: it is compiled itself, or its inputs are others"
            raise InputError(message)
        return compiled_payload(compiled, found)
    beside = path.with_name(path.name.replace("_edgetpu", ""))
    if beside.name == path.name or not beside.is_file():
        return compiled_payload(compiled)
    found = load_model(beside)
    return compiled_payload(compiled, found if not found.compiled and is_source(found, compiled) else None)


def is_source(model: Model, compiled: CompiledModel) -> bool:
    """Whether a model has as many input values as a compiled file; all that can be told from outside."""
    inside = sum(math.prod(max(side, 1) for side in layer.shape) for layer in compiled.inputs)
    return inside == sum(tensor.elements for tensor in model.inputs) or inside == 0
