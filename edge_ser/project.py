"""A project of one's own: the commented spec and the Makefile fragment that `edge-ser init` writes."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from edge_ser.errors import InputError
from edge_ser.files import reason
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import spec_from_dict

Board = Literal["coral-micro", "usb", "cpu"]
"""What a system is to run on: the Coral Dev Board Micro, a Coral USB Accelerator, or a CPU alone."""

BOARDS: Final[tuple[Board, ...]] = get_args(Board)

SYNTHETIC: Final = "synthetic"
SYNTHETIC_WORDS: Final = "synthetic-words"
"""The two layouts whose corpus the fragment makes itself."""

_FULL_MINUTES: Final = 30.0
_WORDS_MINUTES: Final = 6.0
"""Of synthetic speech: as in models/base.toml where it teaches emotions, in models/crema-d.toml where words alone."""


@dataclass(frozen=True)
class Project:
    """What a person answered.

    Attributes:
        name: of the system; its files are ``NAME.toml`` and ``NAME.mk``.
        classes: emotions told apart.
        keywords: words listened for.
        corpus: layout of the emotion corpus.
        root: its folder, absolute; ``None`` for the synthetic one, which is made.
        words_corpus: layout of the keyword corpus.
        words_root: its folder, absolute; ``None`` for the synthetic one.
        board: what it is to run on.
        compiled_bytes: budget of both compiled nets.
        latency_ms: budget of one decision, in milliseconds.
        folds: folds that the speakers are dealt into.
    """

    name: str
    classes: tuple[str, ...] = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
    keywords: tuple[str, ...] = ("help", "stop", "no", "yes", "love", "hate", "sorry", "great")
    corpus: str = SYNTHETIC
    root: Path | None = None
    words_corpus: str = SYNTHETIC_WORDS
    words_root: Path | None = None
    board: Board = "coral-micro"
    compiled_bytes: int = 1_800_000
    latency_ms: float = 21.0
    folds: int = 4


def project_spec(project: Project) -> SystemSpec:
    """The spec that :func:`project_files` writes, read by the reader that every command uses.

    Raises:
        InputError: an answer breaks a rule of specs; key, value and rule are named.
    """
    return spec_from_dict(tomllib.loads(_spec_text(project)), source=f"{project.name}.toml")


def project_files(project: Project) -> dict[str, str]:
    """The text of ``NAME.toml`` and ``NAME.mk``, by file name.

    Raises:
        InputError: an answer breaks a rule of specs, or a folder's name cannot stand in a Makefile.
    """
    project_spec(project)
    return {
        f"{project.name}.toml": _spec_text(project),
        f"{project.name}.mk": _render("system.mk.j2", _makefile_values(project)),
    }


def write_new(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files that must not be there yet: all of them or none.

    Args:
        folder: made where it is missing.
        files: text by name.

    Returns:
        Where they are, in order.

    Raises:
        InputError: one of them is there already, or the folder cannot be written.
    """
    places = {folder / name: text for name, text in files.items()}
    for place in places:
        if place.exists() or place.is_symlink():
            raise InputError(_already(place))
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, text in places.items():
            _write_one(place, text)
            written.append(place)
    except BaseException as error:
        for place in written:
            place.unlink(missing_ok=True)
        if isinstance(error, FileExistsError) and not isinstance(error, InputError):
            raise InputError(_already(Path(error.filename2 or error.filename))) from None
        if isinstance(error, OSError):
            message = f"{folder}: cannot be written ({reason(error)}); choose another folder with -o"
            raise InputError(message) from None
        raise
    return written


def _write_one(place: Path, text: str) -> None:
    # A link from a whole file beside it: unlike a rename it never replaces what somebody else has just put there.
    beside = place.with_name(f".{secrets.token_hex(4)}.{place.name}")
    try:
        beside.write_text(text, encoding="utf-8")
        os.link(beside, place)
    finally:
        beside.unlink(missing_ok=True)


def _already(place: Path) -> str:
    return f"{place}: is there already and stays as it is; take another name, another folder (-o), or move it away"


def _spec_text(project: Project) -> str:
    return _render("system.toml.j2", _common(project))


def _common(project: Project) -> dict[str, Any]:
    synthetic = project.corpus == SYNTHETIC
    return {
        "name": project.name,
        "board": project.board,
        "synthetic": synthetic,
        "synthetic_words": project.words_corpus == SYNTHETIC_WORDS,
        # A JSON list of plain words is a TOML array.
        "keywords": json.dumps(list(project.keywords)),
        "classes": json.dumps(list(project.classes)),
        "folds": project.folds,
        "minutes": _FULL_MINUTES if synthetic else _WORDS_MINUTES,
        "compiled_bytes": f"{project.compiled_bytes:_}",
        "latency_ms": repr(float(project.latency_ms)),
    }


def _makefile_values(project: Project) -> dict[str, Any]:
    return {
        **_common(project),
        "upper": project.name.upper().replace("-", "_"),
        "corpus": project.corpus,
        "words_corpus": project.words_corpus,
        "root": _in_make(project.root),
        "words_root": _in_make(project.words_root),
    }


def _in_make(folder: Path | None) -> str:
    """A folder as a make variable that a recipe's shell reads as one word."""
    if folder is None:
        return ""
    text = str(folder)
    if not text.isprintable():
        message = f"{text!r}: a Makefile cannot hold that name; rename the folder, or link to it"
        raise InputError(message)
    return shlex.quote(text).replace("$", "$$").replace("#", "\\#")


def _render(name: str, values: Mapping[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Nothing here is HTML.
    environment = Environment(
        loader=PackageLoader("edge_ser"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(name).render(values)
