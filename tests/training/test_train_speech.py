"""`edge-ser train --speech`: what teachers say of speech without emotions is learned, and who spoke it is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from teacher_cases import RECIPE, SPEC, clips, manifest, progress_into, taught

from edge_ser.bundle import read_bundle
from edge_ser.cli.quantize import quantize
from edge_ser.cli.train import train
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import SPEECH, read_manifest
from edge_ser.errors import InputError
from edge_ser.evaluation.learned import learned_from
from edge_ser.files import sha256_hex
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.spec_training import LossSpec, RebalanceSpec, TeacherSpec
from edge_ser.spec_training_rules import require_taught_speech
from edge_ser.teacher_vectors import write_vectors
from edge_ser.training.examples import UNLABELLED, load_examples
from edge_ser.training.lessons import Lesson
from edge_ser.training.objective import make_loss
from edge_ser.training.system import train_system

TINY = Path(__file__).resolve().parents[2] / "models" / "tiny.toml"
VECTORS = TeacherSpec(("vectors.npz",), kind="vectors", output="vector", learned_from="nothing")


def _heard(folder: Path, recordings: tuple[Clip, ...]) -> TeacherSpec:
    """A teacher that says of every recording something of its own."""
    rng = np.random.default_rng(1)
    rows = {sha256_hex(clip.path.read_bytes()): rng.normal(size=6).astype(np.float32) for clip in recordings}
    write_vectors(folder / "vectors.npz", rows)
    return replace(VECTORS, paths=(str(folder / "vectors.npz"),))


def _unlabelled(folder: Path, speakers: str) -> tuple[Clip, ...]:
    return tuple(replace(clip, emotion=None) for clip in clips(folder, "emotion", speakers, ("anger",)))


def test_a_clip_without_a_class_costs_what_its_vector_costs() -> None:
    lesson = Lesson(np.ones((1, 2), np.float32), "vector", 0.75, 2.0)
    loss = make_loss(LossSpec(), 3, lesson)
    guess = keras.ops.convert_to_tensor([[9.0, -9.0, 0.0, 0.0, 3.0]])
    none, first = (
        keras.ops.convert_to_tensor([[*shares, 1.0, 1.0]]) for shares in ([0.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    )
    assert float(loss(none, guess)) == pytest.approx(0.75 * (1 + 4) / 2, rel=1e-6)
    assert float(loss(first, guess)) > 4


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (SPEC, "teacher.paths"),
        (taught(replace(VECTORS, kind="training", output="logits", learned_from="")), "teacher.output"),
        (taught(replace(VECTORS, head_epochs=2)), "teacher.head_epochs"),
        *(
            (
                replace(
                    SPEC,
                    training=replace(
                        SPEC.training, acoustic=replace(RECIPE, teacher=VECTORS, loss=LossSpec(**{term: 0.5}))
                    ),
                ),
                f"loss.{term}",
            )
            for term in ("contrastive", "ccc", "octant")
        ),
        (
            replace(
                SPEC,
                training=replace(
                    SPEC.training,
                    acoustic=replace(RECIPE, teacher=VECTORS, rebalance=RebalanceSpec(epochs=1)),
                ),
            ),
            "rebalance.epochs",
        ),
        (replace(taught(VECTORS), fusion=replace(SPEC.fusion, cross_fit=3)), "fusion.cross_fit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_learn_from_speech_alone_is_named(spec: object, key: str) -> None:
    with pytest.raises(InputError, match=rf"3 clips of speech without emotions: .*{key} is .*; expected"):
        require_taught_speech(spec, 3)  # type: ignore[arg-type]
    require_taught_speech(spec, 0)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_net_learns_from_speech_beside_the_labelled(tmp_path: Path) -> None:
    emotions, words = manifest(tmp_path, "emotion"), manifest(tmp_path, "keyword")
    speech = _unlabelled(tmp_path, "xyz")
    spec = taught(_heard(tmp_path, (*emotions.train, *speech)))
    weights = []
    for name, beside in (("without", ()), ("with", speech)):
        folder = tmp_path / name
        system = train_system(spec, emotions, words, folder, progress_into([]), None, beside)
        labels = [one.label for one in load_examples(folder / "acoustic-examples" / "train.npz")]
        assert labels == [0, 1, 0, 1] + [UNLABELLED] * len(beside)
        weights.append(np.concatenate([value.ravel() for value in system.acoustic.get_weights()]))
        assert np.isfinite(weights[-1]).all()
    assert (weights[0] != weights[1]).any()
    assert build_acoustic(spec).count_params() < len(weights[0])


def _corpus(root: Path, speakers: str, *, emotional: bool) -> tuple[Clip, ...]:
    """A folder of one's own: every speaker says one word in every emotion."""
    root.mkdir()
    made = clips(root, "emotion", speakers, SPEC.acoustic.classes)
    rows = [
        f"{clip.path.name},{clip.speaker},{clip.emotion if emotional else ''},{word}\n"
        for clip, word in zip(made, ("yes", "_unknown_") * len(speakers), strict=True)
    ]
    (root / "clips.csv").write_text("path,speaker,emotion,keyword\n" + "".join(rows))
    return made


