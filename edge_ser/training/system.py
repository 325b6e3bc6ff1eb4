"""Training of a whole system: keyword net, acoustic net, fusion head, each a stage of its own that resumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.splits import PARTS, Part
from edge_ser.errors import InputError
from edge_ser.files import replacing
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.keyword import build_keyword
from edge_ser.networks.layers import with_classifier
from edge_ser.provenance import code_digest
from edge_ser.quantization.aware import RANGES, train_aware
from edge_ser.spec import AugmentSpec, RecipeSpec, SystemSpec
from edge_ser.training import stages
from edge_ser.training.examples import (
    Epochs,
    Example,
    cut,
    load_examples,
    make_examples,
    place_centred,
    save_examples,
)
from edge_ser.training.fusion import FloatHead, fit_fusion
from edge_ser.training.loop import WEIGHTS, Validation, train_net
from edge_ser.training.segments import Segments, cut_segments
from edge_ser.training.targets import soft_targets

NetName = Literal["keyword", "acoustic"]

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""``progress(description, total)`` is a context that yields ``advance(steps)``."""

Labelled = Mapping[Part, tuple[Sequence[Clip], Sequence[int]]]
"""Clips and their class indices, by part."""

_KEYWORD_CONTEXT_S = 0.4
"""Surroundings kept around a word, so that its one-second window holds what the device would hear."""

_KEYWORD_DROPOUT = 0.1


@dataclass(frozen=True)
class FloatSystem:
    """A trained system before quantisation.

    Attributes:
        keyword: the keyword net with its classifier.
        acoustic: the acoustic net with its classifier.
        words: the keyword classifier as a head on the keyword embedding.
        alone: the acoustic classifier as a head on the acoustic embedding.
        fusion: the head on both embeddings.
    """

    spec: SystemSpec
    keyword: keras.Model
    acoustic: keras.Model
    words: FloatHead
    alone: FloatHead
    fusion: FloatHead

    @property
    def params(self) -> int:
        """Parameters that are deployed: both nets (BatchNorm counted as the scale and bias it folds to), two heads."""
        nets = sum(
            int(np.prod(weight.shape))
            for model in (self.keyword, self.acoustic)
            for layer in model.layers
            if layer.name != "classifier"
            for weight in layer.trainable_weights
        )
        return nets + sum(head.weights.size + head.bias.size for head in (self.words, self.fusion))

    def embeddings(self, features: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Acoustic (n, A), and keyword (n, K) as the largest over the windows, of uint8 (n, frames, channels)."""
        length = self.spec.keyword_frames
        windows = [_embed(self.keyword, features[:, at : at + length]) for at in self.spec.keyword_starts]
        return _embed(self.acoustic, features), np.max(windows, axis=0)

    def logits(self, segments: Segments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Clip logits (clips, classes): fused, and of the acoustic net alone."""
        acoustic, keyword = self.embeddings(segments.features)
        fused = self.fusion.logits(np.hstack([acoustic, keyword]))
        return segments.per_clip(fused), segments.per_clip(self.alone.logits(acoustic))


def train_system(
    spec: SystemSpec, emotions: Manifest, words: Manifest, folder: Path, progress: Progress
) -> FloatSystem:
    """Train the keyword net, the acoustic net and the fusion head.

    Args:
        spec: the system.
        emotions: clips with an emotion of ``spec.acoustic.classes``.
        words: clips with a keyword of ``spec.keyword.classes``.
        folder: takes every stage's files; a stopped training resumes from them.
        progress: shows what is going on.

    Returns:
        The trained system, also kept in ``folder`` for :func:`load_system`.
    """
    _train_keyword(spec, words, folder, progress)
    with progress("validation segments", len(emotions.validation)) as advance:
        validation = cut_segments(spec, emotions.validation, advance)
    _train_acoustic(spec, emotions.train, validation, folder, progress)
    _fit_fusion(spec, validation, folder)
    return load_system(spec, folder)


def load_system(spec: SystemSpec, folder: Path) -> FloatSystem:
    """Read back what :func:`train_system` left in ``folder``.

    Raises:
        InputError: the folder holds no finished training of this spec.
    """
    heads = folder / "fusion" / "head.npz"
    if not heads.exists():
        message = f"{folder}: holds no finished training; run: edge-ser train"
        raise InputError(message)
    acoustic, keyword = _load(spec, "acoustic", folder), _load(spec, "keyword", folder)
    with np.load(heads, allow_pickle=False) as arrays:
        fusion = FloatHead(weights=arrays["weights"], bias=arrays["bias"])
    return FloatSystem(spec, keyword, acoustic, _classifier(keyword), _classifier(acoustic), fusion)


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
    frames = spec.keyword_frames if net == "keyword" else spec.segment_frames
    return np.stack(
        [
            place_centred(one.versions[0], one.focuses[0], frames)
            if net == "keyword"
            else cut(one.versions[0], one.focuses[0][0], frames)
            for one in _spread(spec, folder, net)
        ]
    )


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
    spec: SystemSpec, clips: Sequence[Clip], validation: Segments, folder: Path, progress: Progress
) -> None:
    index = {name: at for at, name in enumerate(spec.acoustic.classes)}
    parts: Labelled = {"train": (clips, [index[str(clip.emotion)] for clip in clips])}
    recipe, seed = spec.training.acoustic, spec.training.seed
    examples, examples_key = _examples(spec, parts, recipe, 0.0, folder / "acoustic-examples", progress)
    stage = folder / "acoustic"
    code = code_digest(stages.NET_CODE)
    targets = soft_targets(clips, spec.acoustic.classes, recipe.soft_labels)
    taught = stages.digest(targets.tolist())
    key = stages.digest([asdict(spec.acoustic), asdict(recipe), seed, examples_key, taught, code])
    epochs = Epochs(
        examples["train"],
        len(index),
        spec.segment_frames,
        recipe,
        spec.frontend,
        seed,
        centred=False,
        targets=targets,
    )
    if not stages.is_done(stage, key):
        watched = Validation(validation.features, validation.segment_labels)
        keras.utils.set_random_seed(seed)
        with progress("acoustic net", recipe.epochs) as advance:
            train_net(
                build_acoustic(spec), epochs, watched, recipe, spec.acoustic.dropout, seed, stage, advance
            )
        stages.mark_done(stage, {"epochs": recipe.epochs})
    _train_aware(spec, "acoustic", epochs, key, folder, progress)


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


def _fit_fusion(spec: SystemSpec, validation: Segments, folder: Path) -> None:
    acoustic, keyword = _load(spec, "acoustic", folder), _load(spec, "keyword", folder)
    alone = _classifier(acoustic)
    unfused = FloatSystem(spec, keyword, acoustic, _classifier(keyword), alone, alone)
    acoustic_embeddings, keyword_embeddings = unfused.embeddings(validation.features)
    fit = fit_fusion(
        alone,
        acoustic_embeddings,
        keyword_embeddings,
        validation.segment_labels,
        validation.segment_speakers,
        spec.fusion.penalties,
    )
    stage = folder / "fusion"
    stage.mkdir(parents=True, exist_ok=True)
    with replacing(stage / "head.npz") as beside, beside.open("wb") as file:
        np.savez(file, weights=fit.head.weights, bias=fit.head.bias)
    stages.mark_done(
        stage, {"temperature": fit.temperature, "penalty": fit.penalty, "held_out_loss": fit.held_out_loss}
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
