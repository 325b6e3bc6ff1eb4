"""The page as one HTML file that needs nothing else: no network, no script, no font."""

from __future__ import annotations

import base64
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from edge_ser.errors import InputError
from edge_ser.report import views, words
from edge_ser.report.card import card_html
from edge_ser.report.contents import Report
from edge_ser.report.scores import CONSTANT, FLOAT, SHIPPED

MOST_BYTES: Final = 5_000_000
"""Of the page: more is slow to open on a phone, and too much to send."""


def html_page(report: Report) -> bytes:
    """The page; the same report gives the same bytes.

    Args:
        report: what it says.

    Returns:
        HTML in UTF-8.

    Raises:
        InputError: it would be larger than :data:`MOST_BYTES`.
    """
    environment = _environment()
    # Our own file, not somebody's text.
    style = Markup(_source(environment, "style.css"))
    text = environment.get_template("page.html.j2").render(report=report, style=style)
    data = text.encode()
    if len(data) > MOST_BYTES:
        audio = sum(len(one.flac) for one in report.examples)
        message = (
            f"{len(data)} bytes of page, {audio} of them audio before encoding; expected at most {MOST_BYTES}: "
            "give fewer or shorter examples (--example)"
        )
        raise InputError(message)
    return data


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("edge_ser.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "amount": words.amount,
        "card": card_html,
        "digest": words.digest,
        "flac": _flac,
        "interval": words.interval,
        "item": words.item,
        "kilobytes": words.kilobytes,
        "ms": words.ms,
        "pair": words.pair,
        "percent": words.percent,
        "place": _place,
        "rough": words.rough,
        "seconds": words.seconds,
        "short": words.short,
        "signed": words.signed,
        "spread": words.spread,
        "stage": words.stage,
        "unit": words.unit,
    }
    environment.globals |= {
        "CONSTANT": CONSTANT,
        "FLOAT": FLOAT,
        "SHIPPED": SHIPPED,
        "measure": words.measure,
        "predictor": words.predictor,
        "views": views,
    }
    return environment


def _source(environment: Environment, name: str) -> str:
    if environment.loader is None:
        message = "templates are missing; install edge-ser again"
        raise InputError(message)
    return environment.loader.get_source(environment, name)[0]


def _flac(data: bytes) -> str:
    return f"data:audio/flac;base64,{base64.b64encode(data).decode('ascii')}"


def _place(value: float, scale: float = 1.0) -> str:
    """A value as a place in a figure, in per cent of its width; what lies outside stands at the edge."""
    return f"{100 * min(1.0, max(0.0, value / scale)):.2f}%"
