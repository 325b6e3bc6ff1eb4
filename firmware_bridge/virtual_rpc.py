"""JSON-RPC over HTTP as a virtual board serves it; see :mod:`firmware_bridge.link_rpc` for its form."""

from __future__ import annotations

import base64
import binascii
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from firmware_bridge.framing import Frame
from firmware_bridge.link_channel import FramedChannel, NoAnswerError
from firmware_bridge.link_lines import SocketLine
from firmware_bridge.link_rpc import RPC_PATH
from firmware_bridge.messages import Message
from firmware_bridge.virtual_ports import LOCAL, port_error

_MAX_REQUEST: Final = 16_384
_BOARD_LIMIT_S: Final = 60.0
"""A board that is stuck keeps its HTTP connection waiting; whoever asked gives up before."""
_IDLE_S: Final = 30.0
_INVALID_REQUEST: Final = -32600
_NO_METHOD: Final = -32601
_INVALID_PARAMS: Final = -32602
_NO_ANSWER: Final = -32000
"""JSON-RPC 2.0 section 5.1, https://www.jsonrpc.org/specification."""


class VirtualRpc:
    """The HTTP server.

    Attributes:
        port: its number.
    """

    def __init__(self, board: socket.socket, port: int = 0) -> None:
        """Serve on this machine alone.

        Args:
            board: the board's socket for requests over RPC.
            port: 0 takes any free one.

        Raises:
            InputError: the port is taken, or none.
        """
        # Between here and the board nothing is lost: a request is never sent twice.
        channel = FramedChannel(SocketLine(board, "virtual board"), first_wait_s=_BOARD_LIMIT_S)
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = _IDLE_S
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if self.path != RPC_PATH or not length.isdecimal() or int(length) > _MAX_REQUEST:
                    self.send_error(400 if self.path == RPC_PATH else 404)
                    return
                data = self.rfile.read(int(length))
                with lock:
                    answer = json.dumps(_answered(channel, data)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Nothing: standard error belongs to whoever started the board."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            # A host that went away in the middle of an answer is none of the board's business.
            def handle_error(self, *_: object) -> None:
                pass

        try:
            self._server = Server((LOCAL, port), Handler)
        except (OSError, OverflowError) as error:
            raise port_error(port, error) from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def _answered(channel: FramedChannel, data: bytes) -> dict[str, Any]:
    """The JSON-RPC response to a request."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return _refused(None, _INVALID_REQUEST, "not JSON")
    if not isinstance(told, dict) or not isinstance(told.get("method"), str):
        return _refused(None, _INVALID_REQUEST, "not a JSON-RPC request")
    number = told.get("id")
    if not isinstance(number, int | str):
        return _refused(None, _INVALID_REQUEST, "the id is neither a number nor a text")
    if told["method"] not in {message.name.lower() for message in Message}:
        return _refused(number, _NO_METHOD, "no such method")
    try:
        request = Frame.unpack(base64.b64decode(told["params"]["frame"], validate=True))
    except (ValueError, KeyError, TypeError, binascii.Error):
        request = None
    if request is None or request.answer or Message[told["method"].upper()] != request.type:
        return _refused(number, _INVALID_PARAMS, "params.frame is no whole frame of this method")
    try:
        answer = channel.ask(request, _BOARD_LIMIT_S)
    except NoAnswerError as error:
        return _refused(number, _NO_ANSWER, str(error))
    return {"jsonrpc": "2.0", "id": number, "result": {"frame": base64.b64encode(answer.pack()).decode()}}


def _refused(number: int | str | None, code: int, words: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": words}}
