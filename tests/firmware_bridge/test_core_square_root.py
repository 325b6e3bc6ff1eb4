"""The C core's integer square root against Python's: exact, by another algorithm than the original's."""

from __future__ import annotations

import ctypes
import math
import random
import shutil
import subprocess
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "firmware_bridge" / "core"


def rounded(value: int) -> int:
    """As the original rounds: up where the rest is larger than the root, but never beyond 16 bits for 32-bit values."""
    root = math.isqrt(value)
    if value < 2**32 and root == 0xFFFF:
        return root
    return root + (value - root * root > root)


@pytest.fixture(scope="module")
def square_root(tmp_path_factory: pytest.TempPathFactory) -> ctypes._NamedFuncPointer:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler; install gcc")
    folder = tmp_path_factory.mktemp("root")
    source = folder / "root.c"
    source.write_text(
        '#include "frontend.c"\nuint32_t root_of(uint64_t value) { return rounded_sqrt(value); }\n'
    )
    library = folder / "root.so"
    command = [
        compiler,
        "-std=c99",
        "-O2",
        "-fPIC",
        "-shared",
        f"-I{CORE}",
        "-o",
        library,
        source,
        CORE / "fft.c",
    ]
    subprocess.run(command, check=True)
    function = ctypes.CDLL(str(library)).root_of
    function.argtypes, function.restype = [ctypes.c_uint64], ctypes.c_uint32
    return function


def test_around_every_power_of_two_and_every_kind_of_square(square_root: ctypes._NamedFuncPointer) -> None:
    values = {power + offset for bits in range(54) for power in [1 << bits] for offset in range(-9, 10)}
    for root in [*range(70_000), *(random.Random(0).randrange(1 << 26) for _ in range(40_000))]:
        # Squares, and the places where rounding turns.
        values |= {root * root - 1, root * root, root * root + root, root * root + root + 1}
    wrong = [value for value in values if 0 <= value < 1 << 53 and square_root(value) != rounded(value)]
    assert not wrong


def test_random_values_of_every_length(square_root: ctypes._NamedFuncPointer) -> None:
    draw = random.Random(1)
    values = [draw.getrandbits(draw.randint(1, 53)) for _ in range(200_000)]
    assert not [value for value in values if square_root(value) != rounded(value)]
