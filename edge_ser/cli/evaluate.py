"""`edge-ser evaluate`: honest scores of a bundle, or of a system trained anew under a protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from edge_ser.cli.output import JsonFlag, emit, progress, say
from edge_ser.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge_ser.evaluation.exams import Exam
    from edge_ser.evaluation.trials import Trial

_Name = TypeVar("_Name", bound=str)


def evaluate(
    context: typer.Context,
    system: Annotated[
        Path, typer.Argument(metavar="BUNDLE|SPEC", help="A bundle to score, or a spec (.toml) to train.")
    ],
    corpus: Annotated[str, typer.Option(help="Layout of the test corpus; see: edge-ser corpus list")],
    root: Annotated[Path, typer.Option(help="Its folder.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="SPEC: a key of it, changed; repeatable."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="SPEC: loso, folds (if not given), split, or cross (needs --source).")
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="SPEC: folds, instead of the spec's.")] = None,
    seeds: Annotated[str, typer.Option(help="SPEC: seeds, a training per fold for each, e.g. 1,2,3.")] = "",
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="SPEC: learn from this corpus (too); repeatable."),
    ] = None,
    speech: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR", help="SPEC: learn what the teachers say of this speech; repeatable."
        ),
    ] = None,
    both_ways: Annotated[bool, typer.Option("--both-ways", help="cross: the other direction too.")] = False,
    classes: Annotated[str, typer.Option(help="SPEC: emotions; all that the corpora share if empty.")] = "",
    words_corpus: Annotated[
        str, typer.Option(help="SPEC: layout of the keyword corpus.")
    ] = "synthetic-words",
    words_root: Annotated[Path | None, typer.Option(help="SPEC: folder of the keyword corpus.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="SPEC: folder of results; resumes there.")
    ] = None,
    start: Annotated[
        list[Path] | None,
        typer.Option(
            help="SPEC: start every training from this bundle's acoustic net; repeated, the first seed from the first."
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="SPEC: a Dask scheduler that takes the folds, e.g. tcp://host:8786.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="SPEC: keep the trainings (large).")] = False,
    speakers: Annotated[str, typer.Option(help="BUNDLE: only these speakers.")] = "",
    taught_root: Annotated[
        Path | None, typer.Option(help="BUNDLE: folder of the corpus that taught it.")
    ] = None,
    stress: Annotated[str, typer.Option(help="BUNDLE: any of noise,level,channel.")] = "",
    noise_corpus: Annotated[
        str | None, typer.Option(help="BUNDLE: noise recordings too, e.g. esc-10.")
    ] = None,
    noise_root: Annotated[Path | None, typer.Option(help="BUNDLE: their folder.")] = None,
    level: Annotated[
        float | None, typer.Option(help="Bring every clip to this level first, dBFS, e.g. -26.")
    ] = None,
    backends: Annotated[str, typer.Option(help="Any of float,litert,tflm.")] = "float,litert,tflm",
    task: Annotated[str, typer.Option(help="emotion, or keyword: the keyword net alone.")] = "emotion",
    words: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="SPEC: further words, other speech or noise; repeatable."),
    ] = None,
    stream: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="keyword: false accepts in this sound; repeatable."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Folds, or clips, at a time.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Score a system on speakers that taught it nothing, beside a constant predictor and hand-crafted features.

    A bundle is scored as it ships. A spec is trained once per fold and seed, one JSON file each, so that a stopped
    evaluation goes on where it stopped. A speaker on both sides is an error (exit 2), a backend that computes other
    values than the bundle's golden vectors fails the check (exit 1).

    A teacher of the spec that has heard the test speakers would make scores worthless: of bundles and trainings that is
    checked, of other files it is what the spec declares, and it stands in the result.

    The keyword task trains and scores the keyword net alone: the publisher's parts where there are some (split), every
    fold of the speakers (folds), or --source teaches and --corpus is tested (cross).

    Example: edge-ser evaluate build/base/base.edgeser --corpus emo-db --root EMO-DB --stress noise,level
    Example: edge-ser evaluate models/base.toml --corpus emo-db --root EMO-DB --protocol loso --seeds 1,2,3
    --words-root SYNTHETIC -o build/loso
    Example: edge-ser evaluate models/crema-d.toml --set acoustic.mixing=none --corpus crema-d --root CREMA-D
    --words-root SYNTHETIC --seeds 1,2,3 -o build/no-mixing
    Example: edge-ser evaluate models/speech-commands.toml --task keyword --corpus speech-commands --root SC
    --words emospeech=EmoSpeech --words crema-d=CREMA-D --stream emo-db=EMO-DB --seeds 1,2,3 -o build/words
    """
    from edge_ser.cli.evaluate_tables import render_bundle, render_trial
    from edge_ser.cli.recorded import OUTPUT, corpus_place, recorded_command
    from edge_ser.evaluation.backends import BACKENDS

    chosen = _some(backends, BACKENDS, "--backends")
    if not chosen:
        message = f"--backends is empty; expected any of {','.join(BACKENDS)}"
        raise InputError(message)
    command = recorded_command(
        context,
        {
            "root": corpus_place(corpus),
            "words_root": corpus_place(words_corpus),
            "taught_root": "TAUGHT",
            "noise_root": corpus_place(noise_corpus or ""),
            "start": "START.edgeser",
            "output": OUTPUT,
            "scheduler": "SCHEDULER",
        },
    )
    if _some(task, ("emotion", "keyword"), "--task") == ("keyword",):
        _refuse(
            {
                "--both-ways": both_ways,
                "--speech": speech,
                "--classes": classes,
                "--words-root": words_root,
                "--scheduler": scheduler,
                "--speakers": speakers,
                "--taught-root": taught_root,
                "--stress": stress,
                "--noise-corpus": noise_corpus,
                "--noise-root": noise_root,
                "--level": level,
            },
            "goes with emotions, not with --task keyword (further words: --words NAME=DIR)",
        )
        from edge_ser.cli.evaluate_keyword import examine, train_and_score

        target = (corpus, root)
        others = tuple(_source(text, "--words") for text in words or ())
        free = tuple(_source(text, "--stream") for text in stream or ())
        if system.suffix != ".toml":
            _refuse(
                {
                    "--set": changes,
                    "--protocol": protocol,
                    "--folds": folds,
                    "--seeds": seeds,
                    "--source": source,
                    "--output": output,
                    "--keep": keep,
                },
                f"{system} is no spec (.toml); it goes with one",
            )
            examine(system, target, others, free, chosen, as_json)
            return
        if output is None:
            message = f"training {system} needs --output: the results of every fold are kept there"
            raise InputError(message)
        from edge_ser.evaluation.keyword_trials import KEYWORD_PROTOCOLS, KeywordTrial
        from edge_ser.spec_file import load_spec

        trial = KeywordTrial(
            spec=load_spec(system, changes or ()),
            protocol=_some(protocol or "split", KEYWORD_PROTOCOLS, "--protocol")[0],
            target=target,
            sources=tuple(_source(text) for text in source or ()),
            others=others,
            free=free,
            folder=output,
            seeds=_seeds(seeds or "1"),
            folds=folds,
            backends=chosen,
            jobs=jobs,
            keep=keep,
            command=command,
        )
        train_and_score(trial, as_json)
        return
    _refuse({"--stream": stream}, "goes with --task keyword")
    if system.suffix == ".toml":
        _refuse(
            {
                "--speakers": speakers,
                "--taught-root": taught_root,
                "--stress": stress,
                "--noise-corpus": noise_corpus,
                "--noise-root": noise_root,
            },
            f"{system} is a spec; it goes with a bundle",
        )
        if words_root is None or output is None:
            option, why = (
                ("--words-root", "keywords are learned too (edge-ser corpus synth makes some)")
                if words_root is None
                else ("--output", "the results of every fold are kept there")
            )
            message = f"training {system} needs {option}: {why}"
            raise InputError(message)
        from edge_ser.evaluation.protocols import PROTOCOLS
        from edge_ser.evaluation.trials import Trial
        from edge_ser.spec_file import load_spec

        asked = Trial(
            spec=load_spec(system, changes or ()),
            protocol=_some(protocol or "folds", PROTOCOLS, "--protocol")[0],
            target=(corpus, root),
            sources=tuple(_source(text) for text in source or ()),
            words=(words_corpus, words_root),
            more_words=tuple(_source(text, "--words") for text in words or ()),
            folder=output,
            seeds=_seeds(seeds or "1"),
            folds=folds,
            both_ways=both_ways,
            classes=_emotions(classes),
            level_dbfs=level,
            backends=chosen,
            jobs=jobs,
            scheduler=scheduler,
            keep=keep,
            command=command,
            starts=tuple(start or ()),
            speech=tuple(_source(text, "--speech") for text in speech or ()),
        )
        record = _trial_report(asked)
        emit(record, as_json, lambda: render_trial(record))
        return
    _refuse(
        {
            "--set": changes,
            "--protocol": protocol,
            "--folds": folds,
            "--seeds": seeds,
            "--source": source,
            "--speech": speech,
            "--both-ways": both_ways,
            "--classes": classes,
            "--words-root": words_root,
            "--words": words,
            "--output": output,
            "--start": start,
            "--scheduler": scheduler,
            "--keep": keep,
        },
        f"{system} is no spec (.toml); it goes with one",
    )
    if (noise_corpus is None) != (noise_root is None):
        message = "--noise-corpus and --noise-root go together; give both or neither"
        raise InputError(message)
    from edge_ser.bundle import read_bundle
    from edge_ser.evaluation.exams import Exam
    from edge_ser.evaluation.stress import KINDS

    exam = Exam(
        bundle=read_bundle(system),
        corpus=corpus,
        root=root,
        speakers=_names(speakers),
        taught_root=taught_root,
        level_dbfs=level,
        stress=_some(stress, KINDS, "--stress"),
        noises=(noise_corpus, noise_root) if noise_corpus and noise_root else None,
        backends=chosen,
        jobs=jobs,
        command=command,
    )
    record = _exam_report(exam)
    emit(record, as_json, lambda: render_bundle(record))
    if any(verdict["problem"] for verdict in record["golden"].values()):
        raise typer.Exit(1)


