"""Headless Chromium, spoken to by the DevTools protocol over a pipe: no driver and no package beside the browser."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LIMIT_S = 240.0
"""For one answer, on a machine that is busy with other things."""


def find_chromium() -> str | None:
    """The browser: ``EDGE_SER_CHROMIUM`` where it is set (empty: none), else the first on the path."""
    named = os.environ.get("EDGE_SER_CHROMIUM")
    if named is not None:
        return named or None
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page of a running browser."""

    def __init__(self, process: subprocess.Popen[bytes], into: int, out: int) -> None:
        self._process = process
        self._into = into
        self._out = out
        self._rest = b""
        self._last = 0
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command; events that come meanwhile are kept."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters, **self._session}
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next(method)
            if told.get("id") == self._last:
                assert "error" not in told, f"{method}: {told['error']}"
                result: dict[str, Any] = told["result"]
                return result
            self.events.append(told)

    def open(self, address: str, width: int, height: int = 900, dark: bool = False) -> None:
        """Load a page at a width; what happened before is forgotten."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=address)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next("Page.navigate"))

    def value(self, script: str) -> Any:
        """What a script on the page evaluates to."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def named(self, *methods: str) -> list[dict[str, Any]]:
        """The events of these kinds since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def pdf(self) -> bytes:
        """The page as it prints, on A4."""
        answer = self.ask("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(answer["data"])

    def _next(self, waiting_for: str) -> dict[str, Any]:
        end = time.monotonic() + LIMIT_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._out], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{waiting_for}: the browser said nothing for {LIMIT_S:.0f} s"
            data = os.read(self._out, 2**20)
            assert data, f"{waiting_for}: the browser ended with {self._process.wait(10)}"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """A running browser with an empty profile; ends with the block."""
    to_read, into = os.pipe()
    out, to_write = os.pipe()
    # High numbers first: 3 and 4, which the browser wants, may be among the four.
    high = [fcntl.fcntl(one, fcntl.F_DUPFD, 64) for one in (to_read, to_write)]
    for one in (to_read, to_write):
        os.close(one)
    arguments = [
        "--headless",
        "--remote-debugging-pipe",
        "--disable-gpu",
        "--no-first-run",
        "--hide-scrollbars",
    ]
    # A sandbox cannot be made by root in a container; the page is our own.
    arguments += ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="edge-ser-chromium-", ignore_cleanup_errors=True) as profile:
        shell = f'exec "$0" "$@" 3<&{high[0]} 4>&{high[1]}'
        command = ["bash", "-c", shell, program, *arguments, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            command, pass_fds=high, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        for one in high:
            os.close(one)
        try:
            yield Browser(process, into, out)
        finally:
            os.close(into)
            os.close(out)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
