"""Where a result comes from: the commit, the versions and the source of what made it."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from edge_ser import __version__
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.registry import layout
from edge_ser.corpora.splits import PARTS

_PACKAGES = ("ai-edge-litert", "keras", "numpy", "scipy", "soxr", "tensorflow-cpu")


def commit() -> str | None:
    """The commit of the checkout that edge-ser runs from, ``+`` behind it where files were changed; else ``None``."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() or None


def versions() -> dict[str, str]:
    """Version of edge-ser, Python and the packages that a training's numbers depend on."""
    found = {"edge-ser": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def code_digest(rooms: Sequence[str]) -> str:
    """SHA-256 of the source in some files and folders of the package."""
    package = Path(__file__).parent
    seen = hashlib.sha256()
    for room in rooms:
        place = package / room
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            seen.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return seen.hexdigest()


def told_corpora(manifest: Manifest) -> list[dict[str, Any]]:
    """What provenance says of a manifest: one entry per corpus in it, its changed copies counted apart.

    Raises:
        InputError: a clip is of a corpus that nobody knows.
    """
    entries = []
    for name in sorted({clip.corpus for clip in manifest.clips}):
        form = layout(name)
        own = {part: [clip for clip in manifest.part(part) if clip.corpus == name] for part in PARTS}
        copies = {part: sum(clip.copy for clip in clips) for part, clips in own.items()}
        entries.append(
            {
                "name": name,
                "licence": form.licence,
                "shippable": form.shippable,
                "synthetic": name.startswith("synthetic"),
                "protocol": manifest.protocol,
                "clips": {part: len(clips) - copies[part] for part, clips in own.items()},
                **({"copies": copies} if any(copies.values()) else {}),
                "speakers": {part: sorted({clip.speaker for clip in clips}) for part, clips in own.items()},
            }
        )
    return entries
