"""`edge-ser explain`: why a recording got its emotion, and over a corpus whether such explanations can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, progress
from edge_ser.errors import InputError

if TYPE_CHECKING:
    from edge_ser.bundle import Bundle
    from edge_ser.evaluation.explain_neutral import Neutral

_SEXES = ("f", "m")


def explain(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BUNDLE] FILE",
            help="A recording: wav, flac, ogg; any rate and channel count. A bundle (.edgeser) before it is taken "
            "instead of the shipped one.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.png", help="FILE: where a picture goes.")
    ] = None,
    windows: Annotated[int, typer.Option(min=1, max=50, help="Windows that are shown at most.")] = 5,
    start: Annotated[float, typer.Option(min=0.0, help="FILE: from this second on.")] = 0.0,
    end: Annotated[
        float | None, typer.Option(help="FILE: up to this second; at most 30 s are explained.")
    ] = None,
    sex: Annotated[
        str, typer.Option(help="FILE: of the speaker, f or m: F0 is then compared with the same.")
    ] = "",
    neutral: Annotated[
        str, typer.Option(metavar="CORPUS=DIR", help="Compare cues with neutral speech of this corpus.")
    ] = "",
    corpus: Annotated[
        str, typer.Option(help="Explain a corpus instead: its layout; see edge-ser corpus list")
    ] = "",
    root: Annotated[Path | None, typer.Option(help="--corpus: its folder.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="--corpus: so many clips, drawn at random.")
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="--corpus: random windows per clip; 10 if not given.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="--corpus: of all that is drawn; 1 if not given.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Clips at a time.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Show why a recording got its emotion: the windows it hangs on, and how the voice sounds inside them.

    Columns of frames and bands are hidden from the int8 net, one after the other, and what the decided class loses is
    counted. Inside the windows that matter most, F0, loudness, spectral slope, harmonics-to-noise ratio, jitter and
    shimmer are measured and compared with neutral speech of the training, and with what the literature expects.
    It says what the net leans on, not what a person feels.

    With --corpus: whether the score falls faster without the shown windows than without random ones, and how often the
    expected cues are found for right and for wrong decisions; only on speakers that taught the bundle nothing.

    Example: edge-ser explain call.wav -o why.png
    Example: edge-ser explain build/base/base.edgeser call.wav --sex f --neutral crema-d=CREMA-D --json
    Example: edge-ser explain --corpus emo-db --root EMO-DB --limit 100 --json
    """
    from edge_ser.bundle import read_bundle
    from edge_ser.bundle_shipped import shipped_bundle
    from edge_ser.cli.classify import is_bundle

    named = list(files or ())
    place = named.pop(0) if named and is_bundle(named[0]) else shipped_bundle()
    _check_use(named, corpus, root, sex, output)
    if corpus:
        _refuse({"--output": output, "--start": start, "--end": end, "--sex": sex}, "goes with a FILE")
    else:
        _refuse({"--limit": limit, "--draws": draws, "--seed": seed}, "goes with --corpus")
    if output is not None:
        from edge_ser.frontend.plot import require_matplotlib

        require_matplotlib()
    opened = read_bundle(place)
    usual = _usual(opened, neutral, jobs)
    if corpus and root is not None:
        from edge_ser.cli.explain_tables import render_corpus
        from edge_ser.cli.recorded import corpus_place, recorded_command
        from edge_ser.evaluation.explain_corpus import DRAWS, Study, study
        from edge_ser.runtime.recordings import load

        load(opened)
        asked = Study(
            bundle=opened,
            corpus=corpus,
            root=root,
            neutral=usual,
            limit=limit,
            windows=windows,
            draws=draws or DRAWS,
            seed=1 if seed is None else seed,
            jobs=jobs,
            command=recorded_command(context, {"root": corpus_place(corpus)}),
        )
        report = study(asked, progress)
        emit(report, as_json, lambda: render_corpus(report))
        return
    data = _file(opened, named[0], usual, (start, end), windows, sex, output)
    from edge_ser.cli.explain_tables import render_file

    emit(data, as_json, lambda: render_file(data))


def _file(
    bundle: Bundle,
    file: Path,
    usual: Neutral | None,
    stretch: tuple[float, float | None],
    windows: int,
    sex: str,
    output: Path | None,
) -> dict[str, Any]:
    from edge_ser.audio import audio_info, read_audio
    from edge_ser.evaluation.explain import LONGEST_S
    from edge_ser.evaluation.explain import explain as explained
    from edge_ser.handcrafted.frames import SAMPLE_RATE_HZ
    from edge_ser.runtime.recordings import load

    duration = audio_info(file).duration_s
    start, end = stretch
    last = min(duration if end is None else end, start + LONGEST_S)
    rate = bundle.spec.frontend.sample_rate_hz
    samples = read_audio(file, rate, start, last)
    voiced = None if rate == SAMPLE_RATE_HZ else read_audio(file, SAMPLE_RATE_HZ, start, last)
    found = explained(load(bundle), samples, usual, voiced=voiced, windows=windows, sex=sex)
    remarks = []
    if last < (duration if end is None else min(end, duration)):
        remarks.append(
            f"only {start:g} to {last:g} s of {duration:.1f} s are explained; other parts: --start, --end"
        )
    data: dict[str, Any] = {"file": str(file), "start": start, **found.to_dict()}
    data["remarks"] = [*remarks, *data["remarks"]]
    if output is not None:
        from edge_ser.evaluation.explain_plot import alt_text, draw_explanation
        from edge_ser.files import write_atomically

        write_atomically(output, draw_explanation(found, file.name))
        data["picture"] = {"file": str(output), "alt": alt_text(found, file.name)}
    return data


def _usual(bundle: Bundle, neutral: str, jobs: int) -> Neutral | None:
    from edge_ser.evaluation.explain_neutral import neutral_corpus, neutral_of

    if not neutral:
        return neutral_of(bundle)
    name, equals, folder = neutral.partition("=")
    if not (name and equals and folder):
        message = f"--neutral is {neutral!r}; expected CORPUS=DIR, e.g. crema-d=CREMA-D"
        raise InputError(message)
    return neutral_corpus(name, Path(folder), bundle.spec.frontend, progress, jobs)


def _check_use(named: list[Path], corpus: str, root: Path | None, sex: str, output: Path | None) -> None:
    if corpus and named:
        message = f"{named[0]}: --corpus explains a corpus; give it or one recording"
        raise InputError(message)
    if bool(corpus) != (root is not None):
        message = "--corpus and --root go together; give both or neither"
        raise InputError(message)
    if not corpus and len(named) != 1:
        message = f"{len(named)} recordings are named; expected one (edge-ser classify takes many)"
        raise InputError(message)
    if sex and sex not in _SEXES:
        message = f"--sex is {sex!r}; expected f or m, or leave it out"
        raise InputError(message)
    if output is not None and output.suffix.lower() != ".png":
        message = f"{output}: a picture is a PNG file; give it a name that ends in .png"
        raise InputError(message)


def _refuse(options: dict[str, object], why: str) -> None:
    given = [name for name, value in options.items() if value]
    if given:
        message = f"{given[0]}: {why}; leave it out"
        raise InputError(message)
