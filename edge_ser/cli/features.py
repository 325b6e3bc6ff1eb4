"""`edge-ser features`: the MicroFrontend spectrogram of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_ser.cli.output import JsonFlag, emit, table
from edge_ser.errors import InputError


def features(
    file: Annotated[Path, typer.Argument(help="A recording: wav, flac, ogg; any rate and channel count.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the array goes, a .npy file.")],
    spec: Annotated[
        Path | None,
        typer.Option(help="System spec to take the front end from.", show_default="default front end"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the features of a recording as a uint16 array (frames, channels).

    These are the numbers before the affine rule to the nets' uint8 input. The hash is the SHA-256 of the
    array's bytes, little-endian, row by row.

    Example: edge-ser features speech.wav -o speech.npy --spec models/base.toml
    """
    import io

    import numpy as np

    from edge_ser.audio import stream_audio
    from edge_ser.files import sha256_hex, write_atomically
    from edge_ser.frontend.stream import FrontendStream
    from edge_ser.frontend.tables import make_tables
    from edge_ser.spec import FrontendSpec
    from edge_ser.spec_file import load_spec

    frontend_spec = FrontendSpec() if spec is None else load_spec(spec).frontend
    stream = FrontendStream(make_tables(frontend_spec))
    blocks = stream_audio(file, frontend_spec.sample_rate_hz)
    array = np.concatenate([stream.feed(block) for block in blocks]).astype("<u2")
    if len(array) == 0:
        message = f"{file}: shorter than one window of {frontend_spec.window_ms} ms; give a longer recording"
        raise InputError(message)
    npy = io.BytesIO()
    np.save(npy, array)
    write_atomically(output, npy.getvalue())
    frames, channels = array.shape
    result = {"frames": frames, "channels": channels, "sha256": sha256_hex(array.tobytes())}
    emit(result, as_json, lambda: table(str(output), ["", ""], list(result.items())))
