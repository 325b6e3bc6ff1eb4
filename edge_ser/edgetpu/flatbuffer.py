"""A bounded reader of flatbuffers, for files that come from strangers.

The generated accessors trust the file: a length of four thousand million is looped over, an offset that
points before the buffer is read from its end. Here every read is checked against the buffer and the whole
reading has an allowance of steps, so that a file that points at itself a million times ends in an error and
not in a hang.

Format: flatbuffers.dev/internals (offsets are little-endian, a table begins with the distance to its vtable).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAX_STEPS = 2_000_000
"""Steps that one file may cost; reading a model of a thousand operators takes about a hundred thousand."""

_TABLE_STEPS = 20
# A number costs 28 bytes as a Python object and its place in a tuple 8; a character up to 4. The allowance then also
# bounds the memory, to some 50 MB.
_NUMBER_STEPS = 4
_BYTES_PER_STEP = 4


class MalformedError(ValueError):
    """The bytes are not the flatbuffer that they say they are."""


class Allowance:
    """Steps that the reading of one file may still cost, shared by the buffers that lie in one another."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._steps = self._left = steps

    def spend(self, steps: int) -> None:
        """Take steps off the allowance."""
        self._left -= steps
        if self._left < 0:
            message = f"reading it takes more than {self._steps} steps: it points at the same places again and again"
            raise MalformedError(message)


class Flatbuffer:
    """One buffer and the allowance that its reading is charged to.

    Args:
        data: the whole buffer.
        identifier: the four bytes expected at offset 4, ``None`` where the format has none.
        allowance: what a buffer around this one has left; a fresh one where it is ``None``.
    """

    def __init__(
        self, data: bytes | memoryview, identifier: bytes | None, allowance: Allowance | None = None
    ) -> None:
        self._view = memoryview(data)
        self.allowance = Allowance() if allowance is None else allowance
        if identifier is not None and (len(data) < 8 or bytes(data[4:8]) != identifier):
            message = f"identifier {bytes(data[4:8])!r} where {identifier!r} is expected"
            raise MalformedError(message)

    def root(self) -> Table:
        """The root table."""
        return Table(self, self.follow(0))

    def spend(self, steps: int) -> None:
        """Take steps off the allowance."""
        self.allowance.spend(steps)

    def number(self, code: str, position: int) -> int | float:
        """One number of struct type ``code`` at ``position``, in whatever unit it is kept."""
        self.require(position, struct.calcsize(code))
        value: int | float = struct.unpack_from("<" + code, self._view, position)[0]
        return value

    def integer(self, code: str, position: int) -> int:
        """One integer of struct type ``code`` at ``position``."""
        return int(self.number(code, position))

    def follow(self, position: int) -> int:
        """Where the offset at ``position`` points."""
        return position + self.integer("I", position)

    def require(self, position: int, size: int) -> None:
        """Refuse a stretch that does not lie in the buffer."""
        if position < 0 or size < 0 or position + size > len(self._view):
            message = f"bytes {position} to {position + size} lie outside its {len(self._view)} bytes"
            raise MalformedError(message)

    def slice(self, position: int, size: int) -> memoryview:
        """A stretch of the buffer, not copied."""
        self.require(position, size)
        return self._view[position : position + size]


@dataclass(frozen=True)
class Table:
    """A table inside a buffer; fields are asked for by number, and a missing field gives its default."""

    buffer: Flatbuffer
    position: int

    def locate(self, field: int) -> int | None:
        """Position of a field in the buffer, ``None`` where the field is absent."""
        vtable = self.position - self.buffer.integer("i", self.position)
        size = self.buffer.integer("H", vtable)
        entry = 4 + 2 * field
        if entry + 2 > size:
            return None
        offset = self.buffer.integer("H", vtable + entry)
        return self.position + offset if offset else None

    def integer(self, field: int, code: str, default: int = 0) -> int:
        """An integer field of struct type ``code``."""
        position = self.locate(field)
        return default if position is None else self.buffer.integer(code, position)

    def real(self, field: int, default: float = 0.0) -> float:
        """A 32-bit float field, in whatever unit it is kept; ``default``, in the same unit, where it is left out."""
        position = self.locate(field)
        return default if position is None else float(self.buffer.number("f", position))

    def table(self, field: int) -> Table | None:
        """A table field, ``None`` where absent."""
        position = self.locate(field)
        if position is None:
            return None
        self.buffer.spend(_TABLE_STEPS)
        return Table(self.buffer, self.buffer.follow(position))

    def _vector(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Position of the first item and number of items, both checked; (0, 0) where absent."""
        position = self.locate(field)
        if position is None:
            return 0, 0
        start = self.buffer.follow(position)
        count = self.buffer.integer("I", start)
        self.buffer.require(start + 4, count * item_bytes)
        return start + 4, count

    def count(self, field: int, item_bytes: int) -> int:
        """Number of items of a vector."""
        return self._vector(field, item_bytes)[1]

    def tables(self, field: int) -> tuple[Table, ...]:
        """A vector of tables."""
        start, count = self._vector(field, 4)
        self.buffer.spend(count * _TABLE_STEPS)
        return tuple(Table(self.buffer, self.buffer.follow(start + 4 * index)) for index in range(count))

    def numbers(self, field: int, code: str, most: int | None = None) -> tuple[int | float, ...]:
        """A vector of numbers of struct type ``code``, in whatever unit; at most the first ``most`` of them."""
        size = struct.calcsize(code)
        start, count = self._vector(field, size)
        if most is not None:
            count = min(count, most)
        self.buffer.spend(count * _NUMBER_STEPS)
        return struct.unpack(f"<{count}{code}", self.buffer.slice(start, count * size))

    def integers(self, field: int, code: str) -> tuple[int, ...]:
        """A vector of integers of struct type ``code``."""
        return tuple(int(value) for value in self.numbers(field, code))

    def strings(self, field: int) -> tuple[memoryview, ...]:
        """A vector of strings as raw bytes, not copied (the vendor keeps binary in strings)."""
        start, count = self._vector(field, 4)
        self.buffer.spend(count * _TABLE_STEPS)
        items = []
        for index in range(count):
            position = self.buffer.follow(start + 4 * index)
            items.append(self.buffer.slice(position + 4, self.buffer.integer("I", position)))
        return tuple(items)

    def blob(self, field: int) -> memoryview:
        """A vector of bytes, not copied."""
        start, count = self._vector(field, 1)
        return self.buffer.slice(start, count)

    def text(self, field: int) -> str:
        """A string; what is not UTF-8 or not printable shows as replacement characters.

        Names end up in one-line errors and on terminals, where a line break or an escape sequence does harm.
        """
        content = self.blob(field)
        self.buffer.spend(len(content) // _BYTES_PER_STEP)
        text = bytes(content).decode("utf-8", errors="replace")
        return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
