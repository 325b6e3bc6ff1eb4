"""Scores that `edge-ser evaluate` and `edge-ser quantize` wrote, read with care and put into one shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edge_ser.bundle import Bundle
from edge_ser.bundle_card import EVALUATIONS, TRIALS
from edge_ser.errors import InputError

SHIPPED = "litert"
"""The row of what ships, as in :mod:`edge_ser.evaluation.summary`, which loads far more than a page needs."""

FLOAT = "float"
CONSTANT = "constant"

_MOST_CLASSES = 64
_MOST_ROWS = 32
_EXPECTED = "expected what edge-ser evaluate printed with --json or wrote with --output"

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]


class _Lenient:
    """Later versions may say more; wrong types stay errors."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore")


@dataclass(frozen=True)
class ClassScore(_Lenient):
    """One class of one predictor.

    Attributes:
        clips: how many have it.
        recall: share of those that were found.
        precision: share of the clips called so that have it.
        f1: the F1 score.
    """

    clips: _Count
    recall: Share
    precision: Share
    f1: Share


@dataclass(frozen=True)
class Row(_Lenient):
    """One predictor, as a report holds it; shares.

    Attributes:
        uar: mean recall of the classes.
        macro_f1: mean F1 of the classes.
        accuracy: share of clips decided rightly.
        interval: 95 % of the UAR, speakers resampled.
        n: clips.
        speakers: distinct ones.
        per_class: by class, in the order of the confusion matrix.
        confusion: clips, truth down, decision across.
        ece: expected calibration error; ``None`` where there are no probabilities.
        label: of the constant predictor, what it always says.
    """

    uar: Share
    macro_f1: Share
    accuracy: Share
    interval: tuple[Share, Share]
    n: _Count
    speakers: _Count
    per_class: dict[str, ClassScore]
    confusion: list[list[_Count]]
    ece: Share | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        """Refuse a matrix that does not fit its classes."""
        size = len(self.per_class)
        if not 0 < size <= _MOST_CLASSES or [len(line) for line in self.confusion] != [size] * size:
            message = f"a confusion matrix of {len(self.confusion)} lines for {size} classes"
            raise ValueError(message)

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the matrix."""
        return tuple(self.per_class)


@dataclass(frozen=True)
class Spread(_Lenient):
    """Mean over trainings with different seeds, and its standard deviation where there are several.

    Attributes:
        mean: in the unit of the measure.
        sd: standard deviation in the same unit.
    """

    mean: _Finite
    sd: _Finite | None = None


@dataclass(frozen=True)
class Stress(_Lenient):
    """The same clips with noise, through a channel, or at another level."""

    kind: str
    source: str
    db: _Finite | None
    rows: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class SeedScore(_Lenient):
    """A predictor's headline of one seed: its UAR."""

    uar: Share


@dataclass(frozen=True)
class Table(_Lenient):
    """One table of a trial.

    Attributes:
        pooled: by predictor, the decisions of all trainings together.
        spread: over seeds, by predictor and measure.
        agreement: share of the clips on which two predictors decide alike, by their names.
        seeds: by seed and predictor.
        drop: points of UAR that int8 loses against float; ``None`` where one of them was not scored.
    """

    pooled: dict[str, Row]
    spread: dict[str, dict[str, Spread]] = field(default_factory=dict)
    agreement: dict[str, Share] = field(default_factory=dict)
    seeds: dict[str, dict[str, SeedScore]] = field(default_factory=dict)
    drop: _Finite | None = None


@dataclass(frozen=True)
class _BundleName(_Lenient):
    name: str
    build: str


@dataclass(frozen=True)
class _TrainedOn(_Lenient):
    emotions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Exam(_Lenient):
    """A report of one bundle on one corpus.

    Attributes:
        corpus: its name.
        synthetic: whether its speech is synthetic.
        rows: by predictor.
        bundle: which one.
        trained_on: the corpora that taught it emotions.
        trained_on_synthetic: whether one of them is synthetic.
        agreement: share of the clips on which two predictors decide alike, by their names.
        stress: the same clips under other conditions.
        level_dbfs: that every clip was brought to; ``None`` where they stayed as they are.
        command: what made the report.
    """

    corpus: str
    synthetic: bool
    rows: dict[str, Row]
    bundle: _BundleName
    trained_on: _TrainedOn = field(default_factory=_TrainedOn)
    trained_on_synthetic: bool = False
    agreement: dict[str, Share] = field(default_factory=dict)
    stress: list[Stress] = field(default_factory=list)
    level_dbfs: _Finite | None = None
    command: str = ""


