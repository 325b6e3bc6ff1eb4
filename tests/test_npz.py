from __future__ import annotations

import io
import time
import tracemalloc
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.npz import npy_array, npy_bytes, npz_arrays, npz_bytes

LIMIT = 2**20

_DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(32, 64)),
)
_ARRAYS = hnp.arrays(_DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))


def _numpy_npy(array: NDArray[np.generic], **how: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **how)
    return file.getvalue()


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


@given(_ARRAYS)
def test_numpy_reads_what_is_written_and_the_other_way_round(array: NDArray[np.generic]) -> None:
    written = npy_bytes(array)
    by_numpy = np.load(io.BytesIO(written), allow_pickle=False)
    read = npy_array(written, "x")
    for back in (by_numpy, read):
        assert back.dtype == array.dtype.newbyteorder("<")
        assert back.shape == array.shape
        np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.bool_])
def test_files_of_numpy_are_read(order: str, dtype: type[np.generic]) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)
    np.testing.assert_array_equal(npy_array(_numpy_npy(array), "x"), array)


def test_the_header_is_the_one_numpy_writes() -> None:
    array = np.arange(40, dtype=np.int16)
    assert npy_bytes(array)[:6] == _numpy_npy(array)[:6]
    assert npy_bytes(array)[-80:] == _numpy_npy(array)[-80:]
    assert (len(npy_bytes(array)) - 80) % 64 == 0  # the data starts aligned


def test_what_is_read_can_be_written_to() -> None:
    array = npy_array(npy_bytes(np.zeros(3, np.int16)), "x")
    array[0] = 1
    assert array.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    "array",
    [np.array(["text"]), np.array([None]), np.array([1j]), np.zeros(2, "V4"), np.zeros(1, "datetime64[s]")],
)
def test_other_dtypes_are_refused(array: NDArray[np.generic]) -> None:
    with pytest.raises(InputError, match="whole numbers, floats or booleans"):
        npy_bytes(array)


def test_a_pickle_is_refused() -> None:
    data = _numpy_npy(np.array([{"code": "here"}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"not a \.npy file"):
        npy_array(data, "golden/x.npy")


def _with_header(header: str, body: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        npy_bytes(np.zeros(4))[:-1],
        npy_bytes(np.zeros(4)) + b"\0",
        npy_bytes(np.zeros(4))[:70],
        b"\x92" + npy_bytes(np.zeros(4))[1:],
        _with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 9999999999), }\n"),
        _with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9999999999, 9999999999), }\n"),
        _with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }\n", bytes(8)),
        _with_header("{'descr': '<f1', 'fortran_order': False, 'shape': (8,), }\n", bytes(8)),
        _with_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", bytes(8)),
        _with_header("(" * 9000 + "\n"),
        _with_header("{'descr': '<f8', 'fortran_order': exit(), 'shape': (1,), }\n", bytes(8)),
    ],
)
def test_anything_else_is_one_line(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^golden/x\.npy: ") as caught:
        npy_array(data, "golden/x.npy")
    assert "\n" not in str(caught.value)


@given(st.data())
def test_a_damaged_file_is_one_line_or_an_array(data: st.DataObject) -> None:
    content = bytearray(npy_bytes(np.arange(12, dtype=np.int16).reshape(3, 4)))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        array = npy_array(bytes(content), "x")
    except InputError:
        return
    assert array.nbytes == 24


def test_npz_round_trip_by_numpy_and_by_itself() -> None:
    arrays = {
        "weights": np.arange(6, dtype=np.int16).reshape(2, 3),
        "scale": np.array(0.5),
        "none": np.zeros((0, 2)),
    }
    data = npz_bytes(arrays)
    with np.load(io.BytesIO(data), allow_pickle=False) as by_numpy:
        assert sorted(by_numpy) == sorted(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(by_numpy[name], array)
    read = npz_arrays(data, "x", LIMIT)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz_of_numpy_is_read(write: Callable[..., None]) -> None:
    file = io.BytesIO()
    write(file, a=np.arange(1000), b=np.ones(3, np.float32))
    read = npz_arrays(file.getvalue(), "x", LIMIT)
    np.testing.assert_array_equal(read["a"], np.arange(1000))
    np.testing.assert_array_equal(read["b"], np.ones(3))


def test_npz_depends_on_neither_time_nor_order(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = np.arange(3), np.arange(4)
    now = npz_bytes({"a": one, "b": two})
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert npz_bytes({"b": two, "a": one}) == now


def test_npz_larger_than_allowed_is_not_inflated() -> None:
    bomb = _zip({"a.npy": _numpy_npy(np.zeros(2**23, np.uint8))}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10_000
    tracemalloc.start()
    with pytest.raises(InputError, match=f"at most {LIMIT}"):
        npz_arrays(bomb, "x", LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LIMIT


def test_npz_that_lies_about_its_size_is_not_inflated() -> None:
    bomb = bytearray(_zip({"a.npy": bytes(2**24)}, zipfile.ZIP_DEFLATED))
    true_size = (2**24).to_bytes(4, "little")
    while (at := bomb.find(true_size)) >= 0:
        bomb[at : at + 4] = (100).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(InputError):
        npz_arrays(bytes(bomb), "x", LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LIMIT


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_npz_that_is_none() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for _ in range(2):
            archive.writestr("a.npy", npy_bytes(np.zeros(1)))
    for data in (b"", b"text", npz_bytes({"a": np.zeros(9)})[:-1], _zip({"a.npy": b"text"}), file.getvalue()):
        with pytest.raises(InputError, match=r"^x: "):
            npz_arrays(data, "x", LIMIT)
