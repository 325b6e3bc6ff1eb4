"""Files that are either whole or not there, and the small readers and writers built on that."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_ser.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file beside its place and move it there only when it is whole.

    Args:
        path: where the file shall be; missing parent folders are made.

    Yields:
        A path in the same folder, ending in the same name, at which nothing exists yet. When the block ends
        well it replaces ``path`` in one step; when it ends in any exception it is removed and ``path`` is
        left as it was.

    Raises:
        InputError: the place cannot be written.
    """
    beside = _beside(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # Finds out before the work, not after it, that nothing can be written here.
        beside.touch(exist_ok=False)
        beside.unlink()
    try:
        yield beside
        with _writing(path):
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Fill a folder beside its place and move it there only when it is whole.

    A folder that stands at ``path`` is put aside first and put back if the move fails: a folder with files
    in it cannot be replaced in one step.

    Args:
        path: where the folder shall be; missing parent folders are made.

    Yields:
        An empty folder beside ``path``, removed with everything in it when the block ends in any exception.

    Raises:
        InputError: the place cannot be written, or something that is not a folder stands there.
    """
    beside, aside = _beside(path), _beside(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        beside.mkdir()
    try:
        yield beside
        with _writing(path):
            if path.exists():
                path.rename(aside)
            beside.rename(path)
    finally:
        if aside.exists() and not path.exists():
            aside.rename(path)
        for left_over in (beside, aside):
            if left_over.exists():
                shutil.rmtree(left_over)


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that no reader ever sees a part of it.

    Raises:
        InputError: the place cannot be written, or there is no room.
    """
    with replacing(path) as beside, _writing(path):
        beside.write_bytes(data)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON object, keys in the order given, in one step.

    Raises:
        InputError: the place cannot be written.
        ValueError: ``data`` holds NaN or an infinity, which JSON does not know.
    """
    write_atomically(path, json_bytes(data))


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """A JSON object as a file holds it: indented, in UTF-8, a newline at the end.

    Raises:
        ValueError: ``data`` holds NaN or an infinity, which JSON does not know.
    """
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file cannot be read or does not hold a JSON object.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({reason(error)}); expected a JSON file"
        raise InputError(message) from None
    return parse_json_object(data, str(path))


def read_limited(path: Path, expected: str, limit: int = 64 * 2**20) -> bytes:
    """The bytes of a file that somebody named.

    Args:
        path: where it is.
        expected: what to say in an error, e.g. ``"expected a file that edge-ser bench wrote"``.
        limit: the most bytes that it may have; every run of a long bench is a few megabytes.

    Raises:
        InputError: it cannot be read, or has more.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        message = f"{path}: cannot be read ({reason(error)}); {expected}"
        raise InputError(message) from None
    if len(data) > limit:
        message = f"{path}: over {limit} bytes; {expected}"
        raise InputError(message)
    return data


def parse_json_object(data: bytes, source: str) -> dict[str, Any]:
    """The JSON object in ``data``.

    Args:
        data: JSON text in UTF-8.
        source: what to call it in an error.

    Raises:
        InputError: not JSON, nested beyond reason, or not an object.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"{source}: not valid JSON ({error}); expected a JSON object"
        raise InputError(message) from None
    if not isinstance(value, dict):
        message = f"{source}: holds a JSON {type(value).__name__}; expected a JSON object"
        raise InputError(message)
    return value


def sha256_hex(data: bytes) -> str:
    """SHA-256 of ``data`` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def reason(error: OSError) -> str:
    """The system's words for an error, e.g. ``"Permission denied"``, without its number and path."""
    return error.strerror or type(error).__name__


def _beside(path: Path) -> Path:
    # The name stays at the end: some writers choose the format by the ending.
    return path.with_name(f".{secrets.token_hex(4)}.{path.name}")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{path}: cannot be written ({reason(error)}); choose a place that can"
        raise InputError(message) from None
