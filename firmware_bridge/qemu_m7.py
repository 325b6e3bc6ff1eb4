"""The front end's core on an emulated Cortex-M7: QEMU's board mps2-an500.

The emulator counts instructions, not cycles: it has no pipeline, no caches and no memory that waits. The counts
compare two programs of one kind; how many milliseconds a board takes they do not say.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_ser.errors import CheckError
from edge_ser.frontend.tables import FrontendTables
from firmware_bridge.frontend_job import FrontendJob, JobResult, JobResults, read_results, write_jobs
from firmware_bridge.host_process import C_FLAGS, ENGINE, INCLUDES, RUNNER, headers
from firmware_bridge.programs import BOARDS, CORE, Compiler, Program, find_tool, read_result, run

BOARD: Final = BOARDS / "qemu_m7"
BOARD_SOURCES: Final = (BOARD / "startup.c", BOARD / "counter.c")
ICOUNT_SHIFT: Final = 7
"""One instruction takes ``2**ICOUNT_SHIFT`` ns of the emulated machine's time (``boards/qemu_m7/counter.c``)."""
MACHINE_FLAGS: Final = ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-d16")
"""The processor and its floating-point unit, as coralmicro builds (cmake/toolchain-arm-none-eabi-gcc.cmake)."""
M7_C_FLAGS: Final = (*MACHINE_FLAGS, *C_FLAGS, *INCLUDES, f"-DICOUNT_SHIFT={ICOUNT_SHIFT}")
M7_LINK_FLAGS: Final = (
    *MACHINE_FLAGS,
    "--specs=rdimon.specs",
    "-nostartfiles",
    "-T",
    str(BOARD / "mps2_an500.ld"),
)

_FRONTEND: Final = ("fft.c", "frontend.c", "integer_head.c", "net_input.c")
_HINT: Final = "get it with: make m7-deps (Debian: gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm)"
_CXX_HINT: Final = f"{_HINT}, and libstdc++-arm-none-eabi-newlib"
_LIMIT_S: Final = 300
_LOG: Final = "emulator.log"


@dataclass(frozen=True)
class CoreSize:
    """Memory that the front end takes in firmware; :mod:`firmware_bridge.core_parts` has the rest of the core.

    Attributes:
        objects: by C file: bytes of program and constants, of variables with a start value, and of
            variables without.
        state_bytes: ``sizeof(EserFrontend)`` with room for just one set of tables.
        table_bytes: the arrays of these tables.
    """

    objects: dict[str, tuple[int, int, int]]
    state_bytes: int
    table_bytes: int

    @property
    def flash_bytes(self) -> int:
        """Program and constants, and what variables start from; without the tables."""
        return sum(text + data for text, data, _ in self.objects.values())

    @property
    def ram_bytes(self) -> int:
        """Variables of the core itself; without the state, which belongs to the caller."""
        return sum(data + bss for _, data, bss in self.objects.values())


