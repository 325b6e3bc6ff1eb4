"""What lies where in a linked 32-bit image: its sections, where they are loaded from, and its symbols.

Layout: Tool Interface Standard, Executable and Linking Format 1.2 (1995), chapters 1 and 2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_ser.errors import InputError
from edge_ser.files import reason

_LIMIT_BYTES: Final = 256 * 2**20
_HEADER: Final = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION: Final = struct.Struct("<10I")
_SEGMENT: Final = struct.Struct("<8I")
_SYMBOL: Final = struct.Struct("<IIIBBH")
_LITTLE_32: Final = b"\x7fELF\x01\x01"
_ALLOCATED: Final = 2
_NO_BITS: Final = 8
_SYMBOL_TABLE: Final = 2
_LOAD: Final = 1


@dataclass(frozen=True)
class Section:
    """A section that takes memory on the machine.

    Attributes:
        name: such as ``.text``.
        address: where it is when the program runs.
        size: bytes.
        loaded_from: where its contents lie before the start-up code moves them, ``None`` where it has no contents.
    """

    name: str
    address: int
    size: int
    loaded_from: int | None


@dataclass(frozen=True)
class ElfImage:
    """A linked image.

    Attributes:
        sections: those that take memory, in the order of the file.
        symbols: names of everything that is defined in it.
    """

    sections: tuple[Section, ...]
    symbols: frozenset[str]


def read_elf(path: Path) -> ElfImage:
    """Read an image.

    Raises:
        InputError: it cannot be read, or is no 32-bit little-endian ELF file that is whole.
    """
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            message = f"{path}: {path.stat().st_size} bytes; expected an image of at most {_LIMIT_BYTES}"
            raise InputError(message)
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({reason(error)}); expected a linked image"
        raise InputError(message) from None
    try:
        return _read(data)
    except (struct.error, ValueError, IndexError) as error:
        message = f"{path}: no whole 32-bit little-endian ELF file ({error}); link it again"
        raise InputError(message) from None


def _read(data: bytes) -> ElfImage:
    header = _HEADER.unpack_from(data)
    if not header[0].startswith(_LITTLE_32):
        message = "it does not begin as one"
        raise ValueError(message)
    segments_at, sections_at = header[5], header[6]
    segment_size, segment_count, section_size, section_count, names_index = header[9:14]
    if section_size != _SECTION.size or (segment_count and segment_size != _SEGMENT.size):
        message = "its tables have entries of another size"
        raise ValueError(message)
    sections = [
        _SECTION.unpack_from(data, sections_at + index * section_size) for index in range(section_count)
    ]
    segments = [
        _SEGMENT.unpack_from(data, segments_at + index * segment_size) for index in range(segment_count)
    ]
    names = _contents(data, sections[names_index])
    found = []
    for entry in sections:
        name, kind, flags, address, _, size = entry[:6]
        if flags & _ALLOCATED and size:
            loaded = None if kind == _NO_BITS else _loaded_from(segments, address, size)
            found.append(Section(_text(names, name), address, size, loaded))
    symbols: set[str] = set()
    for entry in sections:
        if entry[1] == _SYMBOL_TABLE:
            texts = _contents(data, sections[entry[6]])
            table = _contents(data, entry)
            usable = len(table) - len(table) % _SYMBOL.size
            symbols |= {
                _text(texts, symbol[0]) for symbol in _SYMBOL.iter_unpack(table[:usable]) if symbol[5] != 0
            }
    return ElfImage(tuple(found), frozenset(symbols - {""}))


def _contents(data: bytes, section: tuple[int, ...]) -> bytes:
    offset, size = section[4], section[5]
    if offset + size > len(data):
        message = f"a section ends at {offset + size} of {len(data)} bytes"
        raise ValueError(message)
    return data[offset : offset + size]


def _loaded_from(segments: list[tuple[int, ...]], address: int, size: int) -> int:
    for kind, _, virtual, physical, _, in_memory, _, _ in segments:
        if kind == _LOAD and virtual <= address and address + size <= virtual + in_memory:
            return physical + address - virtual
    return address


def _text(texts: bytes, at: int) -> str:
    end = texts.find(b"\0", at)
    return texts[at : end if end >= 0 else len(texts)].decode("utf-8", errors="replace")
