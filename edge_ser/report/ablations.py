"""Recipes side by side: reports of one protocol, with the difference to the first of them, paired by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from edge_ser.report.scores import FLOAT, SHIPPED, Spread, Table, Trial


@dataclass(frozen=True)
class AblationRow:
    """One recipe.

    Attributes:
        name: of its spec, or of its file where several specs share a name.
        uar: of what ships, shares; ``None`` where it was not scored.
        float_uar: of the float nets.
        points: UAR minus the first recipe's over the seeds that both have, points; ``None`` for the first itself.
        params: parameters; ``None`` where not told.
        seeds: that it was trained with.
        file: where it was read from.
    """

    name: str
    uar: Spread | None
    float_uar: Spread | None
    points: Spread | None
    params: int | None
    seeds: tuple[str, ...]
    file: str


@dataclass(frozen=True)
class Ablation:
    """Recipes under one protocol.

    Attributes:
        title: the table that they share.
        synthetic: whether the corpus is.
        rows: in the order in which they were given; the first is what the others are compared with.
    """

    title: str
    synthetic: bool
    rows: tuple[AblationRow, ...]


def ablations(trials: Sequence[tuple[str, Trial]]) -> tuple[Ablation, ...]:
    """Every group of two reports or more that may stand side by side.

    They must share corpus, protocol, folds, level, task and classes, and a seed with the first one.

    Args:
        trials: (file, report), in the order in which they were given.
    """
    groups: dict[object, list[tuple[str, Trial]]] = {}
    for file, trial in trials:
        groups.setdefault(_same(trial), []).append((file, trial))
    found = []
    for members in groups.values():
        base = members[0][1]
        beside = [one for one in members if set(one[1].seeds) & set(base.seeds)]
        if len(beside) > 1:
            found += [_ablation(name, beside) for name in base.tables]
    return tuple(found)


def _same(trial: Trial) -> object:
    classes = tuple(next(iter(table.pooled.values())).classes for table in trial.tables.values())
    keys = (trial.corpus, tuple(trial.sources), tuple(trial.others), trial.protocol, tuple(trial.folds))
    return (*keys, trial.task, trial.level_dbfs, tuple(trial.tables), classes)


def _ablation(table: str, members: Sequence[tuple[str, Trial]]) -> Ablation:
    names = [trial.spec.name for _, trial in members]
    reference = _by_seed(members[0][1].tables[table])
    rows: list[AblationRow] = []
    for (file, trial), name in zip(members, names, strict=True):
        one = trial.tables[table]
        own = _by_seed(one)
        points = [100 * (own[seed] - reference[seed]) for seed in own if seed in reference]
        rows.append(
            AblationRow(
                name if names.count(name) == 1 else f"{name} ({file})",
                _of(one.spread, SHIPPED),
                _of(one.spread, FLOAT),
                None if not rows or not points else _spread(points),
                trial.params,
                tuple(own),
                file,
            )
        )
    return Ablation(table, members[0][1].synthetic, tuple(rows))


def _by_seed(table: Table) -> dict[str, float]:
    return {seed: rows[SHIPPED].uar for seed, rows in table.seeds.items() if SHIPPED in rows}


def _of(spread: Mapping[str, Mapping[str, Spread]], predictor: str) -> Spread | None:
    return spread.get(predictor, {}).get("uar")


def _spread(points: Sequence[float]) -> Spread:
    return Spread(mean(points), stdev(points) if len(points) > 1 else None)
