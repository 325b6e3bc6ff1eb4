"""Which calls register the operations of a model file with the board's TensorFlow Lite Micro."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from edge_ser.edgetpu.model import COMPILED_OP, Model, Operator

COMPILED_CALL: Final = "AddCustom(coralmicro::kCustomOp, coralmicro::RegisterCustomOp())"
"""Adds the one operation that stands for everything that the Edge TPU compiler took."""

_CUSTOM_CALLS: Final = {
    COMPILED_OP: COMPILED_CALL,
    "TFLite_Detection_PostProcess": "AddDetectionPostprocess()",
    "CIRCULAR_BUFFER": "AddCircularBuffer()",
}
_UNLIKE_THEIR_NAMES: Final = {
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
_PARTS: Final = {"2D": "2D"}


def method_of(name: str) -> str:
    """The method of MicroMutableOpResolver that adds a builtin operation, e.g. ``"AddConv2D"`` for ``"CONV_2D"``.

    tensorflow/lite/micro/micro_mutable_op_resolver.h at the commit that coralmicro pins (24c08505).
    """
    words = "".join(_PARTS.get(part, part.capitalize()) for part in name.split("_"))
    return f"Add{_UNLIKE_THEIR_NAMES.get(name, words)}"


def resolver_calls(models: Iterable[Model]) -> tuple[str, ...]:
    """One call for every operation that the models hold, sorted, e.g. ``"AddConv2D()"``.

    What the board cannot run is left to :func:`edge_ser.edgetpu.tflm_ops.board_refusals`; a custom operation that it
    does not know has no call.
    """
    calls = {_call(operator) for model in models for operator in model.operators}
    return tuple(sorted(calls - {""}))


def _call(operator: Operator) -> str:
    if operator.custom_code:
        return _CUSTOM_CALLS.get(operator.custom_code, "")
    return f"{method_of(operator.name)}()"
