"""The virtual board: the portable core behind real ports, its lines good and bad."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_ser.audio import read_audio
from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.errors import CheckError, EdgeSerError, InputError, MissingError
from edge_ser.runtime.stream import Listener, listen
from edge_ser.runtime.stream_system import stream_system
from firmware_bridge.faults import FaultRates
from firmware_bridge.framing import Frame, FrameReader
from firmware_bridge.link import Board, Received, open_board
from firmware_bridge.link_channel import NoAnswerError
from firmware_bridge.link_lines import SocketLine, connect_tcp
from firmware_bridge.messages import NOT_RUN, BoardKind, ClockMode, Message, Target, clock_request
from firmware_bridge.virtual_board import Ports, VirtualBoard, build_virtual_board, bundle_nets

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tools"))

from bench_link import Options, measure  # noqa: E402

SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
WAYS = ("tcp", "serial", "rpc")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    try:
        return read_bundle(shipped_bundle())
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def program(bundle: Bundle, builds: Path) -> Path:
    """The virtual board of the shipped bundle, with everything watched by the sanitizers."""
    try:
        return build_virtual_board(bundle, builds / "virtual", SANITIZERS)
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def virtual(program: Path, bundle: Bundle) -> Iterator[VirtualBoard]:
    with VirtualBoard(program, bundle) as board:
        yield board


def opened(virtual: VirtualBoard, way: str, limit_s: float = 20.0) -> Board:
    if way == "serial":
        pytest.importorskip("serial", reason="pyserial is not installed: pip install 'edge-ser[board]'")
    return open_board(virtual.where[way], limit_s)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_speaks_the_same_protocol(virtual: VirtualBoard, bundle: Bundle, way: str) -> None:
    golden = {name: bundle.array(f"golden/{name}.npy") for name in ("samples", "features", "scores")}
    with opened(virtual, way) as board:
        info = board.check_build(bundle.build_id)
        assert info.kind is BoardKind.VIRTUAL
        assert "virtual" in info.name
        assert info.sizes[Target.DECISION] == (golden["samples"].nbytes, golden["scores"].nbytes)

        tested = board.self_test()
        assert tested.failed is None
        assert tested.differences == dict.fromkeys(tested.differences, 0)

        decided = board.run_raw(Target.DECISION, golden["samples"].astype("<i2").tobytes(), runs=2)
        assert np.frombuffer(decided.output, "<i4").tolist() == golden["scores"].tolist()
        assert decided.microseconds.shape == (2, 4)
        assert decided.microseconds.max() < NOT_RUN

        window = golden["features"][: bundle.spec.keyword_frames]
        heard = board.run_raw(Target.KEYWORD, window.tobytes(), runs=200)
        embedding = bundle_nets(bundle)[Target.KEYWORD].embed(window[np.newaxis])
        assert heard.output == embedding.tobytes()
        # The keyword net's time alone, of every run, though one request takes fewer.
        assert (heard.microseconds == NOT_RUN).all(axis=0).tolist() == [True, False, True, True]
        assert len(heard.microseconds) == 200

        assert board.clock(ClockMode.LOW) is ClockMode.LOW
        assert board.clock() is ClockMode.LOW
        with pytest.raises(MissingError, match="refuses temperature"):
            board.temperature()
        with pytest.raises(InputError, match="expected 1920 bytes"):
            board.run_raw(Target.KEYWORD, b"")
        with pytest.raises(InputError, match="refuses read"):
            board.read(Target.KEYWORD, 10_000)


def _sound(bundle: Bundle) -> np.ndarray:
    """Speech, silence, noise, and speech that begins in the middle of a step."""
    rng = np.random.default_rng(4)
    speech = bundle.array("golden/samples.npy")
    noise = rng.integers(-300, 300, 50_123).astype(np.int16)
    return np.concatenate([speech, np.zeros(70_000, np.int16), noise, speech[:30_000], speech]).astype(
        np.int16
    )


def _twin(bundle: Bundle, samples: np.ndarray) -> list[bytes]:
    """The records of Python's listener."""
    nets = bundle_nets(bundle)
    records = listen(Listener(stream_system(bundle)), nets[Target.ACOUSTIC], nets[Target.KEYWORD], [samples])
    return [record.encode() for record in records]


