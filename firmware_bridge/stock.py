"""The stock MicroFrontend as a judge: its own sources, built beside the core, never part of this project.

They come from the source distribution of the package pymicro-features, which holds tensorflow's front end and
kissfft. ``python -m firmware_bridge.stock`` fetches it, pinned by version and hash, into ``build/stock`` or the
folder that EDGE_SER_STOCK names.

This variant computes its tables in single precision (:mod:`edge_ser.frontend.design` follows the double precision
of tflite-micro), so that it judges in two ways: with given tables, where every value must be equal, and with its
own, which shows what tables made at run time cost.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from edge_ser.errors import CheckError, EdgeSerError, MissingError
from edge_ser.files import write_atomically
from firmware_bridge.frontend_job import FrontendJob, JobResult, read_results, write_jobs
from firmware_bridge.host_process import C_FLAGS, INCLUDES, RUNNER, headers, run_process
from firmware_bridge.programs import BOARDS, Compiler, Program, find_tool
from firmware_bridge.qemu_m7 import QemuM7

NAME: Final = "pymicro-features"
VERSION: Final = "2.0.2"
SHA256: Final = "0d0bed7843ec78b6ced82d1a2dcddeb4fe5df61b3af80a281d0868c8e279c727"
_ARCHIVE: Final = f"pymicro_features-{VERSION}.tar.gz"
_HINT: Final = "fetch it with: make stock (python -m firmware_bridge.stock)"
_FETCH_LIMIT_S: Final = 300
_UNPACKED_LIMIT: Final = 4_000_000
"""Bytes; the archive holds 0.3 MB."""

_LIBRARY: Final = "tensorflow/lite/experimental/microfrontend/lib"
_SOURCES: Final = (
    "fft",
    "fft_util",
    "filterbank",
    "filterbank_util",
    "frontend",
    "frontend_util",
    "kiss_fft_int16",
    "log_lut",
    "log_scale",
    "log_scale_util",
    "noise_reduction",
    "noise_reduction_util",
    "pcan_gain_control",
    "pcan_gain_control_util",
    "window",
    "window_util",
)
_GLUE: Final = BOARDS / "common" / "stock_job.cc"
# As the core is compiled, and as coralmicro compiles C++. Where the processor has fused multiply-add, the compiler's
# default uses it, and the library's own tables come out different: on the Cortex-M7, not on x86-64.
_CXX_FLAGS: Final = ("-std=gnu++17", "-O2", "-fno-exceptions", "-fno-rtti")


def stock_folder() -> Path:
    """Where the fetched archive is kept."""
    return Path(os.environ.get("EDGE_SER_STOCK") or Path("build") / "stock")


def find_stock() -> Path:
    """The fetched archive, its hash checked.

    Raises:
        MissingError: it was not fetched.
        CheckError: what is there is something else.
    """
    archive = stock_folder() / _ARCHIVE
    if not archive.is_file():
        message = f"{archive}: the stock front end is not there; {_HINT}"
        raise MissingError(message)
    _check(archive.read_bytes(), archive)
    return archive


def fetch_stock() -> Path:
    """Fetch the archive from the package index, unless it is there.

    Raises:
        MissingError: the index cannot be reached.
        CheckError: what came is not what was pinned.
    """
    try:
        return find_stock()
    except MissingError:
        pass
    with tempfile.TemporaryDirectory(prefix="edge-ser-stock-") as name:
        folder = Path(name)
        pinned = folder / "pinned.txt"
        pinned.write_text(f"{NAME}=={VERSION} --hash=sha256:{SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-binary", ":all:", "--require-hashes", "-r", str(pinned), "-d", name]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_FETCH_LIMIT_S, check=False
            )
            said = done.stderr.strip()[-500:]
        except subprocess.TimeoutExpired:
            said = f"no end after {_FETCH_LIMIT_S} s"
        if not (folder / _ARCHIVE).is_file():
            message = (
                f"{NAME} {VERSION}: pip could not fetch it ({said}); put {_ARCHIVE} into {stock_folder()}"
            )
            raise MissingError(message)
        data = (folder / _ARCHIVE).read_bytes()
    _check(data, Path(_ARCHIVE))
    write_atomically(stock_folder() / _ARCHIVE, data)
    return find_stock()


@dataclass(frozen=True)
class StockHost:
    """The stock library as a process of this machine.

    Attributes:
        compiler: C and C++ compiler.
        archive: from :func:`find_stock`.
    """

    compiler: Compiler
    archive: Path

    @classmethod
    def find(cls) -> StockHost:
        """With the compilers of this machine.

        Raises:
            MissingError: a compiler or the fetched archive is not there.
        """
        c, cxx = (find_tool(name, f"on Debian: the package {name}") for name in ("gcc", "g++"))
        return cls(Compiler(c, cxx), find_stock())

    def run(self, jobs: Sequence[FrontendJob], folder: Path, own_tables: bool) -> list[JobResult]:
        """Build the program in ``folder`` where it is not there yet, and run the jobs.

        Args:
            jobs: what shall be done.
            folder: where sources, objects and the program go.
            own_tables: whether the library makes its own tables from the specs; else it gets the jobs'.

        Returns:
            Results; their ``tables`` are what the library computed with.

        Raises:
            CheckError: the program cannot be built, fails or hangs, or the library refuses a spec.
        """
        sources, includes = _unpacked(self.archive, folder)
        program = Program(
            "stock_job",
            (*RUNNER, BOARDS / "host" / "counter.c", _GLUE, *sources),
            (*C_FLAGS, *INCLUDES),
            (*_CXX_FLAGS, *includes),
            ("-lm",),
            headers(),
        )
        executable = self.compiler.build(program, folder)
        result = run_process(executable, write_jobs(jobs, own_tables=own_tables))
        return read_results(result, jobs, own_tables=own_tables).jobs


@dataclass(frozen=True)
class StockM7:
    """The stock library on the emulated Cortex-M7.

    Attributes:
        board: the tools.
        archive: from :func:`find_stock`.
    """

    board: QemuM7
    archive: Path

    @classmethod
    def find(cls, *extra_flags: str) -> StockM7:
        """With the tools of this machine; ``extra_flags`` as for :meth:`QemuM7.find`.

        Raises:
            MissingError: a tool or the fetched archive is not there.
        """
        return cls(QemuM7.find(*extra_flags), find_stock())

    def run(self, jobs: Sequence[FrontendJob], folder: Path, own_tables: bool) -> list[JobResult]:
        """As :meth:`StockHost.run`, with instruction counts."""
        sources, includes = _unpacked(self.archive, folder)
        sources = (*RUNNER, _GLUE, *sources)
        executable = self.board.build("stock_job", sources, folder, (*_CXX_FLAGS, *includes))
        result = self.board.emulate(executable, write_jobs(jobs, own_tables=own_tables))
        return read_results(result, jobs, own_tables=own_tables).jobs


def _check(data: bytes, path: Path) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        message = f"{path}: SHA-256 {found}; expected {SHA256}; remove the file and {_HINT}"
        raise CheckError(message)


def _unpacked(archive: Path, folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Put the library's sources into ``folder``; give the files to compile and the include flags."""
    data = archive.read_bytes()
    _check(data, archive)
    root = folder.absolute() / "sources"
    budget = _UNPACKED_LIMIT
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as members:
        for member in members:
            place = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            if place.parts[:1] not in (("tensorflow",), ("kissfft",)) or not member.isfile():
                continue
            budget -= member.size
            content = members.extractfile(member)
            if ".." in place.parts or budget < 0 or content is None:
                message = f"{archive}: member {member.name!r} leaves its folder or is too large"
                raise CheckError(message)
            target = root / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
    includes = (f"-isystem{root}", f"-isystem{root / 'kissfft'}", *INCLUDES)
    return tuple(root / _LIBRARY / f"{name}.cc" for name in _SOURCES), includes


def main() -> None:
    """Fetch the archive; prints where it is."""
    parser = argparse.ArgumentParser(prog="python -m firmware_bridge.stock", description=__doc__)
    parser.parse_args()
    try:
        print(fetch_stock())  # noqa: T201
    except EdgeSerError as error:
        print(f"stock: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
