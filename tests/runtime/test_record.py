"""Records: what is written comes back, and nothing else is taken for one."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.errors import CheckError
from edge_ser.runtime.record import GAP, SILENT, Record

RECORD = Record(7, b"buildid!", 290, GAP, 1, None, 3, 40_000, 31, (5, -6, 2**31 - 1), (1, 2, 65_000))
U16, U32 = st.integers(0, 65_535), st.integers(0, 2**32 - 1)


@st.composite
def records(draw: st.DrawFn) -> Record:
    classes = draw(st.integers(1, 16))
    index = st.none() | st.integers(0, classes - 1)
    scores = st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * classes)
    return Record(
        draw(U32),
        draw(st.binary(min_size=8, max_size=8)),
        draw(U32),
        draw(st.integers(0, 31)),
        draw(index),
        draw(index),
        draw(st.none() | st.integers(0, 254)),
        draw(U16),
        draw(st.integers(0, 64)),
        draw(scores),
        draw(st.tuples(*[U16] * classes)),
    )


@given(records())
def test_what_is_written_comes_back(record: Record) -> None:
    assert Record.decode(record.encode()) == record


def test_the_layout() -> None:
    data = RECORD.encode()
    assert data[:8] == bytes([1, GAP, 3, 1, 255, 3]) + struct.pack("<H", 40_000)
    assert data[8:28] == struct.pack("<I8sIB3x", 7, b"buildid!", 290, 31)
    assert data[28:46] == struct.pack("<3i3H", 5, -6, 2**31 - 1, 1, 2, 65_000)
    assert data[46:] == struct.pack("<I", zlib.crc32(data[:46]))


def test_a_certain_share_is_written_as_the_largest() -> None:
    certain = Record(0, bytes(8), 0, SILENT, None, None, None, 65_536, 0, (0,), (65_536,))
    assert Record.decode(certain.encode()).shares == (65_535,)


def test_every_flipped_bit_is_seen() -> None:
    data = RECORD.encode()
    for bit in range(8 * len(data)):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CheckError, match="record: "):
            Record.decode(bytes(broken))


@given(st.binary(max_size=140))
def test_other_bytes_are_no_record(data: bytes) -> None:
    with pytest.raises(CheckError):
        Record.decode(data)


@pytest.mark.parametrize("size", range(50))
def test_a_record_cut_short_is_none(size: int) -> None:
    with pytest.raises(CheckError):
        Record.decode(RECORD.encode()[:size])


@pytest.mark.parametrize(("place", "value"), [(0, 2), (1, 32), (3, 3), (4, 200), (24, 65), (25, 1)])
def test_values_of_another_version_are_refused_whatever_the_checksum(place: int, value: int) -> None:
    data = bytearray(RECORD.encode()[:-4])
    data[place] = value
    with pytest.raises(CheckError, match="expected"):
        Record.decode(bytes(data) + struct.pack("<I", zlib.crc32(data)))
