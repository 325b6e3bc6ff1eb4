"""One training, in a process of its own: ``python -m edge_ser.evaluation.child REQUEST.json``.

Evaluation itself never imports TensorFlow; this module does, inside its function and in its own process, through
the training and quantisation rooms. What it leaves is one bundle that carries its float nets beside the int8 ones.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_ser.bundle import Bundle, write_bundle
from edge_ser.bundle_float import float_members
from edge_ser.corpora.manifest import SPEECH, Manifest, read_manifest, write_manifest
from edge_ser.errors import CheckError, InputError, MissingError
from edge_ser.files import json_bytes, read_json, write_json
from edge_ser.provenance import commit, told_corpora, versions
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import spec_from_dict
from edge_ser.teacher_files import taught_corpora, told_teachers

BUNDLE = "fold.edgeser"
_LOG = "log.txt"
_ERRORS = {error.exit_code: error for error in (CheckError, InputError, MissingError)}


def train_fold(
    spec: SystemSpec,
    emotions: Manifest,
    words: Manifest,
    folder: Path,
    threads: int | None,
    start: Path | None = None,
    speech: Manifest | None = None,
) -> Path:
    """Train and quantise a system in a child process; what is done already is used again.

    Args:
        spec: the system, its seed in it.
        emotions: who trains, validates and tests.
        words: the keyword clips.
        folder: takes every stage's files, a log and the bundle.
        threads: of TensorFlow; ``None`` for as many as there are cores.
        start: a bundle whose acoustic net the training starts from.
        speech: what is heard without emotions besides.

    Returns:
        The bundle.

    Raises:
        CheckError, InputError, MissingError: as the child ended; its last line is the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(emotions, folder / "emotions.json")
    write_manifest(words, folder / "words.json")
    (folder / SPEECH).unlink(missing_ok=True)
    if speech is not None:
        write_manifest(speech, folder / SPEECH)
    request = folder / "request.json"
    write_json(request, {"spec": spec.to_dict(), "start": str(start) if start else None})
    launch("edge_ser.evaluation.child", request, threads)
    return folder / BUNDLE


def launch(module: str, request: Path, threads: int | None) -> None:
    """Run ``python -m MODULE REQUEST``; what it prints goes to a log beside the request.

    Args:
        module: one that ends in :func:`serve`.
        request: what it is asked for.
        threads: of TensorFlow; ``None`` for as many as there are cores.

    Raises:
        CheckError, InputError, MissingError: as the child ended; its last line is the message.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if threads is not None:
        counts = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        environment |= dict.fromkeys(counts, str(threads))
    command = [sys.executable, "-m", module, str(request)]
    path = request.parent / _LOG
    with path.open("wb") as log:
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, env=environment
        ).returncode
    if code != 0:
        raise _failure(code, path)


def _failure(code: int, log: Path) -> CheckError | InputError | MissingError:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1].removeprefix("edge-ser: ") if lines else "it printed nothing"
    # A traceback also ends with 1: only our own line is a check that failed.
    if code in _ERRORS and lines and lines[-1].startswith("edge-ser: "):
        return _ERRORS[code](last)
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
    return CheckError(f"the training process {how}; last words: {last}; all of them are in {log}")


def _work(request: Path) -> None:
    """The child's work."""
    from edge_ser.quantization.system import quantize_system
    from edge_ser.runtime.golden import golden_members
    from edge_ser.runtime.interpreters import output_quantization
    from edge_ser.runtime.pipeline import load_pipeline
    from edge_ser.training.float_system import weights_file
    from edge_ser.training.start import read_start
    from edge_ser.training.system import train_system
    from edge_ser.training.vad import vad_report

    folder = request.parent
    asked = read_json(request)
    spec = spec_from_dict(asked["spec"], source=str(request))
    emotions, words = read_manifest(folder / "emotions.json"), read_manifest(folder / "words.json")
    start = read_start(Path(asked["start"]), spec) if asked["start"] else None
    speech = read_manifest(folder / SPEECH) if (folder / SPEECH).exists() else None
    beside = speech.train if speech is not None else ()
    system = train_system(spec, emotions, words, folder, told, start, beside)
    with told("int8 conversion", 2) as advance:
        made = quantize_system(system, folder, output_quantization, advance)
    members = {
        **made.members(spec),
        **float_members(
            made.acoustic.float32, made.keyword.float32, system.fusion.weights, system.fusion.bias
        ),
    }
    if spec.training.acoustic.loss.ccc > 0:
        with told("ratings of the test clips, in float", len(emotions.test)):
            ratings = vad_report(system, weights_file(spec, folder, "acoustic").parent, emotions.test)
        if ratings is not None:
            members["reports/vad.json"] = json_bytes(ratings)
    provenance = {
        "corpora": {
            "emotions": told_corpora(emotions),
            "words": told_corpora(words),
            "start": list(start.corpora) if start is not None else [],
            "speech": told_corpora(speech) if speech is not None else [],
            "teachers": taught_corpora(told_teachers(spec, folder)),
        },
        "teachers": [*told_teachers(spec, folder), *(start.teachers if start is not None else ())],
        "synthetic": any(row["synthetic"] for row in told_corpora(emotions)),
        "seed": spec.training.seed,
        "params": system.params,
        "fusion": read_json(folder / "fusion" / "done.json"),
        "keras_difference": {
            "keyword": made.keyword.keras_difference,
            "acoustic": made.acoustic.keras_difference,
        },
        "commit": commit(),
        "versions": versions(),
    }
    bundle = Bundle(spec, members, provenance)
    pipeline = load_pipeline(bundle)
    golden = golden_members(pipeline, next(pipeline.segments([_samples(emotions, spec)])).samples)
    write_bundle(folder / BUNDLE, bundle.with_members(golden))


def _samples(emotions: Manifest, spec: SystemSpec) -> Any:
    from edge_ser.audio import read_audio

    clip = emotions.validation[0]
    return read_audio(clip.path, spec.frontend.sample_rate_hz, clip.start_s, clip.end_s)


@contextmanager
def told(description: str, _total: int) -> Iterator[Callable[[int], None]]:
    """One line per stage, for the log."""
    _say(f"{description} …")
    yield lambda _steps: None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def serve(work: Callable[[Path], None]) -> None:
    """The child: does the work of the request in its first argument; errors become one line and an exit code."""
    try:
        work(Path(sys.argv[1]))
    except (CheckError, InputError, MissingError) as error:
        _say(f"edge-ser: {error}")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    serve(_work)
