"""A system trained anew under a protocol: from what a person asks for to the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_ser.bundle import read_bundle
from edge_ser.corpora.keywords import within
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.registry import is_nameless, read_clips
from edge_ser.corpora.selection import keyword_manifest
from edge_ser.corpora.synthetic_layout import is_synthetic
from edge_ser.errors import InputError
from edge_ser.evaluation.backends import BackendName
from edge_ser.evaluation.beside import tables_beside
from edge_ser.evaluation.learned import learned_from
from edge_ser.evaluation.levels import level_copies
from edge_ser.evaluation.origin import origin
from edge_ser.evaluation.plan import Plan
from edge_ser.evaluation.protocols import (
    Corpus,
    Fold,
    Protocol,
    across_corpora,
    known_speakers,
    only_classes,
    shared_classes,
    speech_beside,
    taught_besides,
    within_corpus,
)
from edge_ser.evaluation.runs import facts, run
from edge_ser.evaluation.summary import headline, over_seeds
from edge_ser.files import write_json
from edge_ser.spec import SystemSpec
from edge_ser.spec_training_rules import require_taught_speech

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
        sources: what is learned from: alone for ``"cross"``, beside the target's own speakers otherwise.
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
        command: the command line that asks, for the report.
        more_words: further corpora of words, other speech or noise for the keyword net.
        starts: bundles whose acoustic nets trainings start from, one for all seeds or one for each; empty starts from
            random weights.
        speech: corpora that are heard without their emotions: what the teachers say of them is learned.
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
    command: str = ""
    more_words: tuple[Place, ...] = ()
    starts: tuple[Path, ...] = ()
    speech: tuple[Place, ...] = ()


def make_plan(trial: Trial) -> Plan:
    """Read the corpora and divide their speakers.

    Raises:
        InputError: what is asked for does not fit together, or a corpus cannot be divided so.
        MissingError: a corpus is not there.
    """
    if trial.protocol == "cross" and not trial.sources:
        message = "protocol cross needs --source: what is learned from; --corpus is tested"
        raise InputError(message)
    if trial.both_ways and trial.protocol != "cross":
        message = f"--both-ways goes with protocol cross, not with {trial.protocol}"
        raise InputError(message)
    corpora = [_corpus(trial, place) for place in (trial.target, *trial.sources)]
    crossing = trial.protocol == "cross"
    classes = trial.classes or shared_classes(corpora if crossing else corpora[:1])
    wanted = [
        only_classes(one, classes if at == 0 or crossing else _known(one, classes))
        for at, one in enumerate(corpora)
    ]
    corpora = [_levelled(trial, one, at) for at, one in enumerate(wanted)]
    spec = replace(trial.spec, acoustic=replace(trial.spec.acoustic, classes=classes))
    return Plan(
        spec=spec,
        folds=_with_speech(trial, _folds(trial, corpora[0], corpora[1:])),
        words=_words(spec, trial),
        seeds=trial.seeds,
        backends=trial.backends,
        folder=trial.folder.resolve(),
        keep=trial.keep,
        starts=tuple(path.resolve() for path in trial.starts),
    )


def report(trial: Trial, progress: Progress, tell: Callable[[str], None]) -> dict[str, Any]:
    """Train, score and sum up; also written to the folder.

    Returns:
        ``tables``: per table what :func:`edge_ser.evaluation.summary.over_seeds` returns; at the top the keys of
        the command's contract, of the first table's pooled row of what ships; what
        :func:`edge_ser.evaluation.beside.tables_beside` finds.
    """
    plan = make_plan(trial)
    # Before the folds: what somebody edits meanwhile did not make them.
    made = origin(plan.spec, trial.command)
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
        **made,
        "spec": plan.spec.to_dict(),
        "corpus": trial.target[0],
        "sources": [name for name, _ in trial.sources],
        "speech": [name for name, _ in trial.speech],
        "synthetic": any(map(is_synthetic, names)),
        "words": {"corpus": plan.words.corpus, "synthetic": plan.words.corpus.startswith("synthetic")},
        "protocol": trial.protocol,
        "folds": [fold.manifest.protocol for fold in plan.folds],
        "level_dbfs": trial.level_dbfs,
        "starts": [_start(path) for path in trial.starts],
        "seeds": list(plan.seeds),
        **facts(plan),
        "tables": summed,
        **tables_beside(plan),
    }
    write_json(plan.folder / SUMMARY, record)
    return record


def _start(path: Path) -> dict[str, Any]:
    """Which bundle trainings started from, which corpora taught it, and what its own teachers had heard."""
    bundle = read_bundle(path)
    return {
        "name": bundle.spec.name,
        "build_id": bundle.build_id,
        "emotions": list(learned_from(bundle).emotions),
        "teachers": list(bundle.provenance.get("teachers", [])),
    }


def _corpus(trial: Trial, place: Place) -> Corpus:
    name, root = place
    home = root.resolve()
    clips = tuple(
        clip
        for clip in read_clips(name, home)
        if clip.emotion is not None and clip.speaker and not is_nameless(clip)
    )
    if not clips:
        message = f"{root}: {name} has no clip with an emotion and a speaker; take an emotion corpus"
        raise InputError(message)
    return Corpus(name, home, clips)


def _known(corpus: Corpus, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the classes that a corpus has.

    Raises:
        InputError: none of them.
    """
    known = tuple(name for name in classes if name in corpus.emotions)
    if not known:
        message = f"{corpus.root}: {corpus.name} has {', '.join(corpus.emotions)}; expected one of {', '.join(classes)}"
        raise InputError(message)
    return known


def _levelled(trial: Trial, corpus: Corpus, at: int) -> Corpus:
    if trial.level_dbfs is None:
        return corpus
    # By its place, too: two folders of copies are two corpora of one layout.
    folder = (trial.folder / "levelled" / f"{at}-{corpus.name}").resolve()
    rate = trial.spec.frontend.sample_rate_hz
    copies = level_copies(corpus.clips, trial.level_dbfs, rate, folder)
    return Corpus(corpus.name, folder, tuple(copies))


def _folds(trial: Trial, target: Corpus, sources: Sequence[Corpus]) -> tuple[Fold, ...]:
    rule = trial.spec.corpora
    if trial.protocol == "cross":
        return across_corpora(sources, target, rule, both_ways=trial.both_ways)
    return taught_besides(within_corpus(trial.protocol, target, rule, trial.folds), target, sources, rule)


def _with_speech(trial: Trial, folds: Sequence[Fold]) -> tuple[Fold, ...]:
    if not trial.speech:
        return tuple(folds)
    if trial.level_dbfs is not None:
        message = "--speech and --level: speech keeps its level; leave one of them out"
        raise InputError(message)
    corpora = [known_speakers(name, root) for name, root in trial.speech]
    made = tuple(replace(fold, speech=speech_beside(fold.manifest, corpora)) for fold in folds)
    require_taught_speech(trial.spec, sum(len(one.clips) for one in corpora))
    return made


def _words(spec: SystemSpec, trial: Trial) -> Manifest:
    name, root = trial.words
    if trial.more_words:
        return within(spec, (trial.words, *trial.more_words), (trial.folder / "quiet").resolve())
    return keyword_manifest(spec, name, root.resolve())
