"""What a corpus layout is: its name, its terms, and the function that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_ser.corpora.clip import Clip

Kind = Literal["emotion", "keyword", "noise"]
"""What a corpus is for: emotion labels, keyword labels, or background noise."""


def _nothing(_root: Path) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True)
class Layout:
    """The official layout of one corpus.

    Attributes:
        name: the name on the command line, e.g. ``"crema-d"``.
        title: the name in words.
        kind: what its labels are.
        language: BCP 47 tag of the speech, ``""`` where it is no speech or several languages.
        licence: the publisher's licence in short form.
        publisher: who publishes it.
        shippable: whether weights trained on it may ship with the project.
        read: yields the clips whose audio is below a root folder, in any order.
        hint: what the root folder must hold, for error messages.
        listed: yields the files that the corpus' own tables name, relative to the root and without their
            extension; those without audio are missing.
        aside: patterns (``fnmatch``, lower case) of paths below the root whose audio belongs to the corpus
            and is no clip of it.
        complete: whether a listed file without audio is an error of
            :func:`~edge_ser.corpora.registry.read_clips`
            (a person's own table) or the mark of a partial copy.
        nameless: speaker names that stand for nobody in particular. Where speakers must not meet, such clips neither
            teach nor test: any speaker may be behind them.
        notes: known flaws of the official release, shown by the check.
    """

    name: str
    title: str
    kind: Kind
    language: str
    licence: str
    publisher: str
    shippable: bool
    read: Callable[[Path], Iterator[Clip]]
    hint: str
    listed: Callable[[Path], Iterator[str]] = _nothing
    aside: tuple[str, ...] = ()
    complete: bool = False
    nameless: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
