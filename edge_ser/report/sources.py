"""What the page is made from: the files that a person names, read with a limit and remembered by SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_ser.errors import InputError
from edge_ser.files import reason

MOST_BYTES = 64 * 2**20
"""Of one file; every run of a long bench is a few megabytes."""

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


def read_file(path: Path, expected: str, limit: int = MOST_BYTES) -> bytes:
    """The bytes of a file.

    Args:
        path: where it is.
        expected: what to say in an error, e.g. ``"expected a file that edge-ser bench wrote"``.
        limit: the most bytes that it may have.

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
