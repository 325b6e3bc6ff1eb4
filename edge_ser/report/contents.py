"""What the page says, before it is a page: gathered once, written as HTML or as Markdown.

Texts in here come from files that anybody may have made; whoever writes them out escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge_ser.bench.result import BenchResult
from edge_ser.bundle_curves import Curve
from edge_ser.edgetpu.budget import BudgetItem
from edge_ser.edgetpu.interval import Interval
from edge_ser.edgetpu.rules import CheckReport
from edge_ser.report.ablations import Ablation
from edge_ser.report.examples import Example
from edge_ser.report.scores import Scored


@dataclass(frozen=True)
class CorpusUse:
    """A corpus that the bundle learned from.

    Attributes:
        role: what for, e.g. ``"emotions"``.
        name: of its layout.
        licence: as the bundle tells it.
        protocol: how its speakers were split, in words.
        parts: (part, clips, speakers) of train, validation and test; ``None`` where it is not told.
    """

    role: str
    name: str
    licence: str
    protocol: str
    parts: tuple[tuple[str, int | None, int | None], ...]


@dataclass(frozen=True)
class Identity:
    """Which bundle, and of what.

    Attributes:
        name: of the system.
        file: name of the bundle's file.
        bytes: size of that file.
        build_id: the bundle's.
        made_by: version of edge-ser that made it.
        commit: of its source; ``""`` where unknown.
        seed: of its training, as told; ``""`` where unknown.
        params: parameters of both nets and heads; ``None`` where unknown.
        labels: the emotions.
        keywords: the words.
        segment_s: seconds of audio in a decision.
        synthetic: whether it learned emotions from synthetic speech.
        compiled: whether it holds files compiled for the Edge TPU.
    """

    name: str
    file: str
    bytes: int
    build_id: str
    made_by: str
    commit: str
    seed: str
    params: int | None
    labels: tuple[str, ...]
    keywords: tuple[str, ...]
    segment_s: float
    synthetic: bool
    compiled: bool


@dataclass(frozen=True)
class CardPart:
    """A part of the model card: its heading and its Markdown."""

    title: str
    text: str


@dataclass(frozen=True)
class NetMapping:
    """What becomes of one net's operations.

    Attributes:
        net: ``"keyword"`` or ``"acoustic"``.
        report: the verdicts.
        board_cpu: why the board's own processor would not run the uncompiled file; ``""`` where it would.
    """

    net: str
    report: CheckReport
    board_cpu: str

    @property
    def mapped(self) -> int:
        """How many operations map."""
        return sum(verdict.mapped for verdict in self.report.ops)


@dataclass(frozen=True)
class Estimated:
    """A decision's latency without a board.

    Attributes:
        title: the target.
        source: where its constants are from.
        clock_mhz: of the Edge TPU.
        ms: milliseconds in the steady state.
        first_ms: milliseconds of the first decision.
        terms: (name, milliseconds).
        exact: whether the bytes are those of compiled files; the time is a prediction all the same.
    """

    title: str
    source: str
    clock_mhz: float
    ms: Interval
    first_ms: Interval
    terms: tuple[tuple[str, Interval], ...]
    exact: bool


@dataclass(frozen=True)
class Measured:
    """A bench that stands beside the estimate.

    Attributes:
        file: where it was read from.
        result: the bench.
        same_build: whether it is of this very bundle.
        busy: whether the machine had other work.
    """

    file: str
    result: BenchResult
    same_build: bool
    busy: bool


@dataclass(frozen=True)
class Golden:
    """One stage of the golden segment, computed anew.

    Attributes:
        stage: e.g. ``"features"``.
        difference: largest, in units of the stage; ``None`` where the shape is another.
        allowed: the most it may be; ``None`` where it is told only.
    """

    stage: str
    difference: int | None
    allowed: int | None

    @property
    def fine(self) -> bool:
        """Whether it is within what is allowed."""
        return self.difference is not None and (self.allowed is None or self.difference <= self.allowed)


@dataclass(frozen=True)
class ParityPair:
    """Two implementations of the front end that heard the same audio."""

    a: str
    b: str
    values: int
    mismatches: int
    largest: int
    must_agree: bool


@dataclass(frozen=True)
class ParityRun:
    """What ``edge-ser parity --json`` printed.

    Attributes:
        file: where it was read from.
        seconds: of audio.
        specs: front ends that were tried.
        pairs: the comparisons.
    """

    file: str
    seconds: float
    specs: int
    pairs: tuple[ParityPair, ...]


@dataclass(frozen=True)
class LayerError:
    """How far one tensor of an int8 net is from the float net's, in decibels of signal to noise."""

    net: str
    tensor: str
    snr_db: float


@dataclass(frozen=True)
class SourceFile:
    """A file that the page was made from, by name and SHA-256."""

    kind: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Report:
    """All that the page says.

    Attributes:
        identity: which bundle.
        card: the model card in parts.
        corpora: what it learned from.
        budget: sizes and the rest against the limits.
        mapping: both nets.
        own_compiler: version of the person's own compiler whose answers were used; ``""`` where rules alone spoke.
        estimates: latency without a board.
        measured: benches.
        golden: this machine against the bundle's golden vectors.
        parity: front ends compared; ``None`` where no file was given.
        scores: every table of scores.
        layers: int8 error by tensor, as quantisation measured it.
        ablations: recipes side by side.
        curves: of the training, one for each stage.
        curves_from: ``"same"`` where the folder is this bundle's training, ``"other"`` where not, ``""`` where
            the bundle's own are shown.
        examples: recordings, decided and explained.
        versions: of the packages that made the bundle.
        members: (name, bytes, SHA-256) of everything in the bundle.
        files: what else was read.
        written_by: version of edge-ser that wrote the page.
    """

    identity: Identity
    card: tuple[CardPart, ...]
    corpora: tuple[CorpusUse, ...]
    budget: tuple[BudgetItem, ...]
    mapping: tuple[NetMapping, ...]
    own_compiler: str
    estimates: tuple[Estimated, ...]
    measured: tuple[Measured, ...]
    golden: tuple[Golden, ...]
    parity: ParityRun | None
    scores: tuple[Scored, ...]
    layers: tuple[LayerError, ...]
    ablations: tuple[Ablation, ...]
    curves: tuple[Curve, ...]
    curves_from: Literal["same", "other", ""]
    examples: tuple[Example, ...]
    versions: Mapping[str, str]
    members: tuple[tuple[str, int, str], ...]
    files: tuple[SourceFile, ...]
    written_by: str

    @property
    def headline(self) -> Scored | None:
        """The scores that the top of the page shows: of this bundle, on recorded speech where there are such."""
        own = [one for one in self.scores if one.of_this_bundle]
        real = [one for one in own if not one.synthetic]
        return next(iter(real or own), None)

    @property
    def within(self) -> bool:
        """Whether every item of the budget is within its limit."""
        return all(item.ok for item in self.budget)

    @property
    def agrees(self) -> bool:
        """Whether this machine computes what the bundle's maker computed."""
        return all(one.fine for one in self.golden)
