from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_ser.errors import MissingError
from firmware_bridge.host_process import C_FLAGS, INCLUDES, HostProcess, headers
from firmware_bridge.programs import BOARDS, CORE, Program, find_tool

REPOSITORY = Path(__file__).resolve().parents[2]
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
TARGET = BOARDS / "host" / "fuzz_frame.c"


def _harness(host: HostProcess, frame_source: Path, folder: Path) -> Path:
    """The fuzz target as a program that makes its own inputs."""
    program = Program(
        "fuzz_frame",
        (TARGET, frame_source, CORE / "protocol.c", CORE / "crc32.c"),
        (*C_FLAGS, *INCLUDES, *SANITIZERS, "-DFUZZ_ALONE"),
        link_flags=SANITIZERS,
        watched=headers(),
    )
    return host.compiler.build(program, folder)


def test_random_inputs_break_nothing(host: HostProcess, builds: Path) -> None:
    executable = _harness(host, CORE / "frame.c", builds / "fuzz")
    done = subprocess.run([executable, "40000"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "40000 inputs\n"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "reader->count < sizeof reader->bytes",
            "reader->count < sizeof reader->bytes + 9",
            "index 2060 out of bounds",
        ),
        (
            "length != checked - ESER_FRAME_HEADER_BYTES ||",
            "",
            "AddressSanitizer",
        ),
        ("if (bytes[i] == 0 || ", "if (bytes[i] == 1 || ", "holds a zero|did not come through"),
    ],
)
def test_the_harness_finds_a_reader_that_is_wrong(
    host: HostProcess, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    source = (CORE / "frame.c").read_text()
    assert source.count(right) == 1
    broken = tmp_path / "frame.c"
    broken.write_text(source.replace(right, wrong))
    done = subprocess.run(
        [_harness(host, broken, tmp_path), "40000"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode != 0
    assert any(words in done.stderr for words in said.split("|")), done.stderr[-1000:]


def test_libfuzzer_runs_clean_for_some_seconds(tmp_path: Path) -> None:
    try:
        find_tool("clang", "on Debian: apt install clang")
    except MissingError as error:
        pytest.skip(str(error))
    command = [sys.executable, str(REPOSITORY / "tools" / "fuzz_frame.py"), "--seconds", "3"]
    done = subprocess.run(
        [*command, "--corpus", str(tmp_path / "corpus")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "clean" in done.stdout
