"""Everything that computes the front end, behind one call: ours on three machines, and the judges.

Ours read the tables that :mod:`edge_ser.frontend.tables` made. The judges are other people's code: the stock C library
(the sources in ``pymicro-features``), with our tables and with the ones that it makes for itself, and TensorFlow's op.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import CheckError, MissingError
from edge_ser.frontend.extension import BUILT, WHY_NOT
from edge_ser.frontend.job_file import Refused, read_answers, write_job
from edge_ser.frontend.native import NativeFrontend, NativeStream
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import FrontendTables
from firmware_bridge.frontend_job import FrontendJob, JobResult
from firmware_bridge.programs import run
from firmware_bridge.qemu_m7 import QemuM7
from firmware_bridge.stock import StockHost, StockM7

NUMPY: Final = "numpy"
NATIVE: Final = "native"
NATIVE_CHUNKS: Final = "native in chunks"
M7: Final = "m7"
STOCK_OUR_TABLES: Final = "stock with our tables"
STOCK: Final = "stock"
STOCK_M7: Final = "stock on m7"
TENSORFLOW: Final = "tensorflow"

_LONGEST_CHUNK_S: Final = 10
_TENSORFLOW_MODULE: Final = "edge_ser.training.tensorflow_frontend"
_TENSORFLOW_LIMIT_S: Final = 600


@dataclass(frozen=True, eq=False)
class Computed:
    """What an implementation made of a job.

    Attributes:
        features: uint16 (frames, channels) of each recording.
        tables: the tables that it made for itself; ``None`` where it read ours, or does not tell.
    """

    features: tuple[NDArray[np.uint16], ...]
    tables: FrontendTables | None = None


Outcome: TypeAlias = Computed | Refused


class Implementation(Protocol):
    """One way to compute the front end."""

    @property
    def name(self) -> str:
        """What it is called in tables and JSON."""

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[Outcome]:
        """Compute jobs.

        Args:
            jobs: what to compute; ``chunk_samples`` is the implementation's own business.
            folder: for files on the way and for programs, which are built there once.

        Raises:
            CheckError: it failed in a way that says nothing about a single spec.
        """


@dataclass(frozen=True)
class Absent:
    """An implementation that this machine cannot run, and how to get it."""

    name: str
    how: str


@dataclass(frozen=True)
class InProcess:
    """An implementation that Python calls directly.

    Attributes:
        name: its name.
        process: features uint16 (frames, channels) of tables and one recording, int16 (samples,).
    """

    name: str
    process: Callable[[FrontendTables], Callable[[NDArray[np.int16]], NDArray[np.uint16]]]

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[Outcome]:
        """As :meth:`Implementation.run`."""
        return [Computed(tuple(map(self.process(job.tables), job.recordings))) for job in jobs]


@dataclass(frozen=True)
class EmulatedM7:
    """Our core on the emulated Cortex-M7, fed one step of samples at a time, as its microphone would."""

    machine: QemuM7
    name: str = M7

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[Outcome]:
        """As :meth:`Implementation.run`."""
        results = self.machine.run(_by_steps(jobs), folder / "m7")
        return [Computed(result.features) for result in results]


@dataclass(frozen=True)
class Stock:
    """The stock library with given tables; takes every spec, as ours do."""

    original: StockHost
    name: str = STOCK_OUR_TABLES

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[Outcome]:
        """As :meth:`Implementation.run`."""
        results = self.original.run(jobs, folder / "stock", own_tables=False)
        return [Computed(result.features) for result in results]


@dataclass(frozen=True)
class StockOwnTables:
    """The stock library with the tables that it makes where it runs; it refuses a band up to the Nyquist bin."""

    original: StockHost | StockM7
    name: str

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[Outcome]:
        """As :meth:`Implementation.run`."""
        try:
            results = self._results(jobs, folder)
        except CheckError as error:
            # The program ends at the first spec that it refuses: find it by halves.
            half = len(jobs) // 2
            if half == 0:
                return [Refused(str(error).splitlines()[-1])]
            return self.run(jobs[:half], folder) + self.run(jobs[half:], folder)
        return [Computed(result.features, result.tables) for result in results]

    def _results(self, jobs: Sequence[FrontendJob], folder: Path) -> list[JobResult]:
        place = folder / ("stock" if isinstance(self.original, StockHost) else "stock-m7")
        return self.original.run(_by_steps(jobs), place, own_tables=True)


@dataclass(frozen=True)
class TensorFlowOp:
    """TensorFlow's ``audio_microfrontend``, in a process of its own."""

    name: str = TENSORFLOW

    @classmethod
    def find(cls) -> TensorFlowOp:
        """Where TensorFlow is installed.

        Raises:
            MissingError: it is not.
        """
        if importlib.util.find_spec("tensorflow") is None:
            message = "TensorFlow is not installed; pip install 'edge-ser[train]'"
            raise MissingError(message)
        return cls()

    def run(self, jobs: Sequence[FrontendJob], folder: Path) -> list[Outcome]:
        """As :meth:`Implementation.run`."""
        job, answers = folder / "tensorflow-job.npz", folder / "tensorflow-answers.npz"
        write_job(job, [(job.spec, job.recordings) for job in jobs])
        command = [sys.executable, "-m", _TENSORFLOW_MODULE, job.name, answers.name]
        try:
            run(command, folder, _TENSORFLOW_LIMIT_S)
        except CheckError as error:
            message = f"TensorFlow's op failed; last words: {str(error).splitlines()[-1]}"
            raise CheckError(message) from None
        return [
            answer if isinstance(answer, Refused) else Computed(answer) for answer in read_answers(answers)
        ]


