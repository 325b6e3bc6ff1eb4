"""Can the Coral Dev Board Micro run these compiled files? Every reason why not.

The board's driver is much smaller than libedgetpu and fails in silence. Each reason names what its code does:
github.com/google-coral/coralmicro (commit c9f665b0), libs/tpu/edgetpu_manager.cc and edgetpu_executable.cc.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_ser.edgetpu.darwinn import CHIP, Executable
from edge_ser.edgetpu.package import CompiledModel, EdgeTpuOp
from edge_ser.edgetpu.tflm_ops import board_refusal

PACKAGES_PER_TOKEN = 2
"""EdgeTpuManager keeps two packages of one caching token (std::array<EdgeTpuPackage*, 2> cached_packages_)."""

NEWEST_RUNTIME = 14
"""The last runtime that was released ("Grouper", 2021)."""


@dataclass(frozen=True)
class MicroVerdict:
    """Whether the Micro runs a set of compiled files.

    Attributes:
        reasons: everything that keeps it from running them; empty where it can.
        notes: what an application must mind all the same.
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def runs(self) -> bool:
        """Whether nothing keeps the Micro from running them."""
        return not self.reasons


def micro_verdict(models: Sequence[CompiledModel]) -> MicroVerdict:
    """Whether the Micro runs these files, in one application and in turns.

    Args:
        models: one compiled file, or several that an application uses together.
    """
    several = len(models) > 1
    reasons, notes = [], []
    for model in models:
        prefix = f"{model.name}: " if several else ""
        reasons += [prefix + reason for reason in _model_reasons(model)]
        notes += [prefix + note for note in _model_notes(model)]
    tokens = Counter(token for model in models for token in model.tokens)
    reasons += [
        f"{count} packages share the caching token {token:#018x} and the driver keeps {PACKAGES_PER_TOKEN}; the"
        " others run with parameters that were never sent: compile at most two models in one call"
        for token, count in tokens.items()
        if count > PACKAGES_PER_TOKEN
    ]
    if len(tokens) > 1:
        notes.append(
            f"{len(tokens)} caching tokens: every change from one model to another sends its parameters again;"
            " compile both models in one call"
        )
    elif several and tokens and sum(tokens.values()) < len(models):
        notes.append(
            "a model without cached parameters makes the driver forget those of the others, which are sent again"
        )
    return MicroVerdict(tuple(reasons), tuple(notes))


def _model_reasons(model: CompiledModel) -> Iterator[str]:
    if len(model.edgetpu_ops) > 1:
        yield (
            f"{len(model.edgetpu_ops)} Edge TPU operations: the Micro runs models with one (coralmicro issues 45"
            " and 46); compile without the switch -a"
        )
    if model.model.subgraphs > 1:
        yield (
            f"the file holds {model.model.subgraphs} graphs and only the first can be checked; export without"
            " control flow (IF, WHILE)"
        )
    for op in model.edgetpu_ops:
        yield from _op_reasons(op)
    for host in model.host_ops:
        refusal = board_refusal(host)
        if refusal is not None:
            tensor = host.outputs[0].name if host.outputs else ""
            yield f"operation {host.index} is left to the host and cannot run there: {refusal} (tensor {tensor!r})"


def _op_reasons(op: EdgeTpuOp) -> Iterator[str]:
    package, inference = op.package, op.package.inference
    if package.min_runtime > NEWEST_RUNTIME:
        yield f"it needs Edge TPU runtime {package.min_runtime}; the last one released is {NEWEST_RUNTIME}"
    if package.chips:
        yield f"it is split over {package.chips} chips and the Micro has one"
    if op.separate_caching:
        yield (
            "its parameters are sent by a second executable outside the package (old format), which the driver"
            " does not read; compile with a newer compiler and without -m 10"
        )
    if inference is None:
        yield "it holds no executable that runs the net"
        return
    inputs = max(len(inference.inputs), sum(tensor is not None for tensor in op.operator.inputs))
    if inputs > 1:
        yield (
            f"{inputs} inputs: the driver reads all of them from the first tensor; join them before the model, and"
            " use dilated convolutions in place of an LSTM, whose state is an input"
        )
    for item in (inference, package.caching):
        if item is not None:
            yield from _executable_reasons(item)
    yield from _transfer_reasons(op, inference)


def _executable_reasons(item: Executable) -> Iterator[str]:
    if item.chip not in ("", CHIP):
        yield f"it is compiled for the chip {item.chip!r}; expected {CHIP!r}"
    if item.scratch_bytes:
        yield f"{item.scratch_bytes} bytes of scratch memory: the driver leaves those transfers out"
    if not item.hinted:
        yield "it announces no transfers, and the driver makes only announced ones"
    elif not item.deterministic:
        yield "not every transfer is announced (not deterministic), and the driver makes only announced ones"
    if item.batch > 1:
        yield f"it takes {item.batch} inputs at once; convert with a batch of one"
    if item.on_board_memory:
        yield "its parameters go to a memory beside the chip, which the Micro does not have"


def _transfer_reasons(op: EdgeTpuOp, inference: Executable) -> Iterator[str]:
    fetched = Counter((item.kind, item.layer) for item in inference.transfers)
    for layer in inference.inputs:
        if layer.signed and fetched["input", layer.name] > 1:
            yield (
                f"input {layer.name!r} is {layer.dtype} and sent in {fetched['input', layer.name]} pieces: the"
                " driver flips its sign bits before each; use uint8"
            )
    for layer in inference.outputs:
        if fetched["output", layer.name] > 1:
            yield (
                f"output {layer.name!r} comes in {fetched['output', layer.name]} pieces, and the driver writes each"
                " over the one before"
            )
    room = {layer.name: layer.transfer_bytes for layer in inference.outputs}
    for item in inference.transfers:
        if item.kind == "output" and item.bytes > room.get(item.layer, item.bytes):
            yield (
                f"output {item.layer!r} comes with {item.bytes} bytes and the driver has room for {room[item.layer]}"
            )
    tensors = [tensor.name for tensor in op.operator.outputs]
    layers = [layer.name for layer in inference.outputs]
    if len(tensors) > len(layers):
        yield f"{len(tensors)} output tensors and {len(layers)} outputs of the Edge TPU"
    elif tensors != layers[: len(tensors)] and sorted(tensors) == sorted(layers):
        yield (
            f"outputs in another order than their tensors ({', '.join(layers)} for {', '.join(tensors)}): the driver"
            " goes by the order"
        )


def _model_notes(model: CompiledModel) -> Iterator[str]:
    entries = {tensor.name for tensor in model.model.inputs}
    # A tensor that a host operation writes is written anew at every Invoke.
    if any(layer.signed and layer.name in entries for layer in model.inputs):
        yield (
            "the input is signed and the driver flips its sign bits in place: fill it anew before every Invoke, or"
            " convert with inference_input_type = uint8"
        )
    if model.host_ops:
        names = ", ".join(dict.fromkeys(op.custom_code or op.name for op in model.host_ops))
        yield f"the application must register {names} beside the Edge TPU operation"
    if model.streamed_bytes:
        yield f"{model.streamed_bytes} bytes of parameters are sent at every inference"
