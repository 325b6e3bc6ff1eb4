"""A session: threads between a source and whoever looks on, and what is counted when one of them is too slow."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from live_cases import RATE, noise, said, shipped, write_noise

from edge_ser.audio import read_audio
from edge_ser.audio_live import PacedFile, Source
from edge_ser.bundle import Bundle
from edge_ser.errors import InputError
from edge_ser.runtime.live import LiveDecision, tuned
from edge_ser.runtime.pipeline import Pipeline
from edge_ser.runtime.session import Recorder, Session
from edge_ser.runtime.stream_system import stream_system

Loaded = tuple[Bundle, Pipeline]


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return shipped()


def _session(
    loaded: Loaded,
    source: Source,
    hop_s: float | None = None,
    least_s: float = 0.0,
    kept: Recorder | None = None,
) -> Session:
    bundle, pipeline = loaded
    return Session(source, pipeline, tuned(stream_system(bundle), hop_s), least_s, kept)


def _take_all(session: Session) -> list[LiveDecision]:
    taken = []
    with session:
        while not session.over:
            decision = session.next(5.0)
            if decision is not None:
                taken.append(decision)
                session.shown(decision)
    return taken


class _Kept:
    def __init__(self, room: int = 10**9) -> None:
        self.pieces: list[np.ndarray] = []
        self.room = room

    def write(self, samples: np.ndarray) -> None:
        self.room -= len(samples)
        if self.room < 0:
            words = "no room"
            raise InputError(words)
        self.pieces.append(samples)


def test_a_recording_gets_the_decisions_of_classify(loaded: Loaded, tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.wav", 9.5)
    kept = _Kept()
    session = _session(loaded, PacedFile(path, speed=None), kept=kept)
    taken = _take_all(session)
    expected = list(loaded[1].classify(path))
    assert [said(one.decision) for one in taken if one.decision] == [said(one) for one in expected]
    assert np.array_equal(np.concatenate(kept.pieces), read_audio(path))
    summary = session.summary()
    assert (summary.decisions, summary.silent, summary.gaps) == (4, 0, 0)
    assert sum(summary.emotions.values()) == 4
    assert summary.heard_s == pytest.approx(9.5)
    assert summary.delay_ms is not None
    assert 0 <= summary.delay_ms[0] <= summary.delay_ms[1]
    assert session.problem is None
    status = session.status()
    assert [one.start_s for one in status.recent] == [one.start_s for one in taken]
    assert (status.heard_s, status.at_s, status.waiting_s) == pytest.approx((9.5, 9.5, 0.0))


def test_what_it_remembers_is_bounded(loaded: Loaded, tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.wav", 60.0)
    session = _session(loaded, PacedFile(path, speed=None), hop_s=0.5)
    taken = _take_all(session)
    assert len(taken) == 115
    status = session.status()
    assert [one.end_s for one in status.recent] == [one.end_s for one in taken if one.end_s >= 30.0]
    assert len(status.words) <= 6
    assert session.summary().decisions == 115


def test_a_board_that_is_too_slow_drops_and_says_so(loaded: Loaded, tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.wav", 30.0)
    # Twenty times real time: a hop comes every 145 ms, a decision takes 400. The first one's audio is safe.
    session = _session(loaded, PacedFile(path, speed=20.0, buffer_s=4.0), least_s=0.4)
    taken = _take_all(session)
    summary = session.summary()
    assert summary.losses.blocks > 100
    assert summary.losses.seconds == pytest.approx(0.02 * summary.losses.blocks)
    assert summary.heard_s == pytest.approx(30.0 - summary.losses.seconds)
    assert taken[0].start_s == 0.0
    assert summary.gaps == sum(one.gap for one in taken)
    assert summary.delay_ms is not None
    assert summary.delay_ms[0] >= 400.0


def test_who_does_not_look_loses_no_decision(loaded: Loaded, tmp_path: Path) -> None:
    """Decisions wait; when too many do, audio is dropped where it is counted."""
    path = write_noise(tmp_path / "a.wav", 20.0)
    source = PacedFile(path, speed=200.0, buffer_s=0.5)
    session = _session(loaded, source, hop_s=0.1)
    taken = []
    with session:
        until = time.monotonic() + 60.0
        while source.losses.blocks == 0 and time.monotonic() < until:
            time.sleep(0.01)
        while not session.over:
            decision = session.next(5.0)
            if decision is not None:
                taken.append(decision)
    assert source.losses.blocks > 0
    assert len(taken) == session.summary().decisions


@pytest.mark.parametrize("speed", [1.0, None])
def test_it_can_be_left_at_any_time(loaded: Loaded, tmp_path: Path, speed: float | None) -> None:
    path = write_noise(tmp_path / "a.wav", 120.0)
    session = _session(loaded, PacedFile(path, speed=speed), hop_s=0.1)
    with session:
        time.sleep(0.3)  # with many decisions that nobody takes, where it is quick
        session.stop()
    assert session.problem is None
    assert session.summary().heard_s < 120.0


def test_damage_is_told_behind_the_decisions_before_it(loaded: Loaded, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sound = noise(8.0).astype(np.float32) / 32_768
    sound[7 * RATE] = np.inf
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    session = _session(loaded, PacedFile(path, speed=None))
    taken = _take_all(session)
    assert [one.end_s for one in taken] == [2.9, 5.8]
    assert isinstance(session.problem, InputError)
    assert "NaN, infinite" in str(session.problem)


def test_a_recorder_without_room_ends_it(loaded: Loaded, tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.wav", 9.0)
    kept = _Kept(room=4 * RATE)
    session = _session(loaded, PacedFile(path, speed=None), kept=kept)
    taken = _take_all(session)
    assert [one.end_s for one in taken] == [2.9]
    assert str(session.problem) == "no room"
    assert sum(len(piece) for piece in kept.pieces) == 4 * RATE
