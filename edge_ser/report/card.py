"""The Markdown of a model card as HTML: words, lists and tables; no markup, links or pictures of its own."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

_PLAIN = ("link", "image", "autolink", "html_inline", "html_block", "reference", "entity")
"""A card may come from anybody: what could load, lead elsewhere or be markup stays the text that it is."""

_FITS = 4
"""Columns that a phone shows side by side."""

_NUMBER = re.compile(r"[-−+]?[\d.,]+( of [\d.,]+)?( ± [\d.]+)?( ?%)?( \([\d.–]+\))?|–")


def card_html(text: str, title: str) -> Markup:
    r"""A part of a card as HTML that is safe to put into a page.

    Args:
        text: Markdown, of whatever origin.
        title: heading of the part, the caption of its tables.

    >>> card_html("**No** <b>[x](http://y)</b>", "Use")
    Markup('<p><strong>No</strong> &lt;b&gt;[x](http://y)&lt;/b&gt;</p>\n')
    """
    reader = (
        MarkdownIt("commonmark", {"html": False}).enable("table").disable(list(_PLAIN), ignoreInvalid=True)
    )
    reader.add_render_rule("table_open", _table_open)
    reader.add_render_rule("table_close", _table_close)
    tokens = reader.parse(text)
    for token in tokens:
        if token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type in ("heading_open", "heading_close"):
            token.tag = "h4"
    _align(tokens)
    # Of markdown-it's own escaping, with raw HTML, links and pictures switched off above.
    return Markup(reader.renderer.render(tokens, reader.options, {"caption": title}))


def _table_open(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    caption = escape(env["caption"])
    kind = escape(str(tokens[index].attrGet("class") or ""))
    frame = f'<div class="wide" role="region" aria-label="{caption}" tabindex="0">'
    return f'{frame}\n<table class="{kind}">\n<caption class="unseen">{caption}</caption>\n'


def _table_close(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    return "</table>\n</div>\n"


def _align(tokens: Sequence[Token]) -> None:
    """Columns of numbers flush right, heading included; every cell with its column's name, for narrow screens."""
    columns: dict[int, list[tuple[Token, str]]] = {}
    table, at = Token("", "", 0), 0
    for index, token in enumerate(tokens):
        if token.type == "table_open":
            columns, table = {}, token
        elif token.type == "tr_open":
            at = 0
        elif token.type in ("th_open", "td_open"):
            columns.setdefault(at, []).append((token, tokens[index + 1].content))
            at += 1
        elif token.type == "table_close":
            if len(columns) > _FITS:
                table.attrSet("class", "stack")
            for cells in columns.values():
                title = cells[0][1]
                body = [text for cell, text in cells if cell.type == "td_open"]
                for cell, _ in cells[1:]:
                    cell.attrSet("data-label", title)
                if body and all(_NUMBER.fullmatch(text) for text in body):
                    for cell, _ in cells:
                        cell.attrSet("class", "n")
