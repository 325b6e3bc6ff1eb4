"""What a virtual board has instead of an Edge TPU and a microphone; ``boards/host/parent.h`` is the other end."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import CheckError
from edge_ser.runtime.interpreters import Net
from firmware_bridge.messages import MAX_TENSOR_BYTES, Target

_HEAD: Final = struct.Struct("<cBI")
_COUNT: Final = struct.Struct("<I")


@dataclass(frozen=True)
class Made:
    """A record as the board made it, before it went out on any line.

    Attributes:
        data: its bytes.
        at_s: when, in seconds of ``time.monotonic``.
    """

    data: bytes
    at_s: float


class VirtualMicrophone:
    """Audio that the board hears, at the speed of sound or as fast as it asks."""

    def __init__(self, sample_rate_hz: int) -> None:
        """Silent until something is played."""
        self._rate = sample_rate_hz
        self._changed = threading.Condition()
        self._samples: NDArray[np.int16] = np.zeros(0, np.int16)
        self._at = self._end = 0
        self._begin_s = 0.0
        self._speed: float | None = None
        self._heard_all = True

    def play(self, samples: NDArray[np.int16], speed: float | None = None, times: int = 1) -> None:
        """Play samples from now on, instead of what was played before.

        Args:
            samples: int16 (samples,) at the bundle's rate.
            speed: times real time; ``None`` as fast as the board takes them.
            times: how often, without a pause.
        """
        with self._changed:
            self._samples, self._speed = samples, speed
            self._at, self._end = 0, len(samples) * times
            self._begin_s = time.monotonic()
            self._heard_all = False

    def wait(self, limit_s: float) -> bool:
        """Wait until the board has heard, and worked through, all that is played; whether it did in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._heard_all, limit_s)

    def take(self, most: int) -> NDArray[np.int16]:
        """What is to be heard next, at most so many samples: int16 (samples,)."""
        with self._changed:
            end = min(self._at + most, self._end)
            if self._speed is not None:
                heard = (time.monotonic() - self._begin_s) * self._speed * self._rate
                end = max(self._at, min(end, int(heard)))
            # The board asks again when it is done with what it got.
            if self._at == self._end:
                self._heard_all = True
                self._changed.notify_all()
                return np.zeros(0, np.int16)
            begin = self._at % len(self._samples)
            taken = self._samples[begin : begin + end - self._at]
            self._at += len(taken)
            return taken


class VirtualService:
    """Serves one virtual board, in a thread of its own, until the socket closes.

    Attributes:
        problem: what went wrong, or ``None``.
    """

    def __init__(
        self, connected: socket.socket, nets: Mapping[Target, Net], shapes: Mapping[Target, tuple[int, int]]
    ) -> None:
        """Take the socket.

        Args:
            connected: the board's service socket.
            nets: run the two nets.
            shapes: frames and channels that each reads.
        """
        self.problem: str | None = None
        self._socket = connected
        self._nets = nets
        self._shapes = shapes
        self._lock = threading.Lock()
        self._made: list[Made] = []

    def run(self, microphone: VirtualMicrophone) -> None:
        """Serve until the socket closes."""
        try:
            while (head := self._take(_HEAD.size)) is not None:
                letter, number, count = _HEAD.unpack(head)
                if letter == b"A":
                    samples = microphone.take(count)
                    self._socket.sendall(_COUNT.pack(len(samples)) + samples.astype("<i2").tobytes())
                    continue
                data = self._take(count) if count <= MAX_TENSOR_BYTES else None
                if data is None or letter not in b"NR":
                    message = f"virtual board: says {head!r} to its parent; expected a message of parent.h"
                    raise CheckError(message)
                if letter == b"R":
                    with self._lock:
                        self._made.append(Made(data, time.monotonic()))
                else:
                    embedding = self._embedding(number, data)
                    self._socket.sendall(_COUNT.pack(len(embedding)) + embedding)
        except OSError:
            pass  # the board has ended
        except CheckError as error:
            self.problem = str(error)
            self._socket.close()

    def made(self) -> list[Made]:
        """The records that were made since this was last asked."""
        with self._lock:
            made, self._made = self._made, []
        return made

    def _embedding(self, number: int, data: bytes) -> bytes:
        try:
            target = Target(number)
            features = np.frombuffer(data, np.uint8).reshape(1, *self._shapes[target])
        except (ValueError, KeyError):
            return b""  # to the board a net that cannot be run
        return self._nets[target].embed(features).tobytes()

    def _take(self, count: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < count:
            part = self._socket.recv(min(count - len(parts), 1 << 16))
            if not part:
                return None
            parts += part
        return bytes(parts)
