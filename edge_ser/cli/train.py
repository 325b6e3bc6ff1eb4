"""`edge-ser train`: the keyword net, the acoustic net and the fusion head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, progress, say, table
from edge_ser.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.corpora.manifest import Manifest
    from edge_ser.spec import SystemSpec
    from edge_ser.training.start import Start


def train(
    spec_file: Annotated[Path, typer.Argument(metavar="SPEC", help="A system spec, e.g. models/base.toml.")],
    root: Annotated[Path, typer.Option(help="Folder of the emotion corpus.")],
    words_root: Annotated[Path, typer.Option(help="Folder of the keyword corpus.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder that takes everything made.")],
    corpus: Annotated[
        str, typer.Option(help="Layout of the emotion corpus; see: edge-ser corpus list")
    ] = "synthetic",
    words_corpus: Annotated[str, typer.Option(help="Layout of the keyword corpus.")] = "synthetic-words",
    more_words: Annotated[
        list[str] | None,
        typer.Option(
            "--words", metavar="NAME=DIR", help="Further words, other speech or noise for them; repeatable."
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR", help="A further emotion corpus that only teaches, where it knows the classes."
        ),
    ] = None,
    speech: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR",
            help="Speech of any corpus, emotions or not: what the teachers say of it is learned; repeatable.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the spec's seed.")] = None,
    test_fold: Annotated[int | None, typer.Option(help="Instead of the spec's test fold.")] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            help="A bundle whose acoustic net to start from: a small corpus learns more from there."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A key of the spec, changed; repeatable."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train both nets and the fusion head, and score them in float on speakers that nothing else has seen.

    What is done already is used again; a stopped training goes on where it stopped.

    Example: edge-ser train models/base.toml --corpus crema-d --root CREMA-D --words-root SYNTHETIC -o build/mine
    """
    from edge_ser.corpora.manifest import SPEECH, write_manifest
    from edge_ser.corpora.selection import emotion_manifest, keyword_manifest
    from edge_ser.files import write_json
    from edge_ser.spec import FLOAT_ONLY_MIXING
    from edge_ser.spec_file import load_spec
    from edge_ser.spec_training_rules import require_taught_speech

    spec = load_spec(spec_file, changes or ())
    if spec.acoustic.mixing == FLOAT_ONLY_MIXING:
        say(
            f"acoustic.mixing is {FLOAT_ONLY_MIXING!r}, the float reference: it is trained and scored in float here, "
            "and edge-ser quantize will make no bundle of it"
        )
    if seed is not None:
        spec = replace(spec, training=replace(spec.training, seed=seed))
    if test_fold is not None:
        spec = replace(spec, corpora=replace(spec.corpora, test_fold=test_fold))
    emotions = _taught_besides(
        spec,
        emotion_manifest(spec, corpus, root.resolve()),
        [_place(text, "--source") for text in source or ()],
    )
    words = (
        _merged(spec, emotions, [(words_corpus, words_root), *(_place(text) for text in more_words)], output)
        if more_words
        else keyword_manifest(spec, words_corpus, words_root.resolve())
    )
    heard = _heard(emotions, [_place(text, "--speech") for text in speech or ()])
    require_taught_speech(spec, len(heard.train) if heard else 0)
    output.mkdir(parents=True, exist_ok=True)
    write_manifest(emotions, output / "emotions.json")
    (output / SPEECH).unlink(missing_ok=True)
    if heard is not None:
        write_manifest(heard, output / SPEECH)
        say(f"{len(heard.train)} clips of {len(heard.speakers('train'))} speakers are heard without emotions")
    write_manifest(words, output / "words.json")
    say(
        f"training {spec.name} on {emotions.corpus}: {_sizes(emotions)}; keywords from {words.corpus}: {_sizes(words)}"
    )

    import numpy as np

    from edge_ser.evaluation.metrics import constant_score, score
    from edge_ser.teacher_files import told_teachers
    from edge_ser.training.float_system import weights_file
    from edge_ser.training.segments import cut_segments
    from edge_ser.training.stages import result
    from edge_ser.training.start import read_start
    from edge_ser.training.system import train_system
    from edge_ser.training.vad import vad_report

    begun = read_start(start, spec) if start is not None else None
    if begun is not None:
        _check_tested(emotions, begun)
    beside = heard.train if heard else ()
    system = train_system(spec, emotions, words, output, progress, begun, beside)
    with progress("test segments", len(emotions.test)) as advance:
        test = cut_segments(spec, emotions.test, advance)
    fused, alone = system.logits(test)
    classes = spec.acoustic.classes
    commonest = int(np.bincount(_labels(emotions, classes)).argmax())
    scored = score(test.labels, fused.argmax(axis=1), test.speakers, classes)
    record: dict[str, Any] = {
        "spec": spec.to_dict(),
        "synthetic": corpus.startswith("synthetic"),
        "params": system.params,
        "uar": round(scored.uar, 4),
        "macro_f1": round(scored.macro_f1, 4),
        "float": scored.to_dict(),
        "acoustic_alone": score(test.labels, alone.argmax(axis=1), test.speakers, classes).to_dict(),
        "constant": {
            "label": classes[commonest],
            **constant_score(test.labels, test.speakers, classes, commonest).to_dict(),
        },
        "keyword": result(output / "keyword"),
        "fusion": result(output / "fusion"),
        "teachers": told_teachers(spec, output),
        "vad": vad_report(system, weights_file(spec, output, "acoustic").parent, emotions.test)
        if spec.training.acoustic.loss.ccc > 0
        else None,
        "start": {
            "build_id": begun.build_id,
            "corpora": list(begun.corpora),
            "teachers": list(begun.teachers),
        }
        if begun is not None
        else None,
    }
    np.save(output / "float-test-logits.npy", fused)
    write_json(output / "train.json", record)
    emit(record, as_json, lambda: _render(record))


