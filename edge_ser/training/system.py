"""Training of a whole system: keyword net, acoustic net, fusion head, each a stage of its own that resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.splits import PARTS
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.keyword import build_keyword
from edge_ser.networks.layers import computed_in
from edge_ser.provenance import code_digest
from edge_ser.quantization.aware import train_aware
from edge_ser.spec import SystemSpec
from edge_ser.spec_training_rules import require_start, require_taught_speech
from edge_ser.teacher_files import find_teachers
from edge_ser.training import stages
from edge_ser.training.affect import affect_targets
from edge_ser.training.alignment import aligned_head
from edge_ser.training.crossfit import (
    CONTROLS,
    HeldOut,
    check_not_heard,
    cross_fit,
    fit_with_controls,
    unfitted,
)
from edge_ser.training.examples import (
    UNLABELLED,
    Epochs,
    Example,
    place_centred,
)
from edge_ser.training.first_pass import second_pass
from edge_ser.training.float_system import (
    HEAD,
    FloatKeyword,
    FloatSystem,
    NetName,
    alone_head,
    aware_folder,
    classifier_head,
    control_files,
    embeddings_of,
    load_net,
    load_system,
    refitted_file,
    words_head,
    words_probe_file,
)
from edge_ser.training.fusion import coverage_thresholds
from edge_ser.training.loop import WEIGHTS, Validation, train_net
from edge_ser.training.prepared import Labelled, Progress, calibration_inputs, prepare_examples
from edge_ser.training.probing import fit_probe, fit_words_probe
from edge_ser.training.segments import Segments, cut_segments
from edge_ser.training.start import Start
from edge_ser.training.targets import soft_targets
from edge_ser.training.teaching import Teaching, hear_teachers, learn_vector

_KEYWORD_CONTEXT_S = 0.4
"""Surroundings kept around a word, so that its one-second window holds what the device would hear."""

_KEYWORD_DROPOUT = 0.1


def train_keyword(spec: SystemSpec, words: Manifest, folder: Path, progress: Progress) -> FloatKeyword:
    """Train the keyword net alone; the same stages as in :func:`train_system`, kept in ``folder``."""
    _train_keyword(spec, words, folder, progress)
    keyword = load_net(spec, "keyword", folder)
    return FloatKeyword(spec, keyword, words_head(spec, keyword, folder))


def train_system(
    spec: SystemSpec,
    emotions: Manifest,
    words: Manifest,
    folder: Path,
    progress: Progress,
    start: Start | None = None,
    speech: Sequence[Clip] = (),
) -> FloatSystem:
    """Train the keyword net, the acoustic net and the fusion head.

    Args:
        spec: the system.
        emotions: clips with an emotion of ``spec.acoustic.classes``.
        words: clips with a keyword of ``spec.keyword.classes``.
        folder: takes every stage's files; a stopped training resumes from them.
        progress: shows what is going on.
        start: an acoustic net to start from; ``None`` starts from random weights.
        speech: clips that are heard without an emotion: the acoustic net learns what its teachers say of them.

    Returns:
        The trained system, also kept in ``folder`` for :func:`load_system`.

    Raises:
        InputError: a teacher cannot be used, or has heard somebody whom this training tests; a clip cannot be read;
            the net shall stay as it starts, and nothing to start from is named; or nothing teaches ``speech``.
        MissingError: a package that a teacher needs is not installed.
    """
    require_start(spec, start)
    require_taught_speech(spec, len(speech))
    # Before anything that takes long: most that can be wrong with a teacher shows here.
    teachers = find_teachers(spec, emotions)
    taught = _taught(spec, emotions)
    teaching = hear_teachers(spec, teachers, taught, speech, folder, progress)
    _train_keyword(spec, words, folder, progress)
    with progress("validation segments", len(emotions.validation)) as advance:
        validation = cut_segments(spec, emotions.validation, advance)
    _train_acoustic(spec, taught, speech, validation, folder, progress, start, teaching)
    _refit(spec, taught, folder, progress)
    _fit_fusion(spec, emotions, validation, folder, progress, start)
    return load_system(spec, folder)


def _taught(spec: SystemSpec, emotions: Manifest) -> Sequence[Clip]:
    """The clips that teach the acoustic net."""
    return (*emotions.train, *emotions.validation) if spec.corpora.validation_teaches else emotions.train


def _train_keyword(spec: SystemSpec, words: Manifest, folder: Path, progress: Progress) -> None:
    index = {word: at for at, word in enumerate(spec.keyword.classes)}
    parts: Labelled = {
        part: (words.part(part), [index[str(clip.keyword)] for clip in words.part(part)]) for part in PARTS
    }
    recipe, seed = spec.training.keyword, spec.training.seed
    examples, examples_key = prepare_examples(
        spec, parts, recipe, _KEYWORD_CONTEXT_S, folder / "keyword-examples", progress
    )
    stage = folder / "keyword"
    code = code_digest(stages.NET_CODE)
    # The same net, whether its classifier is fitted again or not.
    wanted = asdict(replace(spec.keyword, probe=False))
    key = stages.digest([wanted, asdict(recipe), seed, examples_key, code])
    frames = spec.keyword_frames
    epochs = Epochs(examples["train"], len(index), frames, recipe, spec.frontend, seed, centred=True)
    if not stages.is_done(stage, key):
        validation, test = _centred(examples["validation"], frames), _centred(examples["test"], frames)
        keras.utils.set_random_seed(seed)
        with progress("keyword net", recipe.epochs) as advance, computed_in(recipe.precision):
            model = train_net(
                build_keyword(spec), epochs, validation, recipe, _KEYWORD_DROPOUT, seed, stage, advance
            )
        inputs = test.features[..., np.newaxis] / np.float32(255)
        decided = model.predict(inputs, batch_size=256, verbose=0).argmax(axis=1)
        scores = {
            "test_clips": len(test.labels),
            "test_accuracy": round(float((decided == test.labels).mean()), 4),
            "test_uar": round(float(balanced_accuracy_score(test.labels, decided)), 4),
        }
        stages.mark_done(stage, scores)
    _train_aware(spec, "keyword", epochs, key, folder, progress)
    _refit_words(spec, examples, key, folder)


def _refit_words(
    spec: SystemSpec, examples: Mapping[str, Sequence[Example]], trained: str, folder: Path
) -> None:
    """Fit the keyword classifier again, where the spec asks for it; ``trained`` is the key of the net."""
    kept = words_probe_file(spec, folder)
    if kept is None:
        return
    key = stages.digest([trained, asdict(spec.quantization), code_digest(stages.PROBE_CODE)])
    if stages.is_done(kept.parent, key):
        return
    keyword, frames = load_net(spec, "keyword", folder), spec.keyword_frames
    versions = [
        (place_centred(version, focus, frames), one.label)
        for one in examples["train"]
        for version, focus in zip(one.versions, one.focuses, strict=True)
    ]
    watched = _centred(examples["validation"], frames)
    head, strength = fit_words_probe(
        embeddings_of(keyword, np.stack([features for features, _ in versions])),
        np.array([label for _, label in versions], dtype=np.int64),
        embeddings_of(keyword, watched.features),
        watched.labels,
        len(spec.keyword.classes),
    )
    head.save(kept)
    stages.mark_done(kept.parent, {"strength": strength})


def _centred(examples: Sequence[Example], frames: int) -> Validation:
    return Validation(
        np.stack([place_centred(one.versions[0], one.focuses[0], frames) for one in examples]),
        np.array([one.label for one in examples], dtype=np.int64),
    )


def _train_acoustic(
    spec: SystemSpec,
    labelled: Sequence[Clip],
    speech: Sequence[Clip],
    validation: Segments,
    folder: Path,
    progress: Progress,
    start: Start | None,
    teaching: Teaching,
) -> None:
    index = {name: at for at, name in enumerate(spec.acoustic.classes)}
    labels = [index[str(clip.emotion)] for clip in labelled] + [UNLABELLED] * len(speech)
    parts: Labelled = {"train": ((*labelled, *speech), labels)}
    recipe, seed = spec.training.acoustic, spec.training.seed
    examples, examples_key = prepare_examples(
        spec, parts, recipe, 0.0, folder / "acoustic-examples", progress
    )
    stage = folder / "acoustic"
    code = code_digest(stages.NET_CODE)
    targets = np.pad(
        soft_targets(labelled, spec.acoustic.classes, recipe.soft_labels), ((0, len(speech)), (0, 0))
    )
    affect = affect_targets(labelled, recipe.loss, recipe.epochs)
    beside = affect.columns(0).tolist() if affect is not None else []
    taught = stages.digest([targets.tolist(), beside])
    begun = [start.digest if start is not None else None, teaching.key]
    key = stages.digest([asdict(spec.acoustic), asdict(recipe), seed, examples_key, taught, begun, code])
    epochs = Epochs(
        examples["train"],
        len(index),
        spec.segment_frames,
        recipe,
        spec.frontend,
        seed,
        centred=False,
        targets=targets,
        affect=affect,
        normalisation=spec.acoustic.normalisation,
    )
    if recipe.rebalance.epochs:
        with progress("first pass", recipe.rebalance.epochs) as advance:
            again, found = second_pass(
                spec, labelled, examples["train"], examples_key, folder / "acoustic-first-pass", advance
            )
        epochs, key = replace(epochs, rebalance=again), stages.digest([key, found])
    if not stages.is_done(stage, key):
        heard = acoustic_input(validation.features, spec.acoustic.normalisation)
        watched = Validation(heard, validation.segment_labels)
        keras.utils.set_random_seed(seed)
        begin = start.beginning_of(spec.acoustic.classes) if start is not None else None
        with computed_in(recipe.precision):
            if teaching.lessons is not None and teaching.lessons.head is not None:
                first = replace(epochs, lesson=teaching.lessons.net)
                vector_stage, vector_key = folder / "acoustic-vector", stages.digest([key, "vector"])
                with progress("acoustic net, teacher's vector", recipe.epochs) as advance:
                    net = learn_vector(spec, first, watched, vector_key, vector_stage, advance, begin)
                recipe, begin = replace(recipe, epochs=recipe.teacher.head_epochs), None
            else:
                net = build_acoustic(spec)
            with progress("acoustic net", recipe.epochs) as advance:
                train_net(
                    net,
                    replace(epochs, lesson=teaching.last),
                    watched,
                    recipe,
                    spec.acoustic.dropout,
                    seed,
                    stage,
                    advance,
                    begin=begin,
                )
        stages.mark_done(stage, {"epochs": recipe.epochs})
    _train_aware(spec, "acoustic", replace(epochs, lesson=teaching.of_classes), key, folder, progress)


def _train_aware(
    spec: SystemSpec, net: NetName, epochs: Epochs, trained: str, folder: Path, progress: Progress
) -> None:
    """Quantisation-aware epochs of a trained net, where the spec asks for them; ``trained`` is that net's key."""
    quantization, seed = spec.quantization, spec.training.seed
    if not quantization.aware:
        return
    stage = aware_folder(folder, net)
    key = stages.digest([asdict(quantization), trained, code_digest(stages.AWARE_CODE)])
    if stages.is_done(stage, key):
        return
    keras.utils.set_random_seed(seed)
    with progress(f"{net} net, quantisation-aware", quantization.aware_epochs) as advance:
        train_aware(
            (lambda: build_keyword(spec)) if net == "keyword" else (lambda: build_acoustic(spec)),
            folder / net / WEIGHTS,
            epochs,
            calibration_inputs(spec, folder, net),
            quantization,
            _KEYWORD_DROPOUT if net == "keyword" else spec.acoustic.dropout,
            stage,
            advance,
        )
    stages.mark_done(stage, {"epochs": quantization.aware_epochs})


