"""`edge-ser train`: the keyword net, the acoustic net and the fusion head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, progress, say, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.corpora.manifest import Manifest


def train(
    spec_file: Annotated[Path, typer.Argument(metavar="SPEC", help="A system spec, e.g. models/base.toml.")],
    root: Annotated[Path, typer.Option(help="Folder of the emotion corpus.")],
    words_root: Annotated[Path, typer.Option(help="Folder of the keyword corpus.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder that takes everything made.")],
    corpus: Annotated[
        str, typer.Option(help="Layout of the emotion corpus; see: edge-ser corpus list")
    ] = "synthetic",
    words_corpus: Annotated[str, typer.Option(help="Layout of the keyword corpus.")] = "synthetic-words",
    seed: Annotated[int | None, typer.Option(help="Instead of the spec's seed.")] = None,
    test_fold: Annotated[int | None, typer.Option(help="Instead of the spec's test fold.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train both nets and the fusion head, and score them in float on speakers that nothing else has seen.

    What is done already is used again; a stopped training goes on where it stopped.

    Example: edge-ser train models/base.toml --corpus crema-d --root CREMA-D --words-root SYNTHETIC -o build/mine
    """
    from edge_ser.corpora.manifest import write_manifest
    from edge_ser.corpora.selection import emotion_manifest, keyword_manifest
    from edge_ser.files import write_json
    from edge_ser.spec_file import load_spec

    spec = load_spec(spec_file)
    if seed is not None:
        spec = replace(spec, training=replace(spec.training, seed=seed))
    if test_fold is not None:
        spec = replace(spec, corpora=replace(spec.corpora, test_fold=test_fold))
    emotions = emotion_manifest(spec, corpus, root.resolve())
    words = keyword_manifest(spec, words_corpus, words_root.resolve())
    output.mkdir(parents=True, exist_ok=True)
    write_manifest(emotions, output / "emotions.json")
    write_manifest(words, output / "words.json")
    say(
        f"training {spec.name} on {corpus}: {_sizes(emotions)}; keywords from {words_corpus}: {_sizes(words)}"
    )

    import numpy as np

    from edge_ser.evaluation.metrics import constant_score, score
    from edge_ser.training.segments import cut_segments
    from edge_ser.training.stages import result
    from edge_ser.training.system import train_system

    system = train_system(spec, emotions, words, output, progress)
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
    }
    np.save(output / "float-test-logits.npy", fused)
    write_json(output / "train.json", record)
    emit(record, as_json, lambda: _render(record))


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
