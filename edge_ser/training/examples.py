"""From clips to training examples: features of every clip and of its augmented copies, and one epoch's batches."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.acoustics import make_noise
from edge_ser.audio import audio_info, read_audio
from edge_ser.augment import (
    augmented_copies,
    channel_centres_hz,
    energy_mixup,
    mask_time_and_channels,
    mixup,
    shift_gain,
    warp_channels,
    warp_time,
)
from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.files import replacing
from edge_ser.frontend.net_input import NetInput, acoustic_input
from edge_ser.frontend.tables import make_tables
from edge_ser.spec import FrontendSpec, Normalisation
from edge_ser.spec_training import AugmentSpec, RecipeSpec
from edge_ser.training.affect import AffectTargets
from edge_ser.training.lessons import Lesson
from edge_ser.training.rebalance import Rebalance

Features = NDArray[np.uint8]

UNLABELLED = -1
"""Label of an example that only teachers say something of."""


@dataclass(frozen=True)
class Example:
    """One clip as features.

    Attributes:
        label: index of its class, or :data:`UNLABELLED`.
        speaker: who speaks.
        focus: first and past-the-last frame of the clip itself; frames outside are its surroundings.
        versions: uint8 (frames, channels) arrays, the clip as recorded first, then its augmented copies, each
            with the focus that belongs to it in :attr:`focuses`.
        focuses: (start, end) frames per version.
    """

    label: int
    speaker: str
    versions: tuple[Features, ...]
    focuses: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Job:
    clip: Clip
    label: int
    context_s: float
    frontend: FrontendSpec
    augment: AugmentSpec
    seed: int


def make_examples(
    clips: Sequence[Clip],
    labels: Sequence[int],
    frontend: FrontendSpec,
    augment: AugmentSpec,
    seed: int,
    context_s: float,
    advance: Callable[[int], None],
    workers: int | None = None,
) -> list[Example]:
    """Features of clips and of their augmented copies.

    Every clip draws from its own generator, seeded by its name, so that the result depends neither on the number
    of workers nor on which other clips are there.

    Args:
        clips: what to read.
        labels: class index of each clip.
        frontend: the front end's spec.
        augment: how many copies, and how they differ.
        seed: of everything random.
        context_s: seconds of surroundings read on both sides of a clip that is part of a longer file.
        advance: called with 1 for every clip done.
        workers: processes; ``None`` takes one per core.

    Returns:
        One example per clip, in order.

    Raises:
        InputError: an audio file cannot be read; it is named.
    """
    jobs = [
        _Job(clip, label, context_s, frontend, augment, seed)
        for clip, label in zip(clips, labels, strict=True)
    ]
    count = workers or cpu_count() or 1
    examples: list[Example] = []
    if count == 1 or len(jobs) < 8:
        for job in jobs:
            examples.append(_example(job))
            advance(1)
        return examples
    # Spawned, not forked: a fork of a process in which TensorFlow has started its threads can hang.
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=_ignore_interrupts) as pool:
        try:
            for example in pool.map(_example, jobs, chunksize=8):
                examples.append(example)
                advance(1)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return examples


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which ends the pool; otherwise every worker prints a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@lru_cache(maxsize=4)
def _net_input(frontend: FrontendSpec) -> NetInput:
    return NetInput(make_tables(frontend))


@lru_cache(maxsize=1)
def _noises(seed: int, rate: int) -> tuple[NDArray[np.int16], ...]:
    """Ten seconds of each noise colour for augmentation."""
    rng = np.random.default_rng([seed, 7])
    return tuple(make_noise(rng, 10 * rate, colour) for colour in ("white", "pink", "brown"))


def _example(job: _Job) -> Example:
    clip, rate = job.clip, job.frontend.sample_rate_hz
    start_s, end_s = clip.start_s, clip.end_s
    from_s, to_s = start_s, end_s
    if end_s is not None:
        from_s = max(0.0, start_s - job.context_s)
        to_s = min(audio_info(clip.path).duration_s, end_s + job.context_s)
    samples = read_audio(clip.path, rate, from_s, to_s)
    focus_from = round((start_s - from_s) * rate)
    focus_to = len(samples) if end_s is None else min(len(samples), round((end_s - from_s) * rate))
    name = hashlib.sha256(f"{clip.corpus}/{clip.path.name}/{clip.start_s}".encode()).digest()
    rng = np.random.default_rng([job.seed, int.from_bytes(name[:8], "little")])
    copies = augmented_copies(samples, job.augment, rng, _noises(job.seed, rate), rate)
    net_input = _net_input(job.frontend)
    versions, focuses = [], []
    for version in (samples, *copies):
        # A changed speed stretches the clip and its surroundings alike.
        stretch = len(version) / max(1, len(samples))
        step = job.frontend.step_samples
        padded = np.pad(version, (0, max(0, job.frontend.window_samples - len(version))))
        features = net_input.features(padded[np.newaxis])[0]
        versions.append(features)
        first = min(int(focus_from * stretch) // step, len(features) - 1)
        last = min(max(first + 1, int(focus_to * stretch) // step), len(features))
        focuses.append((first, last))
    return Example(label=job.label, speaker=clip.speaker, versions=tuple(versions), focuses=tuple(focuses))


def save_examples(path: Path, examples: Sequence[Example]) -> None:
    """Write examples to an npz file, atomically."""
    flat = [
        (version, focus)
        for example in examples
        for version, focus in zip(example.versions, example.focuses, strict=True)
    ]
    arrays: dict[str, Any] = {
        "frames": np.concatenate([version for version, _ in flat]),
        "lengths": np.array([len(version) for version, _ in flat], dtype=np.int64),
        "focuses": np.array([focus for _, focus in flat], dtype=np.int64).reshape(-1, 2),
        "versions": np.array([len(example.versions) for example in examples], dtype=np.int64),
        "labels": np.array([example.label for example in examples], dtype=np.int64),
        "speakers": np.array([example.speaker for example in examples], dtype=np.str_),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, **arrays)


def load_examples(path: Path) -> list[Example]:
    """Read what :func:`save_examples` wrote.

    Raises:
        InputError: the file is not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            frames, lengths = arrays["frames"], arrays["lengths"]
            focuses, counts = arrays["focuses"], arrays["versions"]
            labels, speakers = arrays["labels"], arrays["speakers"]
    except (OSError, ValueError, KeyError) as error:
        message = f"{path}: not a file of training examples ({error}); delete it and train again"
        raise InputError(message) from None
    pieces = np.split(frames, np.cumsum(lengths)[:-1])
    examples, at = [], 0
    for count, label, speaker in zip(counts, labels, speakers, strict=True):
        span = slice(at, at + int(count))
        pairs = tuple((int(first), int(last)) for first, last in focuses[span])
        examples.append(Example(int(label), str(speaker), tuple(pieces[span]), pairs))
        at += int(count)
    return examples


