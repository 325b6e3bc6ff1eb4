"""Everything that the page says, gathered by the functions behind the other commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from edge_ser import __version__
from edge_ser.bench.estimated import TARGETS
from edge_ser.bench.machine import is_busy
from edge_ser.bench.result import parse_result
from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_card import CARD, model_card
from edge_ser.bundle_curves import curves_of, is_training_of, read_curves
from edge_ser.bundle_shipped import corpora_of
from edge_ser.edgetpu.budget import MICRO, budget, decision, nets
from edge_ser.edgetpu.compilers import LATEST, compiler_named
from edge_ser.edgetpu.op_table import OpTable, parse_table
from edge_ser.edgetpu.rules import check_model
from edge_ser.edgetpu.targets import target_named
from edge_ser.edgetpu.tflm_ops import board_refusals
from edge_ser.errors import InputError
from edge_ser.files import parse_json_object, read_limited, sha256_hex
from edge_ser.report.ablations import ablations
from edge_ser.report.contents import (
    CardPart,
    CorpusUse,
    Estimated,
    Golden,
    Identity,
    LayerError,
    Measured,
    NetMapping,
    ParityPair,
    ParityRun,
    Report,
    SourceFile,
)
from edge_ser.report.examples import Example, read_example
from edge_ser.report.scores import Exam, Trial, builds_of, bundle_scores, of_record, parse_record
from edge_ser.report.sources import Sources
from edge_ser.runtime.golden import TOLERANCE, golden_differences
from edge_ser.runtime.pipeline import Pipeline, load_pipeline

_PARTS: Final = ("train", "validation", "test")
_SCORES_ELSEWHERE: Final = "Scores"
"""The part of the card whose numbers the page shows in tables of their own."""


def gather(path: Path, sources: Sources) -> Report:
    """All that is known of a bundle.

    Args:
        path: the bundle.
        sources: what else was named.

    Raises:
        InputError: something cannot be read, or is not what it should be; the file is named.
        MissingError: what is needed to run the nets is not installed.
    """
    bundle = read_bundle(path)
    pipeline = load_pipeline(bundle)
    table, mapping = _mapping(bundle, sources.op_table)
    files: list[SourceFile] = []
    measured = tuple(_benches(bundle, sources, files))
    own = bundle_scores(bundle)
    read = [(place.name, _record(place, files)) for place in sources.scores]
    builds = builds_of(bundle)
    given = [one for name, record in read for one in of_record(record, name, builds)]
    parity = None if sources.parity is None else _parity(sources.parity, files)
    training = sources.training
    curves = curves_of(bundle) if training is None else read_curves(training)
    same = training is not None and is_training_of(training, bundle)
    examples = tuple(_example(place, bundle, pipeline, files) for place in sources.examples)
    return Report(
        identity=_identity(path, bundle),
        card=_card(bundle),
        corpora=_corpora(bundle),
        budget=budget(bundle, bundle.spec.budget).items,
        mapping=mapping,
        own_compiler="" if table is None else table.compiler,
        estimates=_estimates(bundle, measured),
        measured=measured,
        golden=_golden(bundle, pipeline),
        parity=parity,
        scores=(*own, *given),
        layers=_layers(bundle),
        ablations=ablations([(name, record) for name, record in read if isinstance(record, Trial)]),
        curves=curves,
        curves_from="" if training is None else ("same" if same else "other"),
        examples=examples,
        versions=_texts(bundle.provenance.get("versions")),
        members=tuple((name, len(data), sha256_hex(data)) for name, data in sorted(bundle.members.items())),
        files=tuple(files),
        written_by=__version__,
    )


def _identity(path: Path, bundle: Bundle) -> Identity:
    told = bundle.provenance
    params = told.get("params")
    return Identity(
        name=bundle.spec.name,
        file=path.name,
        bytes=path.stat().st_size,
        build_id=bundle.build_id,
        made_by=bundle.made_by,
        commit=str(told.get("commit") or ""),
        seed=str(told.get("seed", "")),
        params=params if isinstance(params, int) else None,
        labels=bundle.labels,
        keywords=bundle.spec.keyword.words,
        segment_s=bundle.spec.acoustic.segment_s,
        synthetic=bool(told.get("synthetic")),
        compiled="acoustic_edgetpu.tflite" in bundle.members,
    )


def _card(bundle: Bundle) -> tuple[CardPart, ...]:
    """The card that the bundle holds, else the one that its reports make; none where they make none."""
    held = bundle.members.get(CARD)
    if held is not None:
        text = held.decode("utf-8", errors="replace")
    else:
        try:
            text = model_card(bundle)
        except InputError:
            return ()
    parts = []
    for part in text.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        if title.strip() != _SCORES_ELSEWHERE:
            parts.append(CardPart(title.strip(), body.strip()))
    return tuple(parts)


def _corpora(bundle: Bundle) -> tuple[CorpusUse, ...]:
    try:
        entries = corpora_of(bundle)
    except InputError:
        # A bundle from before there was a rule for it; the page then has no table of corpora.
        return ()
    found = []
    for role, entry in entries:
        clips, speakers = entry.get("clips"), entry.get("speakers")
        parts = tuple((part, _number(clips, part), _length(speakers, part)) for part in _PARTS)
        name, licence, protocol = (str(entry.get(key) or "") for key in ("name", "licence", "protocol"))
        found.append(CorpusUse(role, name, licence, protocol, parts))
    return tuple(found)


def _number(told: Any, part: str) -> int | None:
    value = told.get(part) if isinstance(told, dict) else None
    return value if isinstance(value, int) else None


def _length(told: Any, part: str) -> int | None:
    value = told.get(part) if isinstance(told, dict) else None
    return len(value) if isinstance(value, list) else None


def _texts(told: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in told.items()} if isinstance(told, dict) else {}


def _mapping(bundle: Bundle, place: Path | None) -> tuple[OpTable | None, tuple[NetMapping, ...]]:
    """As ``edge-ser check`` says it; answers of the person's own compiler win."""
    table = None
    if place is not None:
        table = parse_table(read_limited(place, "expected what edge-ser doctor --probe stored"), str(place))
    compiler = LATEST if table is None else compiler_named(table.compiler)
    found = []
    for name, model in nets(bundle).items():
        refusals = board_refusals(model)
        index, why = next(iter(refusals.items()), (0, ""))
        words = f"operation {index}: {why}" if refusals else ""
        found.append(NetMapping(name, check_model(model, compiler, table), words))
    return table, tuple(found)


