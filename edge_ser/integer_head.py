"""The integer dense layer that turns embeddings into scores, the same integers here and in the portable C core.

The nets end in uint8 embeddings (one custom op each on the Edge TPU); what follows is small enough for the
Cortex-M7: ``scores[c] = bias[c] + sum_i weights[c, i] * embedding[i]`` in int32, nothing else. The embeddings'
scales and zero points are folded into weights and bias when the head is made.
`firmware_bridge/core/integer_head.c` is the same layer in C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError

_LARGEST_WEIGHT = 2**13 - 1
"""Weights use 14 of int16's bits: with 14 bits the head is exact to well under one score in a thousand, and a
thousand inputs of 255 still fit an int32 sum."""

_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Quantized:
    """How a uint8 tensor stands for real numbers: ``real = scale * (value - zero_point)``.

    Attributes:
        scale: real value per step of the tensor.
        zero_point: the value that stands for 0.
    """

    scale: float
    zero_point: int


@dataclass(frozen=True)
class IntegerHead:
    """A dense layer in integers.

    Attributes:
        weights: int16 (classes, inputs).
        bias: int32 (classes,).
        scale: real value of one score unit, nats; for showing probabilities, never needed to decide.
    """

    weights: NDArray[np.int16]
    bias: NDArray[np.int32]
    scale: float

    def __post_init__(self) -> None:
        """Refuse shapes, types and sums that the C core could not hold.

        Raises:
            InputError: naming what was found.
        """
        if self.weights.dtype != np.int16 or self.weights.ndim != 2:
            message = f"head weights are {self.weights.dtype} {self.weights.shape}; expected int16 (classes, inputs)"
            raise InputError(message)
        if self.bias.dtype != np.int32 or self.bias.shape != self.weights.shape[:1]:
            message = (
                f"head bias is {self.bias.dtype} {self.bias.shape}; expected int32 ({len(self.weights)},)"
            )
            raise InputError(message)
        if not (np.isfinite(self.scale) and self.scale > 0):
            message = f"head scale is {self.scale}; expected a finite number above 0"
            raise InputError(message)
        reach = np.abs(self.weights.astype(np.int64)).sum(axis=1) * 255 + np.abs(self.bias.astype(np.int64))
        if reach.size and int(reach.max()) > _INT32_MAX:
            message = f"head sums reach {int(reach.max())}; expected at most {_INT32_MAX}, make it again"
            raise InputError(message)

    def scores(self, embeddings: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Integer scores.

        Args:
            embeddings: uint8 (n, inputs).

        Returns:
            int32 (n, classes); the largest decides, the lower index where two are equal.
        """
        sums = embeddings.astype(np.int32) @ self.weights.astype(np.int32).T
        scores: NDArray[np.int32] = sums + self.bias
        return scores

    def probabilities(self, scores: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float64]:
        """Softmax of scores (n, classes), for people; float64 (n, classes)."""
        real = scores.astype(np.float64) * self.scale
        raised = np.exp(real - real.max(axis=-1, keepdims=True))
        probabilities: NDArray[np.float64] = raised / raised.sum(axis=-1, keepdims=True)
        return probabilities

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """The head as named arrays for an npz file: weights (classes, inputs), bias (classes,), scale ()."""
        scale = np.asarray(self.scale, dtype=np.float64)
        return {f"{prefix}_weights": self.weights, f"{prefix}_bias": self.bias, f"{prefix}_scale": scale}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], prefix: str) -> IntegerHead:
        """Read the head back; the inverse of :meth:`to_arrays`.

        Raises:
            InputError: an array is missing, or its type or shape is not the head's.
        """
        missing = [
            f"{prefix}_{part}" for part in ("weights", "bias", "scale") if f"{prefix}_{part}" not in arrays
        ]
        if missing:
            message = f"integer head lacks {missing[0]!r}; found {sorted(arrays)}"
            raise InputError(message)
        scale = arrays[f"{prefix}_scale"]
        if scale.dtype != np.float64 or scale.shape != ():
            message = f"head scale is {scale.dtype} {scale.shape}; expected one float64"
            raise InputError(message)
        weights, bias = arrays[f"{prefix}_weights"], arrays[f"{prefix}_bias"]
        return cls(weights=weights, bias=bias, scale=float(scale))  # type: ignore[arg-type]  # checked on entry


def make_integer_head(
    weights: NDArray[np.floating], bias: NDArray[np.floating], inputs: Sequence[tuple[int, Quantized]]
) -> IntegerHead:
    """Fold the embeddings' quantisation into a float dense layer and round it to integers.

    Args:
        weights: float (classes, inputs).
        bias: float (classes,).
        inputs: for each embedding in order, its length and how its uint8 values stand for real numbers.

    Returns:
        The head whose ``scale * scores`` are the float layer's outputs, to rounding.

    Raises:
        InputError: the lengths do not add up to the layer's inputs.
    """
    lengths = [length for length, _ in inputs]
    if sum(lengths) != weights.shape[1]:
        message = f"embeddings hold {sum(lengths)} values; the layer expects {weights.shape[1]}"
        raise InputError(message)
    scales = np.concatenate([np.full(length, quantized.scale) for length, quantized in inputs])
    zeros = np.concatenate([np.full(length, quantized.zero_point) for length, quantized in inputs])
    folded = weights.astype(np.float64) * scales
    scale = max(float(np.abs(folded).max(initial=0.0)) / _LARGEST_WEIGHT, 1e-12)
    rounded = np.rint(folded / scale).astype(np.int16)
    offset = rounded.astype(np.int64) @ zeros.astype(np.int64)
    whole = np.rint(bias.astype(np.float64) / scale).astype(np.int64) - offset
    limited = np.clip(whole, -_INT32_MAX, _INT32_MAX).astype(np.int32)
    return IntegerHead(weights=rounded, bias=limited, scale=scale)
