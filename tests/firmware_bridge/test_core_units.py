"""The core's small parts against Python's: checksum, shares, and the window over the newest frames."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import zlib
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.averaging import ONE, POWERS, Steps, window_shares
from firmware_bridge.host_process import C_FLAGS
from firmware_bridge.programs import CORE

INT32 = st.integers(-(2**31), 2**31 - 1)


class EserSteps(ctypes.Structure):
    _fields_ = (("multiplier", ctypes.c_uint32), ("shift", ctypes.c_uint8))


class Window(ctypes.Structure):
    _fields_ = (
        ("frames", ctypes.c_void_p),
        ("capacity", ctypes.c_size_t),
        ("channels", ctypes.c_size_t),
        ("next", ctypes.c_size_t),
        ("filled", ctypes.c_size_t),
    )


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler; install gcc")
    library = tmp_path_factory.mktemp("core") / "core.so"
    sources = [CORE / f"{name}.c" for name in ("crc32", "shares", "net_input")]
    subprocess.run([compiler, *C_FLAGS, "-fPIC", "-shared", "-o", library, *sources], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.eser_crc32.restype = ctypes.c_uint32
    return loaded


@given(st.binary(max_size=300), st.integers(0, 300))
def test_the_checksum_is_zlibs(core: ctypes.CDLL, data: bytes, cut: int) -> None:
    head, tail = data[:cut], data[cut:]
    first = core.eser_crc32(ctypes.c_uint32(0), head, ctypes.c_size_t(len(head)))
    assert first == zlib.crc32(head)
    assert core.eser_crc32(ctypes.c_uint32(first), tail, ctypes.c_size_t(len(tail))) == zlib.crc32(data)


def c_shares(core: ctypes.CDLL, scores: np.ndarray, steps: Steps) -> np.ndarray:
    powers, shares = (POWERS - 1).astype(np.uint16), np.empty(len(scores), np.uint32)
    given_steps = EserSteps(steps.multiplier, steps.shift)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (scores, powers, shares)]
    core.eser_shares(pointers[0], ctypes.c_size_t(len(scores)), given_steps, pointers[1], pointers[2])
    return shares


@given(st.lists(INT32, min_size=1, max_size=255), st.floats(1e-12, 1e3))
def test_shares_of_any_scores(core: ctypes.CDLL, scores: list[int], scale: float) -> None:
    steps, array = Steps.of_scale(scale), np.array(scores, np.int32)
    expected, _ = window_shares(steps.below_best(array[np.newaxis]))
    assert (c_shares(core, array, steps) == expected[0]).all()


@given(st.lists(st.integers(-5000, 5000), min_size=1, max_size=255))
def test_shares_of_scores_that_lie_close(core: ctypes.CDLL, scores: list[int]) -> None:
    steps, array = Steps.of_scale(1e-3), np.array(scores, np.int32)
    expected, _ = window_shares(steps.below_best(array[np.newaxis]))
    assert (c_shares(core, array, steps) == expected[0]).all()


@pytest.mark.parametrize("classes", [1, 2, 3, 255])
def test_equal_scores_share_alike(core: ctypes.CDLL, classes: int) -> None:
    shares = c_shares(core, np.full(classes, -(2**31), np.int32), Steps.of_scale(1.0))
    assert set(shares.tolist()) == {(ONE + classes // 2) // classes}


@given(st.integers(1, 9), st.integers(0, 40), st.integers(0, 12), st.integers(0, 12))
def test_a_window_before_the_newest_frames(
    core: ctypes.CDLL, capacity: int, pushed: int, count: int, newer: int
) -> None:
    memory = np.zeros((capacity, 2), np.uint8)
    window = Window(memory.ctypes.data, capacity, 2, 0, 0)
    kept: deque[int] = deque(maxlen=capacity)
    for frame in range(pushed):
        features = np.array([frame, frame + 100], np.uint16)
        core.eser_feature_window_push(ctypes.byref(window), features.ctypes.data_as(ctypes.c_void_p), 0, 255)
        kept.append(frame)
    filled = np.full((max(count, 1), 2), 77, np.uint8)
    done = core.eser_feature_window_copy_before(
        ctypes.byref(window),
        filled.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_size_t(count),
        ctypes.c_size_t(newer),
    )
    assert done == (newer + count <= len(kept))
    if done:
        expected = list(kept)[len(kept) - newer - count : len(kept) - newer]
        assert filled[:count, 0].tolist() == expected
    else:
        assert (filled == 77).all()