@dataclass(frozen=True)
class QemuM7:
    """The tools: a cross compiler and the emulator.

    Attributes:
        compiler: arm-none-eabi-gcc and g++.
        emulator: qemu-system-arm.
        size: arm-none-eabi-size.
        extra_flags: more flags for everything that is compiled.
    """

    compiler: Compiler
    emulator: Path
    size: Path
    extra_flags: tuple[str, ...] = ()

    @classmethod
    def find(cls, *extra_flags: str) -> QemuM7:
        """The tools of this machine.

        Args:
            extra_flags: more flags for everything that is compiled, e.g. another optimisation.

        Raises:
            MissingError: one is not there.
        """
        names = ("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm", "arm-none-eabi-size")
        c, cxx, emulator, size = (find_tool(name, _HINT) for name in names)
        return cls(Compiler(c, cxx), emulator, size, extra_flags)

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[JobResult]:
        """Build the program in ``folder`` where it is not there yet, and run the jobs.

        Raises:
            CheckError: the program cannot be built, fails, faults or hangs.
        """
        return self.run_all(jobs, folder).jobs

    def run_all(self, jobs: Sequence[FrontendJob], folder: Path) -> JobResults:
        """As :meth:`run`, with what the result file says about the program."""
        executable = self.build("frontend_job", (*RUNNER, *ENGINE), folder)
        return read_results(self.emulate(executable, write_jobs(jobs)), jobs)

    def build(
        self,
        name: str,
        sources: Sequence[Path],
        folder: Path,
        cxx_flags: tuple[str, ...] = (),
        objects: Path | None = None,
    ) -> Path:
        """Build sources together with the board's own.

        Args:
            name: of the program.
            sources: C and C++ files, one of them with ``main``.
            folder: where objects and program go.
            cxx_flags: flags for the C++ files, besides the processor's.
            objects: a folder of objects shared with other programs, see :class:`~firmware_bridge.programs.Program`.

        Raises:
            CheckError: the compiler says no.
        """
        program = Program(
            f"{name}.elf",
            (*sources, *BOARD_SOURCES),
            (*M7_C_FLAGS, *self.extra_flags),
            (*MACHINE_FLAGS, *cxx_flags, *self.extra_flags),
            M7_LINK_FLAGS,
            (*headers(), BOARD / "mps2_an500.ld"),
            objects,
        )
        return self.compiler.build(program, folder)

    def emulate(self, executable: Path, jobs: bytes, limit_s: float = _LIMIT_S) -> bytes:
        """Give a job file to a program for the board.

        Returns:
            The result file.

        Raises:
            CheckError: the program fails, faults, touches memory that is not there, or hangs.
        """
        # Where there is no memory the board's bus answers all the same: the emulator's log is what tells.
        command = [*self.command(executable), "-d", "unimp,guest_errors", "-D", _LOG]
        with tempfile.TemporaryDirectory(prefix="edge-ser-m7-") as name:
            folder = Path(name)
            (folder / "job.bin").write_bytes(jobs)
            run(command, folder, limit_s)
            if log := (folder / _LOG).read_text(errors="replace"):
                message = f"{executable.name} on the emulated Cortex-M7: {log[:500]}; expected no such access"
                raise CheckError(message)
            return read_result(folder, executable)

    def command(self, executable: Path) -> list[str]:
        """How the emulator is called; it looks for ``job.bin`` in its working directory."""
        command = [str(self.emulator), "-M", "mps2-an500", "-icount", f"shift={ICOUNT_SHIFT}"]
        command += ["-display", "none", "-serial", "none", "-monitor", "none"]
        command += ["-semihosting-config", "enable=on,target=native"]
        return [*command, "-kernel", str(executable.absolute())]

    def core_size(self, tables: FrontendTables, folder: Path) -> CoreSize:
        """Measure the front end's objects, compiled with room for just these tables.

        Args:
            tables: the tables.
            folder: where the objects go.

        Raises:
            CheckError: the compiler says no, or the size tool cannot be understood.
        """
        limits = {
            "FFT_SIZE": tables.fft_size,
            "WINDOW_SAMPLES": tables.window_samples,
            "CHANNELS": tables.channels,
        }
        flags = (
            *M7_C_FLAGS,
            *self.extra_flags,
            *(f"-DESER_MAX_{name}={value}" for name, value in limits.items()),
        )
        sources = tuple(CORE / name for name in _FRONTEND)
        program = Program("core", (*sources, BOARD / "state.c"), flags)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        objects = [self.compiler.compile(source, program, folder) for source in program.sources]
        sizes = {}
        for source, compiled in zip(program.sources, objects, strict=True):
            sizes[source.name] = self.object_size(compiled)
        _, _, state_bytes = sizes.pop("state.c")
        return CoreSize(sizes, state_bytes, _table_bytes(tables))

    def object_size(self, compiled: Path) -> tuple[int, int, int]:
        """Bytes of an object's program and constants, of variables with a start value, and of variables without.

        Raises:
            CheckError: the size tool cannot be understood.
        """
        lines = run([str(self.size), str(compiled)], compiled.parent, _LIMIT_S).splitlines()
        numbers = [int(word) for word in lines[1].split()[:3]] if len(lines) == 2 else []
        if len(numbers) != 3:
            message = f"{self.size.name}: says {lines}; expected text, data and bss of {compiled.name}"
            raise CheckError(message)
        return numbers[0], numbers[1], numbers[2]


def _table_bytes(tables: FrontendTables) -> int:
    return sum(array.nbytes for array in tables.to_arrays().values() if array.ndim)
