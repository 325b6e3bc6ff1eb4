"""A picture of a recording on its way through the front end: waveform, each stage, and what the nets see."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import MissingError
from edge_ser.frontend.quantize import quantize_features
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import FrontendTables, make_tables
from edge_ser.spec import FrontendSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_INCHES: Final = 11.0
_WAVEFORM_INCHES: Final = 1.5
_PANEL_INCHES: Final = 2.1
_DOTS_PER_INCH: Final = 120
_COLUMNS: Final = 2000
"""The waveform is drawn as the lowest and the highest sample of at most so many stretches."""
_FREQUENCY_TICKS: Final = 6


@dataclass(frozen=True, eq=False)
class _Panel:
    """One spectrogram.

    Attributes:
        title: what it shows.
        values: (frames, channels).
        scale: what the colours mean, with the unit.
        limits: lowest and highest value of the colours; ``None`` is what the values hold.
    """

    title: str
    values: NDArray[Any]
    scale: str
    limits: tuple[float, float] | None = None


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


def draw_features(spec: FrontendSpec, samples: NDArray[np.int16], heading: str) -> bytes:
    """Draw the stages that the spec has on.

    Args:
        spec: the front end.
        samples: int16 (n,), at least one window.
        heading: first line above the picture, e.g. the name of the recording.

    Returns:
        A PNG file.

    Raises:
        MissingError: matplotlib is not installed.
        InputError: ``samples`` has another type or shape.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tables = make_tables(spec)
    panels = list(_panels(spec, tables, samples))
    heights = [_WAVEFORM_INCHES] + [_PANEL_INCHES] * len(panels)
    figure = Figure(figsize=(_WIDTH_INCHES, sum(heights) + 0.8), dpi=_DOTS_PER_INCH, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    # A file's name may hold dollar signs, which are no formula, and what no font can draw.
    printable = "".join(letter if letter.isprintable() else "?" for letter in heading)
    figure.suptitle(f"{printable}\n{_describe(spec)}", fontsize=11, parse_math=False)
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _draw_waveform(axes[0], samples, spec.sample_rate_hz)
    for panel, place in zip(panels, axes[1:], strict=True):
        _draw_panel(figure, place, panel, spec)
    axes[-1].set_xlabel("time (s)")
    axes[-1].set_xlim(0, len(samples) / spec.sample_rate_hz)
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A letter of the file's name that the font lacks is drawn as a box; nobody needs to be warned of that.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        canvas.print_png(file)
    return file.getvalue()


def channel_centres_hz(spec: FrontendSpec) -> NDArray[np.float64]:
    """Where each triangle of the filter bank peaks: float64 (channels,), at equal distances in mel."""
    low, high = (1127 * np.log1p(hz / 700) for hz in (spec.lower_hz, spec.upper_hz))
    mel = np.linspace(low, high, spec.channels + 2)[1:-1]
    return np.asarray(700 * np.expm1(mel / 1127))


def _describe(spec: FrontendSpec) -> str:
    stages = {
        "noise reduction": spec.noise_reduction.enabled,
        "PCAN": spec.pcan.enabled,
        "log": spec.log.enabled,
    }
    return (
        f"{spec.sample_rate_hz:,} Hz, window {spec.window_ms} ms, step {spec.step_ms} ms, {spec.channels} channels "
        f"from {spec.lower_hz:g} to {spec.upper_hz:g} Hz; "
        + ", ".join(f"{name} {'on' if on else 'off'}" for name, on in stages.items())
    )


def _panels(spec: FrontendSpec, tables: FrontendTables, samples: NDArray[np.int16]) -> Iterator[_Panel]:
    trace = Frontend(tables).trace(samples)
    bank = _decibels(trace.filter_bank)
    # One scale before and after noise reduction, so that what is taken away can be seen.
    limits = (float(bank.min()), float(bank.max()))
    yield _Panel("Filter bank: root of the energy of each channel", bank, "dB above 1", limits)
    if trace.noise_reduction is not None:
        reduced = _decibels(trace.noise_reduction)
        yield _Panel("After noise reduction, colours as above", reduced, "dB above 1", limits)
    if trace.pcan is not None:
        yield _Panel("After PCAN (gain control)", _decibels(trace.pcan), "dB above 1/64")
    if trace.log is not None:
        factor = 1 << tables.log_shift
        yield _Panel(f"After the log: {factor} · ln of the stage above", trace.log, f"1/{factor} neper")
    low, high = tables.feature_low, tables.feature_high
    seen = quantize_features(trace.features, low, high)
    title = (
        f"Net input: feature {low} becomes 0, {high} becomes 255; "
        f"{np.mean(trace.features < low):.1%} of the values lie below, {np.mean(trace.features > high):.1%} above"
    )
    yield _Panel(title, seen, "uint8, 0 to 255", (0.0, 255.0))


def _decibels(signal: NDArray[np.uint32]) -> NDArray[np.float64]:
    """``20 log10`` of amplitudes; 0 is drawn as 1."""
    return np.asarray(20 * np.log10(np.maximum(signal, 1)))


def _draw_waveform(axes: Axes, samples: NDArray[np.int16], rate: int) -> None:
    stretch = -(-len(samples) // _COLUMNS)
    starts = np.arange(0, len(samples), stretch)
    lowest = np.minimum.reduceat(samples, starts)
    highest = np.maximum.reduceat(samples, starts)
    axes.fill_between(
        (starts + stretch / 2) / rate, lowest, highest, step="mid", linewidth=0.5, color="tab:blue"
    )
    peak = int(max(-int(samples.min()), int(samples.max())))
    axes.set_title(f"Waveform: peak {peak:,} of 32,768", loc="left", fontsize=10)
    axes.set_ylabel("int16 sample")
    axes.set_axisbelow(True)
    axes.grid(alpha=0.3)


def _draw_panel(figure: Figure, axes: Axes, panel: _Panel, spec: FrontendSpec) -> None:
    frames, channels = panel.values.shape
    low, high = panel.limits or (float(panel.values.min()), float(panel.values.max()))
    # Each frame is drawn around the middle of its window, as wide as a step.
    middle = spec.window_samples / 2 / spec.sample_rate_hz
    step = spec.step_samples / spec.sample_rate_hz
    image = axes.imshow(
        panel.values.T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        vmin=low,
        vmax=max(high, low + 1),
        extent=(middle - step / 2, middle + (frames - 0.5) * step, -0.5, channels - 0.5),
    )
    ticks = np.unique(np.linspace(0, channels - 1, _FREQUENCY_TICKS).round().astype(int))
    axes.set_yticks(ticks, [f"{hz:.0f}" for hz in channel_centres_hz(spec)[ticks]])
    axes.set_ylabel("channel centre (Hz)")
    axes.set_title(panel.title, loc="left", fontsize=10)
    figure.colorbar(image, ax=axes, label=panel.scale, pad=0.01, fraction=0.04)
