"""What `edge-ser listen` shows: a live view on a terminal, plain lines elsewhere, or JSON lines."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from edge_ser.cli.classify import decision_line, decision_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.live import Live

    from edge_ser.audio_live import Losses, Source
    from edge_ser.runtime.live import LiveDecision
    from edge_ser.runtime.session import Session
    from edge_ser.runtime.stream_system import StreamSystem
    from edge_ser.spec import SystemSpec


class Show(Protocol):
    """Shows a session to somebody."""

    def decision(self, decision: LiveDecision, session: Session) -> None:
        """There is a new decision."""

    def draw(self, session: Session) -> None:
        """Time to look how the session stands."""


@contextmanager
def open_show(as_json: bool, source: Source, spec: SystemSpec, system: StreamSystem) -> Iterator[Show]:
    """The way to show that fits standard output."""
    if as_json:
        yield _JsonLines(spec, source)
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        yield _PlainLines(spec)
        return
    from rich.live import Live

    # Drawn by hand: rich's own thread would draw when there is something else to do.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield _View(live, source, system)


def json_row(
    decision: LiveDecision, spec: SystemSpec, delay_ms: float, losses: Losses, now_unix_s: float
) -> dict[str, Any]:
    """A decision as a JSON line: the keys of `edge-ser classify`, then what is said of a live one only.

    Args:
        decision: what was decided.
        spec: of the bundle.
        delay_ms: since its audio was complete.
        losses: so far.
        now_unix_s: Unix time.
    """
    labels = spec.acoustic.classes
    if decision.decision is None:
        said: dict[str, Any] = {
            "start": round(decision.start_s, 3),
            "end": round(decision.end_s, 3),
            "emotion": None,
            "scores": None,
            "keyword": None,
        }
    else:
        said = decision_row(decision.decision, spec)
    smoothed = {label: round(share, 4) for label, share in zip(labels, decision.smoothed, strict=True)}
    return {
        **said,
        "shown": decision.shown,
        "smoothed": smoothed,
        "silent": decision.silent,
        "gap": decision.gap,
        "level_dbfs": round(decision.level_dbfs, 1),
        "delay_ms": round(delay_ms, 2),
        "stages_ms": {stage.replace(" ", "_"): round(ms, 3) for stage, ms in decision.stages_ms.items()},
        "dropped_blocks": losses.blocks,
        "overflows": losses.overflows,
        "ended_unix_s": round(now_unix_s - delay_ms / 1000, 4),
    }


class _JsonLines:
    def __init__(self, spec: SystemSpec, source: Source) -> None:
        self._spec, self._source = spec, source

    def decision(self, decision: LiveDecision, session: Session) -> None:
        row = json_row(decision, self._spec, session.shown(decision), self._source.losses, time.time())
        _write_line(json.dumps(row, allow_nan=False))

    def draw(self, session: Session) -> None:
        """Nothing stands between the lines."""


class _PlainLines:
    def __init__(self, spec: SystemSpec) -> None:
        self._spec, self._told = spec, (0, 0)

    def decision(self, decision: LiveDecision, session: Session) -> None:
        gap = "   (audio was lost before)" if decision.gap else ""
        if decision.decision is None:
            line = f"  {decision.start_s:8.2f} – {decision.end_s:8.2f} s  {'silent' if decision.silent else 'failed'}"
        else:
            line = decision_line(decision_row(decision.decision, self._spec))
            if decision.shown != decision.decision.emotion:
                line += f"   shown: {decision.shown or 'nothing yet'}"
        _write_line(line + gap)
        session.shown(decision)

    def draw(self, session: Session) -> None:
        losses = session.status().losses
        now = (losses.blocks > 0, losses.overflows > 0)
        if now != self._told:
            self._told = now
            from edge_ser.cli.output import say

            say(
                f"audio is lost: {losses.blocks} blocks dropped, {losses.overflows} times by the sound system"
            )


class _View:
    def __init__(self, live: Live, source: Source, system: StreamSystem) -> None:
        self._live, self._source, self._system = live, source, system
        self._delay_ms: float | None = None

    def decision(self, decision: LiveDecision, session: Session) -> None:
        self.draw(session)
        self._delay_ms = session.shown(decision)

    def draw(self, session: Session) -> None:
        from edge_ser.cli.listen_view import view

        width = self._live.console.width
        shown = view(session.status(), self._source.name, self._system, self._delay_ms, width)
        self._live.update(shown, refresh=True)


def _write_line(line: str) -> None:
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the lines is gone; Python would try once more, at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
