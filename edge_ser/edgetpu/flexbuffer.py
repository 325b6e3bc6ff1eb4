"""A bounded reader of FlexBuffers, as far as the Edge TPU compiler uses them: a map of numbers and strings.

The module of the ``flatbuffers`` package trusts the file; here every offset and length is checked before it is
used, as in :mod:`edge_ser.edgetpu.flatbuffer`.

Format: flatbuffers.dev/internals, section FlexBuffers. It is read from its end: the last byte is the width of
the root, the one before its type; offsets count backwards.
"""

from __future__ import annotations

import struct

from edge_ser.edgetpu.flatbuffer import MalformedError

MAX_ENTRIES = 64
"""Entries that a map may have; the compiler writes at most seven."""

_MAX_KEY = 64
_INT, _UINT, _STRING, _INDIRECT_INT, _INDIRECT_UINT, _MAP, _BLOB = 1, 2, 5, 6, 7, 9, 25
_SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}


def read_map(data: memoryview) -> dict[str, int | memoryview]:
    """The numbers and strings of a map by key; values of other types are left out.

    Args:
        data: a whole FlexBuffer. Strings and blobs come back as views of it.

    Raises:
        MalformedError: it is no FlexBuffer with a map at its root, or anything lies outside of it.
    """
    buffer = _Buffer(data)
    if len(data) < 3:
        message = f"options of {len(data)} bytes, where a FlexBuffer has at least 3"
        raise MalformedError(message)
    width, kind = _width(data[-1], (1, 2, 4, 8)), data[-2] >> 2
    if kind != _MAP:
        message = f"options that are not a map (type {kind})"
        raise MalformedError(message)
    values_width = 1 << (data[-2] & 3)
    values = buffer.follow(len(data) - 2 - width, width)
    size = buffer.unsigned(values - values_width, values_width)
    if size > MAX_ENTRIES:
        message = f"options with {size} entries, at most {MAX_ENTRIES} are possible"
        raise MalformedError(message)
    keys_width = _width(buffer.unsigned(values - 2 * values_width, values_width), (1, 2, 4, 8))
    keys = buffer.follow(values - 3 * values_width, values_width)
    types = values + size * values_width
    entries: dict[str, int | memoryview] = {}
    for index in range(size):
        key = buffer.key(buffer.follow(keys + index * keys_width, keys_width))
        packed = buffer.unsigned(types + index, 1)
        value = buffer.value(values + index * values_width, values_width, packed)
        if value is not None:
            entries[key] = value
    return entries


def _width(value: int, possible: tuple[int, ...]) -> int:
    if value not in possible:
        message = f"options with values of {value} bytes"
        raise MalformedError(message)
    return value


class _Buffer:
    def __init__(self, data: memoryview) -> None:
        self._data = data

    def slice(self, position: int, size: int) -> memoryview:
        if position < 0 or position + size > len(self._data):
            message = f"options that point to bytes {position} to {position + size} of {len(self._data)}"
            raise MalformedError(message)
        return self._data[position : position + size]

    def unsigned(self, position: int, width: int) -> int:
        return int(struct.unpack("<" + _UNSIGNED[width], self.slice(position, width))[0])

    def signed(self, position: int, width: int) -> int:
        return int(struct.unpack("<" + _SIGNED[width], self.slice(position, width))[0])

    def follow(self, position: int, width: int) -> int:
        return position - self.unsigned(position, width)

    def key(self, position: int) -> str:
        content = bytes(self.slice(position, min(_MAX_KEY, max(len(self._data) - position, 0))))
        return content.split(b"\0", 1)[0].decode("utf-8", errors="replace")

    def value(self, position: int, width: int, packed: int) -> int | memoryview | None:
        """The value whose slot lies at ``position``; ``None`` for a type that is not read."""
        kind, own_width = packed >> 2, 1 << (packed & 3)
        if kind == _INT:
            return self.signed(position, width)
        if kind == _UINT:
            return self.unsigned(position, width)
        if kind == _INDIRECT_INT:
            return self.signed(self.follow(position, width), own_width)
        if kind == _INDIRECT_UINT:
            return self.unsigned(self.follow(position, width), own_width)
        if kind in (_STRING, _BLOB):
            start = self.follow(position, width)
            return self.slice(start, self.unsigned(start - own_width, own_width))
        return None
