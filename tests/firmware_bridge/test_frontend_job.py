"""The job files, and the core as a process of this machine: equal to NumPy, clean under the sanitizers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_cases import ALL_STAGES, OTHER_SIZES, PLAIN, MachineCases

from edge_ser.errors import CheckError, InputError
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import make_tables
from edge_ser.frontend.torture import random_specs
from firmware_bridge.frontend_job import FrontendJob, read_results, write_jobs
from firmware_bridge.host_process import HostProcess, run_process
from firmware_bridge.programs import Program, run

SOUND = np.random.default_rng(0).integers(-3000, 3000, 1000).astype(np.int16)
JOB = FrontendJob(PLAIN, make_tables(PLAIN), (SOUND, SOUND[:100]), 160, 3)


@pytest.fixture(scope="module")
def program(host: HostProcess, builds: Path) -> Path:
    """The executable."""
    host.run([JOB], builds / "host")
    return builds / "host" / "frontend_job"


@pytest.fixture(scope="module")
def result(program: Path) -> bytes:
    """The result file of ``JOB``."""
    return run_process(program, write_jobs([JOB]))


def test_the_process_gives_what_numpy_gives(host: HostProcess, cases: MachineCases, builds: Path) -> None:
    results = host.run(cases.jobs, builds / "host")
    assert cases.differences(results) == []
    assert {count for result in results for count in result.instructions} == {0}


SANITIZERS = ("-fsanitize=undefined,address", "-fno-sanitize-recover=all", "-g")


@pytest.mark.parametrize("lanes", [1, 16])
def test_the_core_is_clean_under_the_sanitizers(cases: MachineCases, builds: Path, lanes: int) -> None:
    host = HostProcess.find(*SANITIZERS, f"-DESER_LANES={lanes}")
    results = host.run(cases.jobs, builds / f"sanitized-{lanes}")
    assert cases.differences(results) == []


def test_the_sanitizers_see_what_they_shall_see(host: HostProcess, tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text(
        "#include <stdlib.h>\nint main(void) { volatile int *p = malloc(4); volatile int n = 1; return p[n]; }\n"
    )
    program = Program("wrong", (source,), SANITIZERS, link_flags=SANITIZERS)
    with pytest.raises(CheckError, match="heap-buffer-overflow"):
        run_process(host.compiler.build(program, tmp_path), b"")


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    samples=st.integers(0, 4000),
    loudest=st.sampled_from([1, 100, 32_767]),
    chunk=st.integers(0, 1500),
    frames=st.integers(0, 12),
)
def test_random_sounds_and_chunks(
    program: Path, seed: int, samples: int, loudest: int, chunk: int, frames: int
) -> None:
    random = np.random.default_rng(seed)
    spec = random_specs(1, seed)[0]
    sound = random.integers(-loudest - 1, loudest + 1, samples).astype(np.int16)
    job = FrontendJob(spec, make_tables(spec), (sound, sound[::2]), chunk, frames)
    (answer,) = read_results(run_process(program, write_jobs([job])), [job]).jobs
    frontend = Frontend(job.tables)
    for recording, features in zip(job.recordings, answer.features, strict=True):
        assert np.array_equal(features, frontend.process(recording))


def test_no_job_and_no_recording(program: Path) -> None:
    assert read_results(run_process(program, write_jobs([])), []).jobs == []
    empty = dataclasses.replace(JOB, recordings=())
    (answer,) = read_results(run_process(program, write_jobs([empty])), [empty]).jobs
    assert answer.features == ()


def test_the_result_says_what_the_state_takes(program: Path, result: bytes) -> None:
    state = read_results(result, [JOB]).state_bytes
    # Room for the largest spec: 1024 samples to come, as many windowed, 512 bins.
    assert 2 * 1024 + 2 * 1024 + 4 * 512 < state < 20_000


@pytest.mark.parametrize("place", [0, 12, 16, 20, 30, 60, 100, 1000, -1])
def test_a_job_file_that_ends_early_is_refused(program: Path, place: int) -> None:
    with pytest.raises(CheckError, match="front-end job: "):
        run_process(program, write_jobs([JOB])[:place])


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, b"RIFF", "no job file"),
        (8, b"\x02", "flags"),
        (12, b"\x02", "ends before"),
        (60, b"\xff\xff", "window"),
        (64, b"\x00", "step"),
        (68, b"\x00", "channels"),
        (76, b"\x20", "a number of the tables"),
        (117, b"\xff", "an array of the tables"),
    ],
)
def test_a_job_file_with_wrong_numbers_is_refused(
    program: Path, place: int, value: bytes, words: str
) -> None:
    data = bytearray(write_jobs([JOB]))
    data[place : place + len(value)] = value
    with pytest.raises(CheckError, match=words):
        run_process(program, bytes(data))


def test_a_job_file_that_goes_on_is_refused(program: Path) -> None:
    with pytest.raises(CheckError, match="goes on"):
        run_process(program, write_jobs([JOB]) + b"x")


def test_the_core_makes_no_tables(program: Path) -> None:
    with pytest.raises(CheckError, match="no tables of its own"):
        run_process(program, write_jobs([JOB], own_tables=True))


@settings(max_examples=60)
@given(data=st.data())
def test_a_broken_job_file_never_crashes_the_program(sanitized: Path, data: st.DataObject) -> None:
    job = bytearray(write_jobs([JOB]))
    for _ in range(data.draw(st.integers(1, 4))):
        job[data.draw(st.integers(0, len(job) - 1))] = data.draw(st.integers(0, 255))
    try:
        run_process(sanitized, bytes(job))
    except CheckError as error:
        assert "front-end job: " in str(error)  # noqa: PT017


@pytest.fixture(scope="module")
def sanitized(host: HostProcess, builds: Path) -> Path:
    """The executable under the sanitizers."""
    HostProcess.find(*SANITIZERS, "-DESER_LANES=1").run([JOB], builds / "sanitized-1")
    return builds / "sanitized-1" / "frontend_job"


@pytest.mark.parametrize("place", [0, 8, 15, 17, 200, 3000, -1])
def test_a_result_that_ends_early_is_refused(result: bytes, place: int) -> None:
    with pytest.raises(CheckError, match=r"ends after|first bytes"):
        read_results(result[:place], [JOB])


def test_a_result_of_other_jobs_is_refused(result: bytes) -> None:
    other = make_tables(ALL_STAGES)
    for jobs, words in (
        ([JOB, JOB], "jobs: 1; expected 2"),
        ([], "jobs: 1; expected 0"),
        ([dataclasses.replace(JOB, tables=other)], "SHA-256"),
        ([dataclasses.replace(JOB, tables=make_tables(OTHER_SIZES))], "window_samples"),
        ([dataclasses.replace(JOB, recordings=(SOUND[:700], SOUND))], "frames of 700 samples"),
        ([dataclasses.replace(JOB, net_input_frames=1)], "frames of net input"),
        ([dataclasses.replace(JOB, recordings=(SOUND,))], "bytes after the last job"),
    ):
        with pytest.raises(CheckError, match=words):
            read_results(result, jobs)
    with pytest.raises(CheckError, match="bytes after the last job"):
        read_results(result + b"x", [JOB])


def test_tables_that_are_none_are_refused(result: bytes) -> None:
    data = bytearray(result)
    data[16 + 4 * 15 : 16 + 4 * 15 + 2] = b"\xff\xff"  # the first coefficient of the window
    with pytest.raises(CheckError, match="'window' holds -1"):
        read_results(bytes(data), [JOB])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recordings": (SOUND.astype(np.int32),)}, "int32"),
        ({"recordings": (SOUND.reshape(2, -1),)}, "one dimension"),
        ({"chunk_samples": -1}, "chunk_samples is -1"),
        ({"net_input_frames": 70_000}, "net_input_frames is 70000"),
    ],
)
def test_a_job_that_cannot_be_written_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        dataclasses.replace(JOB, **change)


def test_a_program_that_hangs_is_stopped(
    host: HostProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "hang.c"
    source.write_text("int main(void) { for (;;) { } }\n")
    monkeypatch.setattr("firmware_bridge.host_process._LIMIT_S", 0.3)
    executable = host.compiler.build(Program("hang", (source,), ()), tmp_path)
    with pytest.raises(CheckError, match=r"did not end within 0\.3 s"):
        run_process(executable, b"")


def test_a_build_is_done_once_and_again_after_a_change(host: HostProcess, tmp_path: Path) -> None:
    source = tmp_path / "say.c"
    source.write_text("int main(void) { return 0; }\n")
    program = Program("say", (source,), ("-O1",))
    built = host.compiler.build(program, tmp_path).stat().st_mtime_ns
    assert host.compiler.build(program, tmp_path).stat().st_mtime_ns == built
    source.write_text("int main(void) { return 3; }\n")
    with pytest.raises(CheckError, match="status 3"):
        run_process(host.compiler.build(program, tmp_path), b"")
    with pytest.raises(CheckError, match="gcc: ended with status 1"):
        host.compiler.build(dataclasses.replace(program, c_flags=("-Werror", "-Dmain=")), tmp_path)


def test_programs_share_the_objects_that_come_out_the_same(host: HostProcess, tmp_path: Path) -> None:
    header, source = tmp_path / "size.h", tmp_path / "size.c"
    source.write_text(
        '#include "size.h"\n#include <stdio.h>\nint main(void) { printf("%d", SIZE); return 0; }\n'
    )
    objects = tmp_path / "objects"

    def said(number: int, *flags: str) -> str:
        header.write_text(f"#define SIZE {number}\n")
        folder = tmp_path / "-".join([str(number), *flags])
        flagged = ("-O1", f"-I{tmp_path}", *flags)
        program = Program("size", (source,), flagged, watched=(header,), objects=objects)
        return run([str(host.compiler.build(program, folder))], tmp_path, 10)

    assert [said(1), said(1, "-DUNUSED=1"), len(list(objects.glob("*.o")))] == ["1", "1", 1]
    # Another size, or another flag for the code, is another object.
    assert [said(2), said(2, "-g"), len(list(objects.glob("*.o")))] == ["2", "2", 3]
