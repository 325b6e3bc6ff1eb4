"""What each part of the portable core takes in firmware: flash, variables and stack, for one bundle."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_ser.errors import CheckError
from edge_ser.runtime.stream_system import StreamSystem
from firmware_bridge.programs import CORE, Program
from firmware_bridge.qemu_m7 import M7_C_FLAGS, QemuM7
from firmware_bridge.stream_job import LISTENER, MEMORY, system_folder

PARTS: Final = {
    "front end": ("frontend.c", "fft.c"),
    "net input": ("net_input.c",),
    "gate": ("gate.c",),
    "scheduler": ("scheduler.c",),
    "fusion": ("integer_head.c", "shares.c"),
    "smoothing": ("smoothing.c",),
    "records": ("record.c", "crc32.c"),
    "listener": ("listener.c",),
    "link": (),
    "tables and heads": ("system_data.c",),
    "listener's memory": ("system_memory.c",),
}
"""The C files of each part; every file of the core that is in none of them belongs to ``link``."""


@dataclass(frozen=True)
class PartSize:
    """Memory of one part.

    Attributes:
        name: of :data:`PARTS`.
        flash_bytes: program, constants, and what variables start from.
        ram_bytes: variables.
        stack_bytes: frames of all its functions together: none of them calls itself, so that no more can lie on the
            stack at once.
    """

    name: str
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int


def part_sizes(machine: QemuM7, system: StreamSystem, folder: Path) -> list[PartSize]:
    """Compile the core and a system's data for the Cortex-M7 and measure them.

    Args:
        machine: the cross compiler.
        system: whose data; the front end's state has room for just its tables.
        folder: where the objects go.

    Raises:
        CheckError: the compiler says no, or what it says cannot be understood.
    """
    shutil.rmtree(folder, ignore_errors=True)
    place, flags = system_folder(system, folder)
    core = sorted({*CORE.glob("*.c"), *LISTENER})
    sources = (*core, MEMORY, place / "system_data.c")
    program = Program("parts", sources, (*M7_C_FLAGS, *machine.extra_flags, *flags, "-fstack-usage"))
    found: dict[str, list[int]] = {name: [0, 0, 0] for name in PARTS}
    part_of = {file: name for name, files in PARTS.items() for file in files}
    for source in sources:
        compiled = machine.compiler.compile(source, program, place)
        text, data, bss = machine.object_size(compiled)
        sums = found[part_of.get(source.name, "link")]
        for index, size in enumerate((text + data, data + bss, _stack_bytes(compiled))):
            sums[index] += size
    return [PartSize(name, *sums) for name, sums in found.items()]


def _stack_bytes(compiled: Path) -> int:
    """What GCC's -fstack-usage wrote beside an object: lines of place, bytes, kind."""
    total = 0
    usage = compiled.with_suffix(".su")
    for line in usage.read_text().splitlines() if usage.is_file() else ():
        _, size, kind = line.split("\t")
        if kind != "static":
            message = (
                f"{usage.name}: {line!r}; expected a frame of one size, without arrays of varying length"
            )
            raise CheckError(message)
        total += int(size)
    return total
