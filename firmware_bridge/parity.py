"""Comparison of all implementations of the front end, value by value.

Ours must agree with each other, and so must the stock library once it reads our tables: the same integers through
other people's stages. The judges that make tables of their own are counted: what differs is explained by the
tables in which they differ.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.frontend.job_file import Refused
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import FrontendTables
from firmware_bridge.frontend_job import FrontendJob
from firmware_bridge.implementations import (
    M7,
    NATIVE,
    NATIVE_CHUNKS,
    NUMPY,
    STOCK,
    STOCK_M7,
    STOCK_OUR_TABLES,
    TENSORFLOW,
    Computed,
    Implementation,
    Outcome,
)

MUST_AGREE: Final = frozenset({NUMPY, NATIVE, NATIVE_CHUNKS, M7, STOCK_OUR_TABLES})
"""Between any two of these a single differing value is a failure."""
_PAIRS: Final = (
    (NUMPY, NATIVE),
    (NUMPY, NATIVE_CHUNKS),
    (NUMPY, M7),
    (NATIVE, M7),
    (NUMPY, STOCK_OUR_TABLES),
    (NUMPY, TENSORFLOW),
    (NUMPY, STOCK),
    (NUMPY, STOCK_M7),
    (TENSORFLOW, STOCK_OUR_TABLES),
    (TENSORFLOW, STOCK),
    (STOCK, STOCK_M7),
)
_TABLES: Final = ("window", "twiddles", "real_twiddles", "band_edges", "band_weights", "band_unweights")
_TABLES_PCAN: Final = ("gain_table",)
_TABLES_LOG: Final = ("log_table",)


@dataclass(frozen=True)
class Work:
    """One spec's share of what is compared.

    Attributes:
        spec_name: what the spec is called.
        job: spec, tables and recordings.
        names: name of each recording.
    """

    spec_name: str
    job: FrontendJob
    names: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """A value in which two implementations differ.

    Attributes:
        spec_name: the spec.
        recording: the recording.
        frame: frame in it, from 0.
        channel: channel, from 0.
        a: the one value; ``None`` where that implementation gave no such frame.
        b: the other.
    """

    spec_name: str
    recording: str
    frame: int
    channel: int
    a: int | None
    b: int | None


@dataclass(frozen=True)
class PairCount:
    """How often two implementations differ.

    Attributes:
        a: the one.
        b: the other.
        must_agree: whether one mismatch is a failure.
        values: values compared; frames that only one of them gave count.
        mismatches: how many of them differ.
        largest: the largest difference.
        first: the first place that differs.
    """

    a: str
    b: str
    must_agree: bool
    values: int = 0
    mismatches: int = 0
    largest: int = 0
    first: Place | None = None


@dataclass(frozen=True)
class TableCount:
    """Entries in which the tables that a judge makes for itself differ from ours, over all specs.

    Attributes:
        judge: the implementation.
        table: name of the table, as in :class:`~edge_ser.frontend.tables.FrontendTables`.
        entries: entries compared.
        differ: how many of them differ.
        largest: the largest difference.
        specs: in how many specs any entry differs.
    """

    judge: str
    table: str
    entries: int = 0
    differ: int = 0
    largest: int = 0
    specs: int = 0


@dataclass(frozen=True)
class Explanation:
    """How far a judge's own tables account for its values.

    Attributes:
        judge: the implementation.
        values: values compared, where its tables differ from ours.
        unexplained: how many of them our reference does not give with the judge's tables.
    """

    judge: str
    values: int = 0
    unexplained: int = 0


@dataclass
class Comparison:
    """Counts, batch by batch; holds no features.

    Attributes:
        implementations: what is compared.
        folder: for files on the way and for programs.
    """

    implementations: Sequence[Implementation]
    folder: Path
    pairs: list[PairCount] = field(init=False)
    refused: Counter[tuple[str, str]] = field(init=False, default_factory=Counter)
    """Specs that a judge does not take, by judge and reason."""
    explanations: dict[str, Explanation] = field(init=False, default_factory=dict)
    """By judge, for those whose tables differ from ours."""
    _tables: dict[tuple[str, str], TableCount] = field(init=False, default_factory=dict)
    _seen: set[tuple[str, str]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        names = {implementation.name for implementation in self.implementations}
        self.pairs = [PairCount(a, b, must_agree={a, b} <= MUST_AGREE) for a, b in _PAIRS if {a, b} <= names]

    @property
    def tables(self) -> list[TableCount]:
        """Tables in which a judge differs from ours."""
        return [count for count in self._tables.values() if count.differ]

    @property
    def broken(self) -> list[PairCount]:
        """Pairs that must agree and do not."""
        return [pair for pair in self.pairs if pair.must_agree and pair.mismatches]

    def add(self, batch: Sequence[Work]) -> None:
        """Run a batch through every implementation and count.

        Raises:
            CheckError: an implementation failed.
        """
        jobs = [work.job for work in batch]
        outcomes: dict[str, list[Outcome]] = {}
        for implementation in self.implementations:
            outcomes[implementation.name] = implementation.run(jobs, self.folder)
        for index, work in enumerate(batch):
            of_work = {name: outcome[index] for name, outcome in outcomes.items()}
            self.pairs = [_with(pair, work, of_work) for pair in self.pairs]
            for name, outcome in of_work.items():
                self._explain(name, work, outcome)
                if (name, work.spec_name) not in self._seen:
                    self._seen.add((name, work.spec_name))
                    self._look_at(name, work, outcome)

    def _explain(self, judge: str, work: Work, outcome: Outcome) -> None:
        """Compute the same with the judge's tables: if they are the cause, and nothing else, it gives its values."""
        if isinstance(outcome, Refused) or outcome.tables is None:
            return
        if outcome.tables.sha256 == work.job.tables.sha256:
            return
        reference = Frontend(outcome.tables)
        known = self.explanations.get(judge, Explanation(judge))
        for samples, features in zip(work.job.recordings, outcome.features, strict=True):
            differ = np.count_nonzero(_difference(reference.process(samples), features))
            known = Explanation(judge, known.values + features.size, known.unexplained + int(differ))
        self.explanations[judge] = known

    def _look_at(self, judge: str, work: Work, outcome: Outcome) -> None:
        if isinstance(outcome, Refused):
            self.refused[judge, outcome.reason] += 1
        elif outcome.tables is not None:
            for table in _tables_of(work.job.tables):
                known = self._tables.get((judge, table), TableCount(judge, table))
                self._tables[judge, table] = _with_table(known, work.job.tables, outcome.tables)


