"""What concerns a model as a whole: what compiles and the Micro cannot run, and what computes wrongly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_ser.edgetpu import limits, schema
from edge_ser.edgetpu.model import Model, Operator
from edge_ser.edgetpu.rule import Confidence

_LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"


@dataclass(frozen=True)
class Note:
    """One remark about a model.

    Attributes:
        name: short name, words joined by hyphens.
        text: what was found, what it means and what to do.
        ops: indices of the operators it is about; empty where it is about the file.
        confidence: where it is known from.
    """

    name: str
    text: str
    ops: tuple[int, ...]
    confidence: Confidence


def model_notes(model: Model, refused: bool) -> tuple[Note, ...]:
    """Everything worth saying about a model.

    Args:
        model: the model.
        refused: whether a rule says that the compiler refuses the whole file.
    """
    notes = [*_input_notes(model), *_layer_notes(model)]
    if refused:
        text = "the compiler refuses this file when it reads it; the other verdicts hold once that is mended"
        notes.insert(0, Note("refused", text, (), "logged"))
    if model.subgraphs > 1:
        text = f"the file holds {model.subgraphs} graphs; only the first one is checked and compiled"
        notes.append(Note("several-graphs", text, (), "inferred"))
    return tuple(notes)


def _input_notes(model: Model) -> Iterator[Note]:
    lstm = _those(model, lambda op: op.name == _LSTM)
    if lstm:
        text = (
            "an LSTM compiles and cannot run on the Coral Dev Board Micro: its state becomes further"
            " inputs and the board's driver serves one; use dilated convolutions over time"
        )
        yield Note("lstm-on-micro", text, lstm, "documented")
    if len(model.inputs) > 1:
        text = (
            f"{len(model.inputs)} inputs compile and cannot run on the Coral Dev Board Micro, whose driver"
            " serves one; join them before the model"
        )
        yield Note("several-inputs-on-micro", text, (), "documented")


def _layer_notes(model: Model) -> Iterator[Note]:
    wrong = _those(model, xnnpack_computes_wrongly)
    if wrong:
        text = (
            "TensorFlow 2.21's own interpreter (XNNPACK) computes wrong values for a K x 1 or 1 x K"
            " convolution with stride 2 in both directions and same padding; score with LiteRT, or use valid"
            " padding, one stride or a 3 x 3 kernel"
        )
        yield Note("xnnpack", text, wrong, "logged")
    per_channel = _those(model, _per_channel_dense)
    if per_channel:
        text = (
            "per-channel FULLY_CONNECTED: the TFLM of the Coral Dev Board Micro (2022) reads only the first"
            " scale and computes wrong values in silence; use a 1x1 CONV_2D"
        )
        yield Note("per-channel-dense-on-micro", text, per_channel, "documented")
    flat = _those(model, streams_parameters)
    if flat:
        text = (
            "a FULLY_CONNECTED with few outputs and many inputs: its parameters are padded to 16 rows and"
            " sent at every inference; pool before it (MEAN)"
        )
        yield Note("wide-flatten", text, flat, "logged")
    large = _those(model, lambda op: sum(tensor.elements for tensor in op.activations) > limits.SRAM_BYTES)
    if large:
        text = (
            "activations of one operation exceed the 8 MiB on the chip: the compiler may fail over large"
            " activation tensors; use a smaller input or stride earlier"
        )
        yield Note("large-activations", text, large, "inferred")


def xnnpack_computes_wrongly(op: Operator) -> bool:
    """The layer that TensorFlow 2.21's default XNNPACK delegate computes wrongly (measured on one layer)."""
    weights, options = op.input(1), op.options
    if op.name != "CONV_2D" or weights is None or len(weights.shape) != 4:
        return False
    height, width = weights.shape[1:3]
    one_sided = (height == 1) != (width == 1)
    strided = options.stride_h == 2 and options.stride_w == 2
    return one_sided and strided and options.padding == schema.PADDING_SAME


def streams_parameters(op: Operator) -> bool:
    """A FULLY_CONNECTED whose rows all lie on one of the 16 tiles and exceed a tile's share of the memory.

    Inferred from one file (edgetpu-tcn): 94,400 inputs, one output, 1.5 MB streamed with 8 MiB free.
    """
    weights = op.input(1)
    if op.name != "FULLY_CONNECTED" or weights is None or len(weights.shape) != 2:
        return False
    rows, columns = weights.shape
    return (
        rows <= limits.TILE_LANES and math.ceil(rows / 16) * 16 * columns > limits.SRAM_BYTES // limits.TILES
    )


def _per_channel_dense(op: Operator) -> bool:
    weights = op.input(1)
    return op.name == "FULLY_CONNECTED" and weights is not None and weights.scales > 1


def _those(model: Model, wanted: Callable[[Operator], bool]) -> tuple[int, ...]:
    return tuple(op.index for op in model.operators if wanted(op))
