"""What the page is made from: the files that a person names, read with a limit and remembered by SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_ser.errors import InputError

MOST_FILES = 64
"""Of one kind: more would be no page that anybody reads."""


@dataclass(frozen=True)
class Sources:
    """What was named beside the bundle.

    Attributes:
        bench: of ``edge-ser bench -o FILE.json``.
        scores: of ``edge-ser evaluate --json`` or ``--output``, whole or condensed.
        parity: of ``edge-ser parity --json``.
        training: the folder that ``edge-ser train`` wrote.
        examples: recordings.
        op_table: answers of the person's own compiler, ``None`` where there are none.
    """

    bench: tuple[Path, ...] = ()
    scores: tuple[Path, ...] = ()
    parity: Path | None = None
    training: Path | None = None
    examples: tuple[Path, ...] = ()
    op_table: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no page.

        Raises:
            InputError: more files of a kind than anybody reads.
        """
        for option, files in (
            ("--bench", self.bench),
            ("--scores", self.scores),
            ("--example", self.examples),
        ):
            if len(files) > MOST_FILES:
                message = f"{option}: {len(files)} files; expected at most {MOST_FILES}: choose the ones that matter"
                raise InputError(message)