def compare(
    implementations: Sequence[Implementation],
    batches: Iterable[Sequence[Work]],
    folder: Path,
    advance: Callable[[float], None] = lambda _seconds: None,
) -> Comparison:
    """Run batches through all implementations; only one batch is in memory at a time.

    Args:
        implementations: two or more.
        batches: what to compare, from :mod:`firmware_bridge.parity_work`.
        folder: for files on the way and for programs.
        advance: called with the seconds of audio that are done, counted once per spec.

    Raises:
        CheckError: an implementation failed.
    """
    comparison = Comparison(implementations, folder)
    for batch in batches:
        comparison.add(batch)
        advance(sum(seconds_of(work) for work in batch))
    return comparison


def seconds_of(work: Work) -> float:
    """Audio in a work, seconds."""
    samples = sum(recording.size for recording in work.job.recordings)
    return samples / work.job.spec.sample_rate_hz


def _with(pair: PairCount, work: Work, outcomes: dict[str, Outcome]) -> PairCount:
    a, b = outcomes[pair.a], outcomes[pair.b]
    if not (isinstance(a, Computed) and isinstance(b, Computed)):
        return pair
    for name, one, other in zip(work.names, a.features, b.features, strict=True):
        differs = _difference(one, other)
        mismatches = int(np.count_nonzero(differs))
        first = pair.first
        if mismatches and first is None:
            frame, channel = (int(index) for index in np.argwhere(differs)[0])
            values = (int(rows[frame, channel]) if frame < len(rows) else None for rows in (one, other))
            first = Place(work.spec_name, name, frame, channel, *values)
        pair = dataclasses.replace(
            pair,
            values=pair.values + differs.size,
            mismatches=pair.mismatches + mismatches,
            largest=max(pair.largest, int(differs.max(initial=0))),
            first=first,
        )
    return pair


def _difference(a: NDArray[np.uint16], b: NDArray[np.uint16]) -> NDArray[np.int32]:
    """Absolute differences, int32 (frames of the longer, channels); a frame that is missing differs by its values,
    and by 1 at least.
    """
    if np.array_equal(a, b):
        return np.zeros(a.shape, np.int32)
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    padded = np.full(longer.shape, -1, np.int32)
    padded[: len(shorter)] = shorter
    difference: NDArray[np.int32] = np.abs(longer.astype(np.int32) - padded)
    return difference


def _tables_of(tables: FrontendTables) -> tuple[str, ...]:
    """The tables that have a say: a judge may make no gain table where PCAN is off."""
    return _TABLES + _TABLES_PCAN * tables.pcan + _TABLES_LOG * tables.log


def _with_table(count: TableCount, ours: FrontendTables, theirs: FrontendTables) -> TableCount:
    mine, other = (getattr(tables, count.table).astype(np.int64).ravel() for tables in (ours, theirs))
    size = max(len(mine), len(other))
    # A band that is longer by a bin: the entries at the end have nothing beside them.
    differs = np.abs(np.pad(mine, (0, size - len(mine))) - np.pad(other, (0, size - len(other))))
    differ = int(np.count_nonzero(differs))
    return dataclasses.replace(
        count,
        entries=count.entries + size,
        differ=count.differ + differ,
        largest=max(count.largest, int(differs.max(initial=0))),
        specs=count.specs + bool(differ),
    )
