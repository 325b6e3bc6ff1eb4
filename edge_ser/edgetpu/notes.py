"""What concerns a model as a whole: what compiles and the Micro cannot run, and what computes wrongly.

A note is a function that looks at a model; its docstring is the message and the manual, as with a rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_ser.edgetpu import limits, schema
from edge_ser.edgetpu.model import Model, Operator
from edge_ser.edgetpu.rule import Confidence, manual
from edge_ser.edgetpu.tflm_ops import per_channel_dense

_LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
_ROW_PAD = 16


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


@dataclass(frozen=True)
class Found:
    """What a note function found: in words, and on which operators."""

    text: str
    ops: tuple[int, ...] = ()


_Look = Callable[[Model], Found | None]


@dataclass(frozen=True)
class ModelRule:
    """One rule about models.

    Attributes:
        name: short name, words joined by hyphens.
        text: what it means.
        rewrite: what to do about it.
        source: where it is known from.
        confidence: how sure that is.
        look: what was found, ``None`` where there is nothing to say.
    """

    name: str
    text: str
    rewrite: str
    source: str
    confidence: Confidence
    look: _Look = field(repr=False)

    def note(self, model: Model) -> Note | None:
        """The remark about a model, ``None`` where there is nothing to say."""
        found = self.look(model)
        if found is None:
            return None
        return Note(
            self.name, f"{found.text}: {self.text} To mend: {self.rewrite}.", found.ops, self.confidence
        )


def model_rule(confidence: Confidence) -> Callable[[_Look], ModelRule]:
    """Make a :class:`ModelRule` of a function and its docstring."""

    def wrap(look: _Look) -> ModelRule:
        words = manual(look.__doc__)
        name = look.__name__.replace("_", "-")
        return ModelRule(name, words.text, words.rewrite, words.source, confidence, look)

    return wrap


@model_rule("inferred")
def several_graphs(model: Model) -> Found | None:
    """Only the first graph of a file is checked and compiled.

    Rewrite: export without control flow (WHILE, IF).

    Source: inferred: every compiled file holds one graph
    """
    return Found(f"the file holds {model.subgraphs} graphs") if model.subgraphs > 1 else None


@model_rule("documented")
def lstm_on_micro(model: Model) -> Found | None:
    """An LSTM compiles; the Coral Dev Board Micro cannot run it, for its state becomes further inputs.

    Rewrite: use dilated convolutions over time.

    Source: the driver in github.com/google-coral/coralmicro serves one input; the vendor's compiled LSTM has
    three inputs and scratch memory
    """
    return _those(model, "LSTM", lambda op: op.name == _LSTM)


@model_rule("documented")
def several_inputs_on_micro(model: Model) -> Found | None:
    """Several inputs compile; the Coral Dev Board Micro cannot run them, its driver serves one.

    Rewrite: join the inputs before the model.

    Source: the driver in github.com/google-coral/coralmicro
    """
    return Found(f"{len(model.inputs)} inputs") if len(model.inputs) > 1 else None


@model_rule("logged")
def xnnpack(model: Model) -> Found | None:
    """TensorFlow 2.21's own interpreter, by its XNNPACK delegate, computes this convolution wrongly.

    Rewrite: score with LiteRT, or use valid padding, one stride or a 3 x 3 kernel.

    Source: measured on one layer: off by up to 4.2, in float too; LiteRT and TensorFlow Lite Micro are right
    """
    text = "a K x 1 or 1 x K convolution with stride 2 in both directions and same padding"
    return _those(model, text, xnnpack_computes_wrongly)


@model_rule("documented")
def per_channel_dense_on_micro(model: Model) -> Found | None:
    """On the board's CPU the TensorFlow Lite Micro of 2022 reads only the first scale and computes wrong values
    in silence; the Edge TPU is not concerned.

    Rewrite: use a 1x1 CONV_2D, or set
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True.

    Source: github.com/tensorflow/tflite-micro/pull/2602
    """
    return _those(model, "FULLY_CONNECTED with a scale per channel", per_channel_dense)


@model_rule("logged")
def wide_flatten(model: Model) -> Found | None:
    """The parameters of a dense layer are padded to 16 outputs; so wide, they are sent at every inference.

    Rewrite: pool before the dense layer (MEAN) instead of flattening.

    Source: the compiled edgetpu-tcn: 94,400 inputs, one output, 1,510,464 bytes streamed
    """
    flat = [op for op in model.operators if streams_parameters(op)]
    if not flat:
        return None
    rows, columns = _dense_shape(flat[0])
    size = math.ceil(rows / _ROW_PAD) * _ROW_PAD * columns
    text = f"FULLY_CONNECTED with {columns:,} inputs and {rows} outputs, about {size:,} bytes"
    return Found(text, tuple(op.index for op in flat))


@model_rule("inferred")
def large_activations(model: Model) -> Found | None:
    """The compiler may fail over large activation tensors, or keep a part of them in the host's memory, which
    the Coral Dev Board Micro ignores; files with three times as much have compiled.

    Rewrite: use a smaller input or stride earlier, and let the compiler try --search_delegate.

    Source: "Compilation failed due to large activation tensors", edgetpu issues 439, 508 and 512; the
    compiled DeepLab (mobilenet_edgetpu_slim) keeps 1.4 MB on the host
    """
    text = "activations of one operation exceed the 8 MiB on the chip"
    return _those(model, text, lambda op: sum(t.bytes for t in op.activations) > limits.SRAM_BYTES)


MODEL_RULES: tuple[ModelRule, ...] = (
    several_graphs,
    lstm_on_micro,
    several_inputs_on_micro,
    xnnpack,
    per_channel_dense_on_micro,
    wide_flatten,
    large_activations,
)
"""Every rule about models."""


def model_notes(model: Model, refused: bool) -> tuple[Note, ...]:
    """Everything worth saying about a model.

    Args:
        model: the model.
        refused: whether a rule says that the compiler refuses the whole file.
    """
    notes = [note for item in MODEL_RULES if (note := item.note(model)) is not None]
    if refused:
        text = "the compiler refuses this file when it reads it; the other verdicts hold once that is mended"
        notes.insert(0, Note("refused", text, (), "logged"))
    return tuple(notes)


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
    rows, columns = _dense_shape(op)
    padded = math.ceil(rows / _ROW_PAD) * _ROW_PAD * columns
    return 0 < rows <= limits.TILE_LANES and padded > limits.SRAM_BYTES // limits.TILES


def _dense_shape(op: Operator) -> tuple[int, int]:
    """Outputs and inputs of a FULLY_CONNECTED, (0, 0) for anything else."""
    weights = op.input(1)
    if op.name != "FULLY_CONNECTED" or weights is None or len(weights.shape) != 2:
        return 0, 0
    return weights.shape[0], weights.shape[1]


def _those(model: Model, text: str, wanted: Callable[[Operator], bool]) -> Found | None:
    ops = tuple(op.index for op in model.operators if wanted(op))
    return Found(text, ops) if ops else None
