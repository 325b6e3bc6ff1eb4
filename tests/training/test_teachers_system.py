"""Students of one's own trainings: an ensemble, two stages, a bundle; and a teacher that has heard too much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from teacher_cases import RECIPE, SPEC, clips, manifest, taught, train

from edge_ser.bundle import Bundle, write_bundle
from edge_ser.bundle_float import weights_members
from edge_ser.corpora.manifest import Manifest
from edge_ser.errors import InputError
from edge_ser.evaluation.learned import learned_from
from edge_ser.frontend.tables import make_tables
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.layers import conv, embed, with_classifier
from edge_ser.npz import npz_bytes
from edge_ser.provenance import told_corpora
from edge_ser.spec import FrontendSpec, QuantizationSpec, SystemSpec
from edge_ser.spec_training import TeacherSpec
from edge_ser.teacher_files import STAGE, find_teachers, in_fold, taught_corpora, told_teachers
from edge_ser.training import stages
from edge_ser.training.examples import Epochs, Example
from edge_ser.training.float_system import FloatSystem, weights_file
from edge_ser.training.lessons import Lesson, Lessons
from edge_ser.training.loop import Validation, train_net
from edge_ser.training.segments import cut_segments
from edge_ser.training.teachers import said_by
from edge_ser.training.teaching import Teaching


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def parts(home: Path) -> tuple[Manifest, Manifest]:
    return manifest(home, "emotion"), manifest(home, "keyword")


def _seeded(spec: SystemSpec, seed: int) -> SystemSpec:
    return replace(spec, training=replace(spec.training, seed=seed))


@pytest.fixture(scope="module")
def trained(home: Path, parts: tuple[Manifest, Manifest]) -> dict[Path, FloatSystem]:
    """Two trainings; the second has a front end and a class that the student has not."""
    third = ("anger", "fear", "neutral")
    other = replace(
        _seeded(SPEC, 2),
        frontend=replace(SPEC.frontend, step_ms=10),
        acoustic=replace(SPEC.acoustic, classes=third, embedding=12, segment_s=0.8, hop_s=0.8),
    )
    both = {}
    for spec in (SPEC, other):
        folder = home / f"teacher-{spec.training.seed}"
        both[folder] = train(spec, *parts, folder)[0]
    return both


def test_a_training_says_what_its_net_says(
    trained: dict[Path, FloatSystem], parts: tuple[Manifest, Manifest]
) -> None:
    for folder, system in trained.items():
        asked = TeacherSpec((str(folder),))
        (file,) = find_teachers(taught(asked), parts[0])
        segments = cut_segments(system.spec, parts[0].train, lambda _clips: None)
        expected = system.logits(segments)[1]
        found = said_by(asked, file, SPEC.frontend, parts[0].train, lambda _clips: None)
        assert found == pytest.approx(expected, abs=1e-4)
        vectors = replace(asked, output="vector")
        found = said_by(vectors, file, SPEC.frontend, parts[0].train, lambda _clips: None)
        embeddings, _ = system.embeddings(segments.features)
        assert found == pytest.approx(segments.per_clip(embeddings), abs=1e-4)


@pytest.mark.slow
def test_an_ensemble_teaches_and_is_told_of(
    trained: dict[Path, FloatSystem], parts: tuple[Manifest, Manifest], tmp_path: Path
) -> None:
    spec = taught(TeacherSpec(tuple(str(folder) for folder in trained), weight=0.7))
    spec = replace(spec, quantization=QuantizationSpec(calibration_segments=8, aware=True, aware_epochs=1))
    _, seen = train(spec, *parts, tmp_path, next(iter(trained)))
    assert seen[:2] == ["teacher 1 of 2", "teacher 2 of 2"]
    assert "acoustic net, quantisation-aware" in seen
    _, seen = train(spec, *parts, tmp_path, next(iter(trained)))
    assert seen == ["validation segments"]
    told = told_teachers(spec, tmp_path)
    assert [one["name"] for one in told] == [folder.name for folder in trained]
    assert len({one["sha256"] for one in told}) == 2
    (corpus,) = taught_corpora(told)
    assert (corpus["name"], corpus["speakers"]["train"]) == ("folder", ["a", "b"])
    # Another weight: what was said is used again, the net is not.
    lighter = taught(replace(spec.training.acoustic.teacher, weight=0.2))
    _, seen = train(lighter, *parts, tmp_path, next(iter(trained)))
    assert not [name for name in seen if name.startswith("teacher")]
    assert "acoustic net" in seen
    # A pupil that becomes a teacher tells of its own.
    (pupil,) = find_teachers(taught(TeacherSpec((str(tmp_path),))), parts[0])
    assert "by a teacher of its own" in pupil.learned_from


@pytest.mark.slow
def test_a_teacher_that_is_all_the_loss_is_imitated(
    trained: dict[Path, FloatSystem], home: Path, tmp_path: Path
) -> None:
    """Labels that are wrong, a teacher that is right, all weight on the teacher: the student follows the teacher."""
    lent = next(iter(trained))
    right = manifest(home, "emotion", train="abc")  # fewer than eight clips: no worker processes
    words = manifest(home, "keyword")
    recipe = replace(RECIPE, epochs=25, learning_rate=1e-2, label_smoothing=0.0)
    recipe = replace(recipe, augment=replace(recipe.augment, gain_db=0.0))
    spec = replace(SPEC, training=replace(SPEC.training, acoustic=recipe))
    teacher, _ = train(spec, right, words, tmp_path / "teacher", lent)
    swapped = dict(zip(SPEC.acoustic.classes, reversed(SPEC.acoustic.classes), strict=True))
    wrong = replace(
        right, train=tuple(replace(clip, emotion=swapped[str(clip.emotion)]) for clip in right.train)
    )
    imitating = taught(TeacherSpec((str(tmp_path / "teacher"),), weight=1.0), spec)
    pupil, _ = train(imitating, wrong, words, tmp_path / "pupil", lent)
    segments = cut_segments(spec, clips(home, "emotion", "mnop", SPEC.acoustic.classes), lambda _clips: None)
    taught_by, learned = (system.logits(segments)[1].argmax(axis=1) for system in (teacher, pupil))
    assert (taught_by == segments.labels).mean() > 0.8
    assert (learned == taught_by).mean() > 0.8


@pytest.mark.slow
def test_two_stages_leave_the_net_as_the_vector_made_it(
    trained: dict[Path, FloatSystem],
    parts: tuple[Manifest, Manifest],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teacher = TeacherSpec(tuple(str(folder) for folder in trained), output="vector", head_epochs=2)
    spec = taught(teacher)
    # Stopped after the first epoch of the second stage: the frozen net must come frozen out of the checkpoint.
    checkpoint = tmp_path / "acoustic" / "checkpoint.keras"
    saved = keras.Model.save

    def save_and_stop(model: keras.Model, path: Path, *args: object, **options: object) -> None:
        saved(model, path, *args, **options)
        if Path(path).parent == checkpoint.parent:
            Path(path).replace(checkpoint)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(spec, *parts, tmp_path, next(iter(trained)))
    assert checkpoint.exists()
    _, seen = train(spec, *parts, tmp_path, next(iter(trained)))
    assert "acoustic net, teacher's vector" not in seen[:1]
    assert stages.result(tmp_path / "acoustic") == {"epochs": 2}
    first, second = (with_classifier(build_acoustic(spec), 2, 0.0) for _ in range(2))
    first.load_weights(tmp_path / "acoustic-vector" / "weights.weights.h5")
    second.load_weights(weights_file(spec, tmp_path, "acoustic"))
    for one, two in zip(first.layers, second.layers, strict=True):
        same = all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))
        assert same == (one.name != "classifier"), one.name


def test_one_stage_of_a_vector_keeps_plain_weights(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    examples = [
        Example(at % 2, "s", (rng.integers(1, 255, (12, 8), np.uint8),), ((0, 12),)) for at in range(8)
    ]
    vector = Lesson(rng.normal(size=(8, 3)).astype(np.float32), "vector", 0.5, 2.0)
    epochs = Epochs(examples, 2, 12, RECIPE, FrontendSpec(channels=8), 1, centred=False, lesson=vector)
    watched = Validation(np.stack([one.versions[0] for one in examples]), np.arange(8) % 2)

    def net() -> keras.Model:
        entry = keras.Input((12, 8, 1))
        pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(conv(entry, 4, 3, "stem"))
        return keras.Model(entry, embed(pooled, 4), name="net")

    trained = train_net(net(), epochs, watched, RECIPE, 0.0, 1, tmp_path, lambda _steps: None)
    assert "teacher_vector" not in {layer.name for layer in trained.layers}
    plain = with_classifier(net(), 2, 0.0)
    plain.load_weights(tmp_path / "weights.weights.h5")
    inputs = watched.features[..., np.newaxis] / np.float32(255)
    assert np.asarray(plain(inputs)) == pytest.approx(np.asarray(trained(inputs)), abs=1e-5)


def test_quantisation_aware_epochs_keep_a_lesson_of_classes_alone() -> None:
    """They would begin with a guess of the vector that nobody has trained."""
    vector = Lesson(np.ones((1, 3), np.float32), "vector", 0.5, 2.0)
    soft = Lesson(np.ones((1, 2), np.float32), "classes", 0.5, 2.0)
    assert Teaching(Lessons(vector, None), "").of_classes is None
    assert Teaching(Lessons(vector, soft), "").of_classes is soft
    assert Teaching(Lessons(soft, None), "").of_classes is soft
    assert Teaching(None, "").of_classes is None


def test_a_teacher_that_has_heard_the_test_speaker_is_refused(
    trained: dict[Path, FloatSystem], home: Path, tmp_path: Path
) -> None:
    spec = taught(TeacherSpec((str(next(iter(trained))),)))
    words = manifest(home, "keyword")
    for shared, why in (
        (manifest(home, "emotion", "bd", "e", "a"), "whom this training tests"),
        (manifest(home, "emotion", "ab", "e", "d"), "whom this training tests"),
        (manifest(home, "emotion", "ag", "b", "f"), "whom this training chooses on"),
    ):
        with pytest.raises(InputError, match=rf"has heard speaker folder/.*{why}"):
            train(spec, shared, words, tmp_path)
    assert not (tmp_path / "keyword").exists()
    assert not (tmp_path / STAGE).exists()


def test_a_student_of_other_emotions_is_refused(trained: dict[Path, FloatSystem], home: Path) -> None:
    first = next(iter(trained))
    classes = replace(SPEC.acoustic, classes=("anger", "fear"))
    with pytest.raises(InputError, match="does not know fear"):
        find_teachers(
            replace(taught(TeacherSpec((str(first),))), acoustic=classes), manifest(home, "emotion")
        )


def test_a_fold_names_its_teacher() -> None:
    spec = in_fold(taught(TeacherSpec(("a/{fold}", "b"))), "fold-03")
    assert spec.training.acoustic.teacher.paths == ("a/fold-03", "b")


def test_a_bundle_teaches_as_its_training_does(
    trained: dict[Path, FloatSystem], parts: tuple[Manifest, Manifest], tmp_path: Path
) -> None:
    folder, system = next(iter(trained.items()))
    nets = ("acoustic", "keyword")
    members = {
        **weights_members({net: weights_file(SPEC, folder, net) for net in nets}),  # type: ignore[arg-type]
        "frontend_tables.npz": npz_bytes(make_tables(SPEC.frontend).to_arrays()),
        **dict.fromkeys(("keyword.tflite", "acoustic.tflite", "fusion.npz"), b"not read"),
    }
    corpora = {"emotions": told_corpora(parts[0]), "words": told_corpora(parts[1])}
    path = tmp_path / "t.edgeser"
    write_bundle(path, Bundle(system.spec, members, {"corpora": corpora}))
    for output in ("logits", "vector"):
        said = []
        for kind, place in (("training", folder), ("bundle", path)):
            asked = TeacherSpec((str(place),), kind, output)  # type: ignore[arg-type]
            (file,) = find_teachers(taught(asked), parts[0])
            said.append(said_by(asked, file, SPEC.frontend, parts[0].train, lambda _clips: None))
        assert np.array_equal(*said)
    with pytest.raises(InputError, match="has heard speaker folder/a"):
        find_teachers(
            taught(TeacherSpec((str(path),), "bundle")), manifest(parts[0].root, "emotion", "b", "e", "a")
        )
    write_bundle(path, Bundle(system.spec, members, {}))
    with pytest.raises(InputError, match="does not say whom it learned from"):
        find_teachers(taught(TeacherSpec((str(path),), "bundle")), parts[0])


def test_whoever_taught_the_teacher_taught_its_pupil(
    trained: dict[Path, FloatSystem], parts: tuple[Manifest, Manifest]
) -> None:
    (file,) = find_teachers(taught(TeacherSpec((str(next(iter(trained))),))), parts[0])
    elsewhere = {"name": "emo-db", "speakers": {"train": ["03"], "validation": [], "test": []}}
    corpora = {"emotions": [elsewhere], "teachers": taught_corpora([file.told()])}
    learned = learned_from(Bundle(SPEC, {}, {"corpora": corpora}))
    assert learned.saw(parts[0].train[0])
    assert not learned.saw(parts[0].test[0])