def _heard(virtual: VirtualBoard, board: Board, samples: np.ndarray) -> list[bytes]:
    board.start()
    virtual.microphone.play(samples)
    came = []
    while not virtual.microphone.wait(0):
        came += list(board.listen(0.05))
    came += board.stop()
    assert all(isinstance(event, Received) for event in came)
    return [event.data for event in came if isinstance(event, Received)]


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_gives_the_records_that_python_gives(program: Path, bundle: Bundle, way: str) -> None:
    samples = _sound(bundle)
    with VirtualBoard(program, bundle) as virtual, opened(virtual, way) as board:
        assert _heard(virtual, board, samples) == _twin(bundle, samples)
        assert board.info().next_record == len(_twin(bundle, samples)) > 2


def test_a_real_recording_over_a_bad_line_gives_the_records_that_python_gives(
    program: Path, bundle: Bundle, shared_data: object
) -> None:
    folder = shared_data("EMO-DB")  # type: ignore[operator]
    paths = sorted(folder.rglob("*.flac"))[:4]
    rate = bundle.spec.frontend.sample_rate_hz
    samples = np.concatenate([read_audio(path, rate) for path in paths])
    rates = FaultRates.all_of(0.05)
    with VirtualBoard(program, bundle, rates=rates, seed=2) as virtual, opened(virtual, "tcp") as board:
        assert _heard(virtual, board, samples) == _twin(bundle, samples)


def test_a_second_stream_begins_anew_and_says_so(program: Path, bundle: Bundle) -> None:
    samples = bundle.array("golden/samples.npy")
    with VirtualBoard(program, bundle) as virtual, opened(virtual, "tcp") as board:
        first, second = (_heard(virtual, board, samples) for _ in range(2))
    assert len(first) == len(second) == 1
    assert first != second  # another number, and the flag that audio was lost


def test_hundreds_of_messages_over_a_bad_line(bundle: Bundle, program: Path) -> None:
    # tools/bench_link.py takes 100,000, with longer delays; most of this test would be waiting for them.
    options = Options(120, faults=0.1, way="tcp", seed=5, outages=1, speed=2000.0, longest_delay_s=0.02)
    found = measure(program, bundle, options)
    assert found["wrong_accepted"] == 0
    assert found["records_lost_unreported"] == 0
    assert found["messages"] >= 120
    faults = found["faults"]
    assert isinstance(faults, dict)
    assert min(faults[kind] for kind in ("dropped", "flipped", "duplicated", "delayed", "inserted")) > 15


def test_a_stuck_board_is_given_up_and_comes_back(program: Path, bundle: Bundle) -> None:
    with VirtualBoard(program, bundle) as virtual:
        for way in ("tcp", "rpc"):
            with opened(virtual, way, limit_s=0.4) as board:
                board.info()
                virtual.stick()
                begin = time.monotonic()
                with pytest.raises(NoAnswerError, match=r"no answer to info within 0.4 s"):
                    board.info()
                assert time.monotonic() - begin < 5
                virtual.go_on()
            with opened(virtual, way) as board:
                begin = time.monotonic()
                board.check_build(bundle.build_id)
                assert time.monotonic() - begin < 2


def test_a_host_that_does_not_read_does_not_stop_the_board(program: Path, bundle: Bundle) -> None:
    with VirtualBoard(program, bundle) as virtual, opened(virtual, "rpc") as board:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", int(virtual.where["tcp"].rpartition(":")[2])))
        line = SocketLine(deaf, "deaf")
        # More than all buffers between here and there hold.
        request = Frame(Message.INFO, 1).encode()
        for _ in range(100):
            line.send(request * 100)
        time.sleep(0.5)
        begin = time.monotonic()
        board.check_build(bundle.build_id)
        assert time.monotonic() - begin < 10
        line.close()


