"""Faults of a serial line, put in on purpose: what a link must live with, at rates that can be chosen."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

from edge_ser.errors import InputError

_PIECE: Final = re.compile(rb"\0?[^\0]+\0?|\0+")
"""What goes through as one: a message with the zeros around it, or whatever of it has come."""
_LONGEST_RUN: Final = 8
_MOST_BITS: Final = 3
_LONGEST_TEXT: Final = 64
LONGEST_DELAY_S: Final = 0.1


@dataclass(frozen=True)
class FaultRates:
    """Share of the messages, in each direction, that suffer each kind of fault; they fall independently.

    Attributes:
        dropped: share that loses 1 to 8 bytes in a row.
        flipped: share in which 1 to 3 bits are flipped.
        duplicated: share in which 1 to 8 bytes in a row come twice, every fourth time the whole message.
        delayed: share of which everything from some byte on comes later.
        inserted: share that 1 to 64 bytes come before: text of the console, or garbage.

    Raises:
        InputError: a rate is not between 0 and 1.
    """

    dropped: float = 0.0
    flipped: float = 0.0
    duplicated: float = 0.0
    delayed: float = 0.0
    inserted: float = 0.0

    def __post_init__(self) -> None:
        for rate in fields(self):
            value = getattr(self, rate.name)
            if not 0 <= value <= 1:
                message = f"fault rate {rate.name} is {value}; expected a share of messages, 0 to 1"
                raise InputError(message)

    @classmethod
    def all_of(cls, rate: float) -> FaultRates:
        """The same share of the messages for every kind."""
        return cls(rate, rate, rate, rate, rate)


class FaultyWire:
    """One direction of a line.

    Attributes:
        rates: may be changed at any time.
        counts: faults so far, by kind, and ``messages``.
    """

    def __init__(self, rates: FaultRates, seed: int, longest_delay_s: float = LONGEST_DELAY_S) -> None:
        """Start a line; equal seeds and equal bytes give equal faults."""
        self.rates = rates
        self.counts: Counter[str] = Counter()
        self._longest_delay_s = longest_delay_s
        self._random = random.Random(seed)

    def pass_on(self, data: bytes) -> Iterator[tuple[float, bytes]]:
        """What comes out: (seconds to wait before, bytes) each."""
        for found in _PIECE.finditer(data):
            self.counts["messages"] += 1
            yield from self._pass_on(found.group())

    def _pass_on(self, piece: bytes) -> Iterator[tuple[float, bytes]]:
        if self._falls("inserted"):
            piece = self._random.randbytes(self._random.randint(1, _LONGEST_TEXT)) + piece
        if self._falls("flipped"):
            changed = bytearray(piece)
            for _ in range(self._random.randint(1, _MOST_BITS)):
                changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
            piece = bytes(changed)
        if self._falls("duplicated"):
            start, end = (0, len(piece)) if self._random.random() < 1 / 4 else self._run(piece)
            piece = piece[:end] + piece[start:end] + piece[end:]
        if self._falls("dropped"):
            start, end = self._run(piece)
            piece = piece[:start] + piece[end:]
        if self._falls("delayed"):
            at = self._random.randrange(len(piece) + 1)
            yield 0.0, piece[:at]
            yield self._random.uniform(0, self._longest_delay_s), piece[at:]
        else:
            yield 0.0, piece

    def _falls(self, kind: str) -> bool:
        falls = bool(self._random.random() < getattr(self.rates, kind))
        self.counts[kind] += falls
        return falls

    def _run(self, piece: bytes) -> tuple[int, int]:
        start = self._random.randrange(len(piece))
        return start, min(len(piece), start + self._random.randint(1, _LONGEST_RUN))
