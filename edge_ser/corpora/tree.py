"""Finding and reading the files of a corpus, whatever their case, extension or depth below the root."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_ser.errors import InputError

AUDIO_EXTENSIONS = (".wav", ".flac")
"""What every layout accepts: a lossless copy keeps stems and folders and may change the extension."""

ANY_AUDIO_EXTENSIONS = (*AUDIO_EXTENSIONS, ".ogg", ".mp3", ".aif", ".aiff", ".m4a", ".wma", ".sph")
"""What looks like audio at all, for telling what a reader left out."""


def files_below(root: Path, extensions: Sequence[str], hidden: bool = False) -> list[Path]:
    """All files below ``root`` with one of the extensions (any case), sorted by path.

    Linked folders are followed, each once.

    Args:
        root: folder to search.
        extensions: lower-case extensions with the dot.
        hidden: also give every file whose name begins with a dot (``.DS_Store``, and the ``._name`` copies
            that
            macOS archives hold).
    """
    found: list[Path] = []
    seen: set[str] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        # In order, so that of two ways to the same folder always the same one is taken.
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names:
            wanted = hidden if name.startswith(".") else name.lower().endswith(tuple(extensions))
            if wanted:
                found.append(Path(folder, name))
    return sorted(found)


def stem_below(path: Path, root: Path) -> str:
    """Path relative to ``root`` without its extension: forward slashes, composed Unicode."""
    return unicodedata.normalize("NFC", path.relative_to(root).with_suffix("").as_posix())


def matching(
    root: Path, ending: str, extensions: Sequence[str] = AUDIO_EXTENSIONS
) -> Iterator[tuple[Path, re.Match[str]]]:
    r"""Audio files whose path, without its extension, ends in a pattern.

    A file whose matched ending was met before (a corpus unpacked twice, a ``.wav`` beside its ``.flac``) is
    left
    out: the same recording must not count twice.

    Args:
        root: folder to search.
        ending: regular expression of whole path components, e.g. ``r"Actor_\d+/[\d-]+"``; case is ignored.
        extensions: extensions to look at.

    Yields:
        The path and the match, in the order of the paths.
    """
    pattern = re.compile(rf"(?:^|/)(?P<ending>{ending})$", re.IGNORECASE)
    seen: set[str] = set()
    for path in files_below(root, extensions):
        match = pattern.search(stem_below(path, root))
        if match is None or match["ending"].lower() in seen:
            continue
        seen.add(match["ending"].lower())
        yield path, match


def beside(root: Path, *names: str) -> Path | None:
    """The first of some files or folders of a corpus: in ``root``, one folder below, or one above.

    One below and one above, because people point at the folder that holds the corpus or at its audio folder.
    """
    places = [root, *sorted(path for path in root.iterdir() if path.is_dir()), root.parent]
    for place in places:
        for name in names:
            if (place / name).exists():
                return place / name
    return None


def read_text(path: Path) -> str:
    """A text file of a corpus, UTF-8 or, where it is not, ISO-8859-1 (tables from before 2010 often are).

    Raises:
        InputError: when it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        raise InputError(message) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("iso-8859-1")


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a comma-separated table with a header line, cells stripped.

    Args:
        path: the table.
        columns: columns it must have.

    Returns:
        One dict a row, with every column of the header; a cell that is not there is ``""``.

    Raises:
        InputError: when it cannot be read, lacks a column, or a row is longer than the header.
    """
    reader = csv.DictReader(io.StringIO(read_text(path)), restval="")
    header = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in columns if name not in header]
    if missing:
        message = f"{path}: no column {missing[0]!r} in {','.join(header)!r}; expected {','.join(columns)}"
        raise InputError(message)
    reader.fieldnames = header
    rows: list[dict[str, str]] = []
    for row in reader:
        if None in row:
            message = (
                f"{path}: line {reader.line_num} is longer than the header; quote cells that hold a comma"
            )
            raise InputError(message)
        rows.append({name: (cell or "").strip() for name, cell in row.items()})
    return rows
