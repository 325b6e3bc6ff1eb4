"""`edge-ser listen` as a person or a program runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from live_cases import RATE, FakeSoundSystem, noise, shipped, write_noise
from rich.console import Console

from edge_ser import audio_live, microphone
from edge_ser.audio import read_audio
from edge_ser.audio_live import Losses, PacedFile
from edge_ser.cli import main as command_line
from edge_ser.cli.listen_show import json_row
from edge_ser.cli.listen_view import view
from edge_ser.runtime.live import LiveDecision, Word, tuned
from edge_ser.runtime.session import Status
from edge_ser.runtime.stream_system import stream_system

COMMAND = [sys.executable, "-m", "edge_ser.cli.main"]
KEYS = {"start", "end", "emotion", "scores", "keyword"}
LIVE_KEYS = {
    "shown",
    "smoothed",
    "silent",
    "gap",
    "level_dbfs",
    "delay_ms",
    "stages_ms",
    "dropped_blocks",
    "overflows",
    "ended_unix_s",
}
Ran = tuple[int, str, str]
Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command in this process; recordings play as fast as they are heard."""

    def once(*arguments: object) -> Ran:
        monkeypatch.setattr(audio_live, "PacedFile", partial(PacedFile, speed=None))
        monkeypatch.setattr(sys, "argv", ["edge-ser", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        output, errors = capfd.readouterr()
        return int(ended.value.code or 0), output, errors

    return once


def _rows(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def _classified(run: Run, file: Path) -> list[dict[str, Any]]:
    code, output, _ = run("classify", file, "--json")
    assert code == 0
    segments: list[dict[str, Any]] = json.loads(output)["files"][0]["segments"]
    return segments


def _write(path: Path, samples: np.ndarray, rate: int) -> Path:
    soundfile.write(path, samples, rate)
    return path


def _recordings(folder: Path) -> Sequence[Path]:
    random = np.random.default_rng(7)
    return (
        write_noise(folder / "two-segments-and-a-rest.wav", 6.7),
        write_noise(folder / "short.wav", 0.3),
        _write(folder / "stereo.flac", random.normal(size=(44_100 * 4, 2)) * 0.1, 44_100),
        _write(folder / "telephone.wav", random.normal(size=8000 * 3) * 0.1, 8000),
        _write(folder / "silence.wav", np.zeros(RATE * 3), RATE),
    )


def test_json_lines_are_the_decisions_of_classify(run: Run, tmp_path: Path) -> None:
    for file in _recordings(tmp_path):
        code, output, errors = run("listen", "--from", file, "--json")
        assert code == 0, errors
        rows = _rows(output)
        assert [{key: row[key] for key in KEYS} for row in rows] == _classified(run, file), file.name
        for row in rows:
            assert set(row) == KEYS | LIVE_KEYS
            assert row["shown"] == row["emotion"]
            assert row["smoothed"] == pytest.approx(row["scores"], abs=1e-3)
            assert (row["silent"], row["gap"], row["dropped_blocks"], row["overflows"]) == (
                False,
                False,
                0,
                0,
            )
        assert f"decisions: {len(rows)}" in errors
        assert "dropped blocks: 0" in errors


def test_plain_lines_where_there_is_no_terminal(run: Run, tmp_path: Path) -> None:
    file = _recordings(tmp_path)[0]
    code, output, errors = run("listen", "--from", file)
    _, classified, _ = run("classify", file)
    assert code == 0
    assert output.splitlines() == classified.splitlines()[1:], "the same lines, without the file's name"
    assert "listening to two-segments-and-a-rest.wav (6.7 s, 16000 Hz); Ctrl-C ends it" in errors
    assert re.search(r"emotions: \w+ \d+ %", errors)
    assert re.search(r"delay from the end of the audio: p50 [\d.]+ ms, p95 [\d.]+ ms", errors)


def test_a_gate_keeps_quiet(run: Run, tmp_path: Path) -> None:
    samples = np.concatenate([np.zeros(3 * RATE, np.int16), noise(3.5)])
    file = _write(tmp_path / "a.wav", samples, RATE)
    code, output, errors = run("listen", "--from", file, "--gate", "-45", "--json")
    assert code == 0
    rows = _rows(output)
    assert [row["silent"] for row in rows] == [True, False, False]
    assert (rows[0]["emotion"], rows[0]["scores"], rows[0]["keyword"]) == (None, None, None)
    assert {key: rows[1][key] for key in KEYS} == _classified(run, file)[1]
    assert "1 of them silent" in errors
    _, output, _ = run("listen", "--from", file, "--gate", "-45")
    assert output.splitlines()[0].split() == ["0.00", "–", "2.90", "s", "silent"]


def test_more_decisions(run: Run, tmp_path: Path) -> None:
    file = _recordings(tmp_path)[0]
    _, output, _ = run("listen", "--from", file, "--hop", "0.58", "--json")
    rows = _rows(output)
    # The rest behind the last of them is shorter than half a second.
    assert [row["start"] for row in rows] == pytest.approx([0.58 * index for index in range(7)])
    by_start = {row["start"]: row for row in rows}
    for segment in _classified(run, file)[:2]:
        assert {key: by_start[segment["start"]][key] for key in KEYS} == segment


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_record_keeps_exactly_what_was_heard(run: Run, tmp_path: Path, rate: int) -> None:
    file = _write(tmp_path / "a.flac", np.random.default_rng(3).normal(size=(rate * 2, 2)) * 0.1, rate)
    kept = tmp_path / "kept" / "heard.wav"
    code, _, errors = run("listen", "--from", file, "--record", kept)
    assert code == 0
    info = soundfile.info(kept)
    assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
    assert np.array_equal(read_audio(kept), read_audio(file))
    assert f"{kept} written" in errors
    assert sorted(path.name for path in kept.parent.iterdir()) == ["heard.wav"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"RIFF", "not audio"),
        (b"nothing to hear " * 40, "not audio"),
        (None, "cannot be opened"),
    ],
)
def test_what_is_no_recording(run: Run, tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "a.wav"
    if content is not None:
        file.write_bytes(content)
    code, output, errors = run("listen", "--from", file, "--json")
    assert (code, output) == (2, "")
    (line,) = errors.splitlines()
    assert words in line
    assert "a.wav" in line


def test_a_recording_that_is_damaged_on_the_way(run: Run, tmp_path: Path) -> None:
    sound = (noise(5.0) / 32_768).astype(np.float32)
    sound[-100] = np.nan
    file = tmp_path / "a.wav"
    soundfile.write(file, sound, RATE, subtype="FLOAT")
    kept = tmp_path / "kept.wav"
    code, output, errors = run("listen", "--from", file, "--json", "--record", kept)
    assert code == 2
    assert len(_rows(output)) == 1
    assert errors.splitlines()[-1].startswith("edge-ser: ")
    assert "NaN" in errors
    assert "decisions: 1" in errors
    assert np.array_equal(read_audio(kept), noise(5.0)[: len(read_audio(kept))]), "what was heard is kept"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "{file}", "--device", "1"), "expected one of them"),
        (("--from", "{file}", "--record", "{file}"), "is the recording that is played"),
        (("--from", "{file}", "--record", "heard.mp3"), "expected a name that ends in .wav"),
        (("--from", "{file}", "--hop", "0.51"), "expected a multiple of 0.02 s"),
        (("--from", "{file}", "--gate", "3"), "expected -96.3 to 0 dBFS"),
        (("{file}",), "to hear a recording: edge-ser listen --from"),
        (("absent.edgeser", "--from", "{file}"), "absent.edgeser"),
    ],
)
def test_wrong_use(run: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    file = write_noise(tmp_path / "a.wav", 0.5)
    before = file.read_bytes()
    code, output, errors = run("listen", *(argument.format(file=file) for argument in arguments))
    assert (code, output) == (2, "")
    (line,) = errors.splitlines()
    assert words in line
    assert file.read_bytes() == before


def _microphone(monkeypatch: pytest.MonkeyPatch, seconds: float, rate: int = RATE) -> FakeSoundSystem:
    system = FakeSoundSystem(noise(seconds) / 32_768, rate)
    monkeypatch.setitem(sys.modules, "sounddevice", system)
    monkeypatch.setattr(microphone, "LOST_AFTER_S", 0.2)
    return system


def test_a_microphone_that_is_unplugged(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = _microphone(monkeypatch, 4.0)
    system.unplugs = True
    kept = tmp_path / "kept.wav"
    code, output, errors = run("listen", "--json", "--record", kept)
    assert code == 3
    (row,) = _rows(output)
    file = _write(tmp_path / "same.wav", noise(4.0), RATE)
    assert {key: row[key] for key in KEYS} == _classified(run, file)[0]
    assert "listening to USB microphone (16000 Hz)" in errors
    assert "decisions: 1" in errors
    assert "was it unplugged?" in errors.splitlines()[-1]
    assert np.array_equal(read_audio(kept), noise(4.0))


def test_losses_of_the_sound_system_are_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    system = _microphone(monkeypatch, 5.0)
    system.overflows, system.unplugs = {10, 20}, True
    code, output, errors = run("listen", "--json")
    assert code == 3
    (row,) = _rows(output)
    assert (row["start"], row["gap"], row["overflows"]) == (0.4, True, 2)
    assert "the sound system lost audio 2 times; 1 decisions behind a gap" in errors


def test_microphones_are_listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _microphone(monkeypatch, 0.1, 44_100)
    code, output, _ = run("listen", "--list-devices", "--json")
    assert code == 0
    assert json.loads(output) == {
        "devices": [
            {
                "index": 1,
                "name": "USB microphone",
                "host": "ALSA",
                "channels": 2,
                "sample_rate_hz": 44_100,
                "usual": True,
            }
        ]
    }
    _, output, _ = run("listen", "--list-devices")
    assert "USB microphone" in output


@pytest.mark.parametrize("arguments", [(), ("--list-devices",), ("--device", "3")])
def test_without_a_sound_system(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    code, output, errors = run("listen", *arguments)
    assert (code, output) == (3, "")
    assert "pip install 'edge-ser[mic]'" in errors


def test_ctrl_c_ends_it_with_a_summary(tmp_path: Path) -> None:
    file, kept = write_noise(tmp_path / "a.wav", 120.0), tmp_path / "kept.wav"
    arguments = ["listen", "--from", str(file), "--json", "--hop", "0.1", "--record", str(kept)]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        first = json.loads(child.stdout.readline())
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    assert first["start"] == 0.0
    assert first["delay_ms"] > 0
    rows = _rows(output)
    assert "Traceback" not in errors
    heard = re.search(r"decisions: (\d+), in ([\d.]+) s of audio", errors)
    assert heard is not None
    assert int(heard[1]) >= len(rows) + 1
    assert float(heard[2]) < 110.0
    samples = read_audio(kept)
    assert len(samples) / RATE == pytest.approx(float(heard[2]), abs=0.06)
    if "dropped blocks: 0" in errors:
        assert np.array_equal(samples, noise(120.0)[: len(samples)])


def test_a_reader_that_goes_away_ends_it(tmp_path: Path) -> None:
    file = write_noise(tmp_path / "a.wav", 60.0)
    with subprocess.Popen(
        [*COMMAND, "listen", "--from", str(file), "--json", "--hop", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        errors = child.stderr.read()
    assert child.returncode == 0
    assert "Traceback" not in errors
    assert "Exception" not in errors
    assert "dropped blocks:" in errors, "the summary"


WATCHED = """
import os, sys
def watch(event, arguments):
    if event == "open":
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
        if isinstance(arguments[2], int) and arguments[2] & writes:
            os.write(2, ("writes " + str(arguments[0])).encode()); os._exit(9)
    elif event in ("socket.connect", "socket.bind", "socket.sendto", "subprocess.Popen", "os.fork", "os.mkdir"):
        os.write(2, event.encode()); os._exit(9)
sys.addaudithook(watch)
sys.argv = ["edge-ser", *sys.argv[1:]]
from edge_ser.cli.main import main
main()
"""


def test_audio_stays_in_the_process(tmp_path: Path) -> None:
    file = write_noise(tmp_path / "a.wav", 0.6)
    command = [sys.executable, "-B", "-c", WATCHED, "listen", "--from", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dropped blocks: 0" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    kept = subprocess.run(
        [*command, "--record", "b.wav"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert kept.returncode == 9, "the watcher sees a file that is written"


def test_a_terminal_gets_the_live_view(tmp_path: Path) -> None:
    file = write_noise(tmp_path / "a.wav", 3.2)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    child = subprocess.Popen(
        [*COMMAND, "listen", "--from", str(file)], stdout=theirs, stderr=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
    _, errors = child.communicate(timeout=60)
    os.close(ours)
    assert child.returncode == 0, errors
    text = seen.decode()
    for words in ("edge-ser listen", "a.wav", "dBFS", "no gate", "keywords", "latency", "0 blocks dropped"):
        assert words in text
    assert "listening; the first decision comes after 2.9 s of audio" in text
    assert "\x1b[?25h" in text, "the cursor comes back"


def _decision(start_s: float, emotion: str = "fear", silent: bool = False) -> LiveDecision:
    bundle, pipeline = shipped()
    logits = np.full(len(bundle.labels), -1_000_000, np.int32)
    logits[bundle.labels.index(emotion)] = 0
    decision = None if silent else pipeline.decision_from(logits, "help", start_s, start_s + 2.9)
    shares = [0.9 if label == emotion else 0.02 for label in bundle.labels]
    return LiveDecision(
        decision=decision,
        start_s=start_s,
        end_s=start_s + 2.9,
        silent=silent,
        gap=False,
        shown=None if silent else emotion,
        smoothed=tuple(0.0 if silent else share for share in shares),
        level_dbfs=-20.0,
        due_s=0.0,
        stages_ms={"waiting": 0.2, "front end": 0.1, "keyword net": 0.5, "acoustic net": 1.5, "fusion": 0.3},
    )


def _status(**entries: Any) -> Status:
    status = Status(
        up_s=3725.4,
        heard_s=3725.0,
        at_s=3725.0,
        waiting_s=0.04,
        level_dbfs=-20.0,
        gate_open=None,
        losses=Losses(),
        recent=(),
        words=(),
    )
    return replace(status, **entries)


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_view_fits_any_terminal(width: int) -> None:
    system = stream_system(shipped()[0])
    recent = tuple(_decision(3695.5 + 2.9 * index, silent=index == 4) for index in range(10))
    words = tuple(Word(3700.0 - index, "help", 0.9) for index in range(6))
    file = StringIO()
    console = Console(file=file, width=width, force_terminal=False)
    console.print(view(_status(recent=recent, words=words), "USB [microphone]", system, 3.4, width))
    lines = file.getvalue().splitlines()
    assert len(lines) == 7 + len(system.classes)
    assert all(len(line) <= width for line in lines)
    if width >= 80:
        shown = "\n".join(lines)
        assert "FEAR 0.90" in shown
        assert "[microphone]" in shown
        assert "up 1:02:05" in shown
        assert "“help” 0.90 at 3700.0 s" in shown
        (fear,) = (line for line in lines if line.startswith("fear"))
        assert "·" in fear, "a silent segment"
        assert fear.count("▇") > 30
        assert "latency, ms waiting 0.2  front end 0.1  keyword net 0.5  acoustic net 1.5" in shown
        assert "fusion 0.3  in all 3.4" in shown or width == 80


def test_the_view_tells_losses_and_the_gate() -> None:
    system = tuned(stream_system(shipped()[0]), gate_dbfs=-45.0)
    file = StringIO()
    console = Console(file=file, width=120)
    for gate_open in (True, False):
        console.print(view(_status(gate_open=gate_open, losses=Losses(7, 0.14, 2)), "a", system, None, 120))
    shown = file.getvalue()
    assert "gate open" in shown
    assert "gate closed" in shown
    assert "7 blocks dropped, 2 overflows of the sound system" in shown
    assert "none so far" in shown


def test_a_json_line_of_a_silent_segment() -> None:
    spec = shipped()[1].spec
    row = json_row(_decision(2.9, silent=True), spec, 12.344, Losses(3, 0.06, 1), 1000.0)
    assert (row["start"], row["end"], row["emotion"], row["scores"], row["shown"]) == (
        2.9,
        5.8,
        None,
        None,
        None,
    )
    assert (row["dropped_blocks"], row["overflows"], row["delay_ms"]) == (3, 1, 12.34)
    assert row["ended_unix_s"] == pytest.approx(1000.0 - 0.0123, abs=1e-3)
    assert set(row) == KEYS | LIVE_KEYS
    json.dumps(row, allow_nan=False)
