"""What a training learns from: the examples of each net, made once, and the inputs that set the int8 ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.splits import Part
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.provenance import code_digest
from edge_ser.spec import SystemSpec
from edge_ser.spec_training import AugmentSpec, RecipeSpec
from edge_ser.training import stages
from edge_ser.training.examples import (
    Example,
    cut,
    load_examples,
    make_examples,
    place_centred,
    save_examples,
)
from edge_ser.training.float_system import NetName

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""``progress(description, total)`` is a context that yields ``advance(steps)``."""

Labelled = Mapping[Part, tuple[Sequence[Clip], Sequence[int]]]
"""Clips and their class indices, by part."""


def prepare_examples(
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


def keyword_calibration(spec: SystemSpec, folder: Path) -> NDArray[np.uint8]:
    """The keyword net's share of :func:`calibration_features`: uint8 (windows, frames, channels)."""
    return calibration_inputs(spec, folder, "keyword")


def calibration_features(spec: SystemSpec, folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Inputs that set the int8 ranges: (keyword, acoustic), each uint8 (n, frames, channels), training speakers only.

    Taken at equal steps through the training examples as recorded, so that the same training gives the same set.
    """
    return calibration_inputs(spec, folder, "keyword"), calibration_inputs(spec, folder, "acoustic")


def calibration_inputs(spec: SystemSpec, folder: Path, net: NetName) -> NDArray[np.uint8]:
    """One net's share of :func:`calibration_features`, uint8 (n, frames, channels)."""
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
