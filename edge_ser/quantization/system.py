"""From a trained system to the integers that ship: two int8 files, the integer heads, and what quantisation cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.bundle_controls import ControlHead, Controls, control_members
from edge_ser.errors import CheckError
from edge_ser.frontend.tables import make_tables
from edge_ser.integer_head import IntegerHead, Quantized, make_integer_head
from edge_ser.npz import npz_bytes
from edge_ser.quantization.convert import Converted, NetName, convert_net
from edge_ser.quantization.layer_error import LayerError, layer_errors, output_shift
from edge_ser.spec import FLOAT_ONLY_MIXING, SystemSpec
from edge_ser.training.float_system import FloatSystem, ranges_file, weights_file
from edge_ser.training.fusion import FloatHead
from edge_ser.training.prepared import calibration_features

_ERROR_INPUTS = 16
"""Calibration inputs that the per-layer error is measured on: enough for a decibel, few enough for seconds."""


@dataclass(frozen=True)
class QuantizedSystem:
    """A system in integers.

    Attributes:
        keyword: the keyword net's files.
        acoustic: the acoustic net's files.
        words: keyword head.
        fusion: fusion head.
        errors: per-layer error by net.
        controls: heads that say what the keywords are worth; ``None`` where the training left none.
    """

    keyword: Converted
    acoustic: Converted
    words: IntegerHead
    fusion: IntegerHead
    errors: dict[str, tuple[LayerError, ...]]
    controls: Controls | None = None

    def members(self, spec: SystemSpec) -> dict[str, bytes]:
        """The members of a bundle that compute: both nets, the front end's tables, the integer heads."""
        heads = {**self.fusion.to_arrays("fusion"), **self.words.to_arrays("words")}
        return {
            "keyword.tflite": self.keyword.int8,
            "acoustic.tflite": self.acoustic.int8,
            "frontend_tables.npz": npz_bytes(make_tables(spec.frontend).to_arrays()),
            "fusion.npz": npz_bytes(heads),
            **(control_members(self.controls) if self.controls is not None else {}),
        }

    def report(self) -> dict[str, Any]:
        """What a person should know of it, ready for JSON."""
        return {
            "bytes": {"keyword": len(self.keyword.int8), "acoustic": len(self.acoustic.int8)},
            "keras_difference": {
                "keyword": self.keyword.keras_difference,
                "acoustic": self.acoustic.keras_difference,
            },
            "fake_quant_difference_lsb": {
                "keyword": self.keyword.fake_quant_difference_lsb,
                "acoustic": self.acoustic.fake_quant_difference_lsb,
            },
            "layers": {
                net: [{"tensor": row.tensor, "snr_db": row.snr_db} for row in rows]
                for net, rows in self.errors.items()
            },
        }


def require_device(spec: SystemSpec) -> None:
    """Refuse a system that no device of ours will ever run; an evaluation may score it beside others all the same.

    Raises:
        CheckError: its acoustic net is the reference that no compiler maps.
    """
    if spec.acoustic.mixing == FLOAT_ONLY_MIXING:
        message = (
            f"acoustic.mixing is {FLOAT_ONLY_MIXING!r}, the float reference: it multiplies two activations, "
            "which no Edge TPU compiler maps, so no bundle is made of it; set it to gated, external, fixed, temporal "
            "or none, and train again"
        )
        raise CheckError(message)


def quantize_system(
    system: FloatSystem, folder: Path, output_of: Callable[[bytes], Quantized], advance: Callable[[int], None]
) -> QuantizedSystem:
    """Convert both nets and fold their embeddings' scales, and the mean shift of rounding, into the integer heads.

    Args:
        system: the trained system.
        folder: where it was trained; holds the weights and the examples to calibrate on.
        output_of: reads how a file's uint8 output stands for real numbers.
        advance: called with 1 after each of two nets.

    Raises:
        CheckError: a conversion failed or is wrong.
    """
    spec = system.spec
    keyword_inputs, acoustic_inputs = calibration_features(spec, folder)
    keyword = _converted(spec, "keyword", folder, keyword_inputs)
    advance(1)
    acoustic = _converted(spec, "acoustic", folder, acoustic_inputs)
    advance(1)
    keyword_part = (spec.keyword.embedding, output_of(keyword.int8))
    acoustic_part = (spec.acoustic.embedding, output_of(acoustic.int8))
    keyword_shift = output_shift(keyword.float32, keyword.int8, keyword_inputs)
    acoustic_shift = output_shift(acoustic.float32, acoustic.int8, acoustic_inputs)
    words = system.words
    shift, inputs = np.concatenate([acoustic_shift, keyword_shift]), [acoustic_part, keyword_part]
    return QuantizedSystem(
        keyword=keyword,
        acoustic=acoustic,
        words=make_integer_head(words.weights, words.bias + words.weights @ keyword_shift, [keyword_part]),
        fusion=_fused(system.fusion, shift, inputs),
        errors={
            "keyword": layer_errors(keyword.float32, keyword.int8, keyword_inputs[:_ERROR_INPUTS]),
            "acoustic": layer_errors(acoustic.float32, acoustic.int8, acoustic_inputs[:_ERROR_INPUTS]),
        },
        controls=_controls(system, shift, inputs),
    )


def _fused(
    head: FloatHead, shift: NDArray[np.float64], inputs: Sequence[tuple[int, Quantized]]
) -> IntegerHead:
    """A head on both embeddings in integers; ``shift`` is what rounding moved the embeddings by on average."""
    return make_integer_head(head.weights, head.bias + head.weights @ shift, inputs)


def _controls(
    system: FloatSystem, shift: NDArray[np.float64], inputs: Sequence[tuple[int, Quantized]]
) -> Controls | None:
    """The control heads, made as the fusion head is."""
    if not system.controls:
        return None
    silent = np.zeros((len(system.alone.bias), system.spec.keyword.embedding))
    alone = FloatHead(np.hstack([system.alone.weights, silent]), system.alone.bias)
    heads = [
        ControlHead(_fused(head, shift, inputs), head.weights, head.bias)
        for head in (alone, *system.controls)
    ]
    return Controls(heads[0], tuple(heads[1:]))


def _converted(spec: SystemSpec, net: NetName, folder: Path, calibration: NDArray[np.uint8]) -> Converted:
    ranges = ranges_file(folder, net) if spec.quantization.aware else None
    return convert_net(spec, net, weights_file(spec, folder, net), calibration, ranges)
