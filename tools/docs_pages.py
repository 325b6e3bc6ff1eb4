"""Hooks of mkdocs (mkdocs.yml): the pages that come from the code, and what Markdown files of the repository need.

A page for every command from its own help, one for the system spec from its dataclasses, one for the names of
``import edge_ser``. They are made as the site is built, so that none can be out of date, and are in no commit.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import textwrap
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import griffe
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = "commands"
_ATTRIBUTE = re.compile(r"^(\w+): (.*)$")
_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):(?=<code>)")
_ROLE_TEXT = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?\.*([^`]+)`")
_EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
_FOLDER_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([\w./-]+)\)")


@dataclasses.dataclass(frozen=True)
class CommandPage:
    """A command as its own page shows it.

    Attributes:
        words: what comes behind ``edge-ser``, e.g. ``("corpus", "check")``.
        summary: the first sentence of its help.
        markdown: the page.
    """

    words: tuple[str, ...]
    summary: str
    markdown: str

    @property
    def place(self) -> str:
        """Of the page in the docs folder."""
        return f"{COMMANDS}/{'-'.join(self.words)}.md"


class Doctests(griffe.Extension):
    """``Example:`` in a docstring holds a doctest; without this its brackets would be read as links."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for every name that it has read."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub("Examples:", obj.docstring.value)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the commands into the navigation."""
    entries = [{"All commands": f"{COMMANDS}/index.md"}]
    entries += [{" ".join(page.words): page.place} for page in command_pages()]
    for section in config.nav or []:
        if "Commands" in section:
            section["Commands"] = entries
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for place, text in generated_pages().items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link to a folder, which GitHub shows, becomes one to the folder's README."""
    folder = (Path(config.docs_dir) / page.file.src_uri).parent

    def mended(link: re.Match[str]) -> str:
        readme = folder / link[1] / "README.md"
        return f"]({link[1].rstrip('/')}/README.md)" if readme.is_file() else link[0]

    return _FOLDER_LINK.sub(mended, markdown)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Docstrings name code with Sphinx' roles; readers of the page need the name alone."""
    return _ROLE.sub("", html)


def generated_pages() -> dict[str, str]:
    """Every page that is made from the code: Markdown by its place in the docs folder."""
    pages = command_pages()
    return {
        **{page.place: page.markdown for page in pages},
        f"{COMMANDS}/index.md": _commands_index(pages),
        "system-specs.md": spec_page(),
        "python-reference.md": reference_page(),
    }


def command_pages() -> list[CommandPage]:
    """A page for each command of `edge-ser`, in alphabetical order."""
    from edge_ser.cli.main import app

    root = typer.main.get_command(app)
    return sorted(_pages_below(root, ()), key=lambda page: page.words)


def _pages_below(command: Any, words: tuple[str, ...]) -> Iterator[CommandPage]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield _command_page(command, words)
        return
    for name, each in inner.items():
        yield from _pages_below(each, (*words, name))


def _command_page(command: Any, words: tuple[str, ...]) -> CommandPage:
    text = textwrap.dedent(command.help or "").strip()
    examples = re.findall(r"Example: (edge-ser .*?)(?=\s*(?:Example: |\Z))", text, re.DOTALL)
    prose = _ROLE_TEXT.sub(r"`\1`", re.split(r"\s*Example: ", text, maxsplit=1)[0])
    name = " ".join(words)
    usage = " ".join(["edge-ser", *words, "[OPTIONS]", *(_shape(each) for each in _arguments(command))])
    parts = [f"# edge-ser {name}", prose, f"```text\n{usage}\n```"]
    if examples:
        lines = "\n".join(" ".join(example.split()) for example in examples)
        parts.append(f"<!-- needs: files of yours -->\n```sh\n{lines}\n```")
    if _arguments(command):
        rows = [(_code(_shape(each)), _sentence(each)) for each in _arguments(command)]
        parts += ["## Arguments", _table(("argument", "meaning"), rows)]
    options = [each for each in command.params if each.param_type_name == "option"]
    switches = [(_switches(each), _sentence(each), _default(each)) for each in options]
    parts += ["## Options", _table(("option", "meaning", "default"), switches)]
    parts.append(
        "Ends with 0: done; 1: a check failed; 2: wrong use or bad input; 3: something needed is missing. "
        f"This page is made from `edge-ser {name} --help`."
    )
    summary = " ".join(prose.split("\n\n")[0].split())
    return CommandPage(words, summary, "\n\n".join(parts) + "\n")


def _arguments(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "argument"]


def _shape(argument: Any) -> str:
    metavar = argument.metavar or argument.name
    name: str = metavar.strip("[]{}") if metavar.count("[") == 1 and metavar.startswith("[") else metavar
    shown = name.upper() if argument.metavar is None else name
    many = "…" if argument.nargs == -1 and "…" not in shown else ""
    return f"{shown}{many}" if argument.required else f"[{shown}{many}]"


def _switches(option: Any) -> str:
    names = ", ".join(_code(name) for name in (*option.opts, *option.secondary_opts))
    return f"{names} {_cell(option.metavar)}" if option.metavar else names


def _sentence(parameter: Any) -> str:
    return _cell(parameter.help or "")


def _default(option: Any) -> str:
    if option.required:
        return "must be given"
    if isinstance(option.show_default, str):
        return _cell(option.show_default)
    value = option.default
    if value is None or value is False or value == "" or callable(value):
        return ""
    return _code(_plain(value))


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value)
    return str(value)


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines: list[tuple[str, ...]] = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _commands_index(pages: list[CommandPage]) -> str:
    rows = [
        (
            f"[`edge-ser {' '.join(page.words)}`]({page.place.removeprefix(f'{COMMANDS}/')})",
            _cell(page.summary),
        )
        for page in pages
    ]
    return (
        "# All commands\n\nEach page is made from the command's own `--help`. Every command takes `--json`: one JSON "
        "object on standard output and nothing else there; words and progress go to standard error. "
        "`edge-ser listen --json` prints one object per line.\n\n" + _table(("command", "does"), rows) + "\n"
    )


