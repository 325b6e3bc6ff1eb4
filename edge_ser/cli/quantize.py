"""`edge-ser quantize`: int8 files, integer heads, golden vectors, and the bundle that holds them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_ser.cli.output import JsonFlag, emit, progress, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.corpora.manifest import Manifest
    from edge_ser.spec import SystemSpec


def quantize(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished training, e.g. build/base.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The bundle; FOLDER/NAME.edgeser if not given.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Quantise a trained system to int8 and write the bundle.

    The float nets go into the bundle too, to score beside int8 and to start another training from; they count for no
    budget and go to no board.

    The int8 files are scored by the pipeline that ships, on the same test clips as the float system.

    Example: edge-ser quantize build/base
    """
    import numpy as np

    # First: where the extra train is missing that is what has to be said, not a part of it.
    from edge_ser.quantization.system import quantize_system, require_device  # isort: skip

    from edge_ser.bundle import Bundle, write_bundle
    from edge_ser.bundle_card import CARD, model_card
    from edge_ser.bundle_curves import curve_members, read_curves
    from edge_ser.bundle_float import float_members, weights_members
    from edge_ser.corpora.manifest import SPEECH, read_manifest
    from edge_ser.errors import InputError
    from edge_ser.evaluation.clips import clip_scores
    from edge_ser.evaluation.explain_neutral import chosen_clips, measure_neutral, with_neutral
    from edge_ser.evaluation.metrics import score
    from edge_ser.files import json_bytes, read_json
    from edge_ser.runtime.golden import golden_members
    from edge_ser.runtime.interpreters import output_quantization
    from edge_ser.runtime.pipeline import load_pipeline
    from edge_ser.spec_file import spec_from_dict
    from edge_ser.training.float_system import load_system, weights_file

    if not (folder / "train.json").exists():
        message = f"{folder}: holds no finished training (no train.json); run: edge-ser train"
        raise InputError(message)
    trained = read_json(folder / "train.json")
    spec = spec_from_dict(trained["spec"], source=str(folder / "train.json"))
    require_device(spec)
    emotions, words = read_manifest(folder / "emotions.json"), read_manifest(folder / "words.json")
    speech = read_manifest(folder / SPEECH) if (folder / SPEECH).exists() else None
    with progress("int8 conversion", 2) as advance:
        system = load_system(spec, folder)
        quantized = quantize_system(system, folder, output_quantization, advance)
    floats = {
        **float_members(
            quantized.acoustic.float32, quantized.keyword.float32, system.fusion.weights, system.fusion.bias
        ),
        **weights_members(
            {
                "acoustic": weights_file(spec, folder, "acoustic"),
                "keyword": weights_file(spec, folder, "keyword"),
            }
        ),
    }
    bundle = Bundle(
        spec=spec,
        members={**quantized.members(spec), **floats},
        provenance=_provenance(trained, emotions, words, speech),
    )
    pipeline = load_pipeline(bundle)
    with progress("int8 on the test clips", len(emotions.test)) as advance:
        scores = clip_scores(pipeline, emotions.test, advance)
    classes = spec.acoustic.classes
    labels = np.array([classes.index(str(clip.emotion)) for clip in emotions.test])
    decided, in_float = scores.argmax(axis=1), np.load(folder / "float-test-logits.npy").argmax(axis=1)
    scored = score(labels, decided, [clip.speaker for clip in emotions.test], classes)
    report = {
        **quantized.report(),
        "synthetic": trained["synthetic"],
        "agreement": round(float((decided == in_float).mean()), 4),
        "drop": round(100 * (trained["float"]["macro_f1"] - scored.macro_f1), 2),
        "float": trained["float"],
        "int8": scored.to_dict(),
        "constant": trained["constant"],
    }
    members = {
        **golden_members(pipeline, next(pipeline.segments([_samples(emotions, spec)])).samples),
        "reports/train.json": json_bytes({key: value for key, value in trained.items() if key != "spec"}),
        "reports/quantize.json": json_bytes(report),
        **curve_members(read_curves(folder)),
    }
    target = output or folder / f"{spec.name}.edgeser"
    with progress("neutral speech of the training", len(chosen_clips(emotions.train))) as advance:
        neutral = measure_neutral(emotions.train, spec.frontend, advance)
    whole = bundle.with_members(members)
    if neutral is not None:
        whole = with_neutral(whole, neutral)
    write_bundle(target, whole.with_members({CARD: model_card(whole).encode()}))
    emit({"bundle": str(target), **report}, as_json, lambda: _render(report, target))


def _samples(emotions: Manifest, spec: SystemSpec) -> Any:
    from edge_ser.audio import read_audio

    clip = emotions.test[0]
    return read_audio(clip.path, spec.frontend.sample_rate_hz, clip.start_s, clip.end_s)


def _provenance(
    trained: dict[str, Any], emotions: Manifest, words: Manifest, speech: Manifest | None
) -> dict[str, Any]:
    from edge_ser.corpora.registry import layout
    from edge_ser.corpora.splits import PARTS
    from edge_ser.provenance import commit, told_corpora, versions
    from edge_ser.teacher_files import taught_corpora

    def corpus(manifest: Manifest) -> dict[str, Any] | list[dict[str, Any]]:
        # Several corpora, or one and copies of it.
        if "+" in manifest.corpus or len({clip.corpus for clip in manifest.clips}) > 1:
            return told_corpora(manifest)
        form = layout(manifest.corpus)
        return {
            "name": form.name,
            "licence": form.licence,
            "shippable": form.shippable,
            "protocol": manifest.protocol,
            "clips": {part: len(manifest.part(part)) for part in PARTS},
            "speakers": {part: list(manifest.speakers(part)) for part in PARTS},
        }

    start = trained.get("start") or {}
    return {
        "corpora": {
            "emotions": corpus(emotions),
            "words": corpus(words),
            "speech": told_corpora(speech) if speech is not None else [],
            "start": start.get("corpora", []),
            "teachers": taught_corpora(trained.get("teachers", [])),
        },
        # Whoever taught the start taught what came of it.
        "teachers": [*trained.get("teachers", []), *start.get("teachers", [])],
        "synthetic": trained["synthetic"],
        "seed": trained["spec"]["training"]["seed"],
        "params": trained["params"],
        "commit": commit(),
        "versions": versions(),
    }


def _render(report: dict[str, Any], target: Path) -> RenderableType:
    rows = [
        (name, f"{100 * report[key]['uar']:.1f}", f"{100 * report[key]['macro_f1']:.1f}")
        for name, key in (("float", "float"), ("int8, the files that ship", "int8"), ("constant", "constant"))
    ]
    rows.append(("same decision, float and int8", f"{100 * report['agreement']:.1f}", ""))
    note = " (synthetic)" if report["synthetic"] else ""
    return table(f"{target}: test speakers{note}", ("", "UAR %", "macro-F1 %"), rows)
