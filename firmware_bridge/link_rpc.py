"""The channel over JSON-RPC, as coralmicro serves it: HTTP POST to /jsonrpc of 10.10.10.1 on the USB network.

The messages are those of the serial line: ``{"jsonrpc": "2.0", "id": SEQUENCE, "method": "info", "params": {"frame":
BASE64}}``, answered with ``{"id": SEQUENCE, "result": {"frame": BASE64}}``; the frame is the one of
:meth:`firmware_bridge.framing.Frame.pack`, with its own CRC. The board cannot speak unasked here: records are fetched.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import time
from typing import Final

from edge_ser.errors import MissingError
from edge_ser.files import reason
from firmware_bridge.framing import Frame
from firmware_bridge.link_channel import NoAnswerError
from firmware_bridge.messages import Message

RPC_PATH: Final = "/jsonrpc"
BOARD_HOST: Final = "10.10.10.1"
"""Of the board on its USB network, unless it was flashed with another."""
_MAX_ANSWER: Final = 65_536
_FIRST_WAIT_S: Final = 1.0
_PAUSE_S: Final = 0.05


class RpcChannel:
    """Messages over JSON-RPC."""

    poll_s = 0.05

    def __init__(self, host: str = BOARD_HOST, port: int = 80) -> None:
        """Name a board; nothing is sent yet."""
        self._host, self._port = host, port
        self._connection: http.client.HTTPConnection | None = None

    @property
    def name(self) -> str:
        """Where it leads, for messages."""
        return f"rpc:{self._host}:{self._port}"

    def ask(self, request: Frame, limit_s: float, work_s: float = 0.0) -> Frame:
        """Send a request and wait for its answer; see :class:`firmware_bridge.link_channel.Channel`.

        Raises:
            NoAnswerError: there was none in time.
            MissingError: nobody listens there.
        """
        give_up = time.monotonic() + limit_s
        problem, tries = "", 0
        while (left := give_up - time.monotonic()) > 0:
            tries += 1
            try:
                answer = self._post(request, min(left, _FIRST_WAIT_S * tries + work_s))
            except ConnectionRefusedError:
                message = f"{self.name}: no board there (connection refused); is the board's network up?"
                raise MissingError(message) from None
            except (OSError, http.client.HTTPException) as error:
                problem = reason(error) if isinstance(error, OSError) else type(error).__name__
                self.close()
            else:
                if answer is not None:
                    return answer
                problem = "answers something else"
            time.sleep(max(0.0, min(_PAUSE_S, give_up - time.monotonic())))
        name = Message(request.type).name.lower()
        message = f"{self.name}: no answer to {name} within {limit_s:g} s ({tries} tries, {problem})"
        raise NoAnswerError(message)

    def unasked(self, limit_s: float) -> list[Frame]:
        """Nothing: over RPC a board speaks only when it is asked; waits."""
        time.sleep(max(0.0, limit_s))
        return []

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, request: Frame, limit_s: float) -> Frame | None:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=limit_s)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(limit_s)
        body = {
            "jsonrpc": "2.0",
            "id": request.sequence,
            "method": Message(request.type).name.lower(),
            "params": {"frame": base64.b64encode(request.pack()).decode()},
        }
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", RPC_PATH, json.dumps(body), headers)
        response = self._connection.getresponse()
        data = response.read(_MAX_ANSWER)
        if response.will_close or not response.isclosed():
            self.close()
        return _answer(request, data)


def _answer(request: Frame, data: bytes) -> Frame | None:
    """The frame in a JSON-RPC response, or ``None`` where it is not the answer to this request."""
    try:
        told = json.loads(data)
        frame = Frame.unpack(base64.b64decode(told["result"]["frame"], validate=True))
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        return None
    if frame is None or not frame.answer or (frame.type, frame.sequence) != (request.type, request.sequence):
        return None
    return frame
