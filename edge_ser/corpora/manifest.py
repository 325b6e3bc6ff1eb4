"""The manifest: which clips of a corpus are in which part, as one JSON file that later stages read."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.splits import PARTS, Part, Parts, check_disjoint
from edge_ser.errors import InputError, MissingError
from edge_ser.files import read_json, write_json
from edge_ser.spec import EMOTIONS

FORMAT = "edge-ser manifest"
VERSION = 1

SPEECH = "speech.json"
"""Manifest of what a training hears without emotions, beside emotions.json and words.json; there where it does."""


@dataclass(frozen=True)
class Manifest:
    """The clips of one corpus in three parts that share no speaker.

    Attributes:
        corpus: name of the layout.
        root: folder of the corpus; every clip lies below it.
        protocol: how the split was made, in words for the report, e.g. ``"speakers sorted, fold 0 of 4"``.
        train: clips for training.
        validation: clips for choosing.
        test: clips that nothing else sees.

    Raises:
        InputError: when two parts share a speaker or a clip, or a clip lies outside ``root``.
    """

    corpus: str
    root: Path
    protocol: str
    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]

    def __post_init__(self) -> None:
        check_disjoint({part: self.part(part) for part in PARTS})
        for clip in self.clips:
            if not clip.path.is_relative_to(self.root):
                message = (
                    f"{clip.path}: lies outside {self.root}; a manifest holds one corpus below one folder"
                )
                raise InputError(message)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """All clips, training first."""
        return self.train + self.validation + self.test

    def part(self, name: Part) -> tuple[Clip, ...]:
        """The clips of one part."""
        clips: tuple[Clip, ...] = getattr(self, name)
        return clips

    def speakers(self, name: Part) -> tuple[str, ...]:
        """The speakers of one part, sorted."""
        return tuple(sorted({clip.speaker for clip in self.part(name) if clip.speaker}))


def make_manifest(corpus: str, root: Path, protocol: str, parts: Parts) -> Manifest:
    """A manifest of the parts that a function of :mod:`edge_ser.corpora.splits` made."""
    return Manifest(corpus, root, protocol, parts["train"], parts["validation"], parts["test"])


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest as JSON, all or nothing; paths of clips relative to the corpus' folder.

    Args:
        manifest: what to write.
        path: the file; its folder is made where needed.
    """
    parts = {part: [_plain(clip, manifest.root) for clip in manifest.part(part)] for part in PARTS}
    write_json(
        path,
        {
            "format": FORMAT,
            "version": VERSION,
            "corpus": manifest.corpus,
            "root": str(manifest.root.absolute()),
            "protocol": manifest.protocol,
            "parts": parts,
        },
    )


def read_manifest(path: Path, root: Path | None = None) -> Manifest:
    """Read a manifest back.

    Args:
        path: the file.
        root: where the corpus is now, if it was moved since.

    Returns:
        The manifest; that its audio is still there is not looked up.

    Raises:
        MissingError: when there is no such file.
        InputError: when it is no manifest, is of a newer version, a clip in it is broken, or its split
            shares a
            speaker.
    """
    if not path.exists():
        message = f"{path}: no such manifest; edge-ser train writes it where it splits a corpus"
        raise MissingError(message)
    data = read_json(path)
    if data.get("format") != FORMAT:
        message = f"{path}: not a manifest; expected a JSON object whose format is {FORMAT!r}"
        raise InputError(message)
    if data.get("version") != VERSION:
        message = (
            f"{path}: manifest version {data.get('version')!r}; this edge-ser reads {VERSION}; split again"
        )
        raise InputError(message)
    try:
        stored = _STORED.validate_python({key: data[key] for key in data if key not in ("format", "version")})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        message = f"{path}: {place}: {first['msg']}; expected what edge-ser wrote, split again"
        raise InputError(message) from error
    home = root if root is not None else Path(stored.root)
    parts = {
        part: tuple(_clip(plain, home, path) for plain in getattr(stored.parts, part))
        for part in get_args(Part)
    }
    try:
        return make_manifest(stored.corpus, home, stored.protocol, parts)
    except InputError as error:
        message = f"{path}: {error}"
        raise InputError(message) from error


@dataclass(frozen=True)
class _StoredParts:
    __pydantic_config__ = ConfigDict(extra="forbid")

    train: list[Clip]
    validation: list[Clip]
    test: list[Clip]


@dataclass(frozen=True)
class _Stored:
    __pydantic_config__ = ConfigDict(extra="forbid")

    corpus: str
    root: str
    protocol: str
    parts: _StoredParts


_STORED = TypeAdapter(_Stored)

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Clip)}


def _plain(clip: Clip, root: Path) -> dict[str, Any]:
    """A clip as JSON: without the fields that are as by default, the path relative."""
    plain = {name: value for name, value in dataclasses.asdict(clip).items() if value != _DEFAULTS[name]}
    return plain | {"path": clip.path.relative_to(root).as_posix()}


def _clip(clip: Clip, root: Path, manifest: Path) -> Clip:
    if clip.path.is_absolute() or ".." in clip.path.parts:
        message = f"{manifest}: {clip.path} leaves the folder of the corpus; expected a path below it"
        raise InputError(message)
    if clip.emotion is not None and clip.emotion not in EMOTIONS:
        message = (
            f"{manifest}: {clip.path} has the emotion {clip.emotion!r}; expected one of {', '.join(EMOTIONS)}"
        )
        raise InputError(message)
    return dataclasses.replace(clip, path=root / clip.path)
