"""`edge-ser budget`: sizes, arena, flash, latency and int8 drop against the spec's budget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.edgetpu.budget import BudgetItem, BudgetReport


def budget(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle (.edgeser).")],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a CI summary or a comment.")
    ] = False,
    before: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What --json printed before a change: Markdown shows both."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Hold a bundle against the budget of its spec; ends with 1 and names the item that broke.

    What cannot be measured here is predicted and named so. For CI: docs/ci/budget.yml.

    Example: edge-ser budget build/tiny/tiny.edgeser
    """
    from edge_ser.bundle import read_bundle
    from edge_ser.edgetpu.budget import budget as hold
    from edge_ser.errors import CheckError, InputError

    if before is not None and not markdown:
        message = f"--before {before}: only Markdown shows two states; add --markdown"
        raise InputError(message)
    if markdown and as_json:
        message = "--markdown and --json: both print on standard output; choose one"
        raise InputError(message)
    system = read_bundle(bundle)
    report = hold(system, system.spec.budget)
    data = {
        "system": system.spec.name,
        "within": report.within,
        "items": [_data(item) for item in report.items],
    }
    if markdown:
        sys.stdout.write(_markdown(data, before))
    else:
        emit(data, as_json, lambda: _render(bundle, report))
    if not report.within:
        over = "; ".join(f"{item.name} is {item.value:g}, limit {item.limit:g}" for item in report.broken)
        message = f"{bundle}: over budget: {over}; change the nets, or [budget] in the spec"
        raise CheckError(message)


def _data(item: BudgetItem) -> dict[str, Any]:
    return {
        "name": item.name,
        "value": item.value,
        "limit": item.limit,
        "ok": item.ok,
        "predicted": item.predicted,
        "skipped": item.value is None,
        "detail": item.detail,
    }


def _markdown(data: dict[str, Any], before: Path | None) -> str:
    from edge_ser.edgetpu.budget_markdown import budget_markdown, read_budget

    earlier = None if before is None else read_budget(before)
    return budget_markdown(data, f"Budget of {data['system']}", earlier)


def _render(path: Path, report: BudgetReport) -> RenderableType:
    rows = [
        (item.name, _amount(item.value), _amount(item.limit), _verdict(item), item.detail)
        for item in report.items
    ]
    return table(f"{path}: budget", ("item", "value", "limit", "", "remark"), rows)


def _verdict(item: BudgetItem) -> str:
    if item.value is None:
        return "skipped"
    return "ok" if item.ok else "OVER"


def _amount(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