def find_implementations(m7: bool | None = None) -> tuple[list[Implementation], list[Absent]]:
    """What this machine can run, and what it lacks.

    Args:
        m7: whether the emulated Cortex-M7 takes part; ``None`` is where its tools are installed.

    Raises:
        MissingError: ``m7`` is true and its tools are not installed.
    """
    if m7:
        QemuM7.find()
    finders: list[tuple[str, Callable[[], Implementation]]] = [
        (NUMPY, lambda: InProcess(NUMPY, lambda tables: Frontend(tables).process)),
        (NATIVE, lambda: _native(NATIVE, lambda tables: NativeFrontend(tables).process)),
        (NATIVE_CHUNKS, lambda: _native(NATIVE_CHUNKS, _in_chunks)),
        (M7, lambda: EmulatedM7(QemuM7.find())),
        (STOCK_OUR_TABLES, lambda: Stock(StockHost.find())),
        (STOCK, lambda: StockOwnTables(StockHost.find(), STOCK)),
        (STOCK_M7, lambda: StockOwnTables(StockM7.find(), STOCK_M7)),
        (TENSORFLOW, TensorFlowOp.find),
    ]
    found: list[Implementation] = []
    absent: list[Absent] = []
    for name, find in finders:
        if name in (M7, STOCK_M7) and m7 is False:
            absent.append(Absent(name, "left out by --no-m7"))
            continue
        try:
            found.append(find())
        except MissingError as error:
            absent.append(Absent(name, str(error)))
    return found, absent


def _native(
    name: str, process: Callable[[FrontendTables], Callable[[NDArray[np.int16]], NDArray[np.uint16]]]
) -> InProcess:
    if not BUILT:
        raise MissingError(WHY_NOT)
    return InProcess(name, process)


def _in_chunks(tables: FrontendTables) -> Callable[[NDArray[np.int16]], NDArray[np.uint16]]:
    stream = NativeStream(tables)

    def process(samples: NDArray[np.int16]) -> NDArray[np.uint16]:
        stream.reset()
        cuts = list(_cuts(len(samples), tables.sample_rate_hz))
        return np.concatenate([stream.feed(chunk) for chunk in np.split(samples, cuts)])

    return process


def _cuts(samples: int, rate: int) -> Iterator[int]:
    """Places to cut at, the same on every call: chunks of 1 sample to 10 s, evenly on a log scale."""
    random = np.random.default_rng(samples)
    longest = np.log2(_LONGEST_CHUNK_S * rate)
    place = 0
    while (place := place + int(np.exp2(random.uniform(0, longest)))) < samples:
        yield place


def _by_steps(jobs: Sequence[FrontendJob]) -> list[FrontendJob]:
    return [dataclasses.replace(job, chunk_samples=job.tables.step_samples) for job in jobs]
