"""Write docs/results.md from what `edge-ser evaluate` wrote; no number in it is typed.

python tools/results.py                                       write the page from docs/results/
python tools/results.py keep build/loso/evaluation.json emo-db-loso    keep a report: docs/results/emo-db-loso.json

docs/results/index.toml says what is shown, in which order and with which words; docs/results/README.md has its keys.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results_tables import Record, ablation, result

from edge_ser.errors import EdgeSerError, InputError
from edge_ser.evaluation.condensed import condensed, folders_named
from edge_ser.files import read_json, reason, write_atomically

DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDER = DOCS / "results"
PAGE = DOCS / "results.md"
INDEX = "index.toml"

MOST_BYTES = 50_000
"""Of one kept report: pooled tables fit, decisions clip by clip do not belong here."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
_SAME = ("corpus", "sources", "protocol", "folds", "level_dbfs", "task", "others")
"""What reports must share to stand side by side; seeds are paired."""

_HEAD = """\
Written by `python tools/results.py` from the JSON files in [results/](results), which `edge-ser evaluate` wrote; do not
edit. UAR is the mean recall of the classes. The mean and its standard deviation are over trainings with different
seeds; the pooled figure takes the decisions of all of them together, its interval resamples speakers. Speakers never
cross a split, nothing is chosen on a test speaker, and what is scored is the int8 file that ships."""


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        title: its heading.
        text: words under it, Markdown.
        files: what is shown, (name, file) each; one for a result, several for an ablation.
        baseline: for an ablation, the name that the others are compared with; ``""`` for a result.
        table: for an ablation, which table of the reports; ``None`` for the first.
    """

    title: str
    text: str
    files: tuple[tuple[str, str], ...]
    baseline: str
    table: str | None


def main() -> None:
    """Write the page, or keep a report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="action")
    keeping = commands.add_parser("keep", help="cut a report down and keep it in docs/results")
    keeping.add_argument("report", type=Path, help="evaluation.json, or what evaluate --json printed")
    keeping.add_argument("name", help="its name there, lower-case letters, digits and -")
    keeping.add_argument(
        "--command", help="what made it, for a report that does not say so; noted as by hand"
    )
    chosen = parser.parse_args()
    try:
        if chosen.action == "keep":
            print(keep(chosen.report, chosen.name, chosen.command, FOLDER))
        else:
            write_atomically(PAGE, page(FOLDER).encode())
            print(PAGE)
    except EdgeSerError as error:
        print(f"results: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def keep(source: Path, name: str, command: str | None, folder: Path) -> Path:
    """Keep a report, cut down, in the repository.

    Raises:
        InputError: it does not say what made it, is too large, or names folders of somebody's machine.
    """
    if not _NAME.fullmatch(name):
        message = f"{name!r}: expected lower-case letters, digits and - as a name"
        raise InputError(message)
    record = condensed(read_json(source))
    if record.get("command") and command:
        message = f"{source}: says itself what made it; leave --command out"
        raise InputError(message)
    if command:
        record = {**record, "command": command, "command_by_hand": True}
    target = folder / f"{name}.json"
    text = _one_line_each(record)
    _check(record, len(text), str(source))
    write_atomically(target, text)
    return target


def page(folder: Path) -> str:
    """The page, Markdown.

    Raises:
        InputError: the index is wrong, or it and the files in the folder do not go together; what is wrong is named.
    """
    title, text, sections = _index(folder / INDEX)
    named = {file for section in sections for _, file in section.files}
    there = {path.name for path in folder.glob("*.json")}
    for file in sorted(there - named):
        message = f"{folder / file}: no section of {INDEX} shows it; add one, or delete the file"
        raise InputError(message)
    for file in sorted(named - there):
        message = f"{folder / INDEX}: names {file}, which is not there; keep it: tools/results.py keep"
        raise InputError(message)
    records = {file: _read(folder / file) for file in sorted(named)}
    parts = [f"# {title}", _HEAD, *([text] if text else []), _contents(sections)]
    for section in sections:
        parts += [
            f"## {section.title}",
            *([section.text] if section.text else []),
            _body(section, records, folder),
        ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _contents(sections: list[Section]) -> str:
    return "\n".join(f"- [{section.title}](#{_anchor(section.title)})" for section in sections)


def _anchor(title: str) -> str:
    """As GitHub makes it: lower case, punctuation dropped, spaces to dashes."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _body(section: Section, records: Mapping[str, Record], folder: Path) -> str:
    try:
        if not section.baseline:
            return result(records[section.files[0][1]])
        rows = [(name, records[file]) for name, file in section.files]
        _check_same(section, rows, folder)
        return ablation(rows, section.baseline, section.table)
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        files = ", ".join(file for _, file in section.files)
        message = f"{folder}: {files}: not as edge-ser evaluate writes it ({error!r}); evaluate again"
        raise InputError(message) from None


def _check_same(section: Section, rows: list[tuple[str, Record]], folder: Path) -> None:
    base = dict(rows)[section.baseline]
    for name, record in rows:
        for key in _SAME:
            if record.get(key) != base.get(key):
                message = (
                    f"{folder / INDEX}: {section.title!r}: {name} and {section.baseline} have another {key}; only one "
                    "protocol can stand side by side"
                )
                raise InputError(message)
        if record["spec"]["acoustic"]["classes"] != base["spec"]["acoustic"]["classes"]:
            message = (
                f"{folder / INDEX}: {section.title!r}: {name} tells other classes apart than the baseline"
            )
            raise InputError(message)
        if not set(map(str, record["seeds"])) & set(map(str, base["seeds"])):
            message = f"{folder / INDEX}: {section.title!r}: {name} shares no seed with the baseline"
            raise InputError(message)


def _read(path: Path) -> Record:
    record = read_json(path)
    _check(record, path.stat().st_size, str(path))
    return record


def _check(record: Record, size: int, source: str) -> None:
    if not isinstance(record.get("command"), str) or not ("tables" in record or "rows" in record):
        message = f"{source}: not a report of edge-ser evaluate that says what made it; evaluate again (or --command)"
        raise InputError(message)
    if size > MOST_BYTES:
        message = f"{source}: {size} bytes; expected at most {MOST_BYTES}: keep it with tools/results.py keep"
        raise InputError(message)
    for text in folders_named(record):
        message = f"{source}: {text!r} names a folder of somebody's machine; write a stand-in such as CREMA-D"
        raise InputError(message)


def _one_line_each(record: Record) -> bytes:
    """JSON with a line for each key, and for each part of each table: small, and a change shows where it is."""
    lines = []
    for key, value in record.items():
        if key == "tables":
            tables = [f"{json.dumps(name)}: {_lines(one, 2)}" for name, one in value.items()]
            lines.append('"tables": {\n ' + ",\n ".join(tables) + "\n}")
        else:
            lines.append(f"{json.dumps(key)}: {_compact(value)}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _lines(value: Record, indent: int) -> str:
    pad = " " * indent
    return (
        "{\n"
        + ",\n".join(f"{pad}{json.dumps(key)}: {_compact(one)}" for key, one in value.items())
        + f"\n{pad}}}"
    )


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _index(path: Path) -> tuple[str, str, list[Section]]:
    try:
        with path.open("rb") as file:
            told = tomllib.load(file)
    except OSError as error:
        message = f"{path}: cannot be read ({reason(error)}); expected the list of what is shown"
        raise InputError(message) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: not TOML ({error}); mend it"
        raise InputError(message) from None
    _only(path, "the page", told, {"title": str, "text": str, "section": list})
    sections = [_section(path, one) for one in told.get("section", [])]
    titles = [section.title for section in sections]
    for title in titles:
        if titles.count(title) > 1:
            message = f"{path}: two sections are titled {title!r}; give each its own title"
            raise InputError(message)
    return str(told.get("title", "Results")), str(told.get("text", "")), sections


def _section(path: Path, told: Any) -> Section:
    kinds = {"title": str, "text": str, "file": str, "baseline": str, "table": str, "rows": list}
    _only(path, "a section", told, kinds)
    title = str(told.get("title", ""))
    if not title or ("file" in told) == ("rows" in told) or ("rows" in told) != ("baseline" in told):
        message = f"{path}: section {title!r}: expected a title, and file, or rows and baseline"
        raise InputError(message)
    files = [(title, told["file"])] if "file" in told else []
    for row in told.get("rows", []):
        _only(path, f"a row of {title!r}", row, {"name": str, "file": str})
        files.append((row.get("name", ""), row.get("file", "")))
    names = [name for name, _ in files]
    baseline = str(told.get("baseline", ""))
    if not all(name and file for name, file in files) or len(set(names)) != len(names):
        message = f"{path}: section {title!r}: expected a name of its own and a file for every row"
        raise InputError(message)
    if baseline and baseline not in names:
        message = f"{path}: section {title!r}: baseline {baseline!r} is none of {', '.join(names)}"
        raise InputError(message)
    for _, file in files:
        if not _NAME.fullmatch(file.removesuffix(".json")) or not file.endswith(".json"):
            message = (
                f"{path}: section {title!r}: {file!r} is no name of a kept report, such as emo-db-loso.json"
            )
            raise InputError(message)
    return Section(title, str(told.get("text", "")), tuple(files), baseline, told.get("table"))


def _only(path: Path, what: str, told: Any, kinds: Mapping[str, type]) -> None:
    if not isinstance(told, dict):
        message = f"{path}: {what}: expected a table of {', '.join(kinds)}"
        raise InputError(message)
    for key, value in told.items():
        if key not in kinds or not isinstance(value, kinds[key]):
            message = f"{path}: {what}: {key} = {value!r} is not known; expected {', '.join(kinds)}"
            raise InputError(message)


if __name__ == "__main__":
    main()
