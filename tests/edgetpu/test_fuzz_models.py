"""Eleven thousand damaged models: each is read, or refused with an error of our own, within bounds.

With the eleven thousand compiled files of test_fuzz_compiled.py that is over twenty thousand in every run.
"""

from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz_harness import fuzz_models, survive, survive_at_random
from tflite_builder import small_net

from edge_ser.edgetpu.probe import probe_files

DRAWN, RANDOM = 5_000, 6_000
REAL = (
    "lstm/keras_lstm_mnist_ptq.tflite",
    "tcn/quantized_model.tflite",
    "stride_padding/model_padding_stride_2x2x3.tflite",
    "test_data_2021/mobilenet_v1_0.25_128_quant.tflite",
)


def _seeds() -> list[bytes]:
    return [small_net(4), small_net(8, extra="HARD_SWISH"), *probe_files().values()]


def test_damaged_models() -> None:
    outcomes = survive(_seeds(), DRAWN) + survive_at_random(_seeds(), RANDOM, 1)
    assert outcomes.total() >= DRAWN + RANDOM
    # Both ends are reached: damage that is noticed, and damage that gives another model.
    assert outcomes["read"] > DRAWN // 100
    assert outcomes["refused"] > DRAWN // 10


def test_damaged_real_models(shared_models: Callable[[str], Path]) -> None:
    outcomes = survive_at_random([shared_models(name).read_bytes() for name in REAL], 1_500, 2)
    assert set(outcomes) == {"read", "refused"}


def test_every_beginning_of_a_model_is_refused_or_read() -> None:
    data = small_net(4)
    for size in range(len(data)):
        with fuzz_models.bounded():
            fuzz_models.examine(data[:size])


def test_the_bounds_are_kept() -> None:
    with pytest.raises(fuzz_models.TookTooLongError), fuzz_models.bounded(seconds=0.05):
        time.sleep(5)
    # Growth is told from the process's largest size so far, which other tests may have made large.
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with pytest.raises(MemoryError, match="grew by"), fuzz_models.bounded(peak_bytes=1024):
        len(b"x" * largest)


def test_an_error_that_is_not_ours_is_found() -> None:
    def broken(data: bytes) -> str:
        return str(data.index(b"TFL3"))

    with pytest.raises(ValueError, match="subsection not found"):
        survive([small_net(4)], 300, broken)


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed (edge-ser[dev])"
)
def test_fuzzing_guided_by_coverage(tmp_path: Path) -> None:
    tool = Path(fuzz_models.__file__)
    command = [sys.executable, str(tool), "--atheris", "--minutes", "0.15", "--keep", str(tmp_path / "found")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr
    assert list((tmp_path / "found").iterdir()) == []
