"""Folds and seeds, in parallel and resumable: one JSON file for each, written when it is whole."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.splits import PARTS
from edge_ser.errors import EdgeSerError, InputError, MissingError
from edge_ser.evaluation.backends import BackendName, golden_verdicts
from edge_ser.evaluation.child import train_fold
from edge_ser.evaluation.controls import left_out
from edge_ser.evaluation.decided import Decided, clip_names, decided_from_dict
from edge_ser.evaluation.distributions import votes_of
from edge_ser.evaluation.handcrafted.baseline import KINDS, fit_baseline
from edge_ser.evaluation.learned import family, learned_from
from edge_ser.evaluation.protocols import Fold, shares_speakers, words_for
from edge_ser.evaluation.scoring import score_with_controls
from edge_ser.files import read_json, replacing, replacing_folder, sha256_hex, write_json
from edge_ser.handcrafted.clips import clip_functionals
from edge_ser.handcrafted.frames import Floats
from edge_ser.provenance import code_digest
from edge_ser.spec import SystemSpec
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
    "bundle_controls.py",
    "evaluation/backends.py",
    "evaluation/child.py",
    "evaluation/controls.py",
    "evaluation/heard.py",
    "evaluation/scoring.py",
)
"""The source that decides a fold's numbers: a fold made by other source is made again, never pooled with new ones."""

_WORK = "work"
_ANSWER_S = 10
"""How long a scheduler may take to answer."""
_FUNCTIONALS_CODE = ("audio.py", "handcrafted")
_KEYWORD_STAGES = ("keyword-examples", "keyword")
"""Stages of a training that depend on the keyword corpus and the seed alone; folds may share them."""

