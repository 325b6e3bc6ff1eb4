"""A keyword net trained anew and scored: from what a person asks for to the report, one JSON file per fold and seed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any, Literal, get_args

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.keywords import Place, across, origins, within
from edge_ser.corpora.registry import read_clips
from edge_ser.corpora.splits import PARTS, Part
from edge_ser.corpora.synthetic_layout import is_synthetic
from edge_ser.errors import CheckError, EdgeSerError, InputError
from edge_ser.evaluation.backends import BackendName
from edge_ser.evaluation.decided import Decided, decided_from_dict
from edge_ser.evaluation.keyword_child import train_words
from edge_ser.evaluation.keyword_nets import (
    clip_windows,
    front_end,
    interpreters_apart,
    predictors,
    read_nets,
)
from edge_ser.evaluation.keyword_stream import keyword_free, summed, sweep, voice
from edge_ser.evaluation.keyword_tables import clip_titles, per_table
from edge_ser.evaluation.origin import origin
from edge_ser.evaluation.plan import WORK, clear_work, told
from edge_ser.evaluation.protocols import Fold
from edge_ser.evaluation.summary import SHIPPED, headline
from edge_ser.files import read_json, sha256_hex, write_json
from edge_ser.provenance import code_digest
from edge_ser.spec import SystemSpec

KeywordProtocol = Literal["split", "folds", "cross"]
KEYWORD_PROTOCOLS: tuple[KeywordProtocol, ...] = get_args(KeywordProtocol)

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""``progress(description, total)`` is a context that yields ``advance(steps)``."""

SUMMARY = "evaluation.json"
MOST_PARAMS = 80_000
"""What a keyword net may have; the budget of the project's scores."""

MOST_APART = 16
"""Steps of 255 by which TFLM's embedding may differ from that of LiteRT's reference kernels.

They compute alike but for the factor of a product, which LiteRT takes in float (tensorflow/lite/kernels/mul.cc)
and TFLM in double (tensorflow/lite/micro/kernels/mul_common.cc): one value in a hundred thousand comes out a step
apart, and of that up to four steps were seen in an embedding. A wrong kernel is further off.
"""

_MADE = "quiet"
_CODE = (
    "acoustics.py",
    "audio.py",
    "augment.py",
    "corpora/quiet.py",
    "frontend",
    "networks",
    "training",
    "quantization",
    "integer_head.py",
    "runtime",
    "evaluation/keyword_child.py",
    "evaluation/keyword_nets.py",
    "evaluation/keyword_stream.py",
)
"""The source that decides a fold's numbers: a fold made by other source is made again."""


@dataclass(frozen=True)
class KeywordTrial:
    """What a person asks for.

    Attributes:
        spec: the system, its words in it; its seed is replaced by each of ``seeds``.
        protocol: ``"split"`` (publisher's parts, else one fold of the speakers), ``"folds"`` (every fold in turn) or
            ``"cross"`` (``sources`` teach, the others are tested).
        target: the corpus that is tested.
        sources: what is learned from, for ``"cross"``; empty otherwise.
        others: further corpora: words, other speech, noise. They teach and test; under ``"cross"`` they only test.
        free: corpora without keywords, that false accepts are counted on.
        folder: takes all results; an evaluation that was stopped resumes there.
        seeds: each fold is trained once per seed.
        folds: number of folds instead of the spec's.
        backends: with what the trained files are scored.
        jobs: folds at a time.
        keep: whether the trainings stay.
        command: the command line that asks, for the report.
    """

    spec: SystemSpec
    protocol: KeywordProtocol
    target: Place
    sources: tuple[Place, ...]
    others: tuple[Place, ...]
    free: tuple[Place, ...]
    folder: Path
    seeds: tuple[int, ...]
    folds: int | None
    backends: tuple[BackendName, ...]
    jobs: int
    keep: bool
    command: str = ""


@dataclass(frozen=True)
class _Task:
    spec: SystemSpec
    fold: Fold
    free: Mapping[str, tuple[Clip, ...]]
    backends: tuple[BackendName, ...]
    folder: Path
    key: str
    threads: int | None
    keep: bool

    @property
    def result(self) -> Path:
        return self.folder / f"seed-{self.spec.training.seed}" / f"{self.fold.name}.json"

    @property
    def work(self) -> Path:
        return self.folder / WORK / f"seed-{self.spec.training.seed}" / self.fold.name