def _refit(spec: SystemSpec, clips: Sequence[Clip], folder: Path, progress: Progress) -> None:
    """Fit the acoustic classifier again, where the spec asks for it."""
    kept = refitted_file(spec, folder)
    if kept is None:
        return
    acoustic, rule = load_net(spec, "acoustic", folder), spec.acoustic.normalisation

    def embed(features: NDArray[np.uint8]) -> NDArray[np.float32]:
        return embeddings_of(acoustic, acoustic_input(features, rule))

    if spec.fusion.alignment:
        with progress("alignment", 2 * len(clips)) as advance:
            aligned_head(spec, clips, embed, kept.parent, advance).save(kept)
        return
    with progress("linear probe", len(clips)) as advance:
        segments = cut_segments(spec, clips, advance)
    who = [f"{clip.corpus}/{clip.speaker}" for clip in clips]
    head, strength = fit_probe(segments.per_clip(embed(segments.features)), segments.labels, who)
    head.save(kept)
    stages.mark_done(kept.parent, {"strength": strength})


def _fit_fusion(
    spec: SystemSpec,
    emotions: Manifest,
    validation: Segments,
    folder: Path,
    progress: Progress,
    start: Start | None,
) -> None:
    acoustic, keyword = load_net(spec, "acoustic", folder), load_net(spec, "keyword", folder)
    alone = alone_head(spec, acoustic, folder)
    unfused = FloatSystem(spec, keyword, acoustic, classifier_head(keyword), alone, alone)
    acoustic_embeddings, keyword_embeddings = unfused.embeddings(validation.features)
    held_out: HeldOut | None = None
    if spec.fusion.cross_fit:
        held_out = _cross_fitted(spec, emotions, keyword, folder, progress, start)
    elif not spec.corpora.validation_teaches:
        held_out = HeldOut(
            alone.logits(acoustic_embeddings),
            keyword_embeddings,
            validation.segment_labels,
            tuple(validation.segment_speakers),
        )
    fitted = (
        unfitted(alone, keyword_embeddings.shape[1])
        if held_out is None
        else fit_with_controls(alone, held_out, spec.fusion.penalties, spec.training.seed)
    )
    fit = fitted.fit
    stage = folder / "fusion"
    fit.head.save(stage / HEAD)
    for path, control in zip(control_files(folder, CONTROLS), fitted.controls, strict=True):
        control.head.save(path)
    fused = fit.head.logits(np.hstack([acoustic_embeddings, keyword_embeddings]))
    clips = softmax(validation.per_clip(fused, spec.decision.averaging), axis=1)
    stages.mark_done(
        stage,
        {
            "temperature": fit.temperature,
            "penalty": fit.penalty,
            "cross_fit": spec.fusion.cross_fit,
            "held_out_speakers": len(set(held_out.speakers)) if held_out is not None else 0,
            "control_penalties": [control.penalty for control in fitted.controls],
            "held_out_loss": fit.held_out_loss,
            # Of whom the net has learned by heart it is surer than it will ever be again.
            "abstain": {} if spec.corpora.validation_teaches else coverage_thresholds(clips),
        },
    )


