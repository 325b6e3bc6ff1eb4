"""Compiled files from strangers: an error of our own, never a crash, a hang or a full memory."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from package_builder import Compiled, Hint, Layer, Number, flatbuffer
from tflite_builder import Builder

from edge_ser.cli.inspect import inspection
from edge_ser.edgetpu.micro import micro_verdict
from edge_ser.edgetpu.package import read_compiled
from edge_ser.errors import InputError

SMALL = Compiled(cached=64, streamed=32, host=("QUANTIZE",)).data()
# Lengths, offsets and counts that damage tends to bring.
HARD = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFFC)


def _inspect(data: bytes) -> bool:
    """Whether a file can be read; everything that `edge-ser inspect` does with it is done."""
    try:
        model = read_compiled(data, "damaged")
    except InputError as error:
        assert str(error).startswith("damaged: ")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        return False
    inspection([model], micro_verdict([model]))
    return True


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(SMALL) - 4), st.one_of(st.sampled_from(HARD), st.integers(0, 2**32 - 1))
        ),
        min_size=1,
        max_size=6,
    )
)
def test_damaged_words(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL)
    for place, value in changes:
        struct.pack_into("<I", data, place, value)
    _inspect(bytes(data))


def test_every_cut_of_a_file() -> None:
    assert _inspect(SMALL)
    read = sum(_inspect(SMALL[:size]) for size in range(0, len(SMALL), 3))
    # The writer lays the options of the operation behind what points to them.
    assert read < len(SMALL) // 30


def test_damaged_real_files(shared_models: Callable[[str], Path]) -> None:
    rng = random.Random(1)
    for name in ("lstm/keras_lstm_mnist_ptq_edgetpu.tflite", "coralmicro/testconv1-edgetpu.tflite"):
        data = shared_models(name).read_bytes()
        # Zeros are padding, parameters and instructions; what is left is mostly structure.
        places = [place for place in range(0, len(data) - 4, 4) if data[place : place + 4] != bytes(4)]
        head = [place for place in places if place < 4_000] + [
            place for place in places if place > len(data) - 4_000
        ]
        for _ in range(300):
            damaged = bytearray(data)
            for _ in range(rng.randint(1, 4)):
                place = rng.choice(head if rng.random() < 0.8 else places)
                struct.pack_into("<I", damaged, place, rng.choice((*HARD, rng.getrandbits(32))))
            _inspect(bytes(damaged))


def _repeated_executables() -> bytes:
    """A package whose list of executables names one and the same string a million times."""
    count = 1_000_000
    head = struct.pack("<IHHHH", 12, 6, 8, 4, 0)
    table = struct.pack("<iI", 8, 4)
    string = 16 + 4 + 4 + 4 * count
    vector = struct.pack("<I", count) + b"".join(
        struct.pack("<I", string - (24 + 4 * index)) for index in range(count)
    )
    return Compiled(package={1: head + table + vector + struct.pack("<I", 4) + bytes(4)}).data()


def _many_hints() -> bytes:
    """An executable with far more transfers than any has."""
    return Compiled().with_inference(hints=(Hint(1, "in", 1),) * 60_000).data()


def _long_name() -> bytes:
    """Names of four megabytes, in letters that cost four bytes each in memory."""
    name = "\U0001f600" * 1_000_000
    return Compiled(inputs=tuple(Layer(name, 1) for _ in range(5))).data()


def _many_layers() -> bytes:
    return Compiled(outputs=tuple(Layer("o", 1) for _ in range(20_000)), inputs=()).data()


def _deep() -> bytes:
    """A package in which every table points at a table: nothing is followed that the schema does not name."""
    table: dict[int, object] = {0: Number("i", 1)}
    for _ in range(300):
        table = {1: table}
    return Compiled(package={6: [table]}, more=()).data() + flatbuffer(table)


def _many_inputs() -> bytes:
    """An operation on the host that reads one tensor 700,000 times."""
    builder = Builder()
    entry = builder.tensor((1, 8), "uint8")
    builder.op("CUSTOM", [entry], [entry], custom=b"edgetpu-custom-op")
    builder.operators[0].customOptions = np.frombuffer(Compiled().options_bytes(), np.uint8)
    builder.op("CONCATENATION", [entry], [entry])
    builder.operators[1].inputs = np.zeros(700_000, np.int32)
    return builder.finish([entry], [entry])


BOMBS = {
    "many inputs": _many_inputs,
    "repeated executables": _repeated_executables,
    "many hints": _many_hints,
    "long names": _long_name,
    "many layers": _many_layers,
    "deep": _deep,
}

_MEASURE = """
import re, sys, time
from pathlib import Path
from edge_ser.cli.inspect import inspection
from edge_ser.edgetpu.micro import micro_verdict
from edge_ser.edgetpu.package import read_compiled
from edge_ser.errors import InputError
data = Path(sys.argv[1]).read_bytes()
begin = time.monotonic()
try:
    model = read_compiled(data)
    inspection([model], micro_verdict([model]))
except InputError as error:
    sys.stderr.write(str(error)[:300])
seconds = time.monotonic() - begin
# Not getrusage: its peak is that of the process that started this one, if that was larger.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak.group(1)) * 1024, seconds)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_little_time_and_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb_edgetpu.tflite"
    path.write_bytes(BOMBS[name]())
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    peak, seconds = map(float, done.stdout.split())
    assert peak < 200 * 2**20
    assert seconds < 10


def test_lengths_that_a_file_does_not_have_are_refused_at_once() -> None:
    for value in (0x7FFF_FFFF, 0xFFFF_FFF0, 0x1000_0000):
        for place in range(0, len(SMALL) - 4, 4):
            data = bytearray(SMALL)
            struct.pack_into("<I", data, place, value)
            begin = time.monotonic()
            _inspect(bytes(data))
            assert time.monotonic() - begin < 2
