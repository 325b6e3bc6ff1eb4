"""Where a bundle comes from: the commit and the versions of what made it."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from edge_ser import __version__

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
