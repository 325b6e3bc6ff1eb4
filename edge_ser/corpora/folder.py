"""A person's own corpus: any folder with a table ``clips.csv`` at its root.

Columns ``path``, ``speaker``, ``emotion`` and, where wanted, ``keyword``, ``start_s``, ``end_s``, ``sex``,
``text``, ``language``, ``part``, ``corpus``. Paths are relative to the folder of the table. A clip with a label must
have a speaker: without it nobody can keep speakers apart. The table is the person's own work, so nothing in
it is guessed or skipped.

``corpus`` is for changed copies of a known corpus (``tools/vary_corpus.py``): it names that corpus, whose speakers the
speakers then are, so that nobody is ever tested whose copies taught.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import read_table
from edge_ser.errors import InputError
from edge_ser.spec import EMOTIONS

TABLE = "clips.csv"
REQUIRED = ("path", "speaker", "emotion")
OPTIONAL = ("keyword", "start_s", "end_s", "sex", "text", "language", "part", "corpus")
PARTS = ("", "train", "validation", "test")
SEXES = ("", "f", "m")


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips of the table whose audio is there.

    Raises:
        InputError: when a row of the table is wrong; it names line, column and what was expected.
    """
    for number, row in _rows(root):
        clip = _clip(root, number, row)
        if clip.path.is_file():
            yield clip


def listed(root: Path) -> Iterator[str]:
    """Yield the files that the table names."""
    for _, row in _rows(root):
        yield str(PurePosixPath(row["path"]).with_suffix(""))


def _rows(root: Path) -> Iterator[tuple[int, dict[str, str]]]:
    table = root / TABLE
    if not table.is_file():
        return
    rows = read_table(table, REQUIRED)
    unknown = sorted(set(rows[0]) - {*REQUIRED, *OPTIONAL}) if rows else []
    if unknown:
        message = f"{table}: unknown column {unknown[0]!r}; known are {', '.join((*REQUIRED, *OPTIONAL))}"
        raise InputError(message)
    yield from enumerate(rows, start=1)


def _clip(root: Path, number: int, row: Mapping[str, str]) -> Clip:
    start_s, end_s = _seconds(row.get("start_s", "")), _seconds(row.get("end_s", ""))
    for column, allowed, expected in _rules(row, start_s, end_s):
        if not allowed:
            place = f"{root / TABLE}: row {number} ({row['path']})"
            message = f"{place}: {column} is {row[column]!r}; expected {expected}"
            raise InputError(message)
    return Clip(
        corpus=row.get("corpus") or "folder",
        path=root / row["path"],
        speaker=row["speaker"],
        start_s=start_s or 0.0,
        end_s=end_s,
        sex=row.get("sex", ""),
        emotion=row["emotion"] or None,
        text=row.get("text") or None,
        keyword=row.get("keyword") or None,
        language=row.get("language", ""),
        part=row.get("part", ""),
        licence=FOLDER.licence,
        copy=bool(row.get("corpus")),
    )


def _rules(
    row: Mapping[str, str], start_s: float | None, end_s: float | None
) -> Iterator[tuple[str, bool, str]]:
    """Yield (column, whether its cell is allowed, what was expected)."""
    path = PurePosixPath(row["path"])
    below = bool(row["path"]) and not path.is_absolute() and ".." not in path.parts
    yield "path", below, f"a path below the folder of {TABLE}"
    yield "emotion", row["emotion"] in ("", *EMOTIONS), _emotions_like(row["emotion"])
    labelled = bool(row["emotion"] or row.get("keyword"))
    yield "speaker", bool(row["speaker"]) or not labelled, "the name of the speaker, as the clip has a label"
    yield "sex", row.get("sex", "") in SEXES, "f, m or nothing"
    yield "part", row.get("part", "") in PARTS, "train, validation, test or nothing"
    # NaN (a cell that is no number) passes no comparison.
    yield "start_s", start_s is None or 0 <= start_s < math.inf, "seconds into the file, not negative"
    yield (
        "end_s",
        end_s is None or (start_s or 0.0) < end_s < math.inf,
        "seconds into the file, after start_s",
    )


def _emotions_like(emotion: str) -> str:
    near = difflib.get_close_matches(emotion.lower(), EMOTIONS, n=1)
    return f"nothing or one of {', '.join(EMOTIONS)}" + (f"; did you mean {near[0]!r}?" if near else "")


def _seconds(cell: str) -> float | None:
    """The number in a cell, ``None`` where it is empty, NaN where it is no number."""
    if not cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return math.nan


FOLDER = Layout(
    name="folder",
    title="Your own recordings, listed in clips.csv",
    kind="emotion",
    language="",
    licence="your own",
    publisher="",
    shippable=False,
    read=read,
    hint=f"{TABLE} with the columns {','.join(REQUIRED)}[,{','.join(OPTIONAL)}], paths relative to it",
    listed=listed,
    complete=True,
)
