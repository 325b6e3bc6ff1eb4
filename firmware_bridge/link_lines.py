"""Lines to a board: its serial port (or a pseudo-terminal), and a TCP port where a virtual board listens."""

from __future__ import annotations

import select
import socket
from typing import Any, Final

from edge_ser.errors import MissingError
from edge_ser.files import reason
from firmware_bridge.link_channel import NoAnswerError

_BAUD: Final = 115_200
"""Of coralmicro's console; USB does not heed it."""
_AT_ONCE: Final = 65_536
_CONNECT_S: Final = 5.0
_SEND_S: Final = 5.0


def connect_tcp(host: str, port: int) -> SocketLine:
    """Connect to a virtual board.

    Raises:
        MissingError: nobody listens there.
    """
    name = f"tcp:{host}:{port}"
    try:
        connected = socket.create_connection((host, port), timeout=_CONNECT_S)
    except OSError as error:
        message = f"{name}: no board there ({reason(error)}); start the virtual board first"
        raise MissingError(message) from None
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return SocketLine(connected, name)


class SocketLine:
    """A byte stream over a connected socket."""

    def __init__(self, connected: socket.socket, name: str) -> None:
        """Take a socket; it is closed with the line."""
        self._name = name
        self._socket = connected
        self._socket.settimeout(_SEND_S)

    @property
    def name(self) -> str:
        """Where it leads, for messages."""
        return self._name

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            NoAnswerError: the line is closed, or takes nothing any more.
        """
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise _closed(self._name, reason(error)) from None

    def receive(self, limit_s: float) -> bytes:
        """What has come within ``limit_s``, or nothing.

        Raises:
            NoAnswerError: the line is closed.
        """
        try:
            if not select.select([self._socket], [], [], max(0.0, limit_s))[0]:
                return b""
            data = self._socket.recv(_AT_ONCE)
        except (OSError, ValueError) as error:
            raise _closed(self._name, str(error)) from None
        if not data:
            raise _closed(self._name, "the other end hung up")
        return data

    def close(self) -> None:
        """Close the line."""
        self._socket.close()


class SerialLine:
    """A serial port, by pyserial."""

    def __init__(self, port: str) -> None:
        """Open a port such as ``/dev/ttyACM0``.

        Raises:
            MissingError: pyserial is not installed, or there is no such port.
        """
        try:
            import serial
        except ImportError:
            message = "pyserial is not installed; install it with: pip install 'edge-ser[board]'"
            raise MissingError(message) from None
        self._name = f"serial:{port}"
        self._errors: tuple[type[Exception], ...] = (serial.SerialException, OSError, TypeError)
        try:
            self._port: Any = serial.Serial(port, _BAUD, timeout=0, write_timeout=_SEND_S)
        except (OSError, ValueError) as error:
            message = (
                f"{self._name}: cannot be opened ({error}); plug the board in, or name its port: {_ports()}"
            )
            raise MissingError(message) from None

    @property
    def name(self) -> str:
        """Where it leads, for messages."""
        return self._name

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            NoAnswerError: the board was unplugged, or takes nothing any more.
        """
        try:
            self._port.write(data)
        except self._errors as error:
            raise _closed(self._name, str(error)) from None

    def receive(self, limit_s: float) -> bytes:
        """What has come within ``limit_s``, or nothing.

        Raises:
            NoAnswerError: the board was unplugged.
        """
        try:
            self._port.timeout = max(0.0, limit_s)
            first = bytes(self._port.read(1))
            return first + bytes(self._port.read(min(self._port.in_waiting, _AT_ONCE))) if first else b""
        except self._errors as error:
            raise _closed(self._name, str(error)) from None

    def close(self) -> None:
        """Close the port."""
        self._port.close()


def _ports() -> str:
    from serial.tools.list_ports import comports

    return ", ".join(port.device for port in comports()) or "none is there"


def _closed(name: str, why: str) -> NoAnswerError:
    return NoAnswerError(f"{name}: the line to the board broke ({why}); connect again")
