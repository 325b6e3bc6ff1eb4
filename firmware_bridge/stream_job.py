"""Jobs for the listener as a program of its own, on this machine or on an emulated Cortex-M7.

The program is compiled with the system's own ``system_data.c``, as firmware is. The layout of both files is described
in ``boards/common/stream_job.c``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import CheckError, InputError
from edge_ser.runtime.stream import Due
from edge_ser.runtime.stream_system import StreamSystem
from firmware_bridge.host_process import C_FLAGS, INCLUDES, HostProcess, headers, run_process
from firmware_bridge.programs import BOARDS, CORE, Program
from firmware_bridge.qemu_m7 import QemuM7
from firmware_bridge.system_data import limits, system_files

LISTENER: Final = tuple(
    CORE / f"{name}.c"
    for name in (
        "crc32",
        "fft",
        "frontend",
        "gate",
        "integer_head",
        "listener",
        "net_input",
        "record",
        "scheduler",
        "shares",
        "smoothing",
    )
)
"""The core from samples to records."""
MEMORY: Final = BOARDS / "common" / "system_memory.c"
"""Static memory for it."""
STAGES: Final = ("samples", "net inputs", "embeddings", "records")
"""What instructions are counted of: front end, gate and schedule; filling a net's input; taking its output; fusion."""

_RUNNER: Final = (BOARDS / "common" / "stream_job.c", BOARDS / "common" / "job_file.c", MEMORY)
_JOB_MAGIC: Final = b"ESERSTJ1"
_RESULT_MAGIC: Final = b"ESERSTR1"
_MAX_SAMPLES: Final = 1 << 28
_MAX_EMBEDDINGS: Final = 1 << 24
_EMULATOR_LIMIT_S: Final = 600
_OBJECTS: Final = "objects"
"""Systems differ in their data and sizes: most sources come out the same for all of them."""


@dataclass(frozen=True)
class StreamRecording:
    """What a listener gets.

    Attributes:
        samples: int16 (n,).
        embeddings: what the nets give, in the order in which they are asked.
    """

    samples: NDArray[np.int16]
    embeddings: bytes


@dataclass(frozen=True)
class StreamResult:
    """What a listener made of a recording.

    Attributes:
        events: every net input with its first frame, and every record, as the result file holds them.
        instructions: spent on each of :data:`STAGES`; zeros where the machine cannot count.
    """

    events: bytes
    instructions: tuple[int, ...]


@dataclass(frozen=True)
class StreamResults:
    """A whole result file.

    Attributes:
        memory_bytes: variables of the listener, its buffers included.
        recordings: in their order.
    """

    memory_bytes: int
    recordings: list[StreamResult]


def run_on_host(
    machine: HostProcess,
    system: StreamSystem,
    recordings: Sequence[StreamRecording],
    folder: Path,
    chunk_samples: int = 0,
) -> StreamResults:
    """Run recordings through the listener as a process.

    Args:
        machine: with which compiler and flags.
        system: what listens.
        recordings: each from the reset state.
        folder: where the program is built once.
        chunk_samples: samples that are fed at once; 0 for each recording at once.

    Raises:
        CheckError: the program cannot be built, fails or hangs, or leaves no result that can be read.
        InputError: a recording is too long.
    """
    place, flags = system_folder(system, folder)
    program = Program(
        "stream_job",
        (*_RUNNER, *LISTENER, BOARDS / "host" / "counter.c", place / "system_data.c"),
        (*C_FLAGS, *INCLUDES, *flags, *machine.extra_flags),
        link_flags=machine.extra_flags,
        watched=headers(),
        objects=folder / _OBJECTS,
    )
    executable = machine.compiler.build(program, place / "host")
    return read_results(run_process(executable, write_job(recordings, chunk_samples)), len(recordings))


def run_on_m7(
    machine: QemuM7,
    system: StreamSystem,
    recordings: Sequence[StreamRecording],
    folder: Path,
    chunk_samples: int = 0,
) -> StreamResults:
    """As :func:`run_on_host`, on the emulated Cortex-M7."""
    place, flags = system_folder(system, folder)
    flagged = dataclasses.replace(machine, extra_flags=(*machine.extra_flags, *flags))
    sources = (*_RUNNER, *LISTENER, place / "system_data.c")
    executable = flagged.build("stream_job", sources, place / "m7", objects=folder / _OBJECTS)
    job = write_job(recordings, chunk_samples)
    return read_results(flagged.emulate(executable, job, _EMULATOR_LIMIT_S), len(recordings))


def write_job(recordings: Sequence[StreamRecording], chunk_samples: int) -> bytes:
    """The job file.

    Raises:
        InputError: a recording is not int16 of one dimension, or too long.
    """
    parts = [_JOB_MAGIC, struct.pack("<II", chunk_samples, len(recordings))]
    for index, recording in enumerate(recordings):
        samples, embeddings = recording.samples, recording.embeddings
        fits = samples.dtype == np.int16 and samples.ndim == 1 and samples.size <= _MAX_SAMPLES
        if not fits or len(embeddings) > _MAX_EMBEDDINGS:
            message = (
                f"stream job: recording {index} is {samples.dtype} {samples.shape} with {len(embeddings)} bytes of "
                f"embeddings; expected int16 of one dimension, at most {_MAX_SAMPLES} samples and {_MAX_EMBEDDINGS}"
            )
            raise InputError(message)
        parts += [struct.pack("<I", len(embeddings)), embeddings]
        parts += [struct.pack("<I", samples.size), samples.astype("<i2").tobytes()]
    return b"".join(parts)


def read_results(data: bytes, recordings: int) -> StreamResults:
    """Read a result file.

    Raises:
        CheckError: it is not the answer to a job of so many recordings.
    """
    head = struct.Struct(f"<{len(_RESULT_MAGIC)}sII")
    if len(data) < head.size:
        raise _broken(len(data))
    magic, memory_bytes, count = head.unpack_from(data)
    if (magic, count) != (_RESULT_MAGIC, recordings):
        raise _broken(0)
    results, place = [], head.size
    for _ in range(recordings):
        end = _events_end(data, place)
        counts = struct.Struct(f"<{len(STAGES)}Q")
        if end + counts.size > len(data):
            raise _broken(end)
        results.append(StreamResult(data[place:end], counts.unpack_from(data, end)))
        place = end + counts.size
    if place != len(data):
        raise _broken(place)
    return StreamResults(memory_bytes, results)


def event(due: Due, frame: int, payload: bytes) -> bytes:
    """One event as the result file holds it; ``frame`` counts for nets alone."""
    head = struct.pack("<B", due) if due is Due.RECORD else struct.pack("<BI", due, frame)
    return head + struct.pack("<I", len(payload)) + payload


END: Final = bytes([Due.NOTHING])
"""The event that ends a recording."""


def _events_end(data: bytes, place: int) -> int:
    """The place behind a recording's last event."""
    while place < len(data) and data[place] != Due.NOTHING:
        head = 5 if data[place] == Due.RECORD else 9
        if data[place] > Due.RECORD or place + head > len(data):
            raise _broken(place)
        (size,) = struct.unpack_from("<I", data, place + head - 4)
        place += head + size
    return place + 1


def system_folder(system: StreamSystem, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """A folder with the system as C, and flags to compile with it."""
    files = system_files(system)
    place = folder.absolute() / hashlib.sha256("".join(files.values()).encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text)
    room = tuple(f"-D{name}={value}" for name, value in limits(system.tables).items())
    return place, (f"-I{place}", *room)


def _broken(place: int) -> CheckError:
    return CheckError(f"result of the listener's program: not what was asked for, from byte {place} on")
