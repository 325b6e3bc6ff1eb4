"""An application's folder on disk: written as a whole, and never over anything that was not written so."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge_ser.errors import InputError
from edge_ser.files import reason, replacing_folder

SUMS: Final = "SHA256SUMS"
"""Says what was written; ``sha256sum -c SHA256SUMS`` checks it."""
_SUMS_LIMIT: Final = 1 << 20


def write_app_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a folder; does nothing where it holds just them already.

    Args:
        folder: is made where it is missing; one that was written before is replaced.
        files: contents by path, with ``/``.

    Raises:
        InputError: the folder holds anything else, or cannot be written.
    """
    sums = _sums(files)
    if folder.is_dir() and any(folder.iterdir()):
        before = _written_before(folder)
        _refuse_foreign(folder, before)
        if before == sums:
            return
    with replacing_folder(folder) as beside:
        try:
            for name, data in (*files.items(), (SUMS, sums.encode())):
                path = beside / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        except OSError as error:
            message = f"{folder}: cannot be written ({reason(error)}); choose a place that can"
            raise InputError(message) from None


def _sums(files: Mapping[str, bytes]) -> str:
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))


def _written_before(folder: Path) -> str:
    try:
        with (folder / SUMS).open("rb") as file:
            return file.read(_SUMS_LIMIT).decode(errors="replace")
    except OSError:
        message = (
            f"{folder}: is not empty and no folder that edge-ser firmware wrote (no {SUMS}); choose another"
        )
        raise InputError(message) from None


def _refuse_foreign(folder: Path, before: str) -> None:
    known = dict(line.split("  ", 1)[::-1] for line in before.splitlines() if "  " in line)
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            if relative == SUMS:
                continue
            if relative not in known:
                message = (
                    f"{path}: was not written by edge-ser firmware, which replaces the whole folder; move it elsewhere "
                    "(build outside: cmake -S FOLDER -B OTHER)"
                )
                raise InputError(message)
            if hashlib.sha256(path.read_bytes()).hexdigest() != known[relative]:
                message = (
                    f"{path}: was changed since edge-ser firmware wrote it; keep a copy and remove the folder"
                )
                raise InputError(message)
