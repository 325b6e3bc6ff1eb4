"""The result of a bench: what its JSON holds, and reading one that another machine wrote."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from edge_ser.bench.decision import FileRun
from edge_ser.bench.machine import Machine
from edge_ser.bench.timing import Statistics
from edge_ser.errors import InputError
from edge_ser.files import reason

FORMAT: Final = 1
_LARGEST_FILE: Final = 64 * 2**20

Kind = Literal["measured", "virtual", "emulated"]
"""Only what was measured is a latency: a virtual board is this machine, an emulated one has no time at all."""

BackendName = Literal["litert", "tflm", "usb", "board", "host", "qemu"]

NO_TIMES: Final = "counted, not timed"

STREAM_BYTES: Final = "net_inputs_and_records"
"""Key of :attr:`Agreement.differences`: bytes unlike those of the listener in Python."""


@dataclass(frozen=True)
class BundleName:
    """Which bundle: the system's name and the bundle's build id."""

    name: str
    build: str


@dataclass(frozen=True)
class Agreement:
    """How far a backend is from the bundle's golden vectors.

    Attributes:
        differences: largest difference by stage, in its own units (steps of uint8, score units); ``None`` where
            the shape is another or the stage was not run. Of :data:`STREAM_BYTES`, how many bytes differ.
        within: whether every stage that was run is within :data:`edge_ser.runtime.golden.TOLERANCE`.
        problem: what is wrong, in words; ``""`` where nothing is.
    """

    differences: dict[str, int | None]
    within: bool
    problem: str


@dataclass(frozen=True)
class Usage:
    """What the timed process took.

    Attributes:
        load_ms: reading and verifying the bundle, and making it ready.
        cpu_s: processor time of the timed runs together, all threads.
        cpu_ms_per_decision: processor milliseconds of one.
        memory_before_bytes: held before the bundle was read: the interpreter and the libraries.
        memory_peak_bytes: most that was held, until the last timed run.
        switched_away: how often the system took the processor away during the timed runs.
        load_before: processes that wanted to run, average of the minute before; ``None`` where unknown.
        load_after: processes that wanted to run in the last minute of it, with this one.
    """

    load_ms: float
    cpu_s: float
    cpu_ms_per_decision: float
    memory_before_bytes: int | None
    memory_peak_bytes: int | None
    switched_away: int
    load_before: float | None
    load_after: float | None


@dataclass(frozen=True)
class BenchResult:
    """One bench.

    Attributes:
        format: of this file.
        backend: what ran the bundle.
        kind: measured, or by a virtual board, or emulated.
        device: what it ran on, in words.
        what: what a decision's time holds, in words.
        bundle: which bundle.
        settings: what was chosen, e.g. threads; numbers in the unit that the key names, e.g. ``clock_mhz``.
        machine: that the bench ran on; a board hangs on it.
        runs: timed runs.
        warm_up: runs before them, after the first.
        first_ms: the first decision; ``None`` where nothing was timed.
        p50_ms: of the decision, as are the next.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        mean_ms: mean.
        least_ms: fastest.
        most_ms: slowest.
        stages: of the decision.
        segment: a whole segment decided at once, by stage and ``"whole"``; empty where that was not timed.
        file: a file classified, if one was given.
        usage: of the timed process; ``None`` where it is another machine's.
        instructions: executed, by part, and of all parts together as ``"whole"``, where an emulator counts them.
        agreement: with the golden vectors.
        notes: what a reader must know.
        runs_ms: every timed run in order, by stage and ``"whole"``.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    format: int
    backend: BackendName
    kind: Kind
    device: str
    what: str
    bundle: BundleName
    settings: dict[str, str | bool | int | float]
    machine: Machine
    runs: int
    warm_up: int
    first_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    mean_ms: float | None
    least_ms: float | None
    most_ms: float | None
    stages: dict[str, Statistics]
    segment: dict[str, Statistics]
    file: FileRun | None
    usage: Usage | None
    instructions: dict[str, dict[str, int]]
    agreement: Agreement
    notes: tuple[str, ...]
    runs_ms: dict[str, list[float]]

    def to_dict(self) -> dict[str, Any]:
        """As its JSON holds it."""
        return asdict(self)

    @property
    def title(self) -> str:
        """In a few words, for tables and pictures; what is no measurement says so."""
        chosen = ", ".join(f"{name} {_word(value)}" for name, value in self.settings.items())
        mark = "" if self.kind == "measured" else f" ({self.kind.upper()}, no measurement of a board)"
        return f"{self.bundle.name} on {self.backend}{f', {chosen}' if chosen else ''}{mark}"


def read_result(path: Path) -> BenchResult:
    """Read what ``edge-ser bench -o FILE.json`` wrote.

    Raises:
        InputError: it cannot be read or is no such file.
    """
    expected = "expected a file that edge-ser bench wrote (-o FILE.json)"
    try:
        if path.stat().st_size > _LARGEST_FILE:
            message = f"{path}: over {_LARGEST_FILE} bytes; {expected}"
            raise InputError(message)
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({reason(error)}); {expected}"
        raise InputError(message) from None
    return parse_result(data, str(path))


def parse_result(data: bytes, source: str) -> BenchResult:
    """The result in JSON text.

    Raises:
        InputError: it is none, or of another format.
    """
    try:
        result: BenchResult = TypeAdapter(BenchResult).validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        message = f"{source}: {key}: {first['msg']}; expected a file that edge-ser bench wrote (-o FILE.json)"
        raise InputError(message) from None
    if result.format != FORMAT:
        message = f"{source}: format {result.format}; expected {FORMAT}: bench again with this edge-ser"
        raise InputError(message)
    return result


def csv_text(result: BenchResult) -> str:
    """Every timed run: a line each, milliseconds by stage; none left out. Without any, a line for each count."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if not result.runs_ms and result.instructions:
        writer.writerow(["part", "per", "instructions"])
        for part, counts in result.instructions.items():
            writer.writerows([part, name.removeprefix("per_"), count] for name, count in counts.items())
        return file.getvalue()
    names = list(result.runs_ms)
    writer.writerow(["run", *(f"{name}_ms" for name in names)])
    columns = (result.runs_ms[name] for name in names)
    writer.writerows([number, *row] for number, row in enumerate(zip(*columns, strict=True), start=1))
    return file.getvalue()


def _word(value: str | bool | int | float) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