def _check_tested(emotions: Manifest, start: Start) -> None:
    """Refuse a start that learned from somebody whom this training tests.

    Raises:
        InputError: it did.
    """
    from edge_ser.evaluation.learned import family

    taught = {
        (family(str(one["name"])), speaker)
        for one in start.corpora
        for part in ("train", "validation")
        for speaker in one["speakers"].get(part, ())
    }
    seen = sorted(clip.speaker for clip in emotions.test if (family(clip.corpus), clip.speaker) in taught)
    if seen:
        message = (
            f"--start: the bundle learned from speaker {seen[0]}, whom this training tests; start from a bundle that "
            "learned from other speakers"
        )
        raise InputError(message)


def _taught_besides(spec: SystemSpec, emotions: Manifest, sources: list[tuple[str, Path]]) -> Manifest:
    """The manifest with the clips of other corpora that show one of its emotions in its training part."""
    from edge_ser.corpora.registry import is_nameless, read_clips
    from edge_ser.evaluation.protocols import Corpus, Fold, taught_besides

    classes = spec.acoustic.classes
    target = Corpus(emotions.corpus, emotions.root, emotions.clips)
    others = []
    for name, root in sources:
        home = root.resolve()
        clips = tuple(
            clip
            for clip in read_clips(name, home)
            if clip.emotion in classes and clip.speaker and not is_nameless(clip)
        )
        if not clips:
            message = f"--source {name}: has no clip of {', '.join(classes)}; leave it out"
            raise InputError(message)
        others.append(Corpus(name, home, clips))
    (fold,) = taught_besides([Fold("train", emotions.corpus, emotions)], target, others, spec.corpora)
    return fold.manifest


def _heard(emotions: Manifest, places: list[tuple[str, Path]]) -> Manifest | None:
    """The clips of known speakers that are heard without their emotions; ``None`` where none are asked for."""
    from edge_ser.evaluation.protocols import known_speakers, speech_beside

    return speech_beside(emotions, [known_speakers(*place) for place in places]) if places else None


def _merged(spec: SystemSpec, emotions: Manifest, places: list[tuple[str, Path]], output: Path) -> Manifest:
    """Keyword clips of several corpora, none of a speaker whom the emotions test."""
    from edge_ser.corpora.keywords import within
    from edge_ser.evaluation.protocols import Fold, words_for

    words = within(spec, places, (output / "quiet").resolve())
    return words_for(Fold("train", emotions.corpus, emotions), words)


def _place(text: str, option: str = "--words") -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        message = f"{option} is {text!r}; expected NAME=DIR, e.g. crema-d=CREMA-D"
        raise InputError(message)
    return name, Path(folder)


def _sizes(manifest: Manifest) -> str:
    from edge_ser.corpora.splits import PARTS

    return ", ".join(
        f"{len(manifest.part(part))} {part} clips of {len(manifest.speakers(part))} speakers"
        for part in PARTS
    )


def _labels(manifest: Manifest, classes: tuple[str, ...]) -> list[int]:
    """Training labels: the constant predictor's class may be learned there, not on the test."""
    return [classes.index(str(clip.emotion)) for clip in manifest.train]


def _render(record: dict[str, Any]) -> RenderableType:
    rows = [
        (name, f"{100 * record[key]['uar']:.1f}", f"{100 * record[key]['macro_f1']:.1f}")
        for name, key in (
            ("float, fused", "float"),
            ("float, acoustic alone", "acoustic_alone"),
            (f"constant ({record['constant']['label']})", "constant"),
        )
    ]
    note = " (synthetic: says that the line works, not how good the model is)" if record["synthetic"] else ""
    return table(
        f"{record['spec']['name']}: {record['params']:,} parameters, test speakers{note}",
        ("", "UAR %", "macro-F1 %"),
        rows,
    )