def _estimates(bundle: Bundle, measured: tuple[Measured, ...]) -> tuple[Estimated, ...]:
    """The Micro at its own clock and at the fastest, and whatever a bench of an Edge TPU was measured on."""
    micro = target_named(MICRO)
    wanted = [(MICRO, micro.clock_mhz), (MICRO, max(micro.clocks_mhz))]
    for one in measured:
        name = TARGETS.get(one.result.backend)
        if name is not None and one.result.kind == "measured":
            clock = one.result.settings.get("clock_mhz")
            clocks = target_named(name).clocks_mhz
            wanted.append((name, clock if clock in clocks else target_named(name).clock_mhz))
    found = []
    for name, clock in dict.fromkeys(wanted):
        target = target_named(name)
        said = decision(bundle, target, clock)
        exact = all(payload.exact for payload in said.payloads)
        found.append(
            Estimated(target.title, target.source, said.clock_mhz, said.ms, said.first_ms, said.terms, exact)
        )
    return tuple(found)


def _benches(bundle: Bundle, sources: Sources, files: list[SourceFile]) -> Iterator[Measured]:
    builds = builds_of(bundle)
    for place in sources.bench:
        data = _read(place, "bench", "expected a file that edge-ser bench wrote (-o FILE.json)", files)
        result = parse_result(data, str(place))
        usage = result.usage
        busy = usage is not None and is_busy(usage.load_before, result.machine.usable_cores)
        yield Measured(place.name, result, result.bundle.build in builds, busy)


def _record(place: Path, files: list[SourceFile]) -> Exam | Trial:
    expected = "expected what edge-ser evaluate printed with --json"
    data = _read(place, "scores", expected, files)
    return parse_record(parse_json_object(data, str(place)), str(place))


@checked(frozen=True, config=ConfigDict(extra="ignore"))
class _Parity:
    """What ``edge-ser parity --json`` prints, as far as the page says it."""

    pairs: list[ParityPair]
    specs: list[str]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _parity(place: Path, files: list[SourceFile]) -> ParityRun:
    expected = "expected what edge-ser parity printed with --json"
    data = _read(place, "parity", expected, files)
    try:
        told: _Parity = TypeAdapter(_Parity).validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        message = f"{place}: {key}: {first['msg']}; {expected}"
        raise InputError(message) from None
    return ParityRun(place.name, told.seconds, len(told.specs), tuple(told.pairs))


def _golden(bundle: Bundle, pipeline: Pipeline) -> tuple[Golden, ...]:
    if "golden/samples.npy" not in bundle.members:
        return ()
    found = golden_differences(bundle, pipeline)
    return tuple(Golden(stage, found[stage], TOLERANCE.get(stage)) for stage in found)


def _layers(bundle: Bundle) -> tuple[LayerError, ...]:
    report = bundle.report("quantize") or {}
    try:
        return tuple(
            LayerError(net, str(layer["tensor"]), float(layer["snr_db"]))
            for net, layers in report.get("layers", {}).items()
            for layer in layers
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"reports/quantize.json: layers are not as edge-ser writes them ({error!r}); quantize again"
        raise InputError(message) from None


def _example(place: Path, bundle: Bundle, pipeline: Pipeline, files: list[SourceFile]) -> Example:
    example = read_example(place, bundle, pipeline)
    files.append(SourceFile("example", place.name, sha256_hex(example.flac)))
    return example


def _read(place: Path, kind: str, expected: str, files: list[SourceFile]) -> bytes:
    data = read_limited(place, expected)
    files.append(SourceFile(kind, place.name, sha256_hex(data)))
    return data
