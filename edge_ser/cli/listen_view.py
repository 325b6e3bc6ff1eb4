"""The live view of `edge-ser listen`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.text import Text

from edge_ser.runtime.live import STAGES
from edge_ser.runtime.session import WINDOW_S, Status

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.runtime.live import LiveDecision
    from edge_ser.runtime.stream_system import StreamSystem

_BARS: Final = " ▁▂▃▄▅▆▇█"
_LABEL: Final = 12
_QUIETEST_DBFS: Final = -60.0
_LOUD_DBFS: Final = -6.0
_MOST_COLUMNS: Final = 60
"""Half a second each."""
_FEWEST_COLUMNS: Final = 10


def view(
    status: Status, name: str, system: StreamSystem, delay_ms: float | None, width: int
) -> RenderableType:
    """A session as it stands.

    Args:
        status: the session's.
        name: what is listened to.
        system: what listens.
        delay_ms: of the last decision, from the end of its audio to when it was shown; ``None`` before the first.
        width: columns of the terminal.
    """
    last = status.recent[-1] if status.recent else None
    return Group(
        *(
            _cut(line, width)
            for line in (
                Text.assemble(
                    ("edge-ser listen", "bold"), f"  {system.name}  {name}  up {_clock(status.up_s)}"
                ),
                _level(status, system, width),
                _headline(last, system),
                *_chart(status, system, width),
                _words(status),
                _stages(last, delay_ms),
                _losses(status),
            )
        )
    )


def _level(status: Status, system: StreamSystem, width: int) -> Text:
    columns = max(_FEWEST_COLUMNS, min(_MOST_COLUMNS, width - _LABEL - 30))
    filled = _filled(status.level_dbfs, columns)
    style = "red" if status.level_dbfs > _LOUD_DBFS else "green"
    bar = Text("█" * filled, style).append("░" * (columns - filled), "dim")
    if not system.gate.enabled:
        gate = Text("  no gate", "dim")
    else:
        gate = Text("  gate open", "green") if status.gate_open else Text("  gate closed", "yellow")
    return Text.assemble(f"{'level':<{_LABEL}}", bar, f" {status.level_dbfs:6.1f} dBFS", gate)


def _filled(dbfs: float, columns: int) -> int:
    share = 1 - dbfs / _QUIETEST_DBFS
    return max(0, min(columns, round(columns * share)))


def _headline(last: LiveDecision | None, system: StreamSystem) -> Text:
    line = Text(f"{'emotion':<{_LABEL}}")
    if last is None:
        seconds = system.schedule.segment_frames * system.tables.step_samples / system.tables.sample_rate_hz
        return line.append(f"listening; the first decision comes after {seconds:.1f} s of audio", "dim")
    if last.shown is None:
        line.append("silence" if last.silent else "nothing yet", "dim")
    else:
        share = last.smoothed[system.classes.index(last.shown)]
        line.append(f"{last.shown.upper()}", "bold reverse").append(f" {share:.2f}")
    if last.decision is not None:
        if last.decision.abstained:
            line.append("   not sure enough", "yellow")
        if last.decision.emotion != last.shown:
            line.append(f"   this segment alone: {last.decision.emotion}", "dim")
    return line


def _chart(status: Status, system: StreamSystem, width: int) -> Iterator[Text]:
    """A row per class over the last 30 s; every decision fills the audio that those before it had not heard."""
    columns = max(_FEWEST_COLUMNS, min(_MOST_COLUMNS, width - _LABEL - 8))
    column_s = WINDOW_S / columns
    first_s = max(0.0, status.at_s - WINDOW_S)
    cells: list[LiveDecision | None] = [None] * columns
    for decision in status.recent:
        begin = max(0, round((decision.start_s - first_s) / column_s))
        for column in range(begin, min(columns, round((decision.end_s - first_s) / column_s))):
            cells[column] = cells[column] or decision
    shown = status.recent[-1].shown if status.recent else None
    for index, label in enumerate(system.classes):
        bars = "".join(
            " " if cell is None else "·" if cell.decision is None else _bar(cell.smoothed[index])
            for cell in cells
        )
        newest = status.recent[-1].smoothed[index] if status.recent else 0.0
        style = "bold cyan" if label == shown else ""
        yield Text.assemble(
            (f"{label:<{_LABEL}}", style), (bars, style or "blue"), (f" {newest:5.2f}", style)
        )
    yield Text(f"{'':<{_LABEL}}{'the last 30 s':^{columns}}", "dim")


def _bar(share: float) -> str:
    return _BARS[min(len(_BARS) - 1, round(share * (len(_BARS) - 1)))]


def _words(status: Status) -> Text:
    words = "   ".join(f"“{word.word}” {word.share:.2f} at {word.at_s:.1f} s" for word in status.words)
    return Text.assemble(f"{'keywords':<{_LABEL}}", words or ("none so far", "dim"))


def _stages(last: LiveDecision | None, delay_ms: float | None) -> Text:
    line = Text(f"{'latency, ms':<{_LABEL}}")
    if last is None:
        return line.append("–", "dim")
    line.append("  ".join(f"{stage} {last.stages_ms[stage]:.1f}" for stage in STAGES))
    return line.append("" if delay_ms is None else f"  in all {delay_ms:.1f}")


def _losses(status: Status) -> Text:
    losses = status.losses
    lost = losses.blocks or losses.overflows
    words = f"{losses.blocks} blocks dropped, {losses.overflows} overflows of the sound system"
    return Text.assemble(
        f"{'audio':<{_LABEL}}",
        f"{status.heard_s:.1f} s heard, {status.waiting_s:.2f} s waiting, ",
        (words, "bold red" if lost else ""),
    )


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _cut(line: Text, width: int) -> Text:
    """One line stays one line: a view that folds jumps up and down."""
    line.truncate(max(1, width), overflow="ellipsis")
    line.no_wrap = True
    return line