def make_folds(trial: KeywordTrial) -> tuple[Fold, ...]:
    """Read the corpora and divide their speakers.

    Raises:
        InputError: what is asked for does not fit together, a corpus cannot be divided so, or a class is without
            clips.
        MissingError: a corpus is not there.
    """
    if (trial.protocol == "cross") != bool(trial.sources):
        message = "protocol cross and --source go together: what is learned from, and --corpus is tested"
        raise InputError(message)
    made = trial.folder.resolve() / _MADE
    heard = (trial.target, *trial.others)
    if trial.protocol == "cross":
        names = " + ".join(name for name, _ in trial.sources)
        title = f"{names} to {' + '.join(name for name, _ in heard)}"
        return (Fold("cross", title, across(trial.spec, trial.sources, heard, made)),)
    rule = trial.spec.corpora
    count = trial.folds or rule.folds
    wanted = (rule.test_fold,) if trial.protocol == "split" else range(count)
    demanded: tuple[Part, ...] = ("train", "test") if trial.protocol == "split" else ("train",)
    folds = []
    for number in wanted:
        spec = replace(trial.spec, corpora=replace(rule, folds=count, test_fold=number))
        name = trial.protocol if trial.protocol == "split" else f"fold-{number:02d}"
        # One fold tests more words than another, and near-silence is made to match: each has a folder of its own.
        own = made if trial.protocol == "split" else made / name
        folds.append(Fold(name, trial.target[0], within(spec, heard, own, demanded)))
    if len(folds) > 1 and len({fold.manifest.test for fold in folds}) < len(folds):
        message = (
            f"{trial.target[0]} has its publisher's parts, which every fold would test; take --protocol split"
        )
        raise InputError(message)
    return tuple(folds)


def report(trial: KeywordTrial, progress: Progress, tell: Callable[[str], None]) -> dict[str, Any]:
    """Train, score and sum up; also written to the folder.

    Returns:
        ``tables``: words and unknown first (the scores at the top of the record are its), then with silence, then
        the words alone, each as :func:`edge_ser.evaluation.summary.over_seeds` gives it; ``origins``: what every
        class was made of; ``stream``: the threshold sweep, ``mean`` over seeds and per seed.

    Raises:
        EdgeSerError: a training failed, or what is asked for does not fit.
        CheckError: TFLM and LiteRT's reference kernels are further apart than :data:`MOST_APART`.
    """
    tasks = _tasks(trial, make_folds(trial))
    # Before the trainings: what somebody edits meanwhile did not make them.
    made = origin(trial.spec, trial.command)
    tell(f"{len(tasks)} trainings of the keyword net, words: {', '.join(trial.spec.keyword.words)}")
    with progress("keyword nets", len(tasks)) as advance:
        open_tasks = []
        for task in tasks:
            if task.result.exists() and read_json(task.result).get("key") == task.key:
                advance(1)
                continue
            open_tasks.append(task)
        work = (joblib.delayed(_run_task)(task) for task in open_tasks)
        for name, seconds in joblib.Parallel(n_jobs=trial.jobs, return_as="generator_unordered")(work):
            advance(1)
            tell(f"{name}: {seconds:.0f} s")
    if not trial.keep:
        clear_work(trial.folder / WORK, trial.seeds)
    record = _summed_up(trial, tasks, made)
    if record["params"] > MOST_PARAMS:
        tell(f"the keyword net has {record['params']:,} parameters; the scores are meant for {MOST_PARAMS:,}")
    write_json(trial.folder / SUMMARY, record)
    return record


def _tasks(trial: KeywordTrial, folds: Sequence[Fold]) -> list[_Task]:
    code = code_digest(_CODE)
    streams = {name: read_clips(name, root.resolve()) for name, root in trial.free}
    tasks = []
    for seed in trial.seeds:
        spec = replace(trial.spec, training=replace(trial.spec.training, seed=seed))
        for fold in folds:
            learned = frozenset(voice(clip) for clip in (*fold.manifest.train, *fold.manifest.validation))
            free = {
                name: tuple(keyword_free(clips, spec.keyword.words, learned))
                for name, clips in streams.items()
            }
            sizes = {name: [[str(c.path), c.start_s, c.end_s] for c in clips] for name, clips in free.items()}
            about = [spec.to_dict(), told(fold.manifest), sizes, list(trial.backends), code]
            key = sha256_hex(json.dumps(about, sort_keys=True).encode())
            threads = 1 if trial.jobs > 1 else None
            tasks.append(
                _Task(spec, fold, free, trial.backends, trial.folder.resolve(), key, threads, trial.keep)
            )
    return tasks


def _run_task(task: _Task) -> tuple[str, float]:
    """Train, quantise and score one fold; runs in a worker. Returns its name and how long it took."""
    name = f"seed {task.spec.training.seed}, {task.fold.name}"
    started = time.monotonic()
    try:
        train_words(task.spec, task.fold.manifest, task.work, task.threads)
        with threadpool_limits(1):
            result = _scored(task)
    except EdgeSerError as error:
        message = f"{name}: {error}"
        raise type(error)(message) from None
    seconds = time.monotonic() - started
    write_json(task.result, {**result, "seconds": round(seconds, 1)})
    if not task.keep:
        shutil.rmtree(task.work, ignore_errors=True)
    return name, seconds


