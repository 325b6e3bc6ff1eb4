"""Reading the synthetic corpus: its emotional utterances and its keywords are two layouts of one folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import files_below, read_text
from edge_ser.errors import InputError

UTTERANCES_FILE = "utterances.jsonl"
KEYWORDS_FILE = "keywords.jsonl"
_UTTERANCE: dict[str, type] = dict.fromkeys(("path", "speaker", "sex", "emotion", "text"), str)
_KEYWORD: dict[str, type] = {
    **dict.fromkeys(("path", "speaker", "sex", "keyword", "text"), str),
    **dict.fromkeys(("start_s", "end_s"), float),
}
_AUDIO = ("audio/*/*.wav",)
LICENCE = "made on this machine"
"""The audio that espeak-ng produces is not covered by its licence (GPL-3.0-or-later)."""


def read_utterances(root: Path) -> Iterator[Clip]:
    """The emotional utterances whose audio is there, one clip per file.

    Raises:
        InputError: the table is broken; file and line are named.
    """
    for row in _present(root, _rows(root / UTTERANCES_FILE, _UTTERANCE)):
        yield Clip(
            corpus=SYNTHETIC.name,
            path=root / row["path"],
            speaker=row["speaker"],
            sex=row["sex"],
            emotion=row["emotion"],
            text=row["text"],
            language=SYNTHETIC.language,
            licence=SYNTHETIC.licence,
        )


def read_words(root: Path) -> Iterator[Clip]:
    """Keywords, other words and silence whose audio is there, cut from files that hold several.

    Raises:
        InputError: the table is broken; file and line are named.
    """
    for row in _present(root, _rows(root / KEYWORDS_FILE, _KEYWORD)):
        yield Clip(
            corpus=SYNTHETIC_WORDS.name,
            path=root / row["path"],
            speaker=row["speaker"],
            start_s=row["start_s"],
            end_s=row["end_s"],
            sex=row["sex"],
            text=row["text"],
            keyword=row["keyword"],
            language=SYNTHETIC_WORDS.language,
            licence=SYNTHETIC_WORDS.licence,
        )


def listed_utterances(root: Path) -> Iterator[str]:
    """The files that the table of utterances names, without extension."""
    yield from (row["path"].removesuffix(".wav") for row in _rows(root / UTTERANCES_FILE, {"path": str}))


def listed_words(root: Path) -> Iterator[str]:
    """The files that the table of keywords names, each once, without extension."""
    yield from sorted(
        {row["path"].removesuffix(".wav") for row in _rows(root / KEYWORDS_FILE, {"path": str})}
    )


def _present(root: Path, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    there = {path.relative_to(root).as_posix() for path in files_below(root, (".wav",))}
    return (row for row in rows if row["path"] in there)


def _rows(path: Path, columns: dict[str, type]) -> Iterator[dict[str, Any]]:
    """The JSON objects of a table, each with the columns that are needed; none where there is no table."""
    if not path.is_file():
        return
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            message = (
                f"{path}: line {number} is not JSON ({error}); make the corpus again (edge-ser corpus synth)"
            )
            raise InputError(message) from None
        for name, kind in columns.items():
            if not isinstance(row, dict) or not isinstance(row.get(name), kind):
                message = (
                    f"{path}: line {number} has no {name!r} that is a {kind.__name__}; make the corpus again"
                )
                raise InputError(message)
        if PurePosixPath(row["path"]).is_absolute() or ".." in PurePosixPath(row["path"]).parts:
            message = f"{path}: line {number} has the path {row['path']!r}; expected one below the folder"
            raise InputError(message)
        yield row


SYNTHETIC = Layout(
    name="synthetic",
    title="Synthetic emotional speech (edge-ser corpus synth)",
    kind="emotion",
    language="en",
    licence=LICENCE,
    publisher="edge-ser with espeak-ng",
    shippable=True,
    read=read_utterances,
    hint=f"{UTTERANCES_FILE} and audio/, as edge-ser corpus synth writes them",
    listed=listed_utterances,
    aside=_AUDIO,
    complete=True,
)

SYNTHETIC_WORDS = Layout(
    name="synthetic-words",
    title="Keywords of the synthetic corpus (edge-ser corpus synth)",
    kind="keyword",
    language="en",
    licence=LICENCE,
    publisher="edge-ser with espeak-ng",
    shippable=True,
    read=read_words,
    hint=f"{KEYWORDS_FILE} and audio/, as edge-ser corpus synth writes them",
    listed=listed_words,
    aside=_AUDIO,
    complete=True,
)


def is_synthetic(corpus: str) -> bool:
    """Whether a layout of this name holds voices that were made, not people."""
    return corpus in (SYNTHETIC.name, SYNTHETIC_WORDS.name)
