"""A picture of benches: every run in order, and how the stages' times are spread; or instructions, part by part."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from edge_ser.bench.result import BenchResult
from edge_ser.errors import InputError, MissingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["png", "svg"]

_INCHES: Final = (11.0, 4.5)
_DOTS_PER_INCH: Final = 120


def require_matplotlib() -> None:
    """Find out before any work whether a picture can be drawn.

    Raises:
        MissingError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError:
        message = "drawing needs matplotlib, which is not installed; pip install 'edge-ser[plot]'"
        raise MissingError(message) from None


def draw(results: Sequence[BenchResult], form: Format) -> bytes:
    """Draw one bench or several.

    Left: the time of every decision in the order of the runs, so that an outlier, a drift or a machine that was busy
    can be seen. Right: for each stage, how many of the runs took at most so long. Where none was timed, the
    instructions of a segment instead, part by part; times and counts never stand in one picture.

    Args:
        results: with times, or else with instructions.
        form: of the picture.

    Returns:
        The file.

    Raises:
        InputError: of none of them was anything timed or counted.
        MissingError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    timed = [result for result in results if result.runs_ms.get("whole")]
    counted = [result for result in results if result.instructions]
    if not timed and not counted:
        message = "nothing was timed or counted, so that there is nothing to draw; leave the picture out"
        raise InputError(message)
    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    if timed:
        _draw_times(figure, timed)
    else:
        _draw_instructions(figure, counted)
    file = io.BytesIO()
    # Equal results give equal files: no date, and no random names of the SVG's parts.
    with matplotlib.rc_context({"svg.hashsalt": "edge-ser"}):
        figure.savefig(file, format=form, metadata={"Date": None} if form == "svg" else {})
    return file.getvalue()


def _draw_times(figure: Figure, timed: Sequence[BenchResult]) -> None:
    runs, spread = figure.subplots(1, 2, width_ratios=(1.2, 1.0))
    styles = ("-", "--", ":", "-.")
    for at, result in enumerate(timed):
        whole = result.runs_ms["whole"]
        runs.plot(range(1, len(whole) + 1), whole, ".", markersize=3, label=result.title)
        runs.axhline(float(result.p95_ms or 0), linewidth=0.8, color=f"C{at}", linestyle=styles[at % 4])
        for number, (name, times) in enumerate(result.runs_ms.items()):
            share = np.arange(1, len(times) + 1) / len(times)
            label = f"{name.replace('whole', 'decision')}{f' ({result.backend})' if len(timed) > 1 else ''}"
            spread.step(
                np.sort(times),
                100 * share,
                where="post",
                color=f"C{number}",
                linestyle=styles[at % 4],
                label=label,
            )
    runs.set_title("every timed decision; the line is the 95th percentile", loc="left", fontsize=10)
    runs.set_xlabel("run")
    runs.set_ylabel("ms")
    runs.set_ylim(bottom=0)
    runs.legend(fontsize=8)
    spread.set_title("share of the runs that took at most so long", loc="left", fontsize=10)
    spread.set_xlabel("ms")
    spread.set_xscale("log")
    spread.set_ylabel("%")
    spread.legend(fontsize=8)
    for axes in (runs, spread):
        axes.grid(alpha=0.3)


def _draw_instructions(figure: Figure, counted: Sequence[BenchResult]) -> None:
    """Bars from zero on, with their counts: beside the front end's the others are hardly seen."""
    axes = figure.subplots()
    parts = list(dict.fromkeys(part for result in counted for part in result.instructions))
    height = 0.8 / len(counted)
    for at, result in enumerate(counted):
        counts = [result.instructions.get(part, {}).get("per_segment", 0) for part in parts]
        places = np.arange(len(parts)) + (at - (len(counted) - 1) / 2) * height
        bars = axes.barh(places, counts, height=0.9 * height, label=result.title)
        axes.bar_label(bars, labels=[f"{count:,}" for count in counts], padding=3, fontsize=8)
    axes.set_yticks(range(len(parts)), [part.replace("_", " ") for part in parts])
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_title("instructions a segment: counted, not timed", loc="left", fontsize=10)
    axes.set_xlabel("instructions")
    axes.legend(fontsize=8)
    axes.grid(axis="x", alpha=0.3)
