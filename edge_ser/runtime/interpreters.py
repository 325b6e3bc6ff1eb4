"""Interpreters that run one net: LiteRT, or tflite-runtime where only that is installed (Coral's Linux hosts)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError, MissingError
from edge_ser.integer_head import Quantized


@dataclass(frozen=True)
class Kernels:
    """What computes the nets' operations on this machine.

    Attributes:
        threads: threads of one inference.
        xnnpack: whether LiteRT's XNNPACK delegate takes what it can; its values may differ from the board's.
        delegate: shared library of a delegate that is loaded for the whole process, ``""`` for none.
        reference: LiteRT's reference kernels instead of the optimised ones; without meaning to a delegate.
    """

    threads: int = 1
    xnnpack: bool = False
    delegate: str = ""
    reference: bool = False


BUILT_IN: Final = Kernels()
"""LiteRT's built-in kernels on one thread: what bundles are scored with."""

REFERENCE: Final = Kernels(reference=True)
"""LiteRT's reference kernels, which TFLM follows to the bit but for the factor of a product; slow."""


class Net(Protocol):
    """One net of a bundle, whatever runs it."""

    @property
    def output(self) -> Quantized:
        """How the embedding's uint8 values stand for real numbers."""
        ...

    @property
    def embedding_size(self) -> int:
        """Values in the embedding."""
        ...

    def embed(self, features: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (n, frames, channels) → uint8 (n, embedding)."""
        ...


class LiteRtNet:
    """A net run on this CPU by LiteRT, with its built-in kernels unless others are asked for.

    The built-in kernels and not the XNNPACK delegate: they are the arithmetic that TFLM has on the board, and one
    version of TensorFlow's delegate computes wrong values for a common kind of layer.
    """

    def __init__(
        self, model: bytes, name: str, frames: int, channels: int, kernels: Kernels = BUILT_IN
    ) -> None:
        """Load a model.

        Args:
            model: the TFLite file, uint8 (1, frames, channels, 1) in, uint8 (1, ..., embedding) out.
            name: what to call it in errors.
            frames: frames that the spec says it reads.
            channels: channels that the spec says it reads.
            kernels: what computes.

        Raises:
            InputError: not a model, not of that shape and type, or its input is not the front end's uint8.
            MissingError: neither LiteRT nor tflite-runtime is installed, or the delegate cannot be loaded.
        """
        try:
            self._interpreter = _interpreter(model, kernels)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            message = f"{name}: not a TFLite model that this runtime can load ({str(error).splitlines()[0]})"
            raise InputError(message) from None
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            message = f"{name}: has {len(inputs)} inputs and {len(outputs)} outputs; expected one of each"
            raise InputError(message)
        shape = tuple(int(size) for size in inputs[0]["shape"])
        if inputs[0]["dtype"] != np.uint8 or shape != (1, frames, channels, 1):
            found = np.dtype(inputs[0]["dtype"]).name
            message = f"{name}: input is {found} {shape}; the spec expects uint8 {(1, frames, channels, 1)}"
            raise InputError(message)
        scale, zero_point = inputs[0]["quantization"]
        if zero_point != 0 or not math.isclose(scale, 1 / 255, rel_tol=1e-5):
            message = (
                f"{name}: input scale is {scale:.8f}, zero point {zero_point}; expected 1/255 and 0, "
                "so that features go in as they are; quantize it again"
            )
            raise InputError(message)
        if outputs[0]["dtype"] != np.uint8:
            message = f"{name}: output is {np.dtype(outputs[0]['dtype']).name}; expected uint8"
            raise InputError(message)
        scale, zero_point = outputs[0]["quantization"]
        self._entry, self._exit = inputs[0]["index"], outputs[0]["index"]
        self._size = int(np.prod(outputs[0]["shape"]))
        self._output = Quantized(scale=float(scale), zero_point=int(zero_point))

    @property
    def output(self) -> Quantized:
        """How the embedding's uint8 values stand for real numbers."""
        return self._output

    @property
    def embedding_size(self) -> int:
        """Values in the embedding."""
        return self._size

    def embed(self, features: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (n, frames, channels) → uint8 (n, embedding)."""
        embeddings = np.empty((len(features), self._size), dtype=np.uint8)
        for row, one in zip(embeddings, features, strict=True):
            self._interpreter.set_tensor(self._entry, one[np.newaxis, ..., np.newaxis])
            self._interpreter.invoke()
            row[:] = self._interpreter.get_tensor(self._exit).ravel()
        return embeddings


def output_quantization(model: bytes) -> Quantized:
    """How the only output of a TFLite file stands for real numbers."""
    interpreter = _interpreter(model)
    scale, zero_point = interpreter.get_output_details()[0]["quantization"]
    return Quantized(scale=float(scale), zero_point=int(zero_point))


def _interpreter(model: bytes, kernels: Kernels = BUILT_IN) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType, load_delegate
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter, OpResolverType, load_delegate
        except ImportError:
            message = "no TFLite runtime is installed; install one with: pip install ai-edge-litert"
            raise MissingError(message) from None
    delegates = None
    if kernels.delegate:
        try:
            delegates = [load_delegate(kernels.delegate)]
        except (OSError, ValueError) as error:
            words = (str(error).splitlines() or ["no reason given"])[0]
            message = (
                f"{kernels.delegate}: cannot be loaded as a delegate ({words}); is the device plugged in?"
            )
            raise MissingError(message) from None
    resolver = OpResolverType.BUILTIN if kernels.xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    if kernels.reference:
        resolver = OpResolverType.BUILTIN_REF
    return Interpreter(
        model_content=model,
        num_threads=kernels.threads,
        experimental_op_resolver_type=resolver,
        experimental_delegates=delegates,
    )
