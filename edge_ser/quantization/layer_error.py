"""Per-layer error of an int8 file against the float file it came from: the files themselves, not models rebuilt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray


@dataclass(frozen=True)
class LayerError:
    """How far one tensor of the int8 file is from the same tensor in float.

    Attributes:
        tensor: its name, the same in both files.
        snr_db: signal-to-noise ratio over all inputs, decibels; ``None`` where the signal or the noise is zero.
    """

    tensor: str
    snr_db: float | None


def layer_errors(float32: bytes, int8: bytes, features: NDArray[np.uint8]) -> tuple[LayerError, ...]:
    """Compare every tensor that both files compute.

    Args:
        float32: the float TFLite file.
        int8: the int8 file with uint8 borders.
        features: uint8 (n, frames, channels), the inputs to compare on.

    Returns:
        One row per tensor, in execution order.
    """
    ground, quantized = _open(float32), _open(int8)
    shared = _computed(ground)
    pairs = [(name, shared[name], index) for name, index in _computed(quantized).items() if name in shared]
    signal, noise = np.zeros(len(pairs)), np.zeros(len(pairs))
    details = {entry["index"]: entry for entry in quantized.get_tensor_details()}
    for one in features:
        _run(ground, one.astype(np.float32)[np.newaxis, ..., np.newaxis] / np.float32(255))
        _run(quantized, one[np.newaxis, ..., np.newaxis])
        for at, (_, in_float, in_int8) in enumerate(pairs):
            expected = ground.get_tensor(in_float).astype(np.float64)
            scale, zero_point = details[in_int8]["quantization"]
            found = (quantized.get_tensor(in_int8).astype(np.float64) - zero_point) * scale
            signal[at] += float((expected**2).sum())
            noise[at] += float(((found - expected) ** 2).sum())
    return tuple(
        LayerError(name, round(10 * math.log10(s / n), 2) if s > 0 and n > 0 else None)
        for (name, _, _), s, n in zip(pairs, signal, noise, strict=True)
    )


def output_shift(float32: bytes, int8: bytes, features: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How far the int8 file's output lies below the float file's on average, value by value.

    Rounding shifts the mean of an output; a layer behind it can take the shift back in its bias at no cost (bias
    correction, Nagel et al., arXiv 1906.04721).

    Args:
        float32: the float TFLite file.
        int8: the int8 file with uint8 borders.
        features: uint8 (n, frames, channels), training speakers.

    Returns:
        float64 (outputs,), float minus int8.
    """
    ground, quantized = _open(float32), _open(int8)
    leave = quantized.get_output_details()[0]
    scale, zero_point = leave["quantization"]
    shift = np.zeros(int(np.prod(leave["shape"])))
    for one in features:
        _run(ground, one.astype(np.float32)[np.newaxis, ..., np.newaxis] / np.float32(255))
        _run(quantized, one[np.newaxis, ..., np.newaxis])
        expected = ground.get_tensor(ground.get_output_details()[0]["index"]).ravel()
        shift += (
            expected - (quantized.get_tensor(leave["index"]).ravel().astype(np.float64) - zero_point) * scale
        )
    mean: NDArray[np.float64] = shift / len(features)
    return mean


def _open(model: bytes) -> Any:
    interpreter = Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def _computed(interpreter: Any) -> dict[str, int]:
    """Name → index of every tensor that an operator writes, in execution order."""
    names = {entry["index"]: entry["name"] for entry in interpreter.get_tensor_details()}
    operators = interpreter._get_ops_details()
    return {
        names[int(index)]: int(index)
        for operator in operators
        for index in operator["outputs"]
        if int(index) in names
    }


def _run(interpreter: Any, value: NDArray[np.generic]) -> None:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
    interpreter.invoke()
