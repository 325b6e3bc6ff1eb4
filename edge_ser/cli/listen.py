"""`edge-ser listen`: emotion as it is spoken, from the microphone or from a recording that plays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import say, table
from edge_ser.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_ser.audio_live import Source
    from edge_ser.bundle import Bundle
    from edge_ser.cli.listen_show import Show
    from edge_ser.runtime.session import Session, Summary
    from edge_ser.runtime.stream_system import StreamSystem

_DRAW_S = 1 / 8
"""How often the view is drawn at least."""
_LONGEST_LATENCY_MS = 60_000.0


def listen(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="A bundle (.edgeser); the shipped one if not given."),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Play this recording instead, at real-time speed."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NUMBER|NAME", help="Which microphone; a part of its name will do."),
    ] = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="Print the microphones and end.")
    ] = False,
    hop: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="From one decision to the next; as in the bundle if not given."),
    ] = None,
    gate: Annotated[
        float | None,
        typer.Option(
            metavar="DBFS", help="Quieter segments run no net, e.g. -45; 0: no gate; else the bundle's."
        ),
    ] = None,
    latency: Annotated[
        float,
        typer.Option(
            metavar="MS",
            min=0,
            max=_LONGEST_LATENCY_MS,
            help="Imitate a slow board: a decision takes at least that long.",
        ),
    ] = 0.0,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE.wav", help="Keep what was heard; else nothing is kept.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print one JSON object per decision on standard output, nothing else there."
        ),
    ] = False,
) -> None:
    """Hear emotion live; Ctrl-C ends it and prints a summary.

    Plain lines, and "emotion", "scores" and "keyword" of --json, are what edge-ser classify says of the same audio:
    every segment by itself. The live view's big word and bars, and "shown" and "smoothed" of --json, are what the
    stream table of the bundle's spec makes of that by smoothing and hysteresis; the shipped bundle does neither, so
    that both are the same. A segment in which the gate never opened has no scores.

    Audio stays in this process and is not kept, unless --record says so. Where it comes faster than it is understood,
    5 s of it wait, then blocks are dropped; they are counted, and the next decision begins behind the gap.

    Example: edge-ser listen
    Example: edge-ser listen --from call.wav --json
    Example: edge-ser listen build/base/base.edgeser --device usb --hop 0.5 --gate -45
    """
    if list_devices:
        _list_devices(as_json)
        return
    _check(bundle, from_file, device, record)
    from edge_ser.bundle import read_bundle
    from edge_ser.bundle_shipped import shipped_bundle
    from edge_ser.cli.listen_record import recorder
    from edge_ser.cli.listen_show import open_show
    from edge_ser.runtime.golden import check_golden
    from edge_ser.runtime.live import tuned
    from edge_ser.runtime.pipeline import load_pipeline
    from edge_ser.runtime.session import Session
    from edge_ser.runtime.stream_system import stream_system

    opened = read_bundle(bundle or shipped_bundle())
    system = tuned(stream_system(opened), hop, gate)
    source = _source(from_file, device, opened)
    pipeline = load_pipeline(opened)
    check_golden(opened, pipeline)
    _warn(opened, system, latency)
    with recorder(record, source.sample_rate_hz) as kept:
        session = Session(source, pipeline, system, latency / 1000, kept)
        with session:
            say(f"listening to {source.name}; Ctrl-C ends it")
            with open_show(as_json, source, pipeline.spec, system) as show, _stopped_by_signals(session):
                _show_all(session, show)
        summary = session.summary()
    for line in _summary_lines(summary, record):
        say(line)
    if session.problem is not None:
        raise session.problem


def _show_all(session: Session, show: Show) -> None:
    try:
        while not session.over:
            decision = session.next(_DRAW_S)
            if decision is not None:
                show.decision(decision, session)
            show.draw(session)
    except BrokenPipeError:
        session.stop()  # whoever read the lines has enough


def _stopped_by_signals(session: Session) -> Any:
    """Ctrl-C and SIGTERM end the session in order; a second Ctrl-C ends the process as it usually does."""
    import signal
    import threading
    from contextlib import contextmanager

    @contextmanager
    def handled() -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread gets signals
            return

        def stop(number: int, _frame: object) -> None:
            signal.signal(number, before[signal.Signals(number)])
            session.stop()

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    return handled()


def _check(bundle: Path | None, from_file: Path | None, device: str | None, record: Path | None) -> None:
    if from_file is not None and device is not None:
        message = f"--from {from_file} and --device {device}; expected one of them"
        raise InputError(message)
    if from_file is not None and record is not None and record.resolve() == from_file.resolve():
        message = f"--record {record}: is the recording that is played; name another file"
        raise InputError(message)
    if record is not None and record.suffix.lower() != ".wav":
        message = f"--record {record}: expected a name that ends in .wav"
        raise InputError(message)
    if bundle is not None and bundle.is_file():
        from edge_ser.cli.classify import is_bundle

        if not is_bundle(bundle):
            message = (
                f"{bundle}: not a bundle (.edgeser); to hear a recording: edge-ser listen --from {bundle}"
            )
            raise InputError(message)


def _source(from_file: Path | None, device: str | None, bundle: Bundle) -> Source:
    rate = bundle.spec.frontend.sample_rate_hz
    if from_file is not None:
        from edge_ser.audio_live import PacedFile

        return PacedFile(from_file, rate)
    from edge_ser.microphone import Microphone

    return Microphone(device, rate)


def _warn(bundle: Bundle, system: StreamSystem, latency_ms: float) -> None:
    from edge_ser.runtime.live import why_not_as_classify

    why = why_not_as_classify(bundle.spec)
    if why:
        say(f"warning: the scores are not those of edge-ser classify: {why}, as on the board")
    hop_ms = 1000 * system.schedule.hop_frames * system.tables.step_samples / system.tables.sample_rate_hz
    if latency_ms > hop_ms:
        say(
            f"warning: --latency {latency_ms:g} is longer than the hop of {hop_ms:g} ms: blocks will be dropped"
        )


def _list_devices(as_json: bool) -> None:
    from dataclasses import asdict

    from edge_ser.cli.output import emit
    from edge_ser.microphone import input_devices

    devices = input_devices()
    rows = [
        (device.index, device.name, device.host, device.channels, device.sample_rate_hz, "yes" * device.usual)
        for device in devices
    ]
    columns = ("number", "name", "sound system", "channels", "Hz", "usual one")
    data = {"devices": [asdict(device) for device in devices]}
    emit(data, as_json, lambda: table("microphones", columns, rows))


def _summary_lines(summary: Summary, record: Path | None) -> Iterator[str]:
    losses = summary.losses
    silent = f", {summary.silent} of them silent" if summary.silent else ""
    yield f"decisions: {summary.decisions}{silent}, in {summary.heard_s:.1f} s of audio"
    said = sum(summary.emotions.values())
    if said:
        shares = ", ".join(f"{label} {100 * count / said:.0f} %" for label, count in summary.emotions.items())
        yield f"emotions: {shares}"
    if summary.delay_ms is not None:
        middle, most = summary.delay_ms
        yield f"delay from the end of the audio: p50 {middle:.1f} ms, p95 {most:.1f} ms"
    lost = f"dropped blocks: {losses.blocks}"
    if losses.blocks:
        lost += f" ({losses.seconds:.1f} s of audio)"
    if losses.overflows:
        lost += f"; the sound system lost audio {losses.overflows} times"
    yield f"{lost}; {summary.gaps} decisions behind a gap" if summary.gaps else lost
    if record is not None:
        yield f"{record} written"
