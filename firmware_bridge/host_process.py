"""The front end's core as a process of this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_bridge.frontend_job import FrontendJob, JobResult, read_results, write_jobs
from firmware_bridge.programs import BOARDS, CORE, Compiler, Program, find_tool, read_result, run

C_FLAGS: Final = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")
"""How every C file of this project is compiled, on every machine."""
INCLUDES: Final = (f"-I{CORE}", f"-I{BOARDS / 'common'}")
RUNNER: Final = (BOARDS / "common" / "job_runner.c", BOARDS / "common" / "job_file.c", CORE / "net_input.c")
"""The program around an engine."""
ENGINE: Final = (BOARDS / "common" / "frontend_job.c", CORE / "frontend.c", CORE / "fft.c")
"""The core as an engine."""

_LIMIT_S: Final = 60


@dataclass(frozen=True)
class HostProcess:
    """Runs jobs in a process.

    Attributes:
        compiler: the C compiler.
        extra_flags: more flags for compiling and linking, e.g. a sanitizer's.
    """

    compiler: Compiler
    extra_flags: tuple[str, ...] = ()

    @classmethod
    def find(cls, *extra_flags: str) -> HostProcess:
        """With the C compiler of this machine.

        Raises:
            MissingError: there is none.
        """
        return cls(Compiler(find_tool("gcc", "install a C compiler, on Debian the package gcc")), extra_flags)

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[JobResult]:
        """Build the program in ``folder`` where it is not there yet, and run the jobs.

        Raises:
            CheckError: the program cannot be built, fails, or hangs.
        """
        program = Program(
            "frontend_job",
            (*RUNNER, *ENGINE, BOARDS / "host" / "counter.c"),
            (*C_FLAGS, *INCLUDES, *self.extra_flags),
            link_flags=self.extra_flags,
            watched=headers(),
        )
        executable = self.compiler.build(program, folder)
        return read_results(run_process(executable, write_jobs(jobs)), jobs).jobs


def run_process(executable: Path, jobs: bytes) -> bytes:
    """Give a job file to a program of this machine.

    Returns:
        The result file.

    Raises:
        CheckError: it fails or hangs.
    """
    with tempfile.TemporaryDirectory(prefix="edge-ser-job-") as name:
        folder = Path(name)
        (folder / "job.bin").write_bytes(jobs)
        run([str(executable.absolute()), "job.bin", "result.bin"], folder, _LIMIT_S)
        return read_result(folder, executable)


def headers() -> tuple[Path, ...]:
    """All headers of the core and the runner, which a change of compiles everything again."""
    return tuple(sorted([*CORE.glob("*.h"), *(BOARDS / "common").glob("*.h")]))
