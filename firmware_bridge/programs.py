"""Compile C and C++ programs and run them, here or on an emulator, with a limit on everything."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_ser.errors import CheckError, MissingError
from edge_ser.files import reason, replacing

CORE: Final = Path(__file__).parent / "core"
"""The portable C99 of the front end and what goes with it."""
BOARDS: Final = Path(__file__).parent / "boards"
"""What runs the core on each machine."""

_COMPILE_LIMIT_S: Final = 120
_OUTPUT_CHARACTERS: Final = 2000


@dataclass(frozen=True)
class Program:
    """What a program is compiled from.

    Attributes:
        name: name of the executable.
        sources: C files, and C++ files that end in ``.cc``.
        c_flags: flags for the C files.
        cxx_flags: flags for the C++ files.
        link_flags: flags for the linker.
        watched: files that the sources include; a change of one compiles all again.
        objects: a folder of objects that programs of different flags share; a source that the preprocessor makes the
            same text of is compiled once. ``None`` keeps them with the program.
    """

    name: str
    sources: tuple[Path, ...]
    c_flags: tuple[str, ...]
    cxx_flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    watched: tuple[Path, ...] = ()
    objects: Path | None = None


@dataclass(frozen=True)
class Compiler:
    """A C compiler and the C++ compiler that belongs to it.

    Attributes:
        c: path of the C compiler.
        cxx: path of the C++ compiler, which links programs that hold C++.
    """

    c: Path
    cxx: Path | None = None

    def build(self, program: Program, folder: Path) -> Path:
        """Compile and link; does nothing where the folder holds what these inputs gave before.

        Args:
            program: what to build.
            folder: where objects (``<source>.o``) and the executable go; is made where it is missing.

        Returns:
            The executable.

        Raises:
            CheckError: the compiler says no; with its words.
        """
        folder = folder.absolute()
        executable = folder / program.name
        stamp, inputs = folder / f"{program.name}.inputs", self._fingerprint(program)
        if executable.is_file() and stamp.is_file() and stamp.read_text() == inputs:
            return executable
        folder.mkdir(parents=True, exist_ok=True)
        objects = [self.compile(source, program, folder) for source in program.sources]
        linker = (
            self.cxx if self.cxx and any(source.suffix == ".cc" for source in program.sources) else self.c
        )
        with replacing(executable) as beside:
            names = [str(path) for path in objects]
            run([str(linker), *names, *program.link_flags, "-o", str(beside)], folder, _COMPILE_LIMIT_S)
        stamp.write_text(inputs)
        return executable

    def compile(self, source: Path, program: Program, folder: Path) -> Path:
        """Compile one source of a program to an object in ``folder``.

        Raises:
            CheckError: the compiler says no; with its words.
        """
        compiler, flags = self.c, program.c_flags
        if source.suffix == ".cc" and self.cxx:
            compiler, flags = self.cxx, program.cxx_flags
        if program.objects is None:
            target = folder.absolute() / f"{source.name}.o"
            run([str(compiler), *flags, "-c", str(source), "-o", str(target)], folder, _COMPILE_LIMIT_S)
            return target
        target = program.objects.absolute() / _object_name(compiler, flags, source, folder)
        if not target.is_file():
            with replacing(target) as beside:
                run([str(compiler), *flags, "-c", str(source), "-o", str(beside)], folder, _COMPILE_LIMIT_S)
        return target

    def _fingerprint(self, program: Program) -> str:
        """What decides how the program comes out: compiler, flags, and the contents of all files."""
        digest = hashlib.sha256(repr((self, program)).encode())
        digest.update(run([str(self.c), "--version"], Path.cwd(), _COMPILE_LIMIT_S).encode())
        for path in (*program.sources, *program.watched):
            digest.update(path.read_bytes())
        return digest.hexdigest()


def _object_name(compiler: Path, flags: tuple[str, ...], source: Path, folder: Path) -> str:
    """Named by what decides how it comes out: compiler, flags for code, and the text after the preprocessor.

    Paths of headers and definitions have done their work in that text.
    """
    text = run([str(compiler), *flags, "-E", "-P", str(source)], folder, _COMPILE_LIMIT_S)
    version = run([str(compiler), "--version"], folder, _COMPILE_LIMIT_S)
    for_code = [flag for flag in flags if not flag.startswith(("-I", "-D"))]
    return f"{source.name}-{hashlib.sha256(repr((version, for_code, text)).encode()).hexdigest()[:32]}.o"


def find_tool(name: str, hint: str) -> Path:
    """A program on the path.

    Args:
        name: its name.
        hint: how to get it.

    Raises:
        MissingError: it is not there.
    """
    found = shutil.which(name)
    if found is None:
        message = f"{name}: not found; {hint}"
        raise MissingError(message)
    return Path(found)


def read_result(folder: Path, program: Path) -> bytes:
    """The file ``result.bin`` that a program left in its folder.

    Raises:
        CheckError: it left none, though it said that all was well.
    """
    try:
        return (folder / "result.bin").read_bytes()
    except OSError as error:
        message = f"{program.name}: left no result.bin that can be read ({reason(error)})"
        raise CheckError(message) from None


def run(command: Sequence[str], folder: Path, limit_s: float) -> str:
    """Run a command in a folder; what still runs afterwards is stopped, with its children.

    Returns:
        All that it printed.

    Raises:
        CheckError: it cannot be started, ends with another status than 0, or does not end in time; with the end
            of what it printed.
    """
    name = Path(command[0]).name
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        message = f"{name}: cannot be run ({reason(error)})"
        raise CheckError(message) from None
    with process:
        try:
            output, _ = process.communicate(timeout=limit_s)
            problem = f"ended with status {process.returncode}" if process.returncode else ""
        except subprocess.TimeoutExpired:
            problem = f"did not end within {limit_s:g} s"
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    text = output.decode("utf-8", errors="replace")
    if problem:
        message = f"{name}: {problem}: {text.strip()[-_OUTPUT_CHARACTERS:] or 'no output'}"
        raise CheckError(message)
    return text
