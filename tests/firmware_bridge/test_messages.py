from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.errors import CheckError, EdgeSerError, InputError, MissingError
from firmware_bridge import messages
from firmware_bridge.framing import Frame
from firmware_bridge.messages import BoardKind, ClockMode, Message, Target

INFO = (
    bytes.fromhex("0100010307000000")
    + bytes(range(32))
    + np.array([6, 2, 8, 3, 0, 0], "<u4").tobytes()
    + "Zürich".encode()
)


def test_info_is_read() -> None:
    info = messages.read_info(INFO)
    assert (info.kind, info.name, info.next_record) == (BoardKind.VIRTUAL, "Zürich", 7)
    assert info.build_id == bytes(range(32)).hex()
    assert info.sizes == {Target.KEYWORD: (6, 2), Target.ACOUSTIC: (8, 3), Target.DECISION: (0, 0)}


def test_another_version_says_what_to_do() -> None:
    with pytest.raises(CheckError, match=r"protocol 2; expected protocol 1: flash"):
        messages.read_info(b"\2\0" + INFO[2:])


def test_a_board_cannot_claim_a_huge_tensor() -> None:
    with pytest.raises(CheckError, match="info"):
        messages.read_info(INFO.replace(np.uint32(8).tobytes(), np.uint32(2**31).tobytes()))


def test_times_come_in_rows_of_stages() -> None:
    payload = bytes.fromhex("0200000003000400") + np.arange(12, dtype="<u4").tobytes()
    ran = messages.read_ran(payload, 3)
    assert ran.output_bytes == 2
    assert ran.microseconds.tolist() == np.arange(12).reshape(3, 4).tolist()
    with pytest.raises(CheckError, match="run_raw"):
        messages.read_ran(payload, 2)


def test_self_test_names_the_stage() -> None:
    payload = bytes.fromhex("02040000") + np.array([0, 3, 99, 2**32 - 1], "<u4").tobytes()
    found = messages.read_self_test(payload)
    assert found.failed == "acoustic"
    assert found.differences == {"frontend": 0, "keyword": 3, "acoustic": 99, "fusion": None}
    assert messages.read_self_test(b"\xff" + payload[1:]).failed is None


def test_small_answers() -> None:
    assert messages.read_stream(bytes.fromhex("0100000005000000")) == (True, 5)
    assert messages.read_clock(b"\3") is ClockMode.MAX
    assert messages.read_temperature((-1500).to_bytes(4, "little", signed=True)) == -1.5
    assert messages.read_chunk(b"\0\0\0\0ab", 2) == b"ab"


READERS: list[Callable[[bytes], object]] = [
    messages.read_info,
    messages.read_self_test,
    lambda data: messages.read_ran(data, 2),
    lambda data: messages.read_chunk(data, 3),
    messages.read_stream,
    messages.read_clock,
    messages.read_temperature,
]


@given(
    st.sampled_from(READERS),
    st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda d: INFO[:4] + d)),
)
def test_any_bytes_are_read_or_refused(reader: Callable[[bytes], object], data: bytes) -> None:
    try:
        reader(data)
    except EdgeSerError as error:
        assert isinstance(error, CheckError)  # noqa: PT017


@pytest.mark.parametrize(
    ("code", "kind"), [(3, InputError), (4, MissingError), (5, CheckError), (77, CheckError)]
)
def test_a_refusal_has_the_exit_code_of_its_reason(code: int, kind: type[EdgeSerError]) -> None:
    error = messages.refusal(Frame(Message.READ, 1, bytes([code]) + b"because", answer=True, error=True))
    assert type(error) is kind
    assert "refuses read: because" in str(error)
    assert "refuses message 200" in str(messages.refusal(Frame(200, 1, b"")))
