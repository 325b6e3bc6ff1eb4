"""A corpus recorded again: same layout and names, never over the source, and going on where it stopped."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edge_ser.acoustics import resample
from edge_ser.audio import read_audio, write_wav
from edge_ser.channel.devices import BoardMicrophone, SimulatedDevice, captured
from edge_ser.channel.rerecord import REPORT, FileReport, Plan, rerecord, summary
from edge_ser.channel.simulation import Channel
from edge_ser.corpora.registry import read_clips
from edge_ser.errors import CheckError, InputError
from edge_ser.files import read_json

RATE = 16_000
TOOL = Path(__file__).resolve().parents[2] / "tools" / "rerecord.py"


def _nothing(_words: str) -> None:
    pass


def _sound(seed: int, seconds: float) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    noise = np.convolve(rng.standard_normal(count), np.ones(6) / np.sqrt(6), mode="same")
    return (noise * 2500 * np.abs(np.sin(2 * np.pi * 2 * np.arange(count) / RATE))).astype(np.int16)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder corpus: two speakers, files in folders, one FLAC, one file with two clips."""
    root = tmp_path / "source"
    rows = ["path,speaker,emotion,start_s,end_s"]
    for number, name in enumerate(("f/one.wav", "f/two.wav", "m/three.flac", "m/four.wav")):
        samples = _sound(number, 0.8 + 0.3 * number)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".flac":
            soundfile.write(str(path), samples, RATE, format="FLAC")
        else:
            write_wav(path, samples, RATE)
        rows.append(f"{name},{name[0]},anger,,")
    rows.append("m/four.wav,m,sadness,0.2,0.9")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    (root / "README.txt").write_text("about")
    return root


def _plan(source: Path, **changes: object) -> Plan:
    plan = Plan("folder", source, source.parent / "again", RATE, take_s=2.5)
    return replace(plan, **changes)  # type: ignore[arg-type]


class _Device(SimulatedDevice):
    """Counts what it plays; fails from some take on."""

    def __init__(self, channel: Channel, fails_at: int | None = None) -> None:
        super().__init__(channel)
        self.takes = 0
        self._fails_at = fails_at

    def play_and_record(self, samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
        self.takes += 1
        if self._fails_at is not None and self.takes >= self._fails_at:
            return np.zeros(len(samples) + RATE, np.int16)
        return super().play_and_record(samples, rate_hz)


def _snapshot(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_layout_and_names_are_the_corpus_own(source: Path) -> None:
    before = _snapshot(source)
    done = rerecord(_plan(source), _Device(Channel("near", 25.0)), _nothing)
    again = source.parent / "again"
    assert _snapshot(source) == before
    assert set(_snapshot(again)) == {*before, REPORT}
    assert set(done) == {"f/one.wav", "f/two.wav", "m/three.flac", "m/four.wav"}
    for clip, other in zip(read_clips("folder", source), read_clips("folder", again), strict=True):
        assert (clip.emotion, clip.speaker, clip.start_s, clip.end_s) == (
            other.emotion,
            other.speaker,
            other.start_s,
            other.end_s,
        )
        played, heard = (read_audio(one.path, RATE, one.start_s, one.end_s) for one in (clip, other))
        assert len(played) == len(heard)
        # The same sound in the same place, though another one.
        assert 0.5 < np.corrcoef(played, heard)[0, 1] < 0.999
    assert all(abs(row.lag_ms) < 1 for row in done.values())
    assert all(15 < (row.snr_db or 0) < 40 for row in done.values())


def test_it_goes_on_where_it_stopped_and_does_nothing_twice(source: Path) -> None:
    plan = _plan(source)
    device = _Device(Channel("near", 25.0), fails_at=2)
    with pytest.raises(CheckError, match=r"take 2, tried 3 times.*go on"):
        rerecord(plan, device, _nothing)
    assert device.takes == 1 + 3
    kept = {name: data for name, data in _snapshot(plan.output).items() if name.endswith(("wav", "flac"))}
    assert 0 < len(kept) < 4
    rest = _Device(Channel("near", 25.0))
    done = rerecord(plan, rest, _nothing)
    assert len(done) == 4
    assert rest.takes < 3
    after = _snapshot(plan.output)
    assert {name: after[name] for name in kept} == kept
    idle = _Device(Channel("near", 25.0))
    assert rerecord(plan, idle, _nothing) == done
    assert idle.takes == 0


def test_a_source_that_changed_is_played_again(source: Path) -> None:
    plan = _plan(source)
    rerecord(plan, _Device(Channel("near", 25.0)), _nothing)
    write_wav(source / "f" / "two.wav", _sound(77, 1.0), RATE)
    device = _Device(Channel("near", 25.0))
    done = rerecord(plan, device, _nothing)
    assert device.takes == 1
    assert done["f/two.wav"].seconds == 1.0


@pytest.mark.parametrize("where", ["", "below", ".."])
def test_the_source_is_never_written(source: Path, where: str) -> None:
    before = _snapshot(source.parent)
    with pytest.raises(InputError, match="lies in, above or at"):
        rerecord(_plan(source, output=source / where), _Device(Channel("near", 25.0)), _nothing)
    assert _snapshot(source.parent) == before


def test_a_link_into_the_source_is_seen_through(source: Path) -> None:
    link = source.parent / "link"
    link.symlink_to(source)
    with pytest.raises(InputError, match="lies in, above or at"):
        rerecord(_plan(source, output=link), _Device(Channel("near", 25.0)), _nothing)


def test_recordings_made_in_another_way_are_not_mixed(source: Path) -> None:
    rerecord(_plan(source), _Device(Channel("near", 25.0)), _nothing)
    with pytest.raises(InputError, match="name another folder"):
        rerecord(_plan(source), _Device(Channel("far", 25.0)), _nothing)
    with pytest.raises(InputError, match="name another folder"):
        rerecord(_plan(source, gain_db=3.0), _Device(Channel("near", 25.0)), _nothing)


def test_a_folder_with_other_files_is_left_alone(source: Path) -> None:
    output = source.parent / "again"
    output.mkdir()
    (output / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="no re-recording"):
        rerecord(_plan(source), _Device(Channel("near", 25.0)), _nothing)


@pytest.mark.parametrize("text", ["{}", "[]", '{"settings": {}, "files": {}}'])
def test_a_broken_report_is_not_gone_on_with(source: Path, text: str) -> None:
    output = source.parent / "again"
    output.mkdir()
    (output / REPORT).write_text(text)
    with pytest.raises(InputError):
        rerecord(_plan(source), _Device(Channel("near", 25.0)), _nothing)


def test_what_is_wrong_with_a_recording_is_said(source: Path) -> None:
    told: list[str] = []
    done = rerecord(_plan(source, gain_db=30.0), _Device(Channel("near", 5.0)), told.append)
    assert any("played at full scale already" in line for line in told)
    assert any("above the noise" in line for line in told)
    assert summary(done)["problems"] == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clipped": 0.01}, "clipped"),
        ({"snr_db": 3.0}, "above the noise"),
        ({"lag_ms": -9.0}, "off its place"),
    ],
)
def test_problems_of_one_recording(changes: dict[str, float], words: str) -> None:
    well = FileReport("00", 1.0, 30.0, 0.0, 0.1, 100.0, 50.0, 0.9)
    assert well.problems == ()
    (problem,) = replace(well, **changes).problems  # type: ignore[arg-type]
    assert words in problem


