"""What the folds of an evaluation say beside decisions: nearness to raters' votes, concordance with their ratings."""

from __future__ import annotations

from typing import Any

from edge_ser.evaluation import concordance, distributions, selective
from edge_ser.evaluation.decided import Decided, decided_from_dict
from edge_ser.evaluation.plan import Plan
from edge_ser.files import read_json

Folds = dict[str, dict[int, list[Any]]]
"""Something of every fold, by table and seed."""


def tables_beside(plan: Plan) -> dict[str, Any]:
    """The tables that a corpus with votes or ratings allows, of the files of a plan that is done.

    Returns:
        ``votes``, where test clips have votes: by table, :func:`edge_ser.evaluation.distributions.over_seeds`;
        ``vad``, where test clips have ratings and the system was trained on such: by table,
        :func:`edge_ser.evaluation.concordance.over_seeds`;
        ``abstaining``, by table, :func:`edge_ser.evaluation.selective.coverage_table` of all folds and seeds.

    Raises:
        InputError: a file is damaged; it is named.
    """
    votes: Folds = {}
    vad: Folds = {}
    silent: dict[str, list[tuple[Decided, selective.Thresholds]]] = {}
    for seed in plan.seeds:
        for fold in plan.folds:
            path = plan.folder / f"seed-{seed}" / f"{fold.name}.json"
            data, source = read_json(path), str(path)
            chosen = selective.thresholds_of(data.get("fusion"), plan.spec.decision.abstain, source)
            silent.setdefault(fold.table, []).append((decided_from_dict(data["decided"], source), chosen))
            if data.get("votes") is not None:
                decided = decided_from_dict(data["decided"], source)
                pair = (decided, distributions.votes_from_dict(data["votes"], _shape(decided), source))
                votes.setdefault(fold.table, {}).setdefault(seed, []).append(pair)
            if data.get("vad") is not None:
                ratings = concordance.ratings_from_dict(data["vad"], source)
                vad.setdefault(fold.table, {}).setdefault(seed, []).append(ratings)
    covered = {table: selective.coverage_table(parts) for table, parts in silent.items()}
    found: dict[str, Any] = {"abstaining": covered} if any(covered.values()) else {}
    if votes:
        found["votes"] = {table: distributions.over_seeds(by_seed) for table, by_seed in votes.items()}
    if vad:
        found["vad"] = {table: concordance.over_seeds(by_seed) for table, by_seed in vad.items()}
    return found


def _shape(decided: Decided) -> tuple[int, int]:
    return len(decided.clips), len(decided.classes)
