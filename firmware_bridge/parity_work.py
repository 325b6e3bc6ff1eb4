"""What the implementations are compared on: specs, the torture set, and recordings of any length in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import stream_audio
from edge_ser.errors import InputError
from edge_ser.frontend.tables import FrontendTables, make_tables
from edge_ser.frontend.torture import random_specs, torture_set
from edge_ser.spec import FrontendSpec, NoiseReductionSpec, PcanSpec
from firmware_bridge.frontend_job import FrontendJob
from firmware_bridge.parity import Work, seconds_of

PIECE_S: Final = 300.0
"""A recording is compared in pieces of at most so much, each from the reset state, so that memory stays flat."""
_BATCH_S: Final = 900.0
_BATCH_VALUES: Final = 8_000_000
"""Limits of a batch: seconds of audio, and features of one implementation."""

DEFAULT_SPECS: Final = {
    "default": FrontendSpec(),
    "noise reduction and PCAN": FrontendSpec(
        noise_reduction=NoiseReductionSpec(enabled=True), pcan=PcanSpec(enabled=True)
    ),
}
"""What is compared where no spec is named: every stage is on in one of them."""


@dataclass(frozen=True)
class Case:
    """A named spec with its tables."""

    name: str
    spec: FrontendSpec
    tables: FrontendTables


def make_cases(named: dict[str, FrontendSpec], random_count: int) -> list[Case]:
    """Cases of named specs and of the first ``random_count`` of the random ones.

    Raises:
        InputError: no tables can be made of a spec.
    """
    specs = named | {f"random {i}": spec for i, spec in enumerate(random_specs(random_count))}
    return [Case(name, spec, make_tables(spec)) for name, spec in specs.items()]


def torture_batches(cases: Sequence[Case]) -> Iterator[list[Work]]:
    """The torture set of every case, in batches."""
    return _batches(_work(case, torture_set(case.spec)) for case in cases)


def recording_batches(
    cases: Sequence[Case], files: Sequence[Path], failed: Callable[[Path, InputError], None]
) -> Iterator[list[Work]]:
    """Recordings through every case, in batches.

    Args:
        cases: the specs.
        files: the recordings.
        failed: called once for each file that cannot be read to its end; what came before it is compared.
    """
    return _batches(_recording_work(cases, files, failed))


def _recording_work(
    cases: Sequence[Case], files: Sequence[Path], failed: Callable[[Path, InputError], None]
) -> Iterator[Work]:
    bad: set[Path] = set()

    def fail(file: Path, error: InputError) -> None:
        bad.add(file)
        failed(file, error)

    by_rate = sorted(cases, key=lambda case: case.spec.sample_rate_hz)
    for rate, group in groupby(by_rate, key=lambda case: case.spec.sample_rate_hz):
        of_rate = list(group)
        for pieces in _groups(_pieces([file for file in files if file not in bad], rate, fail), rate):
            for case in of_rate:
                yield _work(case, pieces)


def _pieces(
    files: Sequence[Path], rate: int, fail: Callable[[Path, InputError], None]
) -> Iterator[tuple[str, NDArray[np.int16]]]:
    most = round(PIECE_S * rate)
    for file in files:
        start = 0
        held: list[NDArray[np.int16]] = []
        try:
            for block in stream_audio(file, rate, block_s=10.0):
                held.append(block)
                if sum(map(len, held)) >= most:
                    samples = np.concatenate(held)
                    yield _piece_name(file, start, rate), samples[:most]
                    start, held = start + most, [samples[most:]]
        except InputError as error:
            fail(file, error)
        if rest := sum(map(len, held)):
            yield _piece_name(file, start, rate), np.concatenate(held)[:rest]


def _piece_name(file: Path, start: int, rate: int) -> str:
    return f"{file} from {start // rate} s" if start else str(file)


def _groups(
    pieces: Iterable[tuple[str, NDArray[np.int16]]], rate: int
) -> Iterator[dict[str, NDArray[np.int16]]]:
    """Pieces together, until they are as long as one may be."""
    group: dict[str, NDArray[np.int16]] = {}
    for name, samples in pieces:
        group[name] = samples
        if sum(map(len, group.values())) >= PIECE_S * rate:
            yield group
            group = {}
    if group:
        yield group


def _work(case: Case, sounds: dict[str, NDArray[np.int16]]) -> Work:
    return Work(case.name, FrontendJob(case.spec, case.tables, tuple(sounds.values())), tuple(sounds))


def _batches(works: Iterable[Work]) -> Iterator[list[Work]]:
    batch: list[Work] = []
    seconds = values = 0.0
    for work in works:
        batch.append(work)
        seconds += seconds_of(work)
        spec = work.job.spec
        values += sum(spec.frames_in(recording.size) for recording in work.job.recordings) * spec.channels
        if seconds >= _BATCH_S or values >= _BATCH_VALUES:
            yield batch
            batch, seconds, values = [], 0.0, 0.0
    if batch:
        yield batch