@dataclass(frozen=True)
class _SpecName(_Lenient):
    name: str


@dataclass(frozen=True)
class Trial(_Lenient):
    """A report of trainings of one spec."""

    corpus: str
    synthetic: bool
    protocol: str
    seeds: list[int]
    spec: _SpecName
    tables: dict[str, Table]
    folds: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    task: str = "emotion"
    level_dbfs: _Finite | None = None
    params: int | None = None
    command: str = ""


@dataclass(frozen=True)
class Scored:
    """One table of scores on the page.

    Attributes:
        title: the corpus, or the trial's table.
        words: on what, of how many, under which conditions.
        synthetic: whether the speech that was scored, or that taught the emotions, is synthetic.
        of_this_bundle: whether this very bundle was scored.
        rows: by predictor.
        spread: over seeds, by predictor and measure; empty for a bundle.
        agreement: share of the clips on which two predictors decide alike, by ``"a, b"``.
        stress: under noise, where that was tried.
        trainings: whose decisions the rows hold together, each of every clip.
        command: what made it; ``""`` where it is not told.
        file: where it was read from.
    """

    title: str
    words: str
    synthetic: bool
    of_this_bundle: bool
    rows: Mapping[str, Row]
    spread: Mapping[str, Mapping[str, Spread]]
    agreement: Mapping[str, float]
    stress: tuple[Stress, ...]
    trainings: int
    command: str
    file: str

    @property
    def shipped(self) -> Row:
        """The row of the int8 files; the first one where they were not scored."""
        return self.rows.get(SHIPPED) or next(iter(self.rows.values()))

    @property
    def clips(self) -> int:
        """Clips that were tested."""
        return self.shipped.n // self.trainings

    @property
    def constant(self) -> Row | None:
        """The predictor that always says the same."""
        return self.rows.get(CONSTANT)


_EXAM = TypeAdapter(Exam)
_TRIAL = TypeAdapter(Trial)


def bundle_scores(bundle: Bundle) -> tuple[Scored, ...]:
    """The scores that a bundle carries: its evaluations, else what quantisation measured, and trials of its recipe.

    Raises:
        InputError: a report in it is not as edge-ser writes it.
    """
    found: list[Scored] = []
    for name, record in _reports(bundle, EVALUATIONS):
        found += _exam(parse_record(record, name), name, True)
    if not found:
        found += _quantized(bundle)
    for name, record in _reports(bundle, TRIALS):
        found += of_record(parse_record(record, name), name, frozenset())
    return tuple(found)


def builds_of(bundle: Bundle) -> frozenset[str]:
    """Build ids under which this bundle was scored: before its reports were put in it had another one.

    Raises:
        InputError: a report in it is not as edge-ser writes it.
    """
    exams = (parse_record(record, name) for name, record in _reports(bundle, EVALUATIONS))
    return frozenset({bundle.build_id, *(exam.bundle.build for exam in exams if isinstance(exam, Exam))})


def parse_record(record: Mapping[str, Any], source: str) -> Exam | Trial:
    """A report of `edge-ser evaluate`, whole or condensed.

    Args:
        record: the JSON object.
        source: what to call it in an error.

    Raises:
        InputError: it is none.
    """
    try:
        if "tables" in record:
            trial: Trial = _TRIAL.validate_python(record)
            if not 0 < len(trial.tables) <= _MOST_ROWS:
                message = f"{len(trial.tables)} tables"
                raise ValueError(message)
            for table in trial.tables.values():
                _check_rows(table.pooled)
            return trial
        exam: Exam = _EXAM.validate_python(record)
        _check_rows(exam.rows)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        message = f"{source}: {key}: {first['msg']}; {_EXPECTED}"
        raise InputError(message) from None
    except ValueError as error:
        message = f"{source}: {error}; {_EXPECTED}"
        raise InputError(message) from None
    return exam