def test_a_board_of_another_build_is_refused(program: Path, bundle: Bundle) -> None:
    with VirtualBoard(program, bundle, wrong_build=True) as virtual, opened(virtual, "tcp") as board:
        with pytest.raises(CheckError, match="flash its firmware"):
            board.check_build(bundle.build_id)
        (received,) = _heard(virtual, board, bundle.array("golden/samples.npy"))
        assert received[12:20] == bytes(byte ^ 0xFF for byte in bytes.fromhex(bundle.build_id)[:8])


def test_a_repeated_request_is_done_once(virtual: VirtualBoard) -> None:
    request = Frame(Message.CLOCK, 77, clock_request(ClockMode.LOW)).encode()
    line, reader = connect_tcp("127.0.0.1", int(virtual.where["tcp"].rpartition(":")[2])), FrameReader()

    def answers(count: int) -> list[Frame]:
        found: list[Frame] = []
        give_up = time.monotonic() + 20
        while len(found) < count and time.monotonic() < give_up:
            found += reader.feed(line.receive(1.0))
        return found

    line.send(request)
    (first,) = answers(1)
    with opened(virtual, "rpc") as other:
        other.clock(ClockMode.MAX)
        line.send(request + request)
        assert answers(2) == [first, first]
        assert other.clock() is ClockMode.MAX
        # With another payload it is another request, whatever its sequence.
        line.send(Frame(Message.CLOCK, 77, clock_request(ClockMode.HIGH)).encode())
        assert answers(1)[0].payload == bytes([ClockMode.HIGH])
        assert other.clock() is ClockMode.HIGH
    line.close()


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255])
def test_any_payload_is_answered(virtual: VirtualBoard, kind: int) -> None:
    rng = np.random.default_rng(kind)
    with opened(virtual, "tcp") as board:
        for sequence, size in enumerate([0, 1, 3, 4, 5, 11, 12, 13, 100, 2048]):
            # Not 1, which would turn the stream on.
            payload = rng.integers(2, 256, size, dtype=np.uint8).tobytes()
            request = Frame(kind, sequence, payload)
            answer = _ask_anything(board, request)
            assert (answer.type, answer.sequence) == (kind, sequence)
            assert answer.error or len(answer.payload) > 0


def _ask_anything(board: Board, request: Frame) -> Frame:
    try:
        return board.channel.ask(request, 20.0)
    except EdgeSerError:
        raise AssertionError(request) from None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32600),
        (b"[" * 9000, -32600),
        (b"[]", -32600),
        (b'{"method": "info"}', -32600),
        (b'{"method": "format_disk", "id": 1}', -32601),
        (b'{"method": "info", "id": 1}', -32602),
        (b'{"method": "info", "id": 1, "params": {"frame": "AAAA"}}', -32602),
        (
            json.dumps(
                {
                    "method": "clock",
                    "id": 1,
                    "params": {"frame": base64.b64encode(Frame(Message.INFO, 1).pack()).decode()},
                }
            ).encode(),
            -32602,
        ),
    ],
)
def test_json_rpc_refuses_in_its_own_form(virtual: VirtualBoard, body: bytes, code: int) -> None:
    connection = http.client.HTTPConnection(virtual.where["rpc"].removeprefix("rpc:"), timeout=20)
    connection.request("POST", "/jsonrpc", body)
    answer = json.loads(connection.getresponse().read())
    assert answer["error"]["code"] == code
    connection.request("POST", "/elsewhere", body)
    assert connection.getresponse().status == 404
    connection.close()


@pytest.mark.parametrize("port", [70_000, -1])
def test_a_port_that_is_none_or_taken_is_refused(
    virtual: VirtualBoard, program: Path, bundle: Bundle, port: int
) -> None:
    taken = int(virtual.where["tcp"].rpartition(":")[2])
    for ports in (Ports(line=port), Ports(rpc=port), Ports(line=taken), Ports(rpc=taken)):
        with pytest.raises(InputError, match="cannot be listened on"):
            VirtualBoard(program, bundle, ports=ports)


def test_nothing_is_left_behind(program: Path, bundle: Bundle) -> None:
    with VirtualBoard(program, bundle) as virtual:
        where = virtual.where["tcp"]
        process = virtual._process
    assert process.returncode is not None
    with pytest.raises(MissingError):
        open_board(where)
