"""One fold of one seed: trained, quantised, scored and written down; runs in a worker."""

from __future__ import annotations

import shutil
import time
from typing import Final

import numpy as np

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.errors import EdgeSerError
from edge_ser.evaluation.backends import golden_verdicts
from edge_ser.evaluation.child import train_fold
from edge_ser.evaluation.decided import Decided, clip_names
from edge_ser.evaluation.distributions import votes_of
from edge_ser.evaluation.functionals import name_of, read_functionals
from edge_ser.evaluation.handcrafted.baseline import KINDS, fit_baseline
from edge_ser.evaluation.learned import family
from edge_ser.evaluation.plan import Task
from edge_ser.evaluation.scoring import score_with_controls
from edge_ser.files import replacing_folder, write_json
from edge_ser.handcrafted.frames import Floats

_KEYWORD_STAGES: Final = ("keyword-examples", "keyword", "keyword-probe")
"""Stages of a training that depend on the keyword corpus and the seed alone; folds may share them."""


def run_task(task: Task) -> tuple[str, float]:
    """Train, quantise and score one fold; runs in a worker. Returns its name and the seconds that it took."""
    name = f"seed {task.seed}, {task.fold.name}"
    started = time.monotonic()
    try:
        _lend_words(task)
        made = train_fold(
            task.spec, task.fold.manifest, task.words, task.work, task.threads, task.start, task.fold.speech
        )
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
    speech = task.fold.speech.train if task.fold.speech is not None else ()
    heard = [clip for clip in (*task.words.train, *task.words.validation, *speech) if clip.speaker]
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


def _add_baseline(task: Task, probabilities: dict[str, Floats]) -> dict[str, float]:
    """The hand-crafted rows, fitted on whoever trained or chose; returns the penalties chosen."""
    table = read_functionals(task.functionals)
    manifest, classes = task.fold.manifest, task.spec.acoustic.classes
    learned = (*manifest.train, *manifest.validation)
    features = np.stack([table[name_of(clip)] for clip in learned])
    labels = np.array([classes.index(str(clip.emotion)) for clip in learned], dtype=np.int64)
    speakers = [f"{clip.corpus}/{clip.speaker}" for clip in learned]
    heard = np.stack([table[name_of(clip)] for clip in manifest.test])
    penalties: dict[str, float] = {}
    for kind in KINDS:
        fitted = fit_baseline(kind, features, labels, speakers, task.seed)
        probabilities[kind] = fitted.probabilities(heard)
        penalties[kind] = fitted.penalty
    return penalties


def _lend_words(task: Task) -> None:
    """Give a fold the keyword stages that another fold of its seed finished; a wrong one is trained again anyway."""
    if not task.share_words:
        return
    for stage in _KEYWORD_STAGES:
        if (task.shared / stage).is_dir() and not (task.work / stage).exists():
            with replacing_folder(task.work / stage) as beside:
                shutil.copytree(task.shared / stage, beside, dirs_exist_ok=True)


def _keep_words(task: Task) -> None:
    if task.share_words and not task.shared.exists():
        with replacing_folder(task.shared) as beside:
            for stage in _KEYWORD_STAGES:
                if (task.work / stage).is_dir():
                    shutil.copytree(task.work / stage, beside / stage)
