"""A budget as Markdown: for the summary of a CI job, or as a comment that compares a change with what it changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from edge_ser.errors import InputError
from edge_ser.files import read_json

_LONGEST_NAME: Final = 60
_MOST_ITEMS: Final = 100


def budget_markdown(data: Mapping[str, Any], title: str, before: Mapping[str, Any] | None = None) -> str:
    """A table of a budget, with another one's values before it where there is one.

    Args:
        data: what ``edge-ser budget --json`` prints.
        title: heading.
        before: the same of the state before a change.

    Returns:
        Markdown that ends in a line feed.
    """
    now = {item["name"]: item for item in data["items"]}
    old = {} if before is None else {item["name"]: item for item in before["items"]}
    head = ["item", *(["before"] if before is not None else []), "now"]
    head += [*(["change"] if before is not None else []), "limit", "", "remark"]
    lines = [f"### {_cell(title)}", "", _row(head), _row(["---"] * len(head))]
    for name, item in now.items():
        cells = [name]
        past = old.get(name, {}).get("value")
        if before is not None:
            cells.append(_amount(past))
        cells.append(_amount(item["value"]))
        if before is not None:
            cells.append(_change(past, item["value"]))
        verdict = "skipped" if item["value"] is None else ("ok" if item["ok"] else "**over**")
        cells += [_amount(item["limit"]), verdict, item["detail"]]
        lines.append(_row(cells))
    over = [name for name, item in now.items() if not item["ok"]]
    verdict = f"over the budget: {', '.join(over)}" if over else "within the budget"
    return "\n".join([*lines, "", f"{verdict[0].upper()}{verdict[1:]}.", ""])


def read_budget(path: Path) -> dict[str, Any]:
    """Read what ``edge-ser budget --json`` printed.

    Raises:
        InputError: the file cannot be read, or is something else.
    """
    data = read_json(path)
    items = data.get("items")
    fine = isinstance(items, list) and len(items) <= _MOST_ITEMS and all(_is_item(item) for item in items)
    if not fine:
        message = f"{path}: not a budget; expected the file that this wrote: edge-ser budget BUNDLE --json"
        raise InputError(message)
    return data


def _is_item(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    amounts = all(item.get(key) is None or _is_number(item.get(key)) for key in ("value", "limit"))
    texts = isinstance(item.get("name"), str) and isinstance(item.get("detail"), str)
    return texts and amounts and isinstance(item.get("ok"), bool) and len(item["name"]) <= _LONGEST_NAME


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _amount(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _change(before: float | None, now: float | None) -> str:
    if before is None or now is None:
        return "–"
    if before == now:
        return "="
    share = f" ({100 * (now - before) / abs(before):+.1f} %)" if before else ""
    sign = "+" if now > before else "−"
    return f"{sign}{_amount(abs(now - before))}{share}"
