"""How much disk `pip install edge-ser` takes: a fresh environment, what pip put there, by package.

    python tools/install_size.py                     the runtime of this checkout; exit 1 where it is over 150 MB
    python tools/install_size.py --extra evaluate    with an extra

What counts is what pip writes in an ordinary installation, compiled Python files included; pip itself, which was there
before, does not. MB is 10^6 bytes. Needs a package index.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_MB = 150.0
BARRED = ("tensorflow", "tensorflow-cpu", "keras", "torch")
"""What running a bundle must never need."""

_LIST = """
import importlib.metadata, json
found = {}
for one in importlib.metadata.distributions():
    files = [one.locate_file(file) for file in one.files or ()]
    sizes = [file.stat().st_size for file in files if file.is_file()]
    found[one.metadata["Name"]] = [one.version, sum(sizes)]
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Installed:
    """What an installation put on the disk.

    Attributes:
        packages: name to (version, bytes of the files that its RECORD names).
        total_bytes: by which the environment grew; more than the packages' sum where a file is in no RECORD.
    """

    packages: dict[str, tuple[str, int]]
    total_bytes: int

    @property
    def total_mb(self) -> float:
        """The same in 10^6 bytes."""
        return self.total_bytes / 1e6


def measure(requirement: str, constraints: Path | None) -> Installed:
    """Install a requirement into a fresh environment that is thrown away afterwards.

    Args:
        requirement: what pip is given, such as a folder with its extras.
        constraints: a file of exact versions, or ``None`` for the newest that are allowed.

    Raises:
        subprocess.CalledProcessError: pip failed; it has said why.
    """
    with tempfile.TemporaryDirectory(prefix="install-size-") as folder:
        place = Path(folder)
        venv.create(place, with_pip=True)
        python = str(place / "bin" / "python")
        before_bytes = _bytes_under(place)
        before = _packages(python)
        pinned = [] if constraints is None else ["-c", str(constraints)]
        quiet = ("--quiet", "--disable-pip-version-check")
        subprocess.run([python, "-m", "pip", "install", *quiet, *pinned, requirement], check=True)
        after = _packages(python)
        packages = {name: found for name, found in after.items() if name not in before}
        return Installed(packages, _bytes_under(place) - before_bytes)


def _packages(python: str) -> dict[str, tuple[str, int]]:
    # -B: looking must not write compiled files of its own. -I: a checkout in the working folder is not installed.
    listed = subprocess.run([python, "-B", "-I", "-c", _LIST], check=True, capture_output=True, text=True)
    return {name: (version, size) for name, (version, size) in json.loads(listed.stdout).items()}


def _bytes_under(folder: Path) -> int:
    # pip's own compiled files appear when it first runs: pip is not what is measured.
    return sum(
        path.lstat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and not {"pip", "setuptools"} & set(path.parts)
    )


def main() -> int:
    """The command; gives its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--extra", action="append", default=[], help="an extra to install too; may be repeated"
    )
    parser.add_argument("--limit-mb", type=float, default=LIMIT_MB, help=f"default {LIMIT_MB:g}")
    parser.add_argument("--newest", action="store_true", help="newest allowed versions, not constraints.txt")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    told = parser.parse_args()
    extras = f"[{','.join(told.extra)}]" if told.extra else ""
    found = measure(f"{ROOT}{extras}", None if told.newest else ROOT / "constraints.txt")
    barred = [name for name in found.packages if name.lower().replace("_", "-") in BARRED]
    within = found.total_mb <= told.limit_mb
    rows = sorted(found.packages.items(), key=lambda item: -item[1][1])
    if told.json:
        packages = {name: {"version": version, "bytes": size} for name, (version, size) in rows}
        report = {"total_mb": round(found.total_mb, 1), "limit_mb": told.limit_mb, "within": within}
        print(json.dumps({**report, "barred": barred, "packages": packages}))
    else:
        for name, (version, size) in rows:
            print(f"{name:24} {version:12} {size / 1e6:8.1f} MB")
        rest = found.total_bytes - sum(size for _, (_, size) in rows)
        print(f"{'files of no package':24} {'':12} {rest / 1e6:8.1f} MB")
        print(f"{'together':24} {'':12} {found.total_mb:8.1f} MB of at most {told.limit_mb:g}")
        if barred:
            print(f"must not be there: {', '.join(barred)}", file=sys.stderr)
    return 0 if within and not barred else 1


if __name__ == "__main__":
    sys.exit(main())
