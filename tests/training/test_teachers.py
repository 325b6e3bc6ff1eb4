"""Every kind of teacher says of a clip what the same net says when it is called by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from teacher_cases import SPEC, clips, manifest, taught

from edge_ser.audio import read_audio
from edge_ser.corpora.clip import Clip
from edge_ser.edgetpu.model_writer import ModelWriter
from edge_ser.errors import InputError
from edge_ser.frontend.net_input import NetInput
from edge_ser.frontend.tables import make_tables
from edge_ser.spec_training import TeacherKind, TeacherOutput, TeacherSpec
from edge_ser.teacher_files import find_teachers
from edge_ser.training.teachers import keep_said, kept_said, said_by

CHANNELS = SPEC.frontend.channels


@pytest.fixture
def heard(tmp_path: Path) -> tuple[Clip, ...]:
    return clips(tmp_path, "emotion", "ab", SPEC.acoustic.classes)


def _teacher(
    path: Path,
    kind: TeacherKind,
    output: TeacherOutput = "vector",
    classes: tuple[str, ...] = (),
) -> TeacherSpec:
    return TeacherSpec((str(path),), kind, output, classes, learned_from="noise")


def _said(teacher: TeacherSpec, heard: tuple[Clip, ...], root: Path) -> np.ndarray:
    (file,) = find_teachers(taught(teacher), manifest(root, "emotion"))
    count: list[int] = []
    rows = said_by(teacher, file, SPEC.frontend, heard, count.append)
    assert sum(count) == len(heard)
    assert rows.dtype == np.float32
    return rows


def _samples(clip: Clip) -> np.ndarray:
    return read_audio(clip.path, 16_000, clip.start_s, clip.end_s).astype(np.float64) / 32768


def _features(clip: Clip) -> np.ndarray:
    samples = read_audio(clip.path, 16_000, clip.start_s, clip.end_s)
    return NetInput(make_tables(SPEC.frontend)).features(samples[np.newaxis])[0] / 255


def _in_pieces(values: np.ndarray, length: int) -> list[tuple[np.ndarray, int]]:
    """Pieces of one length, zeros behind the last, and how much of the clip each holds."""
    made = []
    for start in range(0, len(values), length):
        piece = values[start : start + length]
        made.append((np.pad(piece, [(0, length - len(piece))] + [(0, 0)] * (piece.ndim - 1)), len(piece)))
    return made


def test_a_keras_net_of_features_hears_a_clip_in_pieces(heard: tuple[Clip, ...], tmp_path: Path) -> None:
    entry = keras.Input((20, CHANNELS, 1))
    mixed = keras.layers.Dense(5)(keras.layers.Flatten()(keras.layers.AveragePooling2D((20, 1))(entry)))
    model = keras.Model(entry, mixed)
    model.save(tmp_path / "t.keras")
    found = _said(_teacher(tmp_path / "t.keras", "keras"), heard, tmp_path)
    for row, clip in zip(found, heard, strict=True):
        pieces = _in_pieces(_features(clip), 20)
        assert len(pieces) > 1
        said = [np.asarray(model(piece[np.newaxis, ..., np.newaxis]))[0] for piece, _ in pieces]
        expected = np.average(said, axis=0, weights=[share for _, share in pieces])
        assert row == pytest.approx(expected, abs=1e-5)


def test_a_keras_net_of_any_length_hears_the_whole_waveform(heard: tuple[Clip, ...], tmp_path: Path) -> None:
    entry = keras.Input((None, 1))
    model = keras.Model(entry, keras.layers.Conv1D(4, 400, strides=160)(entry))
    model.save(tmp_path / "t.keras")
    found = _said(_teacher(tmp_path / "t.keras", "keras"), heard, tmp_path)
    for row, clip in zip(found, heard, strict=True):
        samples = np.pad(_samples(clip), (0, max(0, 16_000 - len(_samples(clip)))))
        states = np.asarray(model(samples[np.newaxis, :, np.newaxis].astype(np.float32)))
        assert row == pytest.approx(states[0].mean(axis=0), abs=1e-5)


def _pool(path: Path, kind: str) -> None:
    """A file that says the mean of each of eight bands of 10 frames; in float, or uint8 outside and int8 inside."""
    writer, shape, small = ModelWriter(), (1, 10, CHANNELS, 1), (1, 1, 8, 1)
    pool = {
        "padding": 1,
        "stride_h": 10,
        "stride_w": CHANNELS // 8,
        "filter_h": 10,
        "filter_w": CHANNELS // 8,
    }
    if kind == "float":
        source, result = (writer.tensor(size, "float32", scale=0.0) for size in (shape, small))
        writer.op("AVERAGE_POOL_2D", [source], [result], 1, pool)
    else:
        source = writer.tensor(shape, "uint8", scale=1 / 255)
        inside = writer.tensor(shape, "int8", scale=1 / 255, zero_point=-128)
        pooled = writer.tensor(small, "int8", scale=1 / 255, zero_point=-128)
        result = writer.tensor(small, "uint8", scale=1 / 255)
        writer.op("QUANTIZE", [source], [inside], 1)
        writer.op("AVERAGE_POOL_2D", [inside], [pooled], 2, pool)
        writer.op("QUANTIZE", [pooled], [result], 1)
    path.write_bytes(writer.finish([source], [result], "pool"))


@pytest.mark.parametrize(("kind", "step"), [("float", 1e-5), ("int8", 1 / 255)])
def test_a_tflite_file_in_float_and_in_int8(
    kind: str, step: float, heard: tuple[Clip, ...], tmp_path: Path
) -> None:
    _pool(tmp_path / "t.tflite", kind)
    found = _said(_teacher(tmp_path / "t.tflite", "tflite"), heard, tmp_path)
    for row, clip in zip(found, heard, strict=True):
        pieces = _in_pieces(_features(clip), 10)
        bands = [piece.reshape(10, 8, -1).mean(axis=(0, 2)) for piece, _ in pieces]
        # The last axis of this file is of size 1: what stands before it is taken for time, and averaged.
        expected = np.average(bands, axis=0, weights=[share for _, share in pieces]).mean()
        assert row == pytest.approx([expected], abs=step)


def test_a_tflite_file_of_any_length(heard: tuple[Clip, ...], tmp_path: Path) -> None:
    @tf.function(input_signature=[tf.TensorSpec((1, None), tf.float32)])
    def loudness(samples: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(tf.abs(samples), axis=1)
        return tf.stack([mean, 2 * mean], axis=1)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([loudness.get_concrete_function()])
    (tmp_path / "t.tflite").write_bytes(converter.convert())
    found = _said(_teacher(tmp_path / "t.tflite", "tflite"), heard, tmp_path)
    for row, clip in zip(found, heard, strict=True):
        samples = _samples(clip)
        mean = np.abs(samples).sum() / max(len(samples), 16_000)
        assert row == pytest.approx([mean, 2 * mean], rel=1e-4)


def _small(path: Path, shape: tuple[int | None, ...], values: int = 2) -> Path:
    entry = keras.Input(shape)
    flat = keras.layers.GlobalAveragePooling1D()(keras.layers.Reshape((-1, shape[-1] or 1))(entry))
    keras.Model(entry, keras.layers.Dense(values)(flat)).save(path)
    return path


def test_what_cannot_teach_is_refused_with_its_reason(heard: tuple[Clip, ...], tmp_path: Path) -> None:
    other = _teacher(_small(tmp_path / "other.keras", (20, 3)), "keras")
    with pytest.raises(InputError, match=rf"its input is \(None, 20, 3\); expected .*{CHANNELS}"):
        _said(other, heard, tmp_path)
    three = _small(tmp_path / "three.keras", (20, CHANNELS), values=3)
    named = _teacher(three, "keras", "logits", SPEC.acoustic.classes)
    with pytest.raises(InputError, match=r"gives 3 values; teacher\.classes names 2"):
        _said(named, heard, tmp_path)
    for kind in ("keras", "tflite"):
        broken = tmp_path / f"broken.{kind}"
        broken.write_bytes(b"no model" * 20)
        with pytest.raises(InputError, match="can load"):
            _said(_teacher(broken, kind), heard, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"expected a \.tflite file"):
        _said(_teacher(three, "tflite"), heard, tmp_path)
    with pytest.raises(InputError, match=r"\{fold\} is filled in by edge-ser evaluate alone"):
        _said(_teacher(tmp_path / "{fold}", "training"), heard, tmp_path)


def test_a_layer_with_code_inside_the_file_is_not_run(heard: tuple[Clip, ...], tmp_path: Path) -> None:
    entry = keras.Input((20, CHANNELS))
    keras.Model(entry, keras.layers.Lambda(lambda x: x * 2)(entry)).save(tmp_path / "t.keras")
    with pytest.raises(InputError, match="not a model that this Keras can load"):
        _said(_teacher(tmp_path / "t.keras", "keras"), heard, tmp_path)


def test_numbers_that_are_none_are_refused(heard: tuple[Clip, ...], tmp_path: Path) -> None:
    path = _small(tmp_path / "t.keras", (20, CHANNELS))
    model = keras.models.load_model(path)
    model.set_weights([weights * np.nan for weights in model.get_weights()])
    model.save(path)
    with pytest.raises(InputError, match="NaN or infinite"):
        _said(_teacher(path, "keras"), heard, tmp_path)


def test_what_was_said_is_kept(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    keep_said(tmp_path / "said.npy", rows)
    assert np.array_equal(kept_said(tmp_path / "said.npy", 3), rows)
    with pytest.raises(InputError, match=r"expected float32 \(4, K\)"):
        kept_said(tmp_path / "said.npy", 4)
    (tmp_path / "said.npy").write_bytes(b"")
    with pytest.raises(InputError, match="not a file of a teacher's outputs"):
        kept_said(tmp_path / "said.npy", 3)


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    path = _small(tmp_path / "t.keras", (20, CHANNELS))
    emotions = manifest(tmp_path, "emotion")
    spec = taught(_teacher(path, "keras"))
    (first,) = find_teachers(spec, emotions)
    assert find_teachers(spec, emotions)[0].sha256 == first.sha256
    assert first.told()["learned_from"] == "noise"
    path.write_bytes(path.read_bytes() + b"\0")
    assert find_teachers(spec, emotions)[0].sha256 != first.sha256
    assert find_teachers(replace(SPEC), emotions) == ()
