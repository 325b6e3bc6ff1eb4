"""The application of the Coral Dev Board Micro, run on this machine with a stand-in for its SDK and nets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from coral_cases import (
    SANITIZED,
    HostApp,
    Spoken,
    StandInNet,
    build_host_app,
    stand_in_app,
    stand_in_bundle,
    with_compiled,
)

from edge_ser.bundle import Bundle
from edge_ser.runtime.record import GAP, Record
from edge_ser.runtime.stream import Listener, listen
from edge_ser.runtime.stream_system import stream_system
from firmware_bridge.framing import Frame
from firmware_bridge.generate import firmware_app
from firmware_bridge.messages import (
    BoardKind,
    Message,
    Target,
    chunk_request,
    read_chunk,
    read_info,
    read_ran,
    read_self_test,
    read_temperature,
    run_request,
)

SELF_TEST = Frame(Message.SELF_TEST, 1, b"").encode()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, HostApp]:
    """The stand-in bundle's application for the Cortex-M7, built for this machine."""
    bundle, app = stand_in_app()
    return bundle, build_host_app(app, tmp_path_factory.mktemp("coral-app"), more_flags=SANITIZED)


@pytest.fixture(scope="module")
def sound(board: tuple[Bundle, HostApp]) -> np.ndarray:
    """Nine seconds: the golden segment thrice, each time louder."""
    samples = board[0].array("golden/samples.npy").astype(np.int64)
    return np.concatenate([samples // 4, samples // 2, samples]).astype(np.int16)


@pytest.fixture(scope="module")
def heard(board: tuple[Bundle, HostApp], sound: np.ndarray) -> Spoken:
    """What the board says while it hears the sound and is asked a few things."""
    bundle, app = board
    window = bundle.array("golden/features.npy")[: bundle.spec.keyword_frames].tobytes()
    size = len(window)
    requests = [
        Frame(Message.INFO, 7, b""),
        Frame(Message.SELF_TEST, 8, b""),
        Frame(Message.WRITE, 9, chunk_request(Target.KEYWORD, 0, size, window)),
        Frame(Message.RUN_RAW, 10, run_request(Target.KEYWORD, 3)),
        Frame(Message.READ, 11, chunk_request(Target.KEYWORD, 0, bundle.spec.keyword.embedding)),
        Frame(Message.CLOCK, 12, bytes([255])),
    ]
    line = b"typed by hand\r\n" + b"".join(request.encode() for request in requests)
    return app.run(sound, line, rpc=Frame(Message.TEMPERATURE, 5, b"").pack())


def test_every_stage_agrees_and_it_listens(heard: Spoken) -> None:
    assert "self-test: all stages agree" in heard.text
    assert heard.text.endswith("listening")


def test_records_are_those_of_the_python_listener(
    board: tuple[Bundle, HostApp], heard: Spoken, sound: np.ndarray
) -> None:
    bundle, _ = board
    spec = bundle.spec
    nets = StandInNet(spec.acoustic.embedding), StandInNet(spec.keyword.embedding)
    expected = list(listen(Listener(stream_system(bundle)), *nets, [sound]))
    found = [Record.decode(frame.payload) for frame in heard.frames if frame.type == Message.RECORD]
    assert len(expected) == 3
    assert found == expected


def test_answers(board: tuple[Bundle, HostApp], heard: Spoken) -> None:
    bundle, _ = board
    answers = {frame.sequence: frame for frame in heard.frames if frame.answer}
    info = read_info(answers[7].payload)
    assert (info.kind, info.build_id) == (BoardKind.CORAL_MICRO, bundle.build_id)
    assert info.name == f"{bundle.spec.name} on the Cortex-M7"
    tested = read_self_test(answers[8].payload)
    assert tested.failed is None
    assert set(tested.differences.values()) == {0}
    assert not answers[9].error
    microseconds = read_ran(answers[10].payload, 3).microseconds
    assert (microseconds[:, 1] == 10).all()
    # Three runs on one input give what one gives, though each run spoils the tensor.
    embedding = read_chunk(answers[11].payload, bundle.spec.keyword.embedding)
    assert embedding == bundle.array("golden/keyword_windows.npy")[0].tobytes()
    assert answers[12].error, "without the Edge TPU there is no clock to tell"


def test_rpc_carries_the_same_frames(heard: Spoken) -> None:
    answer = Frame.unpack(heard.rpc)
    assert answer is not None
    assert (answer.type, answer.sequence, answer.answer) == (Message.TEMPERATURE, 5, True)
    assert read_temperature(answer.payload) == 41.5


def test_lost_sound_is_said(board: tuple[Bundle, HostApp], sound: np.ndarray) -> None:
    """More than two seconds at once are more than the ring holds: the record after them says that there was a gap."""
    spoken = board[1].run(sound, STUB_BURST="130")
    records = [Record.decode(frame.payload) for frame in spoken.frames if frame.type == Message.RECORD]
    assert [bool(record.flags & GAP) for record in records] == [True, False]


@pytest.mark.parametrize(
    ("wrong", "words"), [("keyword", "keyword net differs first"), ("acoustic", "acoustic net differs first")]
)
def test_the_net_that_differs_is_named(
    board: tuple[Bundle, HostApp], sound: np.ndarray, wrong: str, words: str
) -> None:
    _check_failure(board[1].run(sound, SELF_TEST, STUB_WRONG=wrong), wrong, words)


@pytest.mark.parametrize(
    ("name", "stage", "words"),
    [("features", "frontend", "front end differs first"), ("scores", "fusion", "fusion differs first")],
)
def test_the_first_stage_that_differs_is_named(
    board: tuple[Bundle, HostApp], sound: np.ndarray, tmp_path: Path, name: str, stage: str, words: str
) -> None:
    """Nets that read wrong golden values differ as well; the first stage is named all the same."""
    values = board[0].array(f"golden/{name}.npy").copy()
    flat = values.reshape(-1)
    flat[0] = flat[0] ^ 0x40
    app = firmware_app(stand_in_bundle({name: values}))
    _check_failure(build_host_app(app, tmp_path).run(sound, SELF_TEST), stage, words)


def _check_failure(spoken: Spoken, stage: str, words: str) -> None:
    """It is named on the console and in the answer, and the board does not listen."""
    assert f"self-test: {words}" in spoken.text
    assert "listening" not in spoken.text
    assert not [frame for frame in spoken.frames if frame.type == Message.RECORD]
    (answer,) = [frame for frame in spoken.frames if frame.answer]
    assert read_self_test(answer.payload).failed == stage


@pytest.mark.parametrize("name", ["keyword.tflite", "acoustic.tflite", "golden.bin"])
def test_files_of_another_build_are_refused(
    board: tuple[Bundle, HostApp], sound: np.ndarray, name: str
) -> None:
    bundle, app = board
    data = bytearray((app.folder / "models" / name).read_bytes())
    data[len(data) // 2] ^= 1
    for wrong in (bytes(data), bytes(data[:-1]), b""):
        spoken = app.run(sound[:3200], Frame(Message.INFO, 1, b"").encode(), files={name: wrong})
        assert "flash again, with data" in spoken.text
        assert "listening" not in spoken.text
        (answer,) = [frame for frame in spoken.frames if frame.answer]
        assert read_info(answer.payload).build_id == bundle.build_id


def test_edge_tpu_build_runs_and_tells_its_clock(tmp_path: Path, sound: np.ndarray) -> None:
    app = build_host_app(firmware_app(with_compiled(stand_in_bundle())), tmp_path, cpu_fallback=False)
    ask, change = Frame(Message.CLOCK, 1, bytes([255])), Frame(Message.CLOCK, 2, bytes([3]))
    again = Frame(Message.CLOCK, 3, bytes([255]))
    spoken = app.run(sound[:46400], b"".join(frame.encode() for frame in (ask, change, again)))
    answers = {frame.sequence: frame.payload for frame in spoken.frames if frame.answer}
    assert answers == {1: b"\x02", 2: b"\x03", 3: b"\x03"}
    assert [frame.type for frame in spoken.frames if not frame.answer] == [Message.RECORD]