def spec_page() -> str:
    """Every key of a system spec, its default and its meaning, from :mod:`edge_ser.spec`."""
    from edge_ser.spec import EMOTIONS, SystemSpec

    parts = [
        "# System specs",
        "A system is one TOML file. `edge-ser init NAME` writes a commented one; `models/` holds those that this "
        'repository trains. `extends = "base.toml"` takes another file of the same folder as the ground, table by '
        "table. An unknown key, a wrong type or an impossible value is refused with file, key, value and rule; what "
        "is left out has the default below.",
        f"Emotions are named {', '.join(f'`{name}`' for name in EMOTIONS)}.",
        "This page is made from `edge_ser/spec.py`; its rules are in `edge_ser/spec_rules.py`.",
        *_spec_tables(SystemSpec, ""),
    ]
    return "\n\n".join(parts) + "\n"


def _spec_tables(kind: Any, table: str) -> Iterator[str]:
    prose, meanings = _docstring(kind)
    if table:
        yield f"## `[{table}]`"
        yield prose
    hints = typing.get_type_hints(kind)
    rows, inner = [], []
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            inner.append((field.name, hint))
        else:
            meaning = meanings.get(field.name, "the system's name" if field.name == "name" else "")
            rows.append((_code(field.name), _code(_kind(hint)), _spec_default(field), _cell(meaning)))
    if rows:
        yield _table(("key", "type", "default", "meaning"), rows)
    for name, hint in inner:
        yield from _spec_tables(hint, f"{table}.{name}" if table else name)


def _spec_default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "must be given"
    value = field.default
    if isinstance(value, str):
        return _code(f'"{value}"')
    if isinstance(value, bool):
        return _code(str(value).lower())
    return _code(str(list(value)) if isinstance(value, tuple) else str(value))


def _kind(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(f'"{each}"' for each in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        shown = [_kind(each) for each in inner if each is not Ellipsis]
        return f"list of {shown[0]}" if Ellipsis in inner else f"[{', '.join(shown)}]"
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
    return names.get(getattr(hint, "__name__", ""), str(hint))


def _docstring(kind: type) -> tuple[str, dict[str, str]]:
    """A dataclass' words, and the meaning of each attribute."""
    text = _ROLE_TEXT.sub(r"`\1`", textwrap.dedent(kind.__doc__ or "").strip())
    prose, _, listed = text.partition("Attributes:")
    first, *rest = prose.strip().split("\n")
    meanings: dict[str, list[str]] = {}
    name = ""
    for line in textwrap.dedent(listed.strip("\n")).splitlines():
        begun = _ATTRIBUTE.match(line)
        if begun:
            name = begun[1]
            meanings[name] = [begun[2]]
        elif name:
            meanings[name].append(line.strip())
    described = "\n".join([first, *(textwrap.dedent("\n".join(rest)).splitlines())])
    return described.strip(), {name: " ".join(lines) for name, lines in meanings.items()}


def reference_page() -> str:
    """The names of ``import edge_ser``, each with its docstring (mkdocstrings fills them in)."""
    import edge_ser

    names = [name for name in edge_ser.__all__ if not name.startswith("_")]
    blocks = []
    for name in names:
        found = getattr(edge_ser, name)
        blocks.append(f"::: {found.__module__}.{found.__qualname__}")
    extra = [f"::: {path}" for path in _returned(names)]
    return "\n\n".join(
        [
            "# Python reference",
            "The names that `import edge_ser` gives, and below them what they return. Shapes, units and errors stand "
            "with each. How to use them: [From Python](python.md).",
            *blocks,
            *extra,
            "::: edge_ser.errors\n    options:\n      heading_level: 2\n      show_root_toc_entry: true",
        ]
    )


def _returned(names: list[str]) -> list[str]:
    """The classes of this project that those functions return and that are not among them, and theirs in turn."""
    import edge_ser

    seen = {getattr(edge_ser, name) for name in names}
    waiting = [found for name in names if callable(found := getattr(edge_ser, name))]
    paths = []
    while waiting:
        each = waiting.pop(0)
        for kind in _named_classes(each):
            if kind not in seen and kind.__module__.startswith("edge_ser"):
                seen.add(kind)
                waiting.append(kind)
                paths.append(f"{kind.__module__}.{kind.__qualname__}")
    return paths


def _named_classes(found: Any) -> Iterator[type]:
    """Classes in the return annotation of a function, or in the fields of a dataclass."""
    try:
        hints = typing.get_type_hints(found)
    except (NameError, TypeError):
        # A name that only a type checker imports.
        return
    wanted = (
        list(hints.values()) if isinstance(found, type) else [hints["return"]] if "return" in hints else []
    )
    while wanted:
        hint = wanted.pop(0)
        if isinstance(hint, type) and not typing.get_args(hint):
            if dataclasses.is_dataclass(hint) and not hint.__name__.endswith("Spec"):
                yield hint
        else:
            wanted += [each for each in typing.get_args(hint) if each is not Ellipsis]


def main() -> None:
    """Print a page, or the places of all of them: ``python tools/docs_pages.py [PLACE]``."""
    pages = generated_pages()
    if len(sys.argv) > 1 and sys.argv[1] in pages:
        sys.stdout.write(pages[sys.argv[1]])
    else:
        sys.stdout.write("\n".join(sorted(pages)) + "\n")


if __name__ == "__main__":
    main()