def _scored(task: _Task) -> dict[str, Any]:
    spec, manifest = task.spec, task.fold.manifest
    nets, record = read_nets(spec, task.work)
    front = front_end(spec)
    windows = clip_windows(spec, front, manifest.test)
    ways = predictors(nets, task.backends)
    index = spec.keyword.classes.index
    taught = [index(str(clip.keyword)) for clip in manifest.train]
    decided = Decided(
        classes=spec.keyword.classes,
        clips=clip_titles(manifest.test, manifest.root),
        labels=np.array([index(str(clip.keyword)) for clip in manifest.test], dtype=np.int64),
        probabilities={name: predict(windows) for name, predict in ways.items()},
        constant=int(np.bincount(taught).argmax()),
    )
    apart = interpreters_apart(nets, windows) if "tflm" in task.backends else None
    if apart is not None and apart.reference > MOST_APART:
        message = (
            f"TFLM and LiteRT's reference kernels differ by {apart.reference} steps in the embedding, expected at most "
            f"{MOST_APART}: one of them computes this file wrongly; install other versions of ai-edge-litert or "
            "tflite-micro, or leave TFLM out: --backends float,litert"
        )
        raise CheckError(message)
    named = [clip for clip in manifest.test if clip.keyword in spec.keyword.words]
    free = task.free if SHIPPED in ways else {}
    swept = sweep(spec, front, ways[SHIPPED], named, free, lambda _done: None) if free else None
    return {
        "key": task.key,
        "seed": spec.training.seed,
        "fold": task.fold.name,
        "table": task.fold.table,
        "protocol": manifest.protocol,
        "learned_from": sorted(
            {"/".join(voice(clip)) for clip in (*manifest.train, *manifest.validation) if clip.speaker}
        ),
        "origins": origins({part: manifest.part(part) for part in PARTS}),
        **record,
        "tflm_from_litert_lsb": apart.optimised if apart is not None else None,
        "decided": decided.to_dict(),
        "stream": swept.to_dict() if swept is not None else None,
    }


def _summed_up(trial: KeywordTrial, tasks: Sequence[_Task], made: Mapping[str, Any]) -> dict[str, Any]:
    files = [read_json(task.result) for task in tasks]
    by_seed: dict[int, list[Decided]] = {}
    for task, file in zip(tasks, files, strict=True):
        decided = decided_from_dict(file["decided"], str(task.result))
        crossing = sorted(set(file["learned_from"]) & set(decided.speakers))
        if crossing:
            message = f"{task.result}: speaker {crossing[0]} taught and is tested; delete the file, report it"
            raise InputError(message)
        by_seed.setdefault(task.spec.training.seed, []).append(decided)
    tables = per_table(trial.spec, by_seed)
    first = next(iter(tables.values()))
    names = {trial.target[0], *(name for name, _ in (*trial.sources, *trial.others))}
    learned = trial.sources or (trial.target, *trial.others)
    return {
        **headline(first["pooled"]),
        **made,
        "task": "keyword",
        "spec": trial.spec.to_dict(),
        "corpus": trial.target[0],
        "sources": [name for name, _ in trial.sources],
        "others": [name for name, _ in trial.others],
        "synthetic": any(is_synthetic(clip.corpus) for task in tasks for clip in task.fold.manifest.test),
        "trained_on_synthetic": any(is_synthetic(name) for name, _ in learned),
        "corpora": sorted(names),
        "protocol": trial.protocol,
        "folds": [file["protocol"] for file in files[: len(files) // len(trial.seeds)]],
        "seeds": list(trial.seeds),
        "params": max(int(file["params"]) for file in files),
        "bytes": files[0]["bytes"],
        "keras_difference": max(float(file["keras_difference"]) for file in files),
        "tflm_from_litert_lsb": max((int(file["tflm_from_litert_lsb"] or 0) for file in files), default=0),
        "seconds": round(sum(float(file["seconds"]) for file in files), 1),
        "commits": sorted({str(file["commit"]) for file in files}),
        "origins": files[0]["origins"],
        "tables": tables,
        "stream": _stream(files),
    }


def _stream(files: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if any(file["stream"] is None for file in files):
        return None
    seeds = sorted({int(file["seed"]) for file in files})
    tables = {seed: summed([file["stream"] for file in files if int(file["seed"]) == seed]) for seed in seeds}
    means = []
    for rows in zip(*tables.values(), strict=True):
        hourly = {
            name: round(mean(float(row["false_accepts_per_hour"][name]) for row in rows), 2)
            for name in rows[0]["false_accepts_per_hour"]
        }
        means.append(
            {
                "threshold": rows[0]["threshold"],
                "false_accepts_per_hour": hourly,
                "false_rejects": round(mean(float(row["false_rejects"]) for row in rows), 4),
                "confused": round(mean(float(row["confused"]) for row in rows), 4),
                "hours": rows[0]["hours"],
                "words": rows[0]["words"],
            }
        )
    return {"mean": means, "seeds": {str(seed): rows for seed, rows in tables.items()}}