@pytest.mark.slow
def test_who_was_heard_is_told_by_the_bundle(tmp_path: Path) -> None:
    labelled = _corpus(tmp_path / "labelled", "abcdefgh", emotional=True)
    # Two of them are heard without their emotions, too; whoever is tested is not.
    speech = _corpus(tmp_path / "speech", "xyz", emotional=False)
    teacher = _heard(tmp_path, (*labelled, *speech))
    table = "training.acoustic.teacher"
    changes = [
        *("keyword.words=['yes']", "keyword.width=8", "keyword.blocks=1", "keyword.window_s=0.5"),
        *("acoustic.classes=['anger','neutral']", "acoustic.stem=[8,8]", "acoustic.dim=8"),
        *("acoustic.segment_s=1.0", "acoustic.hop_s=1.0", "training.keyword.epochs=1"),
        *("training.acoustic.epochs=1", "training.acoustic.augment.copies=0", "corpora.folds=4"),
        *(f"{table}.paths={list(teacher.paths)}", f"{table}.kind='vectors'", f"{table}.output='vector'"),
        *(f"{table}.learned_from='nothing'", "quantization.calibration_segments=8"),
    ]
    out, root = tmp_path / "out", tmp_path / "labelled"
    for places, expected in (
        ([f"folder={tmp_path / 'speech'}", f"folder={root}"], set("abcdefghxyz")),
        ([], None),
    ):
        train(
            TINY,
            root,
            root,
            out,
            corpus="folder",
            words_corpus="folder",
            speech=places,
            changes=changes,
        )
        quantize(out)
        bundle = read_bundle(out / "tiny.edgeser")
        told = bundle.provenance["corpora"]["speech"]
        emotions = read_manifest(out / "emotions.json")
        held_out = {*emotions.speakers("validation"), *emotions.speakers("test")}
        assert (out / SPEECH).exists() == bool(places)
        if expected is None:
            assert told == []
            continue
        (one,) = told
        assert set(one["speakers"]["train"]) == expected - held_out
        assert one["clips"] == {"train": 2 * len(expected - held_out), "validation": 0, "test": 0}
        assert learned_from(bundle).speakers["folder"] == expected - set(emotions.speakers("test"))


def test_a_place_that_is_none_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    root = tmp_path / "labelled"
    _corpus(root, "abcdefgh", emotional=True)
    known = ["acoustic.classes=['anger','neutral']", "keyword.words=['yes']"]
    with pytest.raises(InputError, match=r"--speech is 'x'; expected NAME=DIR"):
        train(TINY, root, root, tmp_path / "out", "folder", "folder", speech=["x"], changes=known)
    assert not (tmp_path / "out").exists()
