"""A user's checkout of the coralmicro SDK, and building an application with it, outside of it.

Nothing of the SDK comes with edge-ser, and nothing is written to the checkout.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_ser.errors import InputError, MissingError
from edge_ser.files import reason
from firmware_bridge.generate import TARGET
from firmware_bridge.linker_script import Region, read_regions
from firmware_bridge.programs import find_tool, run

LINKER_SCRIPT: Final = Path("libs/nxp/rt1176-sdk/MIMXRT1176xxxxx_cm7_ram.ld")
DEFINED: Final = {"__use_shmem__": 1}
"""What the SDK's toolchain file gives the linker by --defsym."""
_TOOLCHAIN_FILE: Final = Path("cmake/toolchain-arm-none-eabi-gcc.cmake")
_TOOLCHAIN: Final = Path("third_party/toolchain-linux/gcc-arm-none-eabi-9-2020-q2-update/bin")
"""Where the SDK puts the compiler that it downloads."""
_SUBMODULES: Final = (
    Path("third_party/freertos_kernel/tasks.c"),
    Path("third_party/nxp/rt1176-sdk/devices/MIMXRT1176/drivers/fsl_pdm.c"),
    Path("third_party/tflite-micro/tensorflow/lite/micro/micro_interpreter.h"),
    Path("third_party/mjson/src/mjson.c"),
)
_TOOLS: Final = ("gcc", "g++", "ar", "objcopy", "strip", "ranlib", "nm", "ld", "as")
_INCLUDES: Final = ("cstdint", "cstdio", "array", "string", "vector")
"""Headers that the SDK's sources use without including them; newer compilers than its own no longer do it for them."""
_LINKING: Final = ("-Wl,--allow-multiple-definition",)
"""lwIP's port defines ``errno`` (middleware/lwip/port/sys_arch.c) and so does the newlib of Debian's compiler."""
_GET: Final = "git clone --recurse-submodules https://github.com/google-coral/coralmicro, then its setup.sh"
_CONFIGURE_LIMIT_S: Final = 300
_BUILD_LIMIT_S: Final = 3600


@dataclass(frozen=True)
class CoralSdk:
    """A checkout that is whole.

    Attributes:
        root: its folder, absolute.
        own_compiler: whether it holds the compiler that its setup downloads.
    """

    root: Path
    own_compiler: bool

    @classmethod
    def find(cls, root: Path | None) -> CoralSdk:
        """Look at a checkout.

        Raises:
            MissingError: there is none, or its submodules are not there.
        """
        if root is None:
            message = f"no coralmicro checkout was named (CORALMICRO=path); get one: {_GET}"
            raise MissingError(message)
        for piece in (_TOOLCHAIN_FILE, LINKER_SCRIPT, *_SUBMODULES):
            if not (root / piece).is_file():
                message = f"{root}: lacks {piece}; expected a coralmicro checkout with its submodules: {_GET}"
                raise MissingError(message)
        return cls(root.resolve(), (root / _TOOLCHAIN / "arm-none-eabi-gcc").exists())

    def regions(self) -> dict[str, Region]:
        """The M7's memory, from the linker script of the checkout.

        Raises:
            InputError: it cannot be read.
        """
        path = self.root / LINKER_SCRIPT
        try:
            text = path.read_text(errors="replace")
        except OSError as error:
            message = f"{path}: cannot be read ({reason(error)})"
            raise InputError(message) from None
        return read_regions(text, DEFINED, str(path))

    def build(self, app: Path, folder: Path, *, cpu_fallback: bool, jobs: int) -> Path:
        """Configure and build an application.

        Args:
            app: folder that `edge-ser firmware` wrote.
            folder: where everything that is built goes.
            cpu_fallback: for the M7 alone.
            jobs: how many files are compiled at once.

        Returns:
            The image.

        Raises:
            MissingError: cmake or a compiler is not there.
            CheckError: it does not build; with the end of what was said.
        """
        cmake = find_tool("cmake", "install it (Debian: cmake)")
        folder.mkdir(parents=True, exist_ok=True)
        root = self.root if self.own_compiler else self._beside(folder / "sdk")
        out = folder / "out"
        switch = "ON" if cpu_fallback else "OFF"
        configure = [str(cmake), "-S", str(app.resolve()), "-B", str(out)]
        run([*configure, f"-DCORALMICRO={root}", f"-DCPU_FALLBACK={switch}"], folder, _CONFIGURE_LIMIT_S)
        run([str(cmake), "--build", str(out), "--target", TARGET, "-j", str(jobs)], folder, _BUILD_LIMIT_S)
        return out / TARGET

    def _beside(self, folder: Path) -> Path:
        """A tree of links to the checkout in which the compiler is the one on the path.

        The SDK's toolchain file takes its own compiler alone and downloads it where it is missing.
        """
        shutil.rmtree(folder, ignore_errors=True)
        split = {Path(_TOOLCHAIN_FILE.parts[0]), Path(_TOOLCHAIN.parts[0])}
        folder.mkdir(parents=True)
        for part in split:
            (folder / part).mkdir()
        for parent in (Path(), *split):
            for entry in sorted((self.root / parent).iterdir()):
                place = folder / parent / entry.name
                if not place.exists():
                    place.symlink_to(entry)
        tools = folder / _TOOLCHAIN
        tools.mkdir(parents=True)
        for tool in _TOOLS:
            name = f"arm-none-eabi-{tool}"
            found = find_tool(name, "run the SDK's setup.sh, or: make m7-deps (Debian: gcc-arm-none-eabi)")
            place = tools / name
            if tool != "g++":
                place.symlink_to(found)
                continue
            flags = " ".join([*(f"-include {header}" for header in _INCLUDES), *_LINKING])
            place.write_text(f'#!/bin/sh\nexec {_quoted(found)} {flags} "$@"\n')
            place.chmod(0o755)
        return folder


def default_jobs() -> int:
    """As many as there are processors for this process."""
    return len(os.sched_getaffinity(0))


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"
