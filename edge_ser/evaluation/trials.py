"""A system trained anew under a protocol: from what a person asks for to the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.registry import read_clips
from edge_ser.corpora.selection import keyword_manifest
from edge_ser.errors import InputError
from edge_ser.evaluation.backends import BackendName
from edge_ser.evaluation.levels import level_copies
from edge_ser.evaluation.protocols import (
    Corpus,
    Fold,
    Protocol,
    across_corpora,
    only_classes,
    shared_classes,
    within_corpus,
)
from edge_ser.evaluation.runs import Plan, facts, run
from edge_ser.evaluation.summary import headline, over_seeds
from edge_ser.files import write_json
from edge_ser.spec import SystemSpec

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""``progress(description, total)`` is a context that yields ``advance(steps)``."""

Place = tuple[str, Path]
"""A corpus: the name of its layout and its folder."""

SUMMARY = "evaluation.json"


@dataclass(frozen=True)
class Trial:
    """What a person asks for.

    Attributes:
        spec: the system; its classes are replaced by those of the protocol, its seed by each of ``seeds``.
        protocol: how speakers are divided.
        target: the corpus that is tested.
        sources: what is learned from, for ``"cross"``; empty otherwise.
        words: the keyword corpus.
        folder: takes all results; an evaluation that was stopped resumes there.
        seeds: each fold is trained once per seed.
        folds: number of folds instead of the spec's.
        both_ways: ``"cross"``: the other direction too.
        classes: emotions told apart; empty for all that the corpora share.
        level_dbfs: level that every clip is brought to first; ``None`` leaves clips as they are.
        backends: with what the trained files are scored.
        jobs: folds at a time.
        scheduler: address of a Dask scheduler.
        keep: whether the trainings stay.
    """

    spec: SystemSpec
    protocol: Protocol
    target: Place
    sources: tuple[Place, ...]
    words: Place
    folder: Path
    seeds: tuple[int, ...]
    folds: int | None
    both_ways: bool
    classes: tuple[str, ...]
    level_dbfs: float | None
    backends: tuple[BackendName, ...]
    jobs: int
    scheduler: str | None
    keep: bool


def make_plan(trial: Trial) -> Plan:
    """Read the corpora and divide their speakers.

    Raises:
        InputError: what is asked for does not fit together, or a corpus cannot be divided so.
        MissingError: a corpus is not there.
    """
    if (trial.protocol == "cross") != bool(trial.sources):
        message = "protocol cross and --source go together: what is learned from, and --corpus is tested"
        raise InputError(message)
    if trial.both_ways and trial.protocol != "cross":
        message = f"--both-ways goes with protocol cross, not with {trial.protocol}"
        raise InputError(message)
    corpora = [_corpus(trial, place) for place in (trial.target, *trial.sources)]
    classes = trial.classes or shared_classes(corpora)
    corpora = [_levelled(trial, only_classes(one, classes)) for one in corpora]
    spec = replace(trial.spec, acoustic=replace(trial.spec.acoustic, classes=classes))
    return Plan(
        spec=spec,
        folds=_folds(trial, corpora[0], corpora[1:]),
        words=_words(spec, trial.words),
        seeds=trial.seeds,
        backends=trial.backends,
        folder=trial.folder.resolve(),
        keep=trial.keep,
    )


def report(trial: Trial, progress: Progress, tell: Callable[[str], None]) -> dict[str, Any]:
    """Train, score and sum up; also written to the folder.

    Returns:
        ``tables``: per table what :func:`edge_ser.evaluation.summary.over_seeds` returns; at the top the keys of
        the command's contract, of the first table's pooled row of what ships.
    """
    plan = make_plan(trial)
    total = len(plan.folds) * len(plan.seeds)
    tell(
        f"{len(plan.folds)} folds x {len(plan.seeds)} seeds, classes: {', '.join(plan.spec.acoustic.classes)}"
    )
    with progress("folds", total) as advance:
        tables = run(plan, trial.jobs, trial.scheduler, advance, tell)
    summed = {name: over_seeds(by_seed) for name, by_seed in tables.items()}
    first = next(iter(summed.values()))
    names = {clip.corpus for fold in plan.folds for clip in fold.manifest.clips}
    record: dict[str, Any] = {
        **headline(first["pooled"]),
        "spec": plan.spec.to_dict(),
        "corpus": trial.target[0],
        "sources": [name for name, _ in trial.sources],
        "synthetic": any(name.startswith("synthetic") for name in names),
        "words": {"corpus": plan.words.corpus, "synthetic": plan.words.corpus.startswith("synthetic")},
        "protocol": trial.protocol,
        "folds": [fold.manifest.protocol for fold in plan.folds],
        "level_dbfs": trial.level_dbfs,
        "seeds": list(plan.seeds),
        **facts(plan),
        "tables": summed,
    }
    write_json(plan.folder / SUMMARY, record)
    return record


def _corpus(trial: Trial, place: Place) -> Corpus:
    name, root = place
    home = root.resolve()
    clips = tuple(clip for clip in read_clips(name, home) if clip.emotion is not None and clip.speaker)
    if not clips:
        message = f"{root}: {name} has no clip with an emotion and a speaker; take an emotion corpus"
        raise InputError(message)
    return Corpus(name, home, clips)


def _levelled(trial: Trial, corpus: Corpus) -> Corpus:
    if trial.level_dbfs is None:
        return corpus
    folder = (trial.folder / "levelled" / corpus.name).resolve()
    rate = trial.spec.frontend.sample_rate_hz
    copies = level_copies(corpus.clips, trial.level_dbfs, rate, folder)
    return Corpus(corpus.name, folder, tuple(copies))


def _folds(trial: Trial, target: Corpus, sources: Sequence[Corpus]) -> tuple[Fold, ...]:
    rule = trial.spec.corpora
    if trial.protocol == "cross":
        return across_corpora(sources, target, rule, both_ways=trial.both_ways)
    return within_corpus(trial.protocol, target, rule, trial.folds)


def _words(spec: SystemSpec, place: Place) -> Manifest:
    name, root = place
    return keyword_manifest(spec, name, root.resolve())
