"""How the Edge TPU shares a picture among its tiles: 4 x 4 tiles, each with a stretch of rows and of columns.

Decoded from the instruction streams of compiled files (compilers 1.0 to 16.0): every instruction names the
tiles that it is for, as a mask of 16 bits. Tiles with the same stretch run the same instruction; a picture
whose rows and columns divide by four needs one, any other up to nine. Before a window is moved over the
picture, each tile sends its neighbours the rows and columns that the window reaches over the border, one
instruction for each kind of tile and direction.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

TILES_PER_SIDE = 4
TILES = TILES_PER_SIDE**2
LANES = 64
"""Output channels that a tile computes at once."""


@dataclass(frozen=True)
class Window:
    """A window that an operation moves along one side of a picture.

    Attributes:
        size: input rows that the window covers, gaps of dilation included.
        stride: input rows from one output row to the next.
        outputs: output rows.
        same: whether the picture is padded so that its size only depends on the stride.
    """

    size: int
    stride: int
    outputs: int
    same: bool


@dataclass(frozen=True)
class Stretch:
    """What one tile has of one side of a picture.

    Attributes:
        own: rows that it computed.
        held: rows that it keeps, with those of its neighbours that the next window needs.
        offset: where its own begin among those it keeps.
        before: rows that it gets from the tile before.
        after: rows that it gets from the tile after.
        start: where the next window begins among the rows it keeps.
    """

    own: int
    held: int
    offset: int
    before: int
    after: int
    start: int


def borders(length: int) -> tuple[int, ...]:
    """Where the stretches of one side begin, and its end.

    >>> borders(6)  # two rows, one, two, one
    (0, 2, 3, 5, 6)
    """
    return tuple(-(-index * length // TILES_PER_SIDE) for index in range(TILES_PER_SIDE + 1))


def lengths(length: int) -> tuple[int, ...]:
    """The stretches of one side; a tile without any is left out."""
    edges = borders(length)
    return tuple(end - begin for begin, end in itertools.pairwise(edges) if end > begin)


def stretches(length: int, window: Window | None) -> tuple[Stretch, ...]:
    """What each tile has of one side, given the window that will be moved along it."""
    edges = borders(length)
    found = []
    for index in range(TILES_PER_SIDE):
        begin, end = edges[index], edges[index + 1]
        if begin == end:
            continue
        low, high = _reach(length, window, index) if window is not None else (begin, end)
        first, last = min(low, begin), max(high, end)
        found.append(
            Stretch(
                own=end - begin,
                held=last - first,
                offset=begin - first,
                before=max(begin - low, 0) if begin > 0 else 0,
                after=max(high - end, 0) if end < length else 0,
                start=low - first,
            )
        )
    return tuple(found)


def _reach(length: int, window: Window, index: int) -> tuple[int, int]:
    """First and last input row that the output rows of one tile need; beyond the picture there is padding."""
    outputs = borders(window.outputs)
    begin, end = outputs[index], outputs[index + 1]
    if begin == end:
        edges = borders(length)
        return edges[index], edges[index + 1]
    padding = max((window.outputs - 1) * window.stride + window.size - length, 0) // 2 if window.same else 0
    return begin * window.stride - padding, (end - 1) * window.stride + window.size - padding


def kinds(items: Iterable[Hashable]) -> int:
    """How many different ones there are."""
    return len(set(items))


def plain_kinds(height: int, width: int) -> int:
    """Kinds of tiles that differ in what they have of a picture."""
    return kinds(lengths(height)) * kinds(lengths(width))


def writing_kinds(rows: Sequence[Stretch], columns: Sequence[Stretch]) -> int:
    """Kinds of tiles that differ in how they write a picture down for the next window."""
    return kinds((item.own, item.offset) for item in rows) * kinds((item.own, item.held) for item in columns)


def reading_kinds(outputs: int, items: Sequence[Stretch]) -> int:
    """Kinds along one side of tiles that differ in how they read a picture with a window."""
    edges = borders(outputs)
    made = [end - begin for begin, end in itertools.pairwise(edges)]
    return kinds(pair for pair in zip(made, (item.start for item in items), strict=False) if pair[0])


def exchanges(rows: Sequence[Stretch], columns: Sequence[Stretch]) -> int:
    """Instructions that send rows and columns to neighbours before a window is moved.

    Rows go first, so that the columns that follow are as long as what a tile then keeps.
    """
    wide = kinds((item.own, item.held) for item in columns)
    high = kinds(item.held for item in rows)
    return _directions(rows) * wide + _directions(columns) * high


def _directions(items: Sequence[Stretch]) -> int:
    """Kinds of tiles along one side, summed over the directions in which anything is sent."""
    total = 0
    if any(item.after for item in items):
        given = [0, *(item.after for item in items[:-1])]
        total += kinds((item.own, item.after, sent) for item, sent in zip(items, given, strict=True))
    if any(item.before for item in items):
        given = [*(item.before for item in items[1:]), 0]
        total += kinds((item.own, item.before, sent) for item, sent in zip(items, given, strict=True))
    return total
