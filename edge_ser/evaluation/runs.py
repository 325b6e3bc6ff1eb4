"""Folds and seeds, in parallel and resumable: one JSON file for each, written when it is whole."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import joblib

from edge_ser.errors import InputError, MissingError
from edge_ser.evaluation.controls import left_out
from edge_ser.evaluation.decided import Decided, decided_from_dict
from edge_ser.evaluation.functionals import functionals_file, prepare_functionals
from edge_ser.evaluation.one_fold import run_task
from edge_ser.evaluation.plan import WORK, Plan, Task, clear_work, phases, tasks_of
from edge_ser.files import read_json

_ANSWER_S = 10
"""How long a scheduler may take to answer."""

Progress = Callable[[int], None]


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
    functionals = functionals_file(plan)
    # Before the functionals, which take minutes: what is wrong with a start or a teacher shows here.
    tasks = tasks_of(plan, jobs if scheduler is None else 1, functionals)
    prepare_functionals(plan, functionals, jobs)
    open_tasks = []
    for task in tasks:
        if task.result.exists() and read_json(task.result).get("key") == task.key:
            advance(1)
            continue
        if task.result.exists():
            tell(f"{task.result}: made by other settings, other files or another version; done again")
        open_tasks.append(task)
    with _cluster(scheduler):
        for group in phases(open_tasks):
            work = (joblib.delayed(run_task)(task) for task in group)
            at_once = jobs if scheduler is None else -1
            for name, seconds in joblib.Parallel(n_jobs=at_once, return_as="generator_unordered")(work):
                advance(1)
                tell(f"{name}: {seconds:.0f} s")
    if not plan.keep:
        clear_work(plan.folder / WORK, plan.seeds)
    return _collect(tasks)


def _collect(tasks: Sequence[Task]) -> dict[str, dict[int, list[Decided]]]:
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