def _cross_fitted(
    spec: SystemSpec,
    emotions: Manifest,
    keyword: keras.Model,
    folder: Path,
    progress: Progress,
    start: Start | None,
) -> HeldOut:
    """Train an acoustic net for each inner fold of the training and validation speakers, a stage each that resumes."""
    clips = (*emotions.train, *emotions.validation)
    if start is not None:
        check_not_heard(clips, start.corpora)
    # Only what the nets say in float is kept: what comes after training would be for nothing.
    plain = replace(spec, quantization=replace(spec.quantization, aware=False))

    def hear(learning: Sequence[Clip], held: Sequence[Clip], number: int) -> HeldOut:
        inner = folder / "cross-fit" / f"fold-{number:02d}"
        with progress("held-out segments", len(held)) as advance:
            segments = cut_segments(plain, held, advance)
        # A teacher may know the held-out speakers, but what it says of them is not asked.
        teaching = hear_teachers(plain, find_teachers(plain, emotions), learning, (), inner, progress)
        _train_acoustic(plain, learning, (), segments, inner, progress, start, teaching)
        _refit(plain, learning, inner, progress)
        acoustic = load_net(plain, "acoustic", inner)
        alone = alone_head(plain, acoustic, inner)
        system = FloatSystem(plain, keyword, acoustic, classifier_head(keyword), alone, alone)
        acoustic_embeddings, keyword_embeddings = system.embeddings(segments.features)
        return HeldOut(
            alone.logits(acoustic_embeddings),
            keyword_embeddings,
            segments.segment_labels,
            tuple(segments.segment_speakers),
        )

    return cross_fit(clips, spec.fusion.cross_fit, hear)
