from __future__ import annotations

import itertools
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_ser.errors import InputError
from firmware_bridge.faults import FaultRates, FaultyWire
from firmware_bridge.framing import MAX_BYTES, MAX_PAYLOAD, Frame, FrameReader
from firmware_bridge.host_process import C_FLAGS, INCLUDES, HostProcess, headers
from firmware_bridge.programs import CORE, Program

SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

payloads = st.one_of(
    st.binary(max_size=600),
    st.binary(max_size=20).map(lambda data: data * 100),
    # Around the length of a full COBS block, with and without zeros beside it.
    st.integers(240, 520).map(lambda count: b"\1" * count),
    st.integers(240, 260).map(lambda count: b"\0" + b"\1" * count + b"\0"),
)
frames = st.builds(
    Frame, st.integers(0, 255), st.integers(0, 2**32 - 1), payloads, st.booleans(), st.booleans()
)


@given(st.lists(frames, max_size=5), st.binary(max_size=50))
def test_frames_come_through_behind_garbage(sent: list[Frame], garbage: bytes) -> None:
    line = garbage + b"".join(frame.encode() for frame in sent)
    assert FrameReader().feed(line)[-len(sent) :] == sent


@given(frames, st.lists(st.integers(1, 40), min_size=1))
def test_a_line_may_come_in_pieces(frame: Frame, sizes: list[int]) -> None:
    reader, found, line = FrameReader(), [], frame.encode() * 2
    for size in itertools.cycle(sizes):
        found += reader.feed(line[:size])
        line = line[size:]
        if not line:
            break
    assert found == [frame, frame]
    assert reader.bad == 0


@given(frames)
def test_on_the_line_zeros_stand_only_around_a_frame(frame: Frame) -> None:
    coded = frame.encode()
    assert coded[0] == coded[-1] == 0
    assert 0 not in coded[1:-1]
    # The bound of the COBS paper: a byte for every 254, and one.
    assert len(coded) <= len(frame.pack()) + len(frame.pack()) // 254 + 1 + 2


@given(frames, st.data())
def test_a_damaged_frame_is_no_frame(frame: Frame, data: st.DataObject) -> None:
    packed = bytearray(frame.pack())
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert Frame.unpack(bytes(packed)) is None
    assert Frame.unpack(frame.pack()[:-1]) is None
    assert Frame.unpack(frame.pack() + b"\0") is None


def test_a_known_frame() -> None:
    # By hand from the description in core/frame.h; the last four bytes are the CRC-32 of the first eight.
    frame = Frame(1, 0x01020304)
    assert frame.pack() == bytes.fromhex("0000010004030201d6776b66")
    assert frame.encode() == bytes.fromhex("00010102010904030201d6776b6600")


def test_the_longest_frame_fits_and_a_longer_one_is_refused() -> None:
    longest = Frame(3, 1, bytes(range(256)) * 8)
    assert FrameReader().feed(longest.encode()) == [longest]
    with pytest.raises(InputError, match="2049"):
        Frame(3, 1, b"x" * (MAX_PAYLOAD + 1))


def test_a_line_without_zeros_takes_no_memory() -> None:
    reader = FrameReader()
    for _ in range(100):
        assert reader.feed(b"\7" * 100_000) == []
    assert len(reader._pending) <= MAX_BYTES + MAX_BYTES // 254 + 1
    frame = Frame(1, 2, b"x")
    assert reader.feed(frame.encode()) == [frame]
    assert reader.bad == 1


@pytest.fixture(scope="module")
def frame_echo(host: HostProcess, builds: Path) -> Path:
    program = Program(
        "frame_echo",
        (Path(__file__).parent / "frame_echo.c", CORE / "frame.c", CORE / "crc32.c"),
        (*C_FLAGS, *INCLUDES, *SANITIZERS),
        link_flags=SANITIZERS,
        watched=headers(),
    )
    return host.compiler.build(program, builds / "frame_echo")


def test_c_and_python_find_the_same_frames_and_write_the_same_bytes(frame_echo: Path) -> None:
    rng = random.Random(1)
    wire = FaultyWire(FaultRates.all_of(0.1), seed=1)
    line = bytearray()
    for sequence in range(1500):
        size = rng.choice([0, 1, 5, 240, 253, 254, 255, 500, 508, 509, MAX_PAYLOAD])
        values = rng.choice([b"\0", b"\1", b"\0\1", b"\1" * 250 + b"\0", bytes(range(256))])
        payload = bytes(rng.choice(values) for _ in range(size))
        for _, piece in wire.pass_on(
            Frame(sequence % 9, sequence, payload, answer=sequence % 2 == 0).encode()
        ):
            line += piece
    line += b"\7" * 5000 + b"\0" + Frame(1, 1).encode()
    reader = FrameReader()
    found = reader.feed(bytes(line))
    done = subprocess.run([frame_echo], input=bytes(line), capture_output=True, check=False)
    assert done.stdout == b"".join(frame.encode() for frame in found)
    assert int(done.stderr) == reader.bad
    assert len(found) > 800
    assert reader.bad > 200


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=300))
def test_a_wire_without_faults_changes_nothing(data: bytes) -> None:
    wire = FaultyWire(FaultRates(), seed=0)
    assert b"".join(piece for _, piece in wire.pass_on(data)) == data


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("dropped", lambda before, after: len(before) - 8 <= len(after) < len(before)),
        ("flipped", lambda before, after: len(after) == len(before)),
        ("duplicated", lambda before, after: len(before) < len(after) <= 2 * len(before)),
        ("delayed", lambda before, after: after == before),
        ("inserted", lambda before, after: after.endswith(before) and len(after) > len(before)),
    ],
)
def test_each_kind_of_fault_falls_as_often_as_was_asked(kind: str, holds: object) -> None:
    wire, frame = FaultyWire(FaultRates(**{kind: 0.1}), seed=3), Frame(1, 2, b"abcdefgh").encode()
    changed = 0
    for _ in range(3000):
        pieces = list(wire.pass_on(frame))
        after = b"".join(piece for _, piece in pieces)
        if len(pieces) > 1 or after != frame:
            changed += 1
            assert holds(frame, after)  # type: ignore[operator]
        assert all(0 <= wait_s <= 0.1 for wait_s, _ in pieces)
    assert wire.counts["messages"] == 3000
    assert 230 < wire.counts[kind] < 370
    # Two flips of one bit undo each other, now and then.
    assert 0.9 * wire.counts[kind] < changed <= wire.counts[kind]


def test_a_rate_that_is_no_share_is_refused() -> None:
    with pytest.raises(InputError, match="flipped"):
        FaultRates(flipped=1.5)
