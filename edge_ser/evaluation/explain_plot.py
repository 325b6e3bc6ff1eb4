"""A picture of an explanation: waveform with its windows, spectrogram with saliency over it, and the cues as bars."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_ser.evaluation.explain import Explanation
from edge_ser.evaluation.explain_cues import CUES
from edge_ser.evaluation.explain_expected import EXPECTED, in_words
from edge_ser.evaluation.explain_occlusion import Floats, Part, log_odds
from edge_ser.frontend.plot import channel_centres_hz, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_INCHES: Final = 10.0
_HEIGHTS_INCHES: Final = (1.3, 2.8, 2.6)
_DOTS_PER_INCH: Final = 120
_COLUMNS: Final = 2000
"""The waveform is drawn as the lowest and the highest sample of at most so many stretches."""

_TICKS: Final = 6
_FURTHEST: Final = 5.0
"""Bars end here; the number beside them goes on."""

_WINDOW: Final = "#0072b2"
_FOR, _AGAINST, _OPEN = "#009e73", "#d55e00", "#7f7f7f"
"""Of Okabe and Ito's palette, which people who see few colours can tell apart; the words say the same."""


def alt_text(found: Explanation, name: str) -> str:
    """What the picture shows, in words, for whoever cannot see it."""
    said = found.heard.recording
    places = ", ".join("{:.2f} to {:.2f} s".format(*found.seconds(one.stretch)) for one in found.windows)
    verdict = f" Verdict on the cues: {found.verdict.word}." if found.verdict else ""
    voice = f" The voice there: {found.words}." if found.neutral is not None else ""
    return (
        f"{name}: decided as {said.emotion} with {found.heard.score:.2f}. "
        f"The decision hangs on {places or 'no single window'}.{voice}{verdict}"
    )


def saliency_map(found: Explanation) -> Floats:
    """What every place of the spectrogram does for the decision.

    One pass of the acoustic net per column and band.

    Returns:
        float64 (columns, bands), log-odds that the decided class loses with the place hidden.
    """
    heard = found.heard
    bands = heard.bands()
    parts = [Part((column,), band) for column in found.columns for band in bands]
    losses: Floats = log_odds(heard.score) - log_odds(heard.without(parts))
    return losses.reshape(len(found.columns), len(bands))