def of_record(record: Exam | Trial, source: str, builds: frozenset[str]) -> tuple[Scored, ...]:
    """The tables of a report.

    Args:
        record: the report.
        source: name of its file.
        builds: build ids that mean the bundle of the page.
    """
    if isinstance(record, Exam):
        return tuple(_exam(record, source, record.bundle.build in builds))
    return tuple(_trial(record, source))


def _exam(record: Exam | Trial, source: str, own: bool) -> Iterator[Scored]:
    if isinstance(record, Trial):
        message = f"{source}: a trial, where the bundle promises an evaluation of itself; quantize again"
        raise InputError(message)
    row = next(iter(record.rows.values()))
    learned = ", ".join(record.trained_on.emotions) or "an unknown corpus"
    who = "This bundle" if own else f"Another bundle, {record.bundle.name} (build {record.bundle.build[:12]})"
    words = (
        f"{who}, which learned emotions from {learned}: {row.n:,} clips of {row.speakers} speakers that taught it "
        f"nothing.{_level(record.level_dbfs)}"
    )
    yield Scored(
        record.corpus,
        words,
        record.synthetic or record.trained_on_synthetic,
        own,
        record.rows,
        {},
        record.agreement,
        tuple(record.stress),
        1,
        record.command,
        source,
    )


def _trial(record: Trial, source: str) -> Iterator[Scored]:
    for name, table in record.tables.items():
        row = next(iter(table.pooled.values()))
        count = max(1, len(record.seeds))
        seeds = ", ".join(map(str, record.seeds))
        beside = [*record.sources, *record.others]
        words = (
            f"Trainings of the spec {record.spec.name}, not this bundle: {row.n // count:,} clips of {row.speakers} "
            f"speakers of {record.corpus}{', with ' + ', '.join(beside) if beside else ''}; protocol {record.protocol}"
            f"{f', seeds {seeds}' if seeds else ''}.{_level(record.level_dbfs)}"
        )
        title = name if len(record.tables) == 1 or record.task != "keyword" else f"{record.corpus}: {name}"
        if record.task == "keyword":
            title = f"Keywords, {title}"
        yield Scored(
            title,
            words,
            record.synthetic,
            False,
            table.pooled,
            table.spread,
            table.agreement,
            (),
            count,
            record.command,
            source,
        )


def _quantized(bundle: Bundle) -> Iterator[Scored]:
    """What `edge-ser quantize` measured on the test speakers, where nothing was evaluated since."""
    report = bundle.report("quantize")
    if report is None:
        return
    names = {FLOAT: FLOAT, "int8": SHIPPED, CONSTANT: CONSTANT}
    rows = {names[key]: report[key] for key in names if key in report}
    told = bundle.provenance.get("corpora", {})
    emotions = told.get("emotions", {}) if isinstance(told, dict) else {}
    corpus = emotions.get("name") if isinstance(emotions, dict) else None
    agreement = report.get("agreement")
    record = {
        "corpus": str(corpus or "its own corpus"),
        "synthetic": bool(report.get("synthetic") or bundle.provenance.get("synthetic")),
        "rows": rows,
        "bundle": {"name": bundle.spec.name, "build": bundle.build_id},
        "trained_on": {"emotions": [str(corpus)] if corpus else []},
        "agreement": {f"{FLOAT}, {SHIPPED}": agreement} if agreement is not None else {},
        "command": "edge-ser quantize",
    }
    yield from _exam(parse_record(record, "reports/quantize.json"), "reports/quantize.json", True)


def _check_rows(rows: Mapping[str, Row]) -> None:
    if not 0 < len(rows) <= _MOST_ROWS:
        message = f"{len(rows)} predictors"
        raise ValueError(message)
    classes = {row.classes for row in rows.values()}
    if len(classes) != 1:
        message = "predictors of different classes in one table"
        raise ValueError(message)


def _reports(bundle: Bundle, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for member in sorted(bundle.members):
        if member.startswith(f"reports/{kind}") and member.endswith(".json"):
            record = bundle.report(member.removeprefix("reports/").removesuffix(".json"))
            if record is not None:
                yield member, record


def _level(level: float | None) -> str:
    return "" if level is None else f" Every clip brought to {level:g} dBFS first."
