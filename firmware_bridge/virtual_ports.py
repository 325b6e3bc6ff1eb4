"""The ports of a virtual board's serial lines: a TCP port, and a pseudo-terminal as serial programs open it.

Between port and board lie two faulty wires, one for each direction.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import struct
import threading
import time
import tty
from dataclasses import dataclass
from typing import Final, Protocol

from edge_ser.errors import InputError
from firmware_bridge.faults import FaultyWire

LOCAL: Final = "127.0.0.1"
_AT_ONCE: Final = 65_536
_SEND_TIMEOUT: Final = struct.pack("ll", 0, 200_000)
"""A timeval: seconds and microseconds that a host may leave its bytes lying before they are lost."""


@dataclass(frozen=True)
class Wires:
    """Both directions of a line.

    Attributes:
        to_board: what the host sends.
        to_host: what the board sends.
    """

    to_board: FaultyWire
    to_host: FaultyWire


class Port(Protocol):
    """The host's side of a line."""

    def read(self) -> bytes:
        """What the host sent; waits for it. Nothing once the port is closed."""
        ...

    def write(self, data: bytes) -> None:
        """Send to the host; what nobody takes is lost, as on a serial line."""
        ...

    def close(self) -> None:
        """Close the port."""
        ...


class TcpPort:
    """A TCP port that one host at a time is connected to; the newest takes the place of the one before.

    Attributes:
        number: of the port.
    """

    def __init__(self, number: int = 0) -> None:
        """Listen on this machine alone; 0 takes any free port.

        Raises:
            InputError: the port is taken, or none.
        """
        try:
            self._server = socket.create_server((LOCAL, number))
        except (OSError, OverflowError) as error:
            raise port_error(number, error) from None
        self.number = int(self._server.getsockname()[1])
        self._host: socket.socket | None = None
        self._stalled = False

    def read(self) -> bytes:
        """What the host sent; see :class:`Port`."""
        while True:
            if self._host is None:
                try:
                    self._host, _ = self._server.accept()
                except OSError:
                    return b""
                self._host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._host.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
                self._host.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _AT_ONCE)
                self._stalled = False
            try:
                data = self._host.recv(_AT_ONCE)
            except OSError:
                data = b""
            if data:
                return data
            self._hang_up()

    def write(self, data: bytes) -> None:
        """Send to the host; see :class:`Port`."""
        host = self._host
        if host is None:
            return
        try:
            # Who left bytes lying once is not waited for again until there is room.
            if not self._stalled or select.select([], [host], [], 0)[1]:
                self._stalled = True
                host.sendall(data)
                self._stalled = False
        except (OSError, ValueError):
            pass  # it takes nothing, or has hung up, which read() sees, too

    def close(self) -> None:
        """Close the port."""
        # Closing alone would not wake a thread that waits in accept() or recv().
        for end in (self._server, self._host):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _hang_up(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.close()


class PtyPort:
    """A pseudo-terminal.

    Attributes:
        name: what a serial program opens, such as ``/dev/pts/3``.
    """

    def __init__(self) -> None:
        """Make one."""
        self._own, self._other = pty.openpty()
        # As a serial port is opened by pyserial: nothing is echoed, nothing is translated. Its own end stays open, so
        # that reading does not fail while no program has the terminal open.
        tty.setraw(self._other)
        os.set_blocking(self._own, False)
        self.name = os.ttyname(self._other)
        self._wake_read, self._wake_write = os.pipe()

    def read(self) -> bytes:
        """What the host sent; see :class:`Port`."""
        while True:
            ready = select.select([self._own, self._wake_read], [], [])[0]
            if self._wake_read in ready:
                return b""
            try:
                return os.read(self._own, _AT_ONCE)
            except BlockingIOError:
                continue

    def write(self, data: bytes) -> None:
        """Send to the host; see :class:`Port`."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._own, data)

    def close(self) -> None:
        """Close the terminal."""
        os.write(self._wake_write, b"\0")


def port_error(number: int, error: Exception) -> InputError:
    """What to say of a port that cannot be listened on."""
    message = f"port {number}: cannot be listened on ({error}); expected a free one, or 0 for any"
    return InputError(message)


def pump(port: Port, board: socket.socket, wires: Wires) -> list[threading.Thread]:
    """Carry bytes between a port and the board's socket, in two threads, until one of them closes."""

    def to_board() -> None:
        with contextlib.suppress(OSError):
            while data := port.read():
                for wait_s, piece in wires.to_board.pass_on(data):
                    _wait(wait_s)
                    board.sendall(piece)

    def to_host() -> None:
        with contextlib.suppress(OSError):
            while data := board.recv(_AT_ONCE):
                for wait_s, piece in wires.to_host.pass_on(data):
                    _wait(wait_s)
                    port.write(piece)

    threads = [threading.Thread(target=run, daemon=True) for run in (to_board, to_host)]
    for thread in threads:
        thread.start()
    return threads


def _wait(seconds: float) -> None:
    if seconds > 0:
        time.sleep(seconds)
