"""Conversion of one trained net to a float and an int8 TFLite file, in a process of its own.

The converter can die with a signal; in a child process that becomes a message. Run as
``python -m edge_ser.quantization.convert REQUEST.json`` it is that child.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import CheckError
from edge_ser.files import read_json, write_json
from edge_ser.spec import FLOAT_ONLY_MIXING, SystemSpec
from edge_ser.spec_file import spec_from_dict

if TYPE_CHECKING:
    import keras

NetName = Literal["keyword", "acoustic"]

_FLOAT_TOLERANCE = 1e-3
"""Largest difference allowed between Keras and the float TFLite file; more means a wrong conversion, not rounding."""

_COMPARED = 32
"""Inputs that the int8 file is compared with the fake-quantised net on."""


@dataclass(frozen=True)
class Converted:
    """One net as files.

    Attributes:
        int8: the file that ships: int8 inside, uint8 at the borders.
        float32: the same net in float, for comparison only.
        keras_difference: largest difference of an embedding value (dimensionless) between Keras and the float file on
            calibration inputs.
        fake_quant_difference_lsb: largest difference between the fake-quantised Keras net and the int8 file's output
            on calibration inputs, in steps of that output; ``None`` for the float-only attention.
    """

    int8: bytes
    float32: bytes
    keras_difference: float
    fake_quant_difference_lsb: int | None


def convert_net(
    spec: SystemSpec,
    net: NetName,
    weights: Path,
    calibration: NDArray[np.uint8],
    ranges: Path | None = None,
) -> Converted:
    """Convert a trained net.

    Args:
        spec: the system.
        net: which of its nets.
        weights: the Keras weights file of the net with its classifier.
        calibration: uint8 (n, frames, channels) of training speakers; they set the activation ranges
            where there are none.
        ranges: the file of activation ranges that quantisation-aware training left; ``None`` to measure them.

    Returns:
        The files.

    Raises:
        CheckError: the converter failed or crashed, the float file differs from Keras, or the int8 file's input
            is not exactly the front end's uint8.
    """
    with tempfile.TemporaryDirectory(prefix="edge-ser-convert-") as folder:
        place = Path(folder)
        np.save(place / "calibration.npy", calibration, allow_pickle=False)
        request = {"spec": spec.to_dict(), "net": net, "weights": str(weights.resolve())}
        if ranges is not None:
            request["ranges"] = str(ranges.resolve())
        write_json(place / "request.json", request)
        command = [sys.executable, "-m", "edge_ser.quantization.convert", str(place / "request.json")]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        child = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if child.returncode != 0:
            raise CheckError(_failure(net, child.returncode, child.stderr))
        result = read_json(place / "result.json")
        difference = float(result["keras_difference"])
        if difference > _FLOAT_TOLERANCE:
            message = (
                f"{net}: the float TFLite file differs from Keras by {difference:.3g}, expected at most "
                f"{_FLOAT_TOLERANCE}; the conversion is wrong, report it with the spec"
            )
            raise CheckError(message)
        return Converted(
            int8=(place / "int8.tflite").read_bytes(),
            float32=(place / "float32.tflite").read_bytes(),
            keras_difference=difference,
            fake_quant_difference_lsb=result["fake_quant_difference_lsb"],
        )


def _failure(net: str, code: int, errors: str) -> str:
    last = next((line for line in reversed(errors.splitlines()) if line.strip()), "it printed nothing")
    if code < 0:
        return f"{net}: the converter was ended by {signal.Signals(-code).name}; last words: {last}"
    return f"{net}: the converter failed with exit code {code}; last words: {last}"


def _representative(calibration: NDArray[np.uint8]) -> Iterator[list[NDArray[np.float32]]]:
    """Calibration inputs; the first has one value at 0 and one at 255, so that the input's scale is 1/255 exactly."""
    for index, features in enumerate(calibration):
        values = features.copy()
        if index == 0:
            values[0, 0], values[0, -1] = 0, 255
        yield [values[np.newaxis, ..., np.newaxis].astype(np.float32) / np.float32(255)]


def _convert(request: Path) -> None:
    """The child's work: build at batch 1, load weights, convert twice, compare with Keras."""
    import keras
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from edge_ser.networks.acoustic import build_acoustic
    from edge_ser.networks.keyword import build_keyword
    from edge_ser.networks.layers import with_classifier
    from edge_ser.quantization.aware import load_ranges
    from edge_ser.quantization.fake_quant import (
        align_means,
        fake_quantized,
        leave_room,
        measure_ranges,
    )

    asked = read_json(request)
    spec = spec_from_dict(asked["spec"], source="convert request")
    calibration = np.load(request.parent / "calibration.npy", allow_pickle=False)
    # A fixed batch of 1: a free one leaves SHAPE, STRIDED_SLICE and PACK in the file.
    net = (build_keyword if asked["net"] == "keyword" else build_acoustic)(spec, batch_size=1)
    classes = len(spec.keyword.classes if asked["net"] == "keyword" else spec.acoustic.classes)
    with_classifier(net, classes, 0.0).load_weights(asked["weights"])

    float32 = tf.lite.TFLiteConverter.from_keras_model(net).convert()
    # Fake-quantised nodes tell the converter their ranges; it measures only what has none, which here is nothing. Left
    # to itself it would take the extremes: of means, which runtimes would then round differently, and of vectors, which
    # other voices leave.
    quantized = None
    if asked["net"] == "keyword" or spec.acoustic.mixing != FLOAT_ONLY_MIXING:
        quantized = fake_quantized(
            net,
            load_ranges(Path(asked["ranges"]))
            if "ranges" in asked
            else align_means(net, leave_room(net, measure_ranges(net, calibration))),
        )
    converter = tf.lite.TFLiteConverter.from_keras_model(quantized or net)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _representative(calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    # Per-channel Dense is read wrongly by the board's TFLM; the nets hold no Dense, the switch is belt and braces.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    int8 = converter.convert()

    interpreter = Interpreter(model_content=float32)
    interpreter.allocate_tensors()
    entry, leave = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    difference = 0.0
    for (features,) in list(_representative(calibration))[:8]:
        interpreter.set_tensor(entry, features)
        interpreter.invoke()
        expected = keras.ops.convert_to_numpy(net(features, training=False))
        difference = max(difference, float(np.abs(interpreter.get_tensor(leave) - expected).max()))
    (request.parent / "float32.tflite").write_bytes(float32)
    (request.parent / "int8.tflite").write_bytes(int8)
    result = {
        "keras_difference": difference,
        "fake_quant_difference_lsb": None
        if quantized is None
        else _difference_lsb(quantized, int8, calibration),
    }
    write_json(request.parent / "result.json", result)


def _difference_lsb(quantized: keras.Model, int8: bytes, features: NDArray[np.uint8]) -> int:
    """Largest difference of the int8 file from the fake-quantised net, in steps of its output."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=int8, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    entry, leave = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = leave["quantization"]
    largest = 0
    for one in features[:_COMPARED]:
        interpreter.set_tensor(entry["index"], one[np.newaxis, ..., np.newaxis])
        interpreter.invoke()
        found = interpreter.get_tensor(leave["index"]).astype(np.int64)
        real = np.asarray(quantized(one[np.newaxis, ..., np.newaxis] / np.float32(255), training=False))
        expected = np.rint(real / scale).astype(np.int64) + zero_point
        largest = max(largest, int(np.abs(found - expected).max()))
    return largest


if __name__ == "__main__":
    _convert(Path(sys.argv[1]))
