"""What an evaluation with training does: its plan, and a task for each fold and seed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_ser.bundle import read_bundle
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.splits import PARTS
from edge_ser.errors import InputError
from edge_ser.evaluation.backends import BackendName
from edge_ser.evaluation.learned import learned_from
from edge_ser.evaluation.protocols import Fold, shares_speakers, words_for
from edge_ser.files import sha256_hex
from edge_ser.provenance import code_digest
from edge_ser.spec import SystemSpec
from edge_ser.spec_training_rules import require_start
from edge_ser.teacher_files import find_teachers, in_fold

_CODE = (
    "acoustics.py",
    "audio.py",
    "augment.py",
    "frontend",
    "networks",
    "training",
    "quantization",
    "integer_head.py",
    "runtime",
    "handcrafted",
    "evaluation/handcrafted",
    "averaging.py",
    "windows.py",
    "bundle_controls.py",
    "evaluation/backends.py",
    "evaluation/child.py",
    "evaluation/controls.py",
    "evaluation/one_fold.py",
    "evaluation/functionals.py",
    "evaluation/heard.py",
    "evaluation/scoring.py",
)
"""The source that decides a fold's numbers: a fold made by other source is made again, never pooled with new ones."""

WORK = "work"


@dataclass(frozen=True)
class Plan:
    """Everything that an evaluation with training does.

    Attributes:
        spec: the system, its classes those of the protocol.
        folds: who trains and who tests.
        words: the keyword clips.
        seeds: each fold is trained once per seed.
        backends: with what the trained files are scored.
        folder: takes one JSON file per fold and seed.
        keep: whether the training folders stay (large).
        starts: bundles whose acoustic nets trainings start from, one for all seeds or one for each, in the order of
            ``seeds``; nobody they learned from may be tested. Empty starts from random weights.
    """

    spec: SystemSpec
    folds: tuple[Fold, ...]
    words: Manifest
    seeds: tuple[int, ...]
    backends: tuple[BackendName, ...]
    folder: Path
    keep: bool = False
    starts: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Task:
    """One fold of one seed, and all that a worker must know of it.

    Attributes:
        spec: the system, with the seed.
        fold: who trains and who tests.
        words: the keyword clips, without those of the fold's test speakers.
        backends: with what the trained files are scored.
        folder: takes the result.
        functionals: file with the hand-crafted functionals of every clip.
        key: what the result was made of: a result with another key is made again.
        threads: that the training may use; ``None`` for all.
        share_words: whether the keyword net may serve other folds of the seed.
        keep: whether the training folder stays.
        start: a bundle whose acoustic net the training starts from.
        start_speakers: whom that bundle learned from, as ``"family/speaker"``.
    """

    spec: SystemSpec
    fold: Fold
    words: Manifest
    backends: tuple[BackendName, ...]
    folder: Path
    functionals: Path
    key: str
    threads: int | None
    share_words: bool
    keep: bool
    start: Path | None
    start_speakers: tuple[str, ...]

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.spec.training.seed

    @property
    def result(self) -> Path:
        """The JSON file that it writes."""
        return self.folder / f"seed-{self.seed}" / f"{self.fold.name}.json"

    @property
    def work(self) -> Path:
        """Where it trains."""
        return self.folder / WORK / f"seed-{self.seed}" / self.fold.name

    @property
    def shared(self) -> Path:
        """Where the keyword stages lie that folds of one seed lend one another."""
        return self.folder / WORK / f"seed-{self.seed}" / "words"


