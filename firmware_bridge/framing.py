"""Frames on the board's serial line; ``core/frame.h`` is the other end and describes the bytes.

>>> frame = Frame(type=1, sequence=7)
>>> FrameReader().feed(b"console text" + frame.encode()) == [frame]
True
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from edge_ser.errors import InputError

MAX_PAYLOAD: Final = 2048
"""Bytes; ESER_FRAME_MAX_PAYLOAD of core/frame.h."""

_HEADER: Final = struct.Struct("<HBBI")
_CRC: Final = struct.Struct("<I")
MAX_BYTES: Final = _HEADER.size + MAX_PAYLOAD + _CRC.size
"""Of a frame before the coding."""
_MAX_CODED: Final = MAX_BYTES + MAX_BYTES // 254 + 1
_FULL_BLOCK: Final = 0xFF
_ANSWER: Final = 1
_ERROR: Final = 2


@dataclass(frozen=True)
class Frame:
    """One message of either side.

    Attributes:
        type: which message, 0 to 255.
        sequence: of the request, and of the answer to it; 0 to 2**32 - 1.
        payload: at most MAX_PAYLOAD bytes.
        answer: whether this is the answer to the request of the same type and sequence.
        error: whether the payload says why there is no answer.

    Raises:
        InputError: the payload is too long, or a number is out of range.
    """

    type: int
    sequence: int
    payload: bytes = b""
    answer: bool = False
    error: bool = False

    def __post_init__(self) -> None:
        if (
            len(self.payload) > MAX_PAYLOAD
            or not 0 <= self.type <= 0xFF
            or not 0 <= self.sequence <= 0xFFFF_FFFF
        ):
            message = (
                f"frame: type {self.type}, sequence {self.sequence}, payload of {len(self.payload)} bytes; expected "
                f"8 bits, 32 bits and at most {MAX_PAYLOAD} bytes"
            )
            raise InputError(message)

    def pack(self) -> bytes:
        """The frame without the coding, as JSON-RPC carries it."""
        flags = _ANSWER * self.answer | _ERROR * self.error
        body = _HEADER.pack(len(self.payload), self.type, flags, self.sequence) + self.payload
        return body + _CRC.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> Frame | None:
        """The frame that these bytes are, or ``None`` where they are none (length or CRC)."""
        if not _HEADER.size + _CRC.size <= len(data) <= MAX_BYTES:
            return None
        length, kind, flags, sequence = _HEADER.unpack_from(data)
        body = data[: -_CRC.size]
        if length != len(body) - _HEADER.size or _CRC.unpack(data[-_CRC.size :])[0] != zlib.crc32(body):
            return None
        return cls(kind, sequence, body[_HEADER.size :], bool(flags & _ANSWER), bool(flags & _ERROR))

    def encode(self) -> bytes:
        """The frame as it goes on the line, both zeros included."""
        return b"\0" + _coded(self.pack()) + b"\0"


class FrameReader:
    """Finds the frames in whatever comes, and counts what is none.

    Attributes:
        bad: pieces between two zeros that were no frame: text, or damaged frames.
    """

    def __init__(self) -> None:
        self.bad = 0
        self._pending = bytearray()
        self._too_long = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes of the line; the frames that ended in them, in order."""
        frames = []
        *ended, rest = data.split(b"\0")
        for piece in ended:
            self._keep(piece)
            coded, too_long = bytes(self._pending), self._too_long
            self._pending.clear()
            self._too_long = False
            if not coded and not too_long:
                continue
            decoded = None if too_long else _decoded(coded)
            frame = None if decoded is None else Frame.unpack(decoded)
            if frame is None:
                self.bad += 1
            else:
                frames.append(frame)
        self._keep(rest)
        return frames

    def _keep(self, piece: bytes) -> None:
        """Never more than a frame can be: a line that brings no zero must not fill the memory."""
        room = _MAX_CODED - len(self._pending)
        self._pending += piece[:room]
        self._too_long = self._too_long or len(piece) > room


def _coded(data: bytes) -> bytes:
    """COBS: blocks of at most 254 bytes without a zero, each after a byte that holds its length + 1."""
    coded = bytearray()
    for run in data.split(b"\0"):
        at = 0
        while len(run) - at >= _FULL_BLOCK - 1:
            coded.append(_FULL_BLOCK)
            coded += run[at : at + _FULL_BLOCK - 1]
            at += _FULL_BLOCK - 1
        coded.append(len(run) - at + 1)
        coded += run[at:]
    return bytes(coded)


def _decoded(coded: bytes) -> bytes | None:
    """What was coded, or ``None`` where the last block is not whole."""
    data = bytearray()
    at = 0
    while at < len(coded):
        block = coded[at]
        end = at + block
        if end > len(coded):
            return None
        data += coded[at + 1 : end]
        if block != _FULL_BLOCK and end < len(coded):
            data.append(0)
        at = end
    return bytes(data)
