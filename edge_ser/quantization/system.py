"""From a trained system to the integers that ship: two int8 files, the integer heads, and what quantisation cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_ser.integer_head import IntegerHead, Quantized, make_integer_head
from edge_ser.quantization.convert import Converted, convert_net
from edge_ser.quantization.layer_error import LayerError, layer_errors, output_shift
from edge_ser.training.system import FloatSystem, calibration_features, weights_file

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
    """

    keyword: Converted
    acoustic: Converted
    words: IntegerHead
    fusion: IntegerHead
    errors: dict[str, tuple[LayerError, ...]]

    def report(self) -> dict[str, Any]:
        """What a person should know of it, ready for JSON."""
        return {
            "bytes": {"keyword": len(self.keyword.int8), "acoustic": len(self.acoustic.int8)},
            "keras_difference": {
                "keyword": self.keyword.keras_difference,
                "acoustic": self.acoustic.keras_difference,
            },
            "layers": {
                net: [{"tensor": row.tensor, "snr_db": row.snr_db} for row in rows]
                for net, rows in self.errors.items()
            },
        }


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
    keyword = convert_net(spec, "keyword", weights_file(folder, "keyword"), keyword_inputs)
    advance(1)
    acoustic = convert_net(spec, "acoustic", weights_file(folder, "acoustic"), acoustic_inputs)
    advance(1)
    keyword_part = (spec.keyword.embedding, output_of(keyword.int8))
    acoustic_part = (spec.acoustic.embedding, output_of(acoustic.int8))
    keyword_shift = output_shift(keyword.float32, keyword.int8, keyword_inputs)
    acoustic_shift = output_shift(acoustic.float32, acoustic.int8, acoustic_inputs)
    words, fusion = system.words, system.fusion
    fusion_bias = fusion.bias + fusion.weights @ np.concatenate([acoustic_shift, keyword_shift])
    return QuantizedSystem(
        keyword=keyword,
        acoustic=acoustic,
        words=make_integer_head(words.weights, words.bias + words.weights @ keyword_shift, [keyword_part]),
        fusion=make_integer_head(fusion.weights, fusion_bias, [acoustic_part, keyword_part]),
        errors={
            "keyword": layer_errors(keyword.float32, keyword.int8, keyword_inputs[:_ERROR_INPUTS]),
            "acoustic": layer_errors(acoustic.float32, acoustic.int8, acoustic_inputs[:_ERROR_INPUTS]),
        },
    )
