"""`edge-ser features`: the MicroFrontend spectrogram of a recording, as numbers and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, table
from edge_ser.errors import InputError

if TYPE_CHECKING:
    from edge_ser.spec import FrontendSpec

_DRAWN_S = 30.0
"""A picture shows at most so much from the start: what is longer could not be told apart on it."""


def features(
    file: Annotated[Path, typer.Argument(help="A recording: wav, flac, ogg; any rate and channel count.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the array goes, a .npy file.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Where a picture goes, a .png file; of a long recording, its first 30 s."),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(help="System spec to take the front end from.", show_default="default front end"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the features of a recording as a uint16 array (frames, channels), draw them, or both.

    The array holds the numbers before the affine rule to the nets' uint8 input. The hash is the SHA-256 of
    its bytes, little-endian, row by row. The picture shows the waveform, the spectrogram after each stage
    that the spec has on, and the uint8 input that the nets see.

    Example: edge-ser features speech.wav -o speech.npy --plot speech.png --spec models/base.toml
    """
    import io

    import numpy as np

    from edge_ser.files import sha256_hex, write_atomically
    from edge_ser.frontend.recordings import features as features_of
    from edge_ser.spec import FrontendSpec
    from edge_ser.spec_file import load_spec

    if output is None and plot is None:
        message = "features: nothing to write; give -o OUT.npy, --plot OUT.png or both"
        raise InputError(message)
    if plot is not None:
        _check_drawing(plot)
    frontend_spec = FrontendSpec() if spec is None else load_spec(spec).frontend
    array = features_of(file, frontend_spec).astype("<u2")
    frames, channels = array.shape
    result: dict[str, Any] = {"frames": frames, "channels": channels, "sha256": sha256_hex(array.tobytes())}
    if output is not None:
        npy = io.BytesIO()
        np.save(npy, array)
        write_atomically(output, npy.getvalue())
    if plot is not None:
        result["plotted_s"] = _draw(file, frontend_spec, plot)
    written = " and ".join(str(path) for path in (output, plot) if path is not None)
    emit(result, as_json, lambda: table(written, ["", ""], list(result.items())))


def _check_drawing(plot: Path) -> None:
    from edge_ser.frontend.plot import require_matplotlib

    if plot.suffix.lower() != ".png":
        message = f"{plot}: a picture is a PNG file; give it a name that ends in .png"
        raise InputError(message)
    require_matplotlib()


def _draw(file: Path, spec: FrontendSpec, plot: Path) -> float:
    """Write the picture; gives how many seconds of the recording are on it."""
    from edge_ser.audio import audio_info, read_audio
    from edge_ser.files import write_atomically
    from edge_ser.frontend.plot import draw_features

    duration = audio_info(file).duration_s
    shown = min(duration, _DRAWN_S)
    samples = read_audio(file, spec.sample_rate_hz, end_s=shown)
    cut = f"the first {shown:g} s of " if shown < duration else ""
    write_atomically(plot, draw_features(spec, samples, f"{file.name}: {cut}{duration:,.2f} s"))
    return round(shown, 3)
