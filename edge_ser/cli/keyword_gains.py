"""The table that says what the keywords are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge_ser.cli.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

_TITLES = {
    "alone": "acoustics alone",
    "fused": "with keywords, as it ships",
    "shuffled": "taught and tested with shuffled keywords",
    "swapped": "as it ships, hearing another clip's keywords",
}


def render_gains(found: Mapping[str, Any], note: str, left_out: Mapping[str, int] | None) -> RenderableType:
    """Four lines per backend: acoustics alone, fused, and the two controls.

    Args:
        found: by backend, what :func:`edge_ser.evaluation.controls.gains` returns.
        note: what a person must know of the corpus.
        left_out: of how many trainings (``of``) the rule left the keywords out (``trainings``), where that is known.
    """
    lines = []
    for backend, worth in found.items():
        for name, row in worth["rows"].items():
            gain = worth["gains"].get(name)
            points = "" if gain is None else f"{gain['points']:+.1f}"
            interval = "" if gain is None else " to ".join(f"{bound:+.1f}" for bound in gain["interval"])
            spread = "" if row["sd"] is None else f"± {100 * row['sd']:.1f}"
            lines.append((backend, _TITLES[name], f"{100 * row['uar']:.1f}", spread, points, interval))
    permutations = next(iter(found.values()))["permutations"]
    title = f"What the keywords are worth, {permutations} permutations{note}"
    if left_out is not None:
        title += f"; the rule left them out in {left_out['trainings']} of {left_out['of']} trainings"
    columns = ("", "", "UAR %", "over permutations", "points over acoustics alone", "95 % interval, speakers")
    return table(title, columns, lines)
