"""Training of a whole system: keyword net, acoustic net, fusion head, each a stage of its own that resumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.splits import PARTS, Part
from edge_ser.errors import InputError
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.keyword import build_keyword
from edge_ser.networks.layers import with_classifier
from edge_ser.provenance import code_digest
from edge_ser.quantization.aware import RANGES, train_aware
from edge_ser.spec import AugmentSpec, RecipeSpec, SystemSpec
from edge_ser.teacher_files import find_teachers
from edge_ser.training import stages
from edge_ser.training.affect import affect_targets
from edge_ser.training.alignment import aligned_head
from edge_ser.training.crossfit import CONTROLS, HeldOut, check_not_heard, cross_fit, fit_with_controls
from edge_ser.training.examples import (
    Epochs,
    Example,
    cut,
    load_examples,
    make_examples,
    place_centred,
    save_examples,
)
from edge_ser.training.first_pass import second_pass
from edge_ser.training.fusion import FloatHead, coverage_thresholds, load_head
from edge_ser.training.loop import WEIGHTS, Validation, train_net
from edge_ser.training.segments import Segments, cut_segments
from edge_ser.training.start import Start
from edge_ser.training.targets import soft_targets
from edge_ser.training.teaching import Teaching, hear_teachers, learn_vector

NetName = Literal["keyword", "acoustic"]

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""``progress(description, total)`` is a context that yields ``advance(steps)``."""

Labelled = Mapping[Part, tuple[Sequence[Clip], Sequence[int]]]
"""Clips and their class indices, by part."""

_KEYWORD_CONTEXT_S = 0.4
"""Surroundings kept around a word, so that its one-second window holds what the device would hear."""

_KEYWORD_DROPOUT = 0.1
_HEAD = "head.npz"