def test_the_report_is_kept_by_file(source: Path) -> None:
    rerecord(_plan(source, keep=source.parent / "takes"), _Device(Channel("near", 25.0)), _nothing)
    told = read_json(source.parent / "again" / REPORT)
    assert told["settings"]["device"].startswith("SIMULATED")
    row = told["files"]["m/three.flac"]
    assert set(row) == {
        "source",
        "seconds",
        "snr_db",
        "clipped",
        "lag_ms",
        "delay_ms",
        "drift_ppm",
        "likeness",
    }
    assert row["drift_ppm"] == pytest.approx(100, abs=40)
    assert row["delay_ms"] == pytest.approx(137, abs=2)
    played = sorted(path.name for path in (source.parent / "takes").iterdir())
    assert played[:2] == ["take-0001-played.wav", "take-0001-recorded.wav"]


def test_the_tool_from_end_to_end(source: Path) -> None:
    again = source.parent / "again"
    command = [
        sys.executable,
        str(TOOL),
        "folder",
        str(source),
        "-o",
        str(again),
        "--simulate",
        "far:20",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["recordings"] == 4
    assert told["largest_lag_ms"] < 3
    assert len(read_clips("folder", again)) == 5
    wrong = subprocess.run([*command[:-2], "cave:20"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "rooms: near, far" in wrong.stderr or "expected one of near, far" in wrong.stderr


def _answer(samples: NDArray[np.int32]) -> bytes:
    data = base64.b64encode(samples.astype("<i4").tobytes()).decode()
    return json.dumps({"id": 1, "result": {"data": data}}).encode()


def test_the_boards_answer_is_the_upper_half_of_its_samples() -> None:
    samples = np.array([0, 1, -1, 32767, -32768, 1234], np.int32)
    assert captured(_answer(samples << 16), "board").tolist() == samples.tolist()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"error": {"code": -1}}',
        b'{"result": {"data": "AAA"}}',
        b'{"result": {"data": ""}}',
        b"[" * 99999,
    ],
)
def test_another_answer_of_the_board_is_refused(data: bytes) -> None:
    with pytest.raises(CheckError, match="rack_test"):
        captured(data, "board")


class _Player:
    """Stands in for sounddevice: what it plays is heard by the stand-in board."""

    PortAudioError = RuntimeError

    def __init__(self) -> None:
        self.played: NDArray[np.int16] | None = None

    def play(self, samples: NDArray[np.int16], _rate: int, **_options: object) -> None:
        self.played = samples


@pytest.fixture
def microphone(monkeypatch: pytest.MonkeyPatch) -> BoardMicrophone:
    from edge_ser.channel import devices

    player = _Player()
    monkeypatch.setattr(devices, "_sounddevice", lambda: player)
    monkeypatch.setattr(devices, "_BOARD_START_S", 0.05)

    def capture(_self: BoardMicrophone, _duration_s: float, rate_hz: int) -> NDArray[np.int16]:
        import time

        while player.played is None:
            time.sleep(0.01)
        return resample(np.pad(player.played, (700, rate_hz)), 1.0, 1 + 80e-6)

    monkeypatch.setattr(BoardMicrophone, "_capture", capture)
    return BoardMicrophone("10.10.10.1", None)


def test_the_boards_microphone_records_while_this_machine_plays(
    microphone: BoardMicrophone, source: Path
) -> None:
    done = rerecord(_plan(source, take_s=60.0), microphone, _nothing)
    assert len(done) == 4
    assert [row.drift_ppm for row in done.values()] == pytest.approx([80] * 4, abs=5)
    with pytest.raises(CheckError, match="16000 or 48000"):
        microphone.play_and_record(np.zeros(10, np.int16), 44_100)
