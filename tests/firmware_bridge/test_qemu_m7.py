"""The core on the emulated Cortex-M7: equal to NumPy, counted to the instruction, small; faults end."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from machine_cases import ALL_STAGES, PLAIN, MachineCases

from edge_ser.errors import CheckError, MissingError
from edge_ser.frontend.tables import make_tables
from firmware_bridge.frontend_job import FrontendJob, JobResult, write_jobs
from firmware_bridge.host_process import C_FLAGS, INCLUDES
from firmware_bridge.programs import BOARDS, CORE, Program, find_tool
from firmware_bridge.qemu_m7 import QemuM7

JOB_FILE = BOARDS / "common" / "job_file.c"


def test_the_m7_gives_what_numpy_gives(m7_results: list[JobResult], cases: MachineCases) -> None:
    assert cases.differences(m7_results) == []


def test_the_counts_are_of_the_work_alone(m7_results: list[JobResult], cases: MachineCases) -> None:
    for job, result in zip(cases.jobs, m7_results, strict=True):
        for features, instructions in zip(result.features, result.instructions, strict=True):
            # Bounds that leave room for any FFT of 128 to 1024 points, but not for a call to read a file.
            if job.chunk_samples in (0, 160) and len(features):
                assert 5_000 < instructions / len(features) < 200_000


def test_the_same_run_counts_the_same(m7: QemuM7, builds: Path) -> None:
    sound = np.random.default_rng(1).integers(-9999, 9999, 4000).astype(np.int16)
    job = FrontendJob(ALL_STAGES, make_tables(ALL_STAGES), (sound, sound), 160)
    first, second = (m7.run([job], builds / "m7")[0].instructions for _ in range(2))
    assert first == second
    # Every recording starts from the reset state.
    assert first[0] == first[1] > 0


@pytest.fixture(scope="module")
def counter_check(m7: QemuM7, builds: Path) -> Path:
    """The program that counts loops of known length."""
    source = Path(__file__).parent / "counter_check.c"
    return m7.build("counter_check", (source, JOB_FILE), builds / "counter")


def test_the_counter_is_exact(m7: QemuM7, counter_check: Path) -> None:
    rounds = [0, 1, 2, 3, 10, 997, 100_000, 5_000_001]
    job = struct.pack(f"<{len(rounds) + 1}I", len(rounds), *rounds)
    empty, first, *counts = struct.unpack(f"<{len(rounds) + 1}I", m7.emulate(counter_check, job))
    assert empty == 0
    assert 3 <= first <= 8, "the loop's frame: three instructions of its own and the calls around it"
    assert [count - first for count in counts] == [2 * number for number in rounds[1:]]


def test_a_count_that_the_timer_cannot_hold_is_unknown(m7: QemuM7, counter_check: Path) -> None:
    # 2**32 ticks of 40 ns are 1.34e9 instructions of 128 ns.
    _, count = struct.unpack("<2I", m7.emulate(counter_check, struct.pack("<2I", 1, 700_000_000)))
    assert count == 2**32 - 1


PROGRAMS = {
    "divides by zero": ("volatile int z = 0; return 7 / z;", "fault: status 02000000"),
    "jumps into nothing": ("((void (*)(void))0x30000001)(); return 0;", "fault: status"),
    "reads where nothing is": ("return *(volatile int *)0x10000000 & 0;", "RESERVED 2"),
    "asks for too much": ("return malloc(17u << 20) == NULL ? 9 : 0;", "status 9"),
    "says no": ('fputs("the reason\\n", stderr); return 3;', r"status 3: the reason"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_goes_wrong_on_the_machine_becomes_an_error(m7: QemuM7, tmp_path: Path, name: str) -> None:
    body, words = PROGRAMS[name]
    source = tmp_path / "program.c"
    source.write_text(f"#include <stdio.h>\n#include <stdlib.h>\nint main(void) {{ {body} }}\n")
    with pytest.raises(CheckError, match=words):
        m7.emulate(m7.build("program", (source,), tmp_path), b"")


def test_a_hang_is_stopped(m7: QemuM7, tmp_path: Path) -> None:
    source = tmp_path / "hang.c"
    source.write_text("int main(void) { for (;;) { } }\n")
    with pytest.raises(CheckError, match="did not end within 1 s"):
        m7.emulate(m7.build("hang", (source,), tmp_path), b"", limit_s=1)


def test_a_job_file_that_is_none_is_refused(m7: QemuM7, m7_results: list[JobResult], builds: Path) -> None:
    executable = builds / "m7" / "frontend_job.elf"
    for data in (b"", b"ESERJOB2", write_jobs([FrontendJob(PLAIN, make_tables(PLAIN), ())])[:-2]):
        with pytest.raises(CheckError, match="status 2: front-end job: "):
            m7.emulate(executable, data)


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match=r"arm-none-eabi-gcc: not found.*make m7-deps"):
        QemuM7.find()


def test_what_the_core_takes(m7: QemuM7, tmp_path: Path) -> None:
    spec = make_tables(PLAIN)
    size = m7.core_size(spec, tmp_path / "size")
    print(size)  # noqa: T201
    assert {"fft.c", "frontend.c", "net_input.c"} <= size.objects.keys()
    assert size.ram_bytes == 0, "the core keeps everything in its caller's state"
    assert 1000 < size.flash_bytes < 16_384
    # 480 samples to come, 512 windowed, 256 bins, 40 noise estimates and 40 channels, and a few numbers.
    least = 2 * 480 + 2 * 512 + 4 * 256 + 4 * 40 + 4 * 40
    assert least <= size.state_bytes < least + 64
    assert size.table_bytes == sum(array.nbytes for array in spec.to_arrays().values() if array.ndim)


# What a compiler may call for without being asked: copies, and integer arithmetic that the processor lacks.
ALLOWED = {"memcpy", "memmove", "memset", "__aeabi_uldivmod", "__aeabi_ldivmod", "__aeabi_lmul"}


def outside_needs(m7: QemuM7, sources: list[Path], folder: Path) -> set[str]:
    """What objects need and do not hold themselves, compiled so that any float arithmetic is a call."""
    flags = ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=soft", *C_FLAGS, *INCLUDES)
    program = Program("core", tuple(sources), flags)
    nm = find_tool("arm-none-eabi-nm", "")
    needed, held = set(), set()
    for source in sources:
        compiled = m7.compiler.compile(source, program, folder)
        listing = subprocess.run([nm, compiled], capture_output=True, text=True, check=True).stdout
        for line in listing.splitlines():
            kind, name = line.split()[-2:]
            (needed if kind == "U" else held).add(name)
    return needed - held


def test_the_core_needs_no_float_no_heap_and_no_library(m7: QemuM7, tmp_path: Path) -> None:
    assert outside_needs(m7, sorted(CORE.glob("*.c")), tmp_path) <= ALLOWED


def test_the_needs_of_others_are_seen(m7: QemuM7, tmp_path: Path) -> None:
    source = tmp_path / "other.c"
    source.write_text(
        "#include <math.h>\n#include <stdlib.h>\nfloat *f(float x);\nextern int kept;\nint kept;\n"
        "float *f(float x) { float *p = malloc(4); *p = cosf(x) * x; return p; }\n"
    )
    assert {"malloc", "cosf", "__aeabi_fmul"} <= outside_needs(m7, [source], tmp_path)