def place(
    features: Features, focus: tuple[int, int], frames: int, slack: int, rng: np.random.Generator
) -> Features:
    """Cut or pad features to ``frames`` frames around the focus.

    A focus longer than the window is cut at random. A shorter one lands anywhere inside the window where that
    moves it by at most ``slack`` frames from where it would start; frames before and after are its surroundings,
    zeros where there are none.

    Args:
        features: uint8 (n, channels).
        focus: first and past-the-last frame that matter.
        frames: length of the result.
        slack: largest shift, in frames.
        rng: draws the place.

    Returns:
        uint8 (frames, channels).
    """
    first, last = focus
    spare = frames - (last - first)
    start = (
        first + int(rng.integers(0, -spare + 1))
        if spare < 0
        else first - int(rng.integers(0, min(spare, slack) + 1))
    )
    return cut(features, start, frames)


def place_centred(features: Features, focus: tuple[int, int], frames: int) -> Features:
    """Cut or pad features to ``frames`` frames with the focus in the middle; uint8 (frames, channels)."""
    first, last = focus
    return cut(features, (first + last - frames) // 2, frames)


def cut(features: Features, start: int, frames: int) -> Features:
    """``frames`` frames from ``start`` (which may be negative), zeros where there are none."""
    result = np.zeros((frames, features.shape[1]), dtype=np.uint8)
    from_, to = max(0, start), min(len(features), start + frames)
    if to > from_:
        result[from_ - start : to - start] = features[from_:to]
    return result


@dataclass(frozen=True)
class Epochs:
    """Makes the training batches of one epoch after another from examples.

    Attributes:
        examples: what to learn from.
        classes: how many classes there are.
        frames: frames of the net's input.
        recipe: augmentation and label smoothing.
        frontend: the front end's spec.
        seed: of everything random; an epoch's batches depend on it and on the epoch's number alone, so that a
            stopped training resumes as if it had not been stopped.
        centred: place short clips in the middle of the window (keywords) instead of at its start (segments).
        targets: float32 (examples, classes), what each example is taught as; ``None`` is its label alone.
        affect: what the heads that exist in training only are taught; ``None`` where there are none.
        rebalance: who is drawn oftener and heard in other voices; ``None`` draws every example once.
        lesson: what a teacher says of each example as recorded; ``None`` where there is none.
        normalisation: what is done to features before the net.
    """

    examples: Sequence[Example]
    classes: int
    frames: int
    recipe: RecipeSpec
    frontend: FrontendSpec
    seed: int
    centred: bool
    targets: NDArray[np.float32] | None = None
    affect: AffectTargets | None = None
    rebalance: Rebalance | None = None
    lesson: Lesson | None = None
    normalisation: Normalisation = "none"

    def epoch(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Inputs (n, frames, channels, 1) in 0..1, soft targets (n, classes) and weights (n,), shuffled.

        Where there is :attr:`affect`, its columns lie behind the targets', mixed as they are; where there is a
        :attr:`lesson`, its values lie behind them all.
        """
        rng = np.random.default_rng([self.seed, number])
        augment = self.recipe.augment
        slack = round(augment.time_shift_s * 1000 / self.frontend.step_ms)
        again = self.rebalance
        order = rng.permutation(len(self.examples)) if again is None else again.order(rng)
        batch = np.stack([self._one(self.examples[index], slack, rng) for index in order])
        labels = np.array([self.examples[index].label for index in order])
        if augment.gain_db:
            batch = shift_gain(batch, rng, augment.gain_db, units_per_db(self.frontend))
        if augment.vtlp:
            centres_hz = channel_centres_hz(self.frontend)
            batch = warp_channels(batch, rng, centres_hz, self.frontend.sample_rate_hz, augment.vtlp)
        if again is not None:
            batch = again.change_voices(batch, order, rng, self.frontend)
        if augment.time_warp_frames:
            batch = warp_time(batch, rng, augment.time_warp_frames)
        hot = (labels[:, np.newaxis] == np.arange(self.classes)).astype(np.float32)
        taught = hot if self.targets is None else self.targets[order]
        smoothing = self.recipe.label_smoothing
        # What has no label stays without one.
        labelled = taught.sum(axis=1, keepdims=True)
        targets = taught * np.float32(1 - smoothing) + np.float32(smoothing / self.classes) * labelled
        if self.affect is not None:
            targets = np.hstack([targets, self.affect.columns(number)[order]])
        if self.lesson is not None:
            targets = np.hstack([targets, self.lesson.columns[order]])
        if augment.energy_mixup:
            batch, targets = energy_mixup(
                batch,
                targets,
                rng,
                augment.energy_mixup,
                augment.energy_mixup_snr_db,
                units_per_db(self.frontend),
            )
        if augment.time_mask_frames or augment.channel_mask:
            batch = mask_time_and_channels(
                batch,
                rng,
                augment.time_mask_frames,
                augment.channel_mask,
                augment.time_masks,
                augment.channel_masks,
            )
        known = labels[labels != UNLABELLED]
        counts = np.bincount(known, minlength=self.classes)
        by_class = len(known) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        # The mean over the labelled clips is 1, and so much counts every other.
        weights = np.where(labels == UNLABELLED, 1.0, by_class[labels]).astype(np.float32)
        inputs = acoustic_input(batch, self.normalisation).astype(np.float32)
        if augment.mixup:
            inputs, targets = mixup(inputs, targets, rng, augment.mixup)
        return inputs[..., np.newaxis] / np.float32(255), targets, weights

    def _one(self, example: Example, slack: int, rng: np.random.Generator) -> Features:
        version = int(rng.integers(len(example.versions)))
        features, focus = example.versions[version], example.focuses[version]
        if not self.centred:
            return place(features, focus, self.frames, slack, rng)
        moved = int(rng.integers(-slack, slack + 1))
        return place_centred(features, (focus[0] + moved, focus[1] + moved), self.frames)


def units_per_db(frontend: FrontendSpec) -> float:
    """How many uint8 steps one decibel is in log features: the log is ``2**shift * ln(amplitude)``."""
    if not frontend.log.enabled:
        return 0.0
    per_db = 2**frontend.log.scale_shift * np.log(10) / 20
    return float(per_db * 255 / (frontend.feature_high - frontend.feature_low))
