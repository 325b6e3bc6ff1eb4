"""A report of `edge-ser evaluate` cut down to what its tables are made of, small enough to be kept with the source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from edge_ser.evaluation.summary import SPREAD_OF

_KEPT_OF_A_SEED = (*SPREAD_OF, "interval")
_SAID_ELSEWHERE = ("per_class", "confusion")
"""Of the headline: the same as in the first table's row of what ships."""

_FOLDER = re.compile(r"(?:^|[\s'\"=(:])(?:~|[A-Za-z]:)?[/\\][\w.-]+")
"""The beginning of an absolute path, or of one below a person's home."""


def folders_named(value: Any) -> Iterator[str]:
    """Texts in something ready for JSON, keys included, that name a folder of somebody's machine."""
    if isinstance(value, str):
        if _FOLDER.search(value):
            yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from folders_named(str(key))
            yield from folders_named(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from folders_named(one)


def condensed(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report without what grows with speakers and seeds; nothing is rounded or computed anew.

    Left out are the scores of each speaker (their largest distance stays), all but the scores and the interval of a
    single seed's tables, and a keyword sweep's single seeds.

    Args:
        report: what evaluate printed with ``--json`` or wrote; a condensed one stays as it is.

    Returns:
        The same keys where something is left of them.
    """
    kept = {key: value for key, value in report.items() if key not in _SAID_ELSEWHERE}
    if "rows" in kept:
        kept["rows"] = _rows(kept["rows"])
    if "among_shared" in kept:
        kept["among_shared"] = {**kept["among_shared"], "rows": _rows(kept["among_shared"]["rows"])}
    if "tables" in kept:
        kept["tables"] = {name: _table(one) for name, one in kept["tables"].items()}
    if isinstance(kept.get("stream"), dict):
        kept["stream"] = {"mean": kept["stream"]["mean"]}
    return kept


def _table(table: Mapping[str, Any]) -> dict[str, Any]:
    seeds = {
        seed: {name: {key: row[key] for key in _KEPT_OF_A_SEED if key in row} for name, row in rows.items()}
        for seed, rows in table["seeds"].items()
    }
    return {**table, "seeds": seeds, "pooled": _rows(table["pooled"])}


def _rows(rows: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _row(row) for name, row in rows.items()}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    by_speaker = (row.get("gaps") or {}).get("speaker")
    if by_speaker is None:
        return dict(row)
    cut = {key: value for key, value in by_speaker.items() if key != "uar"}
    return {**row, "gaps": {**row["gaps"], "speaker": cut}}
