"""The table that says how right a system is where it dares to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edge_ser.cli.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType


def render_abstaining(found: Mapping[str, Sequence[Mapping[str, Any]]], note: str) -> RenderableType:
    """One line per backend and threshold.

    Args:
        found: what :func:`edge_ser.evaluation.selective.coverage_table` returns.
        note: what a person must know of the corpus.
    """
    lines = [
        (
            backend,
            _wished(row["wished"]),
            f"{row['threshold']:.3f}",
            *(_percent(row[key]) for key in ("coverage", "accuracy", "risk", "uar")),
        )
        for backend, rows in found.items()
        for row in rows
    ]
    columns = ("", "wished", "threshold", "coverage %", "accuracy %", "risk %", "UAR %")
    return table(f"Saying nothing below a threshold that validation speakers chose{note}", columns, lines)


def _wished(wished: float | str | None) -> str:
    if wished is None:
        return "all"
    return "decision.abstain" if isinstance(wished, str) else f"{100 * wished:g} %"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
