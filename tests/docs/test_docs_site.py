"""The manual is whole: it builds without a warning, its links lead somewhere, and nothing is fetched to read it."""

from __future__ import annotations

import dataclasses
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs_cases import REPOSITORY, blocks

pytest.importorskip("mkdocs", reason="mkdocs is absent; pip install 'edge-ser[docs]'")
sys.path.append(str(REPOSITORY / "tools"))

import docs_pages
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FETCHED = re.compile(
    r'<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc="(?:https?:)?//'
    r'|<link\b[^>]*(?:stylesheet|icon)[^>]*href="(?:https?:)?//'
)


@pytest.fixture
def quiet() -> Iterator[None]:
    """mkdocs tells everything at level INFO; its warnings are errors here anyway."""
    logger = logging.getLogger("mkdocs")
    level = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(level)


def _build(site: Path, monkeypatch: pytest.MonkeyPatch, **changed: object) -> Path:
    monkeypatch.chdir(REPOSITORY)
    config = load_config(str(REPOSITORY / "mkdocs.yml"), site_dir=str(site), **changed)
    config.plugins.run_event("startup", command="build", dirty=False)
    try:
        build(config)
    finally:
        config.plugins.run_event("shutdown")
    return site


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_it_builds_and_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = _build(tmp_path / "site", monkeypatch)
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not _FETCHED.search(text), page
        assert not re.search(r":(?:class|func|meth|mod):<", text), f"{page}: a role of Sphinx is left"
    for place in docs_pages.generated_pages():
        assert (site / place).with_suffix(".html").is_file(), place


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("link", ["nowhere.md", "index.md#nowhere", "/nowhere.html"])
def test_a_broken_link_fails(link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# Page\n\n[to](index.md#page) and [to]({link})\n")
    with pytest.raises(Abort, match="warnings"):
        _build(
            tmp_path / "site",
            monkeypatch,
            docs_dir=str(docs),
            nav=[{"Page": "index.md"}],
            hooks=[],
            plugins=[],
        )


def test_every_command_has_a_page_with_all_of_its_options() -> None:
    pages = {page.words: page for page in docs_pages.command_pages()}
    assert {("classify",), ("corpus", "check"), ("doctor",), ("init",)} <= set(pages)
    for page in pages.values():
        assert page.summary, page.words
        assert "`--json`" in page.markdown, page.words
        assert "Example:" not in page.markdown, page.words
        assert f"edge-ser {' '.join(page.words)}" in page.markdown
    assert "`--root`" in pages["corpus", "check"].markdown


def test_every_key_of_a_spec_has_its_meaning() -> None:
    from edge_ser.spec import SystemSpec

    text = docs_pages.spec_page()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows if not row[-1].strip(" |")] == []
    keys = [row[0].strip("| `") for row in rows]
    assert len(keys) == sum(_leaves(SystemSpec))


def _leaves(kind: type) -> Iterator[int]:
    import typing

    for hint in typing.get_type_hints(kind).values():
        if dataclasses.is_dataclass(hint):
            assert isinstance(hint, type)
            yield from _leaves(hint)
        elif typing.get_origin(hint) is not typing.ClassVar:
            yield 1


def test_files_that_the_recipes_name_are_there() -> None:
    text = (REPOSITORY / "docs" / "recipes.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| ")]
    named = [name for line in table for name in re.findall(r"`([\w/]+\.py)`", line.split(" | ")[-1])]
    assert len(named) > 10
    below = {
        path.relative_to(REPOSITORY / "edge_ser").as_posix()
        for path in (REPOSITORY / "edge_ser").rglob("*.py")
    }
    assert [
        name for name in named if name not in below and not any(each.endswith(f"/{name}") for each in below)
    ] == []


def test_the_links_of_the_readme_lead_somewhere() -> None:
    readme = REPOSITORY / "README.md"
    text = readme.read_text(encoding="utf-8")
    for block in blocks(readme):
        text = text.replace(block.text, "")
    links = [link for link in _LINK.findall(text) if not re.match(r"https?:|mailto:", link)]
    assert links
    for link in links:
        place, _, anchor = link.partition("#")
        target = readme.parent / place if place else readme
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target), link


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