def _trial_report(trial: Trial) -> dict[str, Any]:
    from edge_ser.evaluation.trials import report

    return report(trial, progress, say)


def _exam_report(exam: Exam) -> dict[str, Any]:
    import tempfile

    from edge_ser.evaluation.exams import report

    with tempfile.TemporaryDirectory(prefix="edge-ser-evaluate-") as folder:
        return report(exam, Path(folder).resolve(), progress, say)


def _refuse(options: Mapping[str, object], why: str) -> None:
    given = [name for name, value in options.items() if value]
    if given:
        message = f"{given[0]}: {why}; leave it out"
        raise InputError(message)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _some(text: str, known: Sequence[_Name], option: str) -> tuple[_Name, ...]:
    """Names of a fixed set, in its order."""
    names = _names(text)
    for name in names:
        if name not in known:
            message = f"{option}: {name!r} is not known; expected any of {', '.join(known)}"
            raise InputError(message)
    return tuple(name for name in known if name in names)


def _emotions(text: str) -> tuple[str, ...]:
    from edge_ser.spec import EMOTIONS

    return _some(text, EMOTIONS, "--classes")


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(dict.fromkeys(int(seed) for seed in _names(text)))
    except ValueError:
        seeds = ()
    if not seeds or min(seeds) < 0:
        message = f"--seeds is {text!r}; expected whole numbers from 0, e.g. 1,2,3"
        raise InputError(message)
    return seeds


def _source(text: str, option: str = "--source") -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        message = f"{option} is {text!r}; expected NAME=DIR, e.g. crema-d=CREMA-D"
        raise InputError(message)
    return name, Path(folder)