@dataclass(frozen=True)
class FloatSystem:
    """A trained system before quantisation.

    Attributes:
        keyword: the keyword net with its classifier.
        acoustic: the acoustic net with its classifier.
        words: the keyword classifier as a head on the keyword embedding.
        alone: the acoustic classifier as a head on the acoustic embedding, aligned where the spec asks for it.
        fusion: the head on both embeddings.
        controls: heads fitted with shuffled keywords, to say what the words are worth; not deployed.
    """

    spec: SystemSpec
    keyword: keras.Model
    acoustic: keras.Model
    words: FloatHead
    alone: FloatHead
    fusion: FloatHead
    controls: tuple[FloatHead, ...] = ()

    @property
    def params(self) -> int:
        """Parameters that are deployed: both nets (BatchNorm counted as the scale and bias it folds to), two heads."""
        nets = _net_params(self.keyword) + _net_params(self.acoustic)
        return nets + sum(head.weights.size + head.bias.size for head in (self.words, self.fusion))

    def embeddings(self, features: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Acoustic (n, A), and keyword (n, K) as the largest over the windows, of uint8 (n, frames, channels)."""
        length = self.spec.keyword_frames
        windows = [_embed(self.keyword, features[:, at : at + length]) for at in self.spec.keyword_starts]
        heard = acoustic_input(features, self.spec.acoustic.normalisation)
        return _embed(self.acoustic, heard), np.max(windows, axis=0)

    def logits(self, segments: Segments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Clip logits (clips, classes): fused, and of the acoustic net alone."""
        acoustic, keyword = self.embeddings(segments.features)
        fused = self.fusion.logits(np.hstack([acoustic, keyword]))
        averaging = self.spec.decision.averaging
        return segments.per_clip(fused, averaging), segments.per_clip(self.alone.logits(acoustic), averaging)


@dataclass(frozen=True)
class FloatKeyword:
    """A trained keyword net alone, before quantisation.

    Attributes:
        spec: the system that it belongs to.
        keyword: the keyword net with its classifier.
        words: that classifier as a head on the embedding.
    """

    spec: SystemSpec
    keyword: keras.Model
    words: FloatHead

    @property
    def params(self) -> int:
        """Parameters that are deployed: the net (BatchNorm as what it folds to) and the head."""
        return _net_params(self.keyword) + self.words.weights.size + self.words.bias.size


def train_keyword(spec: SystemSpec, words: Manifest, folder: Path, progress: Progress) -> FloatKeyword:
    """Train the keyword net alone; the same stages as in :func:`train_system`, kept in ``folder``."""
    _train_keyword(spec, words, folder, progress)
    keyword = _load(spec, "keyword", folder)
    return FloatKeyword(spec, keyword, _classifier(keyword))


def keyword_calibration(spec: SystemSpec, folder: Path) -> NDArray[np.uint8]:
    """The keyword net's share of :func:`calibration_features`."""
    return _calibration(spec, folder, "keyword")


def train_system(
    spec: SystemSpec,
    emotions: Manifest,
    words: Manifest,
    folder: Path,
    progress: Progress,
    start: Start | None = None,
) -> FloatSystem:
    """Train the keyword net, the acoustic net and the fusion head.

    Args:
        spec: the system.
        emotions: clips with an emotion of ``spec.acoustic.classes``.
        words: clips with a keyword of ``spec.keyword.classes``.
        folder: takes every stage's files; a stopped training resumes from them.
        progress: shows what is going on.
        start: an acoustic net to start from; ``None`` starts from random weights.

    Returns:
        The trained system, also kept in ``folder`` for :func:`load_system`.

    Raises:
        InputError: a teacher cannot be used, or has heard somebody whom this training tests; or a clip cannot be read.
        MissingError: a package that a teacher needs is not installed.
    """
    # Before anything that takes long: most that can be wrong with a teacher shows here.
    teachers = find_teachers(spec, emotions)
    teaching = hear_teachers(spec, teachers, emotions.train, folder, progress)
    _train_keyword(spec, words, folder, progress)
    with progress("validation segments", len(emotions.validation)) as advance:
        validation = cut_segments(spec, emotions.validation, advance)
    _train_acoustic(spec, emotions.train, validation, folder, progress, start, teaching)
    _align(spec, emotions.train, folder, progress)
    _fit_fusion(spec, emotions, validation, folder, progress, start)
    return load_system(spec, folder)


def load_system(spec: SystemSpec, folder: Path) -> FloatSystem:
    """Read back what :func:`train_system` left in ``folder``.

    Raises:
        InputError: the folder holds no finished training of this spec.
    """
    heads = folder / "fusion" / _HEAD
    if not heads.exists() or (spec.fusion.alignment and not (folder / "aligned" / _HEAD).exists()):
        message = f"{folder}: holds no finished training; run: edge-ser train"
        raise InputError(message)
    acoustic, keyword = _load(spec, "acoustic", folder), _load(spec, "keyword", folder)
    alone = _alone(spec, acoustic, folder)
    controls = tuple(load_head(path) for path in _control_files(folder))
    return FloatSystem(spec, keyword, acoustic, _classifier(keyword), alone, load_head(heads), controls)


def weights_file(spec: SystemSpec, folder: Path, net: NetName) -> Path:
    """Where a training in ``folder`` keeps a net's final Keras weights (classifier included)."""
    return (_aware_folder(folder, net) if spec.quantization.aware else folder / net) / WEIGHTS


def ranges_file(folder: Path, net: NetName) -> Path:
    """Where quantisation-aware training in ``folder`` keeps the ranges of a net's activations."""
    return _aware_folder(folder, net) / RANGES


def _aware_folder(folder: Path, net: NetName) -> Path:
    return folder / f"{net}-aware"


def calibration_features(spec: SystemSpec, folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Inputs that set the int8 ranges: (keyword, acoustic), each uint8 (n, frames, channels), training speakers only.

    Taken at equal steps through the training examples as recorded, so that the same training gives the same set.
    """
    return _calibration(spec, folder, "keyword"), _calibration(spec, folder, "acoustic")


def _calibration(spec: SystemSpec, folder: Path, net: NetName) -> NDArray[np.uint8]:
    chosen = _spread(spec, folder, net)
    if net == "keyword":
        frames = spec.keyword_frames
        return np.stack([place_centred(one.versions[0], one.focuses[0], frames) for one in chosen])
    heard = np.stack([cut(one.versions[0], one.focuses[0][0], spec.segment_frames) for one in chosen])
    return acoustic_input(heard, spec.acoustic.normalisation)


def _spread(spec: SystemSpec, folder: Path, net: str) -> list[Example]:
    examples = load_examples(folder / f"{net}-examples" / "train.npz")
    count = min(spec.quantization.calibration_segments, len(examples))
    return [examples[at] for at in np.linspace(0, len(examples) - 1, count).astype(int)]


def _examples(
    spec: SystemSpec,
    parts: Labelled,
    recipe: RecipeSpec,
    context_s: float,
    folder: Path,
    progress: Progress,
) -> tuple[dict[str, list[Example]], str]:
    """Examples of (clips, labels) by part, from ``folder`` where they are there already, and the key they have.

    Only the training part gets augmented copies.
    """
    seed = spec.training.seed
    inputs = {part: stages.clips_digest(clips, labels) for part, (clips, labels) in parts.items()}
    key = stages.digest(
        [
            inputs,
            asdict(spec.frontend),
            recipe.augment.on_waveforms,
            seed,
            context_s,
            code_digest(stages.EXAMPLES_CODE),
        ]
    )
    if not stages.is_done(folder, key):
        with progress(
            folder.name.replace("-", " "), sum(len(clips) for clips, _ in parts.values())
        ) as advance:
            for part, (clips, labels) in parts.items():
                augment = recipe.augment if part == "train" else AugmentSpec(copies=0)
                examples = make_examples(clips, labels, spec.frontend, augment, seed, context_s, advance)
                save_examples(folder / f"{part}.npz", examples)
        stages.mark_done(folder, {part: len(clips) for part, (clips, _) in parts.items()})
    return {part: load_examples(folder / f"{part}.npz") for part in parts}, key


def _train_keyword(spec: SystemSpec, words: Manifest, folder: Path, progress: Progress) -> None:
    index = {word: at for at, word in enumerate(spec.keyword.classes)}
    parts: Labelled = {
        part: (words.part(part), [index[str(clip.keyword)] for clip in words.part(part)]) for part in PARTS
    }
    recipe, seed = spec.training.keyword, spec.training.seed
    examples, examples_key = _examples(
        spec, parts, recipe, _KEYWORD_CONTEXT_S, folder / "keyword-examples", progress
    )
    stage = folder / "keyword"
    code = code_digest(stages.NET_CODE)
    key = stages.digest([asdict(spec.keyword), asdict(recipe), seed, examples_key, code])
    frames = spec.keyword_frames
    epochs = Epochs(examples["train"], len(index), frames, recipe, spec.frontend, seed, centred=True)
    if not stages.is_done(stage, key):
        validation, test = _centred(examples["validation"], frames), _centred(examples["test"], frames)
        keras.utils.set_random_seed(seed)
        with progress("keyword net", recipe.epochs) as advance:
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


def _centred(examples: Sequence[Example], frames: int) -> Validation:
    return Validation(
        np.stack([place_centred(one.versions[0], one.focuses[0], frames) for one in examples]),
        np.array([one.label for one in examples], dtype=np.int64),
    )


def _train_acoustic(
    spec: SystemSpec,
    clips: Sequence[Clip],
    validation: Segments,
    folder: Path,
    progress: Progress,
    start: Start | None,
    teaching: Teaching,
) -> None:
    index = {name: at for at, name in enumerate(spec.acoustic.classes)}
    parts: Labelled = {"train": (clips, [index[str(clip.emotion)] for clip in clips])}
    recipe, seed = spec.training.acoustic, spec.training.seed
    examples, examples_key = _examples(spec, parts, recipe, 0.0, folder / "acoustic-examples", progress)
    stage = folder / "acoustic"
    code = code_digest(stages.NET_CODE)
    targets = soft_targets(clips, spec.acoustic.classes, recipe.soft_labels)
    affect = affect_targets(clips, recipe.loss, recipe.epochs)
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
                spec, clips, examples["train"], examples_key, folder / "acoustic-first-pass", advance
            )
        epochs, key = replace(epochs, rebalance=again), stages.digest([key, found])
    if not stages.is_done(stage, key):
        heard = acoustic_input(validation.features, spec.acoustic.normalisation)
        watched = Validation(heard, validation.segment_labels)
        keras.utils.set_random_seed(seed)
        begin = start.beginning_of(spec.acoustic.classes) if start is not None else None
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
    stage = _aware_folder(folder, net)
    key = stages.digest([asdict(quantization), trained, code_digest(stages.AWARE_CODE)])
    if stages.is_done(stage, key):
        return
    keras.utils.set_random_seed(seed)
    with progress(f"{net} net, quantisation-aware", quantization.aware_epochs) as advance:
        train_aware(
            (lambda: build_keyword(spec)) if net == "keyword" else (lambda: build_acoustic(spec)),
            folder / net / WEIGHTS,
            epochs,
            _calibration(spec, folder, net),
            quantization,
            _KEYWORD_DROPOUT if net == "keyword" else spec.acoustic.dropout,
            stage,
            advance,
        )
    stages.mark_done(stage, {"epochs": quantization.aware_epochs})


def _align(spec: SystemSpec, clips: Sequence[Clip], folder: Path, progress: Progress) -> None:
    """Fit the aligned classifier, where the spec asks for one."""
    if not spec.fusion.alignment:
        return
    acoustic = _load(spec, "acoustic", folder)
    stage = folder / "aligned"
    with progress("alignment", 2 * len(clips)) as advance:
        rule = spec.acoustic.normalisation
        head = aligned_head(
            spec,
            clips,
            lambda features: _embed(acoustic, acoustic_input(features, rule)),
            stage,
            advance,
        )
    head.save(stage / _HEAD)


def _alone(spec: SystemSpec, acoustic: keras.Model, folder: Path) -> FloatHead:
    """The acoustic classifier that the system has: the aligned one, or the net's own."""
    return load_head(folder / "aligned" / _HEAD) if spec.fusion.alignment else _classifier(acoustic)


def _fit_fusion(
    spec: SystemSpec,
    emotions: Manifest,
    validation: Segments,
    folder: Path,
    progress: Progress,
    start: Start | None,
) -> None:
    acoustic, keyword = _load(spec, "acoustic", folder), _load(spec, "keyword", folder)
    alone = _alone(spec, acoustic, folder)
    unfused = FloatSystem(spec, keyword, acoustic, _classifier(keyword), alone, alone)
    acoustic_embeddings, keyword_embeddings = unfused.embeddings(validation.features)
    held_out = HeldOut(
        alone.logits(acoustic_embeddings),
        keyword_embeddings,
        validation.segment_labels,
        tuple(validation.segment_speakers),
    )
    if spec.fusion.cross_fit:
        held_out = _cross_fitted(spec, emotions, keyword, folder, progress, start)
    fitted = fit_with_controls(alone, held_out, spec.fusion.penalties, spec.training.seed)
    fit = fitted.fit
    stage = folder / "fusion"
    fit.head.save(stage / _HEAD)
    for path, control in zip(_control_files(folder, CONTROLS), fitted.controls, strict=True):
        control.head.save(path)
    fused = fit.head.logits(np.hstack([acoustic_embeddings, keyword_embeddings]))
    clips = softmax(validation.per_clip(fused, spec.decision.averaging), axis=1)
    stages.mark_done(
        stage,
        {
            "temperature": fit.temperature,
            "penalty": fit.penalty,
            "cross_fit": spec.fusion.cross_fit,
            "held_out_speakers": len(set(held_out.speakers)),
            "control_penalties": [control.penalty for control in fitted.controls],
            "held_out_loss": fit.held_out_loss,
            "abstain": coverage_thresholds(clips),
        },
    )


def _control_files(folder: Path, count: int | None = None) -> list[Path]:
    """Where the heads fitted with shuffled keywords are: those that are there, or ``count`` places for them."""
    stage = folder / "fusion"
    if count is None:
        return sorted(stage.glob("control-*.npz"))
    return [stage / f"control-{number:02d}.npz" for number in range(count)]


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
        teaching = hear_teachers(plain, find_teachers(plain, emotions), learning, inner, progress)
        _train_acoustic(plain, learning, segments, inner, progress, start, teaching)
        _align(plain, learning, inner, progress)
        acoustic = _load(plain, "acoustic", inner)
        alone = _alone(plain, acoustic, inner)
        system = FloatSystem(plain, keyword, acoustic, _classifier(keyword), alone, alone)
        acoustic_embeddings, keyword_embeddings = system.embeddings(segments.features)
        return HeldOut(
            alone.logits(acoustic_embeddings),
            keyword_embeddings,
            segments.segment_labels,
            tuple(segments.segment_speakers),
        )

    return cross_fit(clips, spec.fusion.cross_fit, hear)


def _net_params(model: keras.Model) -> int:
    """Parameters of a net without its classifier."""
    return sum(
        int(np.prod(weight.shape))
        for layer in model.layers
        if layer.name != "classifier"
        for weight in layer.trainable_weights
    )


def _load(spec: SystemSpec, net: NetName, folder: Path) -> keras.Model:
    if net == "keyword":
        model = with_classifier(build_keyword(spec), len(spec.keyword.classes), 0.0)
    else:
        model = with_classifier(build_acoustic(spec), len(spec.acoustic.classes), 0.0)
    model.load_weights(weights_file(spec, folder, net))
    return model


def _classifier(model: keras.Model) -> FloatHead:
    kernel, bias = model.get_layer("classifier").get_weights()
    return FloatHead(weights=kernel.T.astype(np.float64), bias=bias.astype(np.float64))


def _embed(model: keras.Model, features: NDArray[np.uint8]) -> NDArray[np.float32]:
    net = keras.Model(model.input, model.get_layer("flat_embedding").output)
    inputs = features[..., np.newaxis] / np.float32(255)
    values: NDArray[np.float32] = net.predict(inputs, batch_size=256, verbose=0)
    return values
