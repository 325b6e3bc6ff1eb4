"""Eleven thousand damaged compiled files: each is read, or refused with an error of our own, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fuzz_harness import fuzz_models, survive, survive_at_random
from package_builder import Compiled, Layer

DRAWN, RANDOM = 5_000, 6_000
REAL = (
    "coralmicro/testconv1-edgetpu.tflite",
    "lstm/keras_lstm_mnist_ptq_edgetpu.tflite",
    "stride_padding/model_padding_2x2x3_edgetpu.tflite",
    "edgetpu_2020/mobilenet_v1_0.25_128_quant_edgetpu.tflite",
)


def _seeds() -> list[bytes]:
    plain = Compiled()
    return [
        file.data()
        for file in (
            plain,
            replace(plain, cached=0, streamed=512, scratch=64),
            replace(plain, ops=2, host=("SOFTMAX", "DEQUANTIZE")),
            replace(plain, inputs=(Layer("a", 16), Layer("b", 16, dtype=8)), instructions=(64, 32)),
        )
    ]


def test_damaged_compiled_files() -> None:
    outcomes = survive(_seeds(), DRAWN) + survive_at_random(_seeds(), RANDOM, 1)
    assert outcomes.total() >= DRAWN + RANDOM
    # Both ends are reached: damage that is noticed, and damage that gives another file.
    assert outcomes["read, compiled"] > DRAWN // 20
    assert outcomes["refused"] > DRAWN // 10


def test_damaged_real_compiled_files(shared_models: Callable[[str], Path]) -> None:
    outcomes = survive_at_random([shared_models(name).read_bytes() for name in REAL], 1_500, 2)
    assert {"read, compiled", "refused"} <= set(outcomes)


def test_every_beginning_of_a_compiled_file_is_refused_or_read() -> None:
    data = Compiled().data()
    for size in range(0, len(data), 3):
        with fuzz_models.bounded():
            fuzz_models.examine(data[:size])
