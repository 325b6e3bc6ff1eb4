"""A small corpus of a known layout and a student whose training takes seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_ser.audio import write_wav
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest, write_manifest
from edge_ser.files import write_json
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import load_spec
from edge_ser.spec_training import AugmentSpec, RecipeSpec, TeacherSpec
from edge_ser.training.float_system import FloatSystem
from edge_ser.training.prepared import Progress
from edge_ser.training.system import train_system

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
RECIPE = RecipeSpec(epochs=1, batch_size=4, augment=AugmentSpec(copies=0, mixup=0.0))
SPEC = replace(
    TINY,
    keyword=replace(TINY.keyword, words=("yes",), width=8, blocks=1, embedding=8, window_s=0.5),
    acoustic=replace(
        TINY.acoustic,
        classes=("anger", "neutral"),
        stem=(8, 8),
        dim=8,
        embedding=8,
        segment_s=1.0,
        hop_s=1.0,
    ),
    training=replace(TINY.training, keyword=RECIPE, acoustic=RECIPE),
    quantization=replace(TINY.quantization, calibration_segments=8),
)


def taught(teacher: TeacherSpec, spec: SystemSpec = SPEC) -> SystemSpec:
    """The student with a teacher."""
    acoustic = replace(spec.training.acoustic, teacher=teacher)
    return replace(spec, training=replace(spec.training, acoustic=acoustic))


def clips(root: Path, kind: str, speakers: str, labels: tuple[str, ...]) -> tuple[Clip, ...]:
    """One clip per speaker and label; the later the label, the louder."""
    made = []
    for speaker in speakers:
        for at, label in enumerate(labels):
            path = root / f"{kind}-{speaker}-{label}.wav"
            rng = np.random.default_rng([ord(speaker), at])
            # Longer than a segment, and no multiple of one.
            noise = rng.normal(size=14_000 + 6_000 * at) * 300 * (1 + 9 * at)
            write_wav(path, noise.astype(np.int16), 16_000)
            emotion, word = (label, None) if kind == "emotion" else (None, label)
            made.append(Clip("folder", path, speaker, emotion=emotion, keyword=word))
    return tuple(made)


def manifest(root: Path, kind: str, train: str = "ab", validation: str = "de", test: str = "f") -> Manifest:
    """Emotions or keywords of some speakers."""
    labels = SPEC.acoustic.classes if kind == "emotion" else SPEC.keyword.classes
    parts = (clips(root, kind, speakers, labels) for speakers in (train, validation, test))
    return Manifest("folder", root, "by hand", *parts)


def progress_into(seen: list[str]) -> Progress:
    """A progress that remembers what it was told."""

    @contextmanager
    def progress(description: str, _total: int) -> Iterator[Callable[[int], None]]:
        seen.append(description)
        yield lambda _steps: None

    return progress


def train(
    spec: SystemSpec, emotions: Manifest, words: Manifest, folder: Path, lent: Path | None = None
) -> tuple[FloatSystem, list[str]]:
    """What `edge-ser train` does and leaves; the system, and which stages were worked on.

    The keyword net is of no matter here: a training may lend its own to the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stage in ("keyword-examples", "keyword"):
        if lent is not None and not (folder / stage).exists():
            shutil.copytree(lent / stage, folder / stage)
    write_manifest(emotions, folder / "emotions.json")
    seen: list[str] = []
    system = train_system(spec, emotions, words, folder, progress_into(seen))
    write_json(folder / "train.json", {"spec": spec.to_dict()})
    return system, seen