def draw_explanation(found: Explanation, name: str) -> bytes:
    """Draw an explanation.

    Args:
        found: the explanation.
        name: of the recording.

    Returns:
        A PNG file; its ``Description`` is :func:`alt_text`.

    Raises:
        MissingError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(_WIDTH_INCHES, sum(_HEIGHTS_INCHES) + 1.0), dpi=_DOTS_PER_INCH, layout="constrained"
    )
    canvas = FigureCanvasAgg(figure)
    # A file's name may hold dollar signs, which are no formula, and what no font can draw.
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    heading = f"{printable}: {found.heard.recording.emotion} {found.heard.score:.2f}"
    figure.suptitle(heading, fontsize=12, parse_math=False)
    axes = figure.subplots(3, 1, height_ratios=_HEIGHTS_INCHES)
    _waveform(axes[0], found)
    _spectrogram(figure, axes[1], found)
    axes[0].sharex(axes[1])
    _cues(axes[2], found)
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A letter of the file's name that the font lacks is drawn as a box; nobody needs to be warned of that.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        # Without matplotlib's own version: the same explanation shall give the same file.
        canvas.print_png(file, metadata={"Software": "edge-ser", "Description": alt_text(found, printable)})
    return file.getvalue()


def _waveform(axes: Axes, found: Explanation) -> None:
    samples, rate = found.heard.samples, found.heard.pipeline.spec.frontend.sample_rate_hz
    stretch = -(-len(samples) // _COLUMNS)
    starts = np.arange(0, len(samples), stretch)
    axes.fill_between(
        (starts + stretch / 2) / rate,
        np.minimum.reduceat(samples, starts),
        np.maximum.reduceat(samples, starts),
        step="mid",
        linewidth=0.5,
        color="0.35",
    )
    for window in found.windows:
        start, end = found.seconds(window.stretch)
        axes.axvspan(start, end, color=_WINDOW, alpha=0.25, linewidth=0)
        label = f"−{100 * window.effect:.0f}"
        axes.text(
            (start + end) / 2,
            0.98,
            label,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="top",
            size=8,
        )
    axes.set_title(
        f"Blue: the windows that the decision hangs on, with what it loses without each (points of 100); "
        f"without all: {100 * found.together:.0f}",
        loc="left",
        fontsize=9,
    )
    axes.set_ylabel("sample")
    axes.tick_params(labelbottom=False)


def _spectrogram(figure: Figure, axes: Axes, found: Explanation) -> None:
    spec = found.heard.pipeline.spec.frontend
    rate, channels = spec.sample_rate_hz, spec.channels
    edge = (spec.window_samples - spec.step_samples) / 2 / rate
    step = spec.step_samples / rate
    for at, segment in enumerate(found.heard.segments):
        values = found.heard.features[at]
        left = segment.start_s + edge
        axes.imshow(
            values.T,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap="gray",
            vmin=0,
            vmax=255,
            extent=(left, left + len(values) * step, -0.5, channels - 0.5),
        )
    heat = _painted(found)
    reach = max(float(np.abs(heat).max()), 1e-6)
    first, last = (end / rate for end in found.heard.reach)
    image = axes.imshow(
        heat.T,
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
        cmap="RdBu",
        vmin=-reach,
        vmax=reach,
        alpha=np.abs(heat.T) / reach * 0.75,
        extent=(first, last, -0.5, channels - 0.5),
    )
    for window in found.windows:
        for end in found.seconds(window.stretch):
            axes.axvline(end, color=_WINDOW, linewidth=0.8)
    ticks = np.unique(np.linspace(0, channels - 1, _TICKS).round().astype(int))
    axes.set_yticks(ticks, [f"{hz:.0f}" for hz in channel_centres_hz(spec)[ticks]])
    axes.set_ylabel("channel centre (Hz)")
    axes.set_xlabel("time (s)")
    axes.set_xlim(0, len(found.heard.samples) / rate)
    axes.set_title("What the nets hear; blue speaks for the decision, red against it", loc="left", fontsize=9)
    figure.colorbar(image, ax=axes, label="log-odds lost when hidden", pad=0.01, fraction=0.04)


def _painted(found: Explanation) -> Floats:
    """The saliency map spread over frames and channels: the mean of the columns that hold a frame."""
    spec = found.heard.pipeline.spec.frontend
    first, last = found.heard.reach
    places = saliency_map(found)
    sums = np.zeros((max(1, (last - first) // spec.step_samples), spec.channels))
    counts = np.zeros(len(sums))
    for column, row in zip(found.columns, places, strict=True):
        covered = slice(
            (column.start - first) // spec.step_samples, -(-(column.end - first) // spec.step_samples)
        )
        counts[covered] += 1
        for (low, high), value in zip(found.heard.bands(), row, strict=True):
            sums[covered, low:high] += value
    painted: Floats = sums / np.maximum(counts, 1)[:, np.newaxis]
    return painted


def _cues(axes: Axes, found: Explanation) -> None:
    places = np.arange(len(CUES))[::-1]
    axes.set_yticks(places, [cue.title for cue in CUES])
    axes.set_xlim(-_FURTHEST, _FURTHEST)
    axes.axvline(0, color="0.2", linewidth=0.8)
    axes.set_xlabel("standard deviations from neutral speech")
    emotion = found.heard.recording.emotion
    for place, cue in zip(places, found.cues, strict=True):
        if cue.z is None:
            axes.text(
                0.1, place, "not measured" if cue.value is None else "not compared", va="center", size=8
            )
            continue
        verdict = found.verdict.cues.get(cue.name) if found.verdict else None
        colour = {"found": _FOR, "opposite": _AGAINST}.get(str(verdict), _OPEN)
        axes.barh(place, np.clip(cue.z, -_FURTHEST, _FURTHEST), color=colour, height=0.6)
        believed = cue.name in found.scores
        text = f"{round(cue.z, 1) + 0.0:+.1f}  {in_words(cue.name, cue.z) if believed else 'another level: not judged'}"
        expected = EXPECTED.get(emotion, {}).get(cue.name)
        if expected is not None and believed:
            text += f"  (expected: {('less', 'as neutral', 'more')[expected.direction + 1]}; {verdict})"
        beside: dict[str, Any] = {"x": 0.1, "ha": "left"} if cue.z < 0 else {"x": -0.1, "ha": "right"}
        axes.text(y=place, s=text, va="center", size=8, **beside)
    title = f"Inside the windows: {found.words}"
    if found.verdict is not None and found.verdict.expected:
        title += f" — {found.verdict.word} of {emotion} ({found.verdict.found} of {found.verdict.expected})"
    axes.set_title(title, loc="left", fontsize=9, wrap=True)