def tasks_of(plan: Plan, jobs: int, functionals: Path) -> list[Task]:
    """A task for every fold of every seed.

    Args:
        plan: what to do.
        jobs: folds at a time on this machine.
        functionals: file with the hand-crafted functionals of every clip.

    Raises:
        InputError: a teacher is missing, it or a bundle to start from has heard somebody whom a fold tests, or there
            are neither one start nor as many as seeds.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else None
    # Once: what somebody edits while folds are trained counts for the next evaluation.
    code = code_digest(_CODE)
    begun = _starts(plan)
    # Before anything is trained: a teacher that has heard whom a fold tests is refused here.
    taught = {fold.name: _taught(plan.spec, fold) for fold in plan.folds}
    tasks = []
    for number, seed in enumerate(plan.seeds):
        spec = replace(plan.spec, training=replace(plan.spec.training, seed=seed))
        start = begun[number % len(begun)]
        for fold in plan.folds:
            words = words_for(fold, plan.words)
            teachers = taught[fold.name]
            beside = [told(fold.speech)] if fold.speech is not None else []
            made_of = [told(fold.manifest), told(words), teachers, start.build_id, code, *beside]
            about = [spec.to_dict(), list(plan.backends), *made_of]
            key = sha256_hex(json.dumps(about, sort_keys=True).encode())
            share = not shares_speakers(fold, plan.words)
            tasks.append(
                Task(
                    spec=in_fold(spec, fold.name),
                    fold=fold,
                    words=words,
                    backends=plan.backends,
                    folder=plan.folder,
                    functionals=functionals,
                    key=key,
                    threads=threads,
                    share_words=share,
                    keep=plan.keep,
                    start=start.path,
                    start_speakers=start.speakers,
                )
            )
    return tasks


@dataclass(frozen=True)
class _Start:
    """What a seed starts from: no bundle, no path.

    Attributes:
        path: the bundle.
        build_id: what it says it is.
        speakers: whom it learned from, as ``"family/speaker"``.
    """

    path: Path | None = None
    build_id: str | None = None
    speakers: tuple[str, ...] = ()


def _starts(plan: Plan) -> list[_Start]:
    """One start for all seeds, or one for each.

    Raises:
        InputError: there is another number of them, one learned from somebody whom a fold tests, or there is none and
            the net shall stay as it starts.
    """
    require_start(plan.spec, plan.starts)
    if len(plan.starts) not in (0, 1, len(plan.seeds)):
        message = (
            f"{len(plan.starts)} bundles to start from for {len(plan.seeds)} seeds; expected one for all of them, or "
            "one for each in the order of --seeds"
        )
        raise InputError(message)
    return [_read_start(path, plan.folds) for path in plan.starts] or [_Start()]


def _read_start(path: Path, folds: Sequence[Fold]) -> _Start:
    bundle = read_bundle(path)
    learned = learned_from(bundle)
    for fold in folds:
        seen = sorted({f"{clip.corpus}/{clip.speaker}" for clip in fold.manifest.test if learned.saw(clip)})
        if seen:
            message = (
                f"{path}: learned from {seen[0]}, whom {fold.name} tests; start from a bundle that learned "
                "from other speakers"
            )
            raise InputError(message)
    names = (f"{home}/{name}" for home, speakers in learned.speakers.items() for name in speakers)
    return _Start(path, bundle.build_id, tuple(sorted(names)))


def _taught(spec: SystemSpec, fold: Fold) -> list[str]:
    """SHA-256 of every teacher of a fold.

    Raises:
        InputError: one is not there, or has heard a speaker whom the fold tests.
    """
    try:
        return [one.sha256 for one in find_teachers(in_fold(spec, fold.name), fold.manifest)]
    except InputError as error:
        message = f"{fold.name}: {error}"
        raise InputError(message) from None


def clear_work(work: Path, seeds: Sequence[int]) -> None:
    """Remove what trainings of these seeds left; another evaluation may be training other seeds beside them."""
    for seed in seeds:
        shutil.rmtree(work / f"seed-{seed}", ignore_errors=True)
    with suppress(OSError):
        work.rmdir()


def phases(tasks: Sequence[Task]) -> Iterator[Sequence[Task]]:
    """One fold of every seed first, where its keyword net can serve the other folds of that seed, then the rest."""
    first = {task.seed: task for task in reversed(tasks) if task.share_words}
    leaders = [task for task in tasks if first.get(task.seed) is task]
    rest = [task for task in tasks if first.get(task.seed) is not task]
    if leaders:
        yield leaders
    if rest:
        yield rest


def told(manifest: Manifest) -> dict[str, Any]:
    """What of a manifest decides the numbers; a file counts by name and size."""
    return {
        part: [
            [
                *(clip.corpus, str(clip.path), clip.path.stat().st_size, clip.start_s, clip.end_s),
                *(clip.speaker, clip.emotion, clip.keyword, clip.soft_label, clip.vad),
            ]
            for clip in manifest.part(part)
        ]
        for part in PARTS
    }