Progress = Callable[[int], None]


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
        start: a bundle whose acoustic net every training starts from; nobody it learned from may be tested.
    """

    spec: SystemSpec
    folds: tuple[Fold, ...]
    words: Manifest
    seeds: tuple[int, ...]
    backends: tuple[BackendName, ...]
    folder: Path
    keep: bool = False
    start: Path | None = None


@dataclass(frozen=True)
class _Task:
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
        return self.spec.training.seed

    @property
    def result(self) -> Path:
        return self.folder / f"seed-{self.seed}" / f"{self.fold.name}.json"

    @property
    def work(self) -> Path:
        return self.folder / _WORK / f"seed-{self.seed}" / self.fold.name

    @property
    def shared(self) -> Path:
        return self.folder / _WORK / f"seed-{self.seed}" / "words"


def run(
    plan: Plan, jobs: int, scheduler: str | None, advance: Progress, tell: Callable[[str], None]
) -> dict[str, dict[int, list[Decided]]]:
    """Do what is not done yet, and read all of it.

    Args:
        plan: what to do.
        jobs: folds at a time on this machine; without meaning where a scheduler is given.
        scheduler: address of a Dask scheduler whose workers see the same files, e.g. ``"tcp://host:8786"``.
        advance: called with 1 for every fold done or found done.
        tell: says one line.

    Returns:
        By table, by seed, the decisions of every fold.

    Raises:
        EdgeSerError: a fold failed; it is named, the others' files stay.
        MissingError: a scheduler is asked for, and dask is not installed or nobody answers there.
    """
    tasks = _tasks(plan, jobs if scheduler is None else 1, _prepare_functionals(plan, jobs))
    open_tasks = []
    for task in tasks:
        if task.result.exists() and read_json(task.result).get("key") == task.key:
            advance(1)
            continue
        if task.result.exists():
            tell(f"{task.result}: made by other settings, other files or another version; done again")
        open_tasks.append(task)
    with _cluster(scheduler):
        for group in _phases(open_tasks):
            work = (joblib.delayed(_run_task)(task) for task in group)
            at_once = jobs if scheduler is None else -1
            for name, seconds in joblib.Parallel(n_jobs=at_once, return_as="generator_unordered")(work):
                advance(1)
                tell(f"{name}: {seconds:.0f} s")
    if not plan.keep:
        shutil.rmtree(plan.folder / _WORK, ignore_errors=True)
    return _collect(tasks)


def _tasks(plan: Plan, jobs: int, functionals: Path) -> list[_Task]:
    threads = max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else None
    # Once: what somebody edits while folds are trained counts for the next evaluation.
    code = code_digest(_CODE)
    begun, start_speakers = _start(plan)
    # Before anything is trained: a teacher that has heard whom a fold tests is refused here.
    taught = {fold.name: _taught(plan.spec, fold) for fold in plan.folds}
    tasks = []
    for seed in plan.seeds:
        spec = replace(plan.spec, training=replace(plan.spec.training, seed=seed))
        for fold in plan.folds:
            words = words_for(fold, plan.words)
            teachers = taught[fold.name]
            made_of = [told(fold.manifest), told(words), teachers, begun, code]
            about = [spec.to_dict(), list(plan.backends), *made_of]
            key = sha256_hex(json.dumps(about, sort_keys=True).encode())
            share = not shares_speakers(fold, plan.words)
            tasks.append(
                _Task(
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
                    start=plan.start,
                    start_speakers=start_speakers,
                )
            )
    return tasks


def _start(plan: Plan) -> tuple[str | None, tuple[str, ...]]:
    """Build id of the bundle that trainings start from, and whom it learned from as ``"family/speaker"``.

    Raises:
        InputError: it learned from somebody whom a fold tests.
    """
    if plan.start is None:
        return None, ()
    bundle = read_bundle(plan.start)
    learned = learned_from(bundle)
    for fold in plan.folds:
        seen = sorted({f"{clip.corpus}/{clip.speaker}" for clip in fold.manifest.test if learned.saw(clip)})
        if seen:
            message = (
                f"{plan.start}: learned from {seen[0]}, whom {fold.name} tests; start from a bundle that learned "
                "from other speakers"
            )
            raise InputError(message)
    names = (f"{home}/{name}" for home, speakers in learned.speakers.items() for name in speakers)
    return bundle.build_id, tuple(sorted(names))


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


def _phases(tasks: Sequence[_Task]) -> Iterator[Sequence[_Task]]:
    """One fold of every seed first, where its keyword net can serve the other folds of that seed, then the rest."""
    first = {task.seed: task for task in reversed(tasks) if task.share_words}
    leaders = [task for task in tasks if first.get(task.seed) is task]
    rest = [task for task in tasks if first.get(task.seed) is not task]
    if leaders:
        yield leaders
    if rest:
        yield rest


def _run_task(task: _Task) -> tuple[str, float]:
    """Train, quantise and score one fold; runs in a worker. Returns its name and how long it took."""
    name = f"seed {task.seed}, {task.fold.name}"
    started = time.monotonic()
    try:
        _lend_words(task)
        made = train_fold(task.spec, task.fold.manifest, task.words, task.work, task.threads, task.start)
        bundle = read_bundle(made)
        _keep_words(task)
        test = task.fold.manifest.test
        scored = score_with_controls(bundle, task.backends, test, lambda _clips: None)
        probabilities: dict[str, Floats] = dict(scored.probabilities)
        penalties = _add_baseline(task, probabilities)
    except EdgeSerError as error:
        message = f"{name}: {error}"
        raise type(error)(message) from None
    seconds = time.monotonic() - started
    classes = task.spec.acoustic.classes
    learned = (*task.fold.manifest.train, *task.fold.manifest.validation)
    heard = [clip for clip in (*task.words.train, *task.words.validation) if clip.speaker]
    taught = [classes.index(str(clip.emotion)) for clip in task.fold.manifest.train]
    decided = Decided(
        classes=classes,
        clips=clip_names(test, {clip.corpus: task.fold.manifest.root for clip in test}),
        labels=np.array([classes.index(str(clip.emotion)) for clip in test], dtype=np.int64),
        probabilities=probabilities,
        constant=int(np.bincount(taught).argmax()),
        controls=scored.controls,
    )
    votes = votes_of(test, task.fold.manifest.train, classes)
    write_json(
        task.result,
        {
            "key": task.key,
            "seed": task.seed,
            "fold": task.fold.name,
            "table": task.fold.table,
            "protocol": task.fold.manifest.protocol,
            "learned_from": sorted(
                {f"{family(clip.corpus)}/{clip.speaker}" for clip in (*learned, *heard)}
                | set(task.start_speakers)
                | _teachers_heard(bundle)
            ),
            "params": bundle.provenance["params"],
            "bytes": {net: len(bundle.member(f"{net}.tflite")) for net in ("keyword", "acoustic")},
            "keras_difference": bundle.provenance["keras_difference"],
            "golden": golden_verdicts(bundle, task.backends),
            "baseline_penalty": penalties,
            "commit": bundle.provenance["commit"],
            "teachers": bundle.provenance.get("teachers", []),
            "seconds": round(seconds, 1),
            "fusion": bundle.provenance.get("fusion"),
            "decided": decided.to_dict(),
            "votes": votes.to_dict() if votes is not None else None,
            "vad": bundle.report("vad"),
        },
    )
    if not task.keep:
        shutil.rmtree(task.work, ignore_errors=True)
    return name, seconds


def _teachers_heard(bundle: Bundle) -> set[str]:
    """Whom the teachers of a fold have heard, as ``"family/speaker"``."""
    corpora = bundle.provenance.get("corpora", {}).get("teachers", [])
    return {
        f"{family(one['name'])}/{who}"
        for one in corpora
        for part in ("train", "validation")
        for who in one["speakers"][part]
    }


def _add_baseline(task: _Task, probabilities: dict[str, Floats]) -> dict[str, float]:
    """The hand-crafted rows, fitted on whoever trained or chose; returns the penalties chosen."""
    table = _read_functionals(task.functionals)
    manifest, classes = task.fold.manifest, task.spec.acoustic.classes
    learned = (*manifest.train, *manifest.validation)
    features = np.stack([table[_name(clip)] for clip in learned])
    labels = np.array([classes.index(str(clip.emotion)) for clip in learned], dtype=np.int64)
    speakers = [f"{clip.corpus}/{clip.speaker}" for clip in learned]
    heard = np.stack([table[_name(clip)] for clip in manifest.test])
    penalties: dict[str, float] = {}
    for kind in KINDS:
        fitted = fit_baseline(kind, features, labels, speakers, task.seed)
        probabilities[kind] = fitted.probabilities(heard)
        penalties[kind] = fitted.penalty
    return penalties


def _lend_words(task: _Task) -> None:
    """Give a fold the keyword stages that another fold of its seed finished; a wrong one is trained again anyway."""
    if not task.share_words:
        return
    for stage in _KEYWORD_STAGES:
        if (task.shared / stage).is_dir() and not (task.work / stage).exists():
            with replacing_folder(task.work / stage) as beside:
                shutil.copytree(task.shared / stage, beside, dirs_exist_ok=True)


def _keep_words(task: _Task) -> None:
    if task.share_words and not task.shared.exists():
        with replacing_folder(task.shared) as beside:
            for stage in _KEYWORD_STAGES:
                if (task.work / stage).is_dir():
                    shutil.copytree(task.work / stage, beside / stage)


def _collect(tasks: Sequence[_Task]) -> dict[str, dict[int, list[Decided]]]:
    tables: dict[str, dict[int, list[Decided]]] = {}
    for task in tasks:
        data = read_json(task.result)
        decided = decided_from_dict(data["decided"], str(task.result))
        crossing = sorted(set(data["learned_from"]) & set(decided.speakers))
        if crossing:
            message = f"{task.result}: speaker {crossing[0]} taught and is tested; delete the file, report it"
            raise InputError(message)
        tables.setdefault(task.fold.table, {}).setdefault(task.seed, []).append(decided)
    return tables


def facts(plan: Plan) -> dict[str, Any]:
    """What the folds' files say beside decisions.

    Returns:
        ``params`` and ``bytes``; ``keras_difference``, the float TFLite files' largest from Keras; ``golden``, the
        backends' largest from the golden vectors, in steps of uint8; ``seconds`` of all trainings; ``commits``;
        ``teachers``, each file or folder once: its SHA-256 and what it is said, or known, to have learned from;
        ``keywords_left_out``, see :func:`edge_ser.evaluation.controls.left_out`.
    """
    files = [
        read_json(plan.folder / f"seed-{seed}" / f"{fold.name}.json")
        for seed in plan.seeds
        for fold in plan.folds
    ]
    return {
        "params": max(int(file["params"]) for file in files),
        "bytes": files[0]["bytes"],
        "keras_difference": {
            net: max(file["keras_difference"][net] for file in files) for net in ("keyword", "acoustic")
        },
        "golden": {
            name: {
                net: max(int(file["golden"][name][net]) for file in files) for net in ("acoustic", "keyword")
            }
            for name in files[0]["golden"]
        },
        "seconds": round(sum(float(file["seconds"]) for file in files), 1),
        "commits": sorted({str(file["commit"]) for file in files}),
        "teachers": list({one["sha256"]: one for file in files for one in file.get("teachers", [])}.values()),
        "keywords_left_out": left_out([file.get("fusion") for file in files]),
    }


def _prepare_functionals(plan: Plan, jobs: int) -> Path:
    """The functionals of every clip of a plan, in a file named by what they were made of and with."""
    clips = {_name(clip): clip for fold in plan.folds for clip in fold.manifest.clips}
    sizes = {name: clip.path.stat().st_size for name, clip in clips.items()}
    about = json.dumps([code_digest(_FUNCTIONALS_CODE), sizes], sort_keys=True).encode()
    path = plan.folder / f"functionals-{sha256_hex(about)[:16]}.npz"
    if not path.exists():
        rows = clip_functionals(list(clips.values()), lambda _clips: None, jobs)
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez(file, names=np.array(list(clips), dtype=np.str_), rows=rows)
    return path


def _read_functionals(path: Path) -> dict[str, Floats]:
    """Functionals by clip.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(zip((str(name) for name in arrays["names"]), arrays["rows"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        message = f"{path}: not a file of functionals ({error}); delete it and evaluate again"
        raise InputError(message) from None


def _name(clip: Clip) -> str:
    return f"{clip.corpus}:{clip.path}:{clip.start_s}:{clip.end_s}"


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


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Hand joblib's work to a Dask cluster; nothing where there is no address."""
    if address is None:
        yield
        return
    try:
        # By name: dask is an optional extra, and type checking shall not depend on whether it is there.
        client_class = importlib.import_module("distributed").Client
    except ImportError:
        message = "--scheduler needs dask, which is not installed; pip install 'edge-ser[cluster]'"
        raise MissingError(message) from None
    try:
        client = client_class(address, timeout=_ANSWER_S)
    except (OSError, ValueError) as error:
        message = f"{address}: no Dask scheduler answers ({type(error).__name__}); start one: dask scheduler"
        raise MissingError(message) from None
    with client, joblib.parallel_config(backend="dask", wait_for_workers_timeout=60):
        yield
