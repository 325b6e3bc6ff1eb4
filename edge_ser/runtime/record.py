"""The record of one segment, as it goes from the listener to whoever reads it; bytes as in `core/record.h`."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final, NoReturn

from edge_ser.errors import CheckError

VERSION: Final = 1
BUILD_ID_BYTES: Final = 8
"""Of the bundle's build id a record carries the first bytes."""
MAX_CLASSES: Final = 16

SILENT: Final = 1
ABSTAINED: Final = 2
CHANGED: Final = 4
GAP: Final = 8
FAILED: Final = 16
_FLAGS: Final = SILENT | ABSTAINED | CHANGED | GAP | FAILED

_NONE: Final = 255
_HEAD: Final = struct.Struct(f"<6BHI{BUILD_ID_BYTES}sII")
_CRC: Final = struct.Struct("<I")
_LARGEST_SHARE: Final = 0xFFFF
_LARGEST_LEVEL: Final = 64


@dataclass(frozen=True)
class Record:
    """What the listener says of one segment.

    Attributes:
        sequence: 0 for the first record, then one more each, modulo 2**32.
        build_id: first bytes of the bundle's build id.
        first_frame: of the segment, in steps of the front end since it was reset.
        flags: :data:`SILENT` (the gate was closed throughout: no net ran), :data:`ABSTAINED` (the best class is less
            probable than the spec wants), :data:`CHANGED` (``shown`` is another than in the record before),
            :data:`GAP` (audio was lost since the record before), :data:`FAILED` (a net could not be run).
        emotion: index of the best class of this segment alone; ``None`` where it was silent or failed.
        shown: index of the class that is shown after smoothing and hysteresis, or ``None``.
        keyword: index of the word that was heard, or ``None``.
        keyword_share: its share, 65536 is one; 0 without a word.
        level: of the loudest step since the record before: significant bits of ``n * sum(x * x) - sum(x) ** 2``, n
            being the samples of a step; 3 dB each.
        scores: of the fusion head, int32 each; zeros where nothing is said.
        shares: smoothed probabilities, 65536 is one; zeros where nothing is said.

    Shares of 65536 are written, and come back, as 65535.
    """

    sequence: int
    build_id: bytes
    first_frame: int
    flags: int
    emotion: int | None
    shown: int | None
    keyword: int | None
    keyword_share: int
    level: int
    scores: tuple[int, ...]
    shares: tuple[int, ...]

    def encode(self) -> bytes:
        """The record's bytes."""
        classes = len(self.scores)
        indices = (_NONE if index is None else index for index in (self.emotion, self.shown, self.keyword))
        head = _HEAD.pack(
            VERSION,
            self.flags,
            classes,
            *indices,
            min(self.keyword_share, _LARGEST_SHARE),
            self.sequence,
            self.build_id,
            self.first_frame,
            self.level,
        )
        shares = (min(share, _LARGEST_SHARE) for share in self.shares)
        body = head + struct.pack(f"<{classes}i{classes}H", *self.scores, *shares)
        return body + _CRC.pack(zlib.crc32(body))

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """Read a record back.

        Raises:
            CheckError: the bytes are not one whole record of this version, or their CRC-32 is another.
        """
        if len(data) < _HEAD.size + _CRC.size:
            _refuse(f"{len(data)} bytes", f"at least {_HEAD.size + _CRC.size}")
        version, flags, classes, *indices, keyword_share, sequence, build_id, first_frame, level = (
            _HEAD.unpack_from(data)
        )
        if version != VERSION:
            _refuse(f"version {version}", f"{VERSION}; use the edge-ser that made the firmware")
        size = _HEAD.size + 6 * classes + _CRC.size
        if not 1 <= classes <= MAX_CLASSES or len(data) != size:
            _refuse(f"{len(data)} bytes with {classes} classes", f"{size}, and 1 to {MAX_CLASSES} classes")
        (crc,) = _CRC.unpack_from(data, size - _CRC.size)
        if crc != zlib.crc32(data[: -_CRC.size]):
            _refuse(f"CRC-32 {crc:08x}", f"{zlib.crc32(data[: -_CRC.size]):08x}")
        emotion, shown, keyword = (None if index == _NONE else index for index in indices)
        known = all(index is None or index < classes for index in (emotion, shown))
        if flags & ~_FLAGS or not known or level > _LARGEST_LEVEL:
            _refuse(f"flags {flags}, classes {indices[:2]}, level {level}", "values of this version")
        numbers = struct.unpack_from(f"<{classes}i{classes}H", data, _HEAD.size)
        return cls(
            sequence=sequence,
            build_id=build_id,
            first_frame=first_frame,
            flags=flags,
            emotion=emotion,
            shown=shown,
            keyword=keyword,
            keyword_share=keyword_share,
            level=level,
            scores=numbers[:classes],
            shares=numbers[classes:],
        )


def _refuse(found: str, expected: str) -> NoReturn:
    message = f"record: {found}; expected {expected}"
    raise CheckError(message)
