"""The keyword net alone in integers: its files and its head, as they would be in a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_ser.integer_head import IntegerHead, Quantized, make_integer_head
from edge_ser.quantization.convert import Converted, convert_net
from edge_ser.quantization.layer_error import output_shift
from edge_ser.training.float_system import FloatKeyword, ranges_file, weights_file
from edge_ser.training.prepared import keyword_calibration


@dataclass(frozen=True)
class QuantizedKeyword:
    """A keyword net in integers.

    Attributes:
        keyword: its files.
        words: its head.
    """

    keyword: Converted
    words: IntegerHead


def quantize_keyword(
    trained: FloatKeyword, folder: Path, output_of: Callable[[bytes], Quantized]
) -> QuantizedKeyword:
    """Convert a keyword net as :func:`edge_ser.quantization.system.quantize_system` converts it in a whole system.

    Args:
        trained: the net.
        folder: where it was trained; holds the weights and the examples to calibrate on.
        output_of: reads how a file's uint8 output stands for real numbers.

    Raises:
        CheckError: the conversion failed or is wrong.
    """
    spec, words = trained.spec, trained.words
    inputs = keyword_calibration(spec, folder)
    ranges = ranges_file(folder, "keyword") if spec.quantization.aware else None
    made = convert_net(spec, "keyword", weights_file(spec, folder, "keyword"), inputs, ranges)
    shift = output_shift(made.float32, made.int8, inputs)
    part = (spec.keyword.embedding, output_of(made.int8))
    head = make_integer_head(words.weights, words.bias + words.weights @ shift, [part])
    return QuantizedKeyword(made, head)
