"""Teachers of the acoustic net: each hears every training clip once, as recorded, and what it says is kept.

A teacher of features (frames, channels) hears those of the student's own front end over 255, as our nets do. One of
waveforms hears float32 samples, full scale 1.0, at 16 kHz or at the rate that a HuggingFace folder asks for. One with
an input of fixed length hears a clip in pieces of that length, zeros behind its end; the pieces' outputs are averaged,
weighted by how much of the clip each holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from edge_ser.audio import read_audio
from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.files import replacing
from edge_ser.frontend.net_input import NetInput, acoustic_input
from edge_ser.frontend.tables import make_tables
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.layers import with_classifier
from edge_ser.spec import FrontendSpec, SystemSpec
from edge_ser.spec_training import TeacherSpec
from edge_ser.teacher_files import TeacherFile, weights_of
from edge_ser.teacher_vectors import read_vectors
from edge_ser.training.segments import cut_segments

Floats = NDArray[np.float32]

WAVEFORM_RATE_HZ = 16_000
"""Of teachers that do not say which rate they want."""

_LONGEST_S, _SHORTEST_S = 30.0, 1.0
"""A teacher whose input may have any length hears at most so much at once, and never less (zeros behind the clip)."""

_FULL_SCALE = 32768
"""Of int16, where float is 1.0."""

_AT_ONCE = 64
"""Clips whose pieces go through a teacher of fixed length together."""


@dataclass(frozen=True)
class Hearing:
    """What goes into a teacher.

    Attributes:
        form: features of the front end, or samples.
        length: frames or samples of one input; ``None`` for any.
        per_second: frames or samples in a second of audio.
    """

    form: Literal["features", "waveform"]
    length: int | None
    per_second: float


class Runner(Protocol):
    """A teacher made ready to run."""

    @property
    def hearing(self) -> Hearing:
        """What it wants to hear."""
        ...

    def outputs(self, pieces: Floats) -> Floats:
        """float32 (n, samples) or (n, frames, channels) → float32 (n, K)."""
        ...


def said_by(
    asked: TeacherSpec,
    teacher: TeacherFile,
    frontend: FrontendSpec,
    clips: Sequence[Clip],
    advance: Callable[[int], None],
) -> Floats:
    """What a teacher says of clips.

    Args:
        asked: what is taken from it.
        teacher: its file or folder.
        frontend: of the student.
        clips: the training clips.
        advance: called with 1 for every clip done.

    Returns:
        float32 (clips, K): its outputs, or its vector.

    Raises:
        InputError: it cannot be loaded, has an input that is neither features nor a waveform, has another number of
            outputs than classes, or says something that is no number; or a clip cannot be read.
        MissingError: a package that it needs is not installed.
    """
    if teacher.kind == "vectors":
        rows = read_vectors(teacher.path).of(clips)
        advance(len(clips))
    elif teacher.spec is not None:
        rows = _said_by_system(teacher, teacher.spec, clips, advance, logits=asked.names_classes)
    else:
        rows = _said(_open(asked, teacher.path, frontend), frontend, clips, advance)
    if asked.classes and rows.shape[1] != len(asked.classes):
        message = (
            f"{teacher.path}: gives {rows.shape[1]} values; teacher.classes names {len(asked.classes)}: name the "
            "emotion of every output, in order"
        )
        raise InputError(message)
    if not np.isfinite(rows).all():
        message = f"{teacher.path}: gives NaN or infinite values on the training clips; take another teacher"
        raise InputError(message)
    return rows


def keep_said(path: Path, rows: Floats) -> None:
    """Write a teacher's outputs, float32 (clips, K), to an npy file, atomically."""
    with replacing(path) as beside, beside.open("wb") as file:
        np.save(file, rows)


def kept_said(path: Path, clips: int) -> Floats:
    """Read what :func:`keep_said` wrote of so many clips.

    Returns:
        float32 (clips, K).

    Raises:
        InputError: the file is not such a file.
    """
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        message = f"{path}: not a file of a teacher's outputs ({error}); delete it and train again"
        raise InputError(message) from None
    if rows.dtype != np.float32 or rows.ndim != 2 or len(rows) != clips:
        message = (
            f"{path}: {rows.dtype} {rows.shape}; expected float32 ({clips}, K): delete it and train again"
        )
        raise InputError(message)
    return np.asarray(rows)


def _open(asked: TeacherSpec, path: Path, frontend: FrontendSpec) -> Runner:
    if asked.kind == "keras":
        return _KerasTeacher(path, frontend)
    if asked.kind == "tflite":
        return _TfliteTeacher(path, frontend)
    from edge_ser.training.teachers_huggingface import HuggingFaceTeacher

    return HuggingFaceTeacher(path)


def _said_by_system(
    teacher: TeacherFile,
    spec: SystemSpec,
    clips: Sequence[Clip],
    advance: Callable[[int], None],
    *,
    logits: bool,
) -> Floats:
    """Logits or embeddings of a system's acoustic net, by its own front end and segments."""
    model = with_classifier(build_acoustic(spec), len(spec.acoustic.classes), 0.0)
    with weights_of(teacher) as weights:
        try:
            model.load_weights(weights)
        except (OSError, ValueError, KeyError) as error:
            message = f"{teacher.path}: its weights do not fit its spec ({_first_line(error)}); make it again"
            raise InputError(message) from None
    net = model if logits else keras.Model(model.input, model.get_layer("flat_embedding").output)
    # Which emotion a clip has does not matter here, and the teacher need not know it.
    nameless = [replace(clip, emotion=spec.acoustic.classes[0]) for clip in clips]
    segments = cut_segments(spec, nameless, advance)
    # In parts: in one, the features of a large corpus as float32 are four times what they are as uint8.
    heard = acoustic_input(segments.features, spec.acoustic.normalisation)
    rows = [
        np.asarray(net.predict_on_batch(part[..., np.newaxis] / np.float32(255)))
        for part in np.array_split(heard, -(-len(heard) // 256))
    ]
    return segments.per_clip(np.concatenate(rows)).astype(np.float32)


def _said(
    runner: Runner, frontend: FrontendSpec, clips: Sequence[Clip], advance: Callable[[int], None]
) -> Floats:
    hear = _ear(runner.hearing, frontend)
    at_once = 1 if runner.hearing.length is None else _AT_ONCE
    rows = []
    for start in range(0, len(clips), at_once):
        heard = [_pieces(hear(clip), runner.hearing) for clip in clips[start : start + at_once]]
        # Pieces of one clip may differ in length from those of another where any length goes.
        said = runner.outputs(np.concatenate([pieces for pieces, _ in heard]))
        at = 0
        for pieces, shares in heard:
            rows.append(np.average(said[at : at + len(pieces)], axis=0, weights=shares))
            at += len(pieces)
            advance(1)
    return np.stack(rows).astype(np.float32)


def _ear(hearing: Hearing, frontend: FrontendSpec) -> Callable[[Clip], Floats]:
    """Reads a clip as a teacher hears it: float32 (samples,) or (frames, channels)."""
    if hearing.form == "waveform":
        rate = round(hearing.per_second)

        def waveform(clip: Clip) -> Floats:
            samples = read_audio(clip.path, rate, clip.start_s, clip.end_s)
            return samples.astype(np.float32) / np.float32(_FULL_SCALE)

        return waveform
    net_input = NetInput(make_tables(frontend))

    def features(clip: Clip) -> Floats:
        samples = read_audio(clip.path, frontend.sample_rate_hz, clip.start_s, clip.end_s)
        padded = np.pad(samples, (0, max(0, frontend.window_samples - len(samples))))
        heard: Floats = net_input.features(padded[np.newaxis])[0].astype(np.float32) / np.float32(255)
        return heard

    return features


def _pieces(heard: Floats, hearing: Hearing) -> tuple[Floats, NDArray[np.float64]]:
    """A clip cut into inputs of one length (n, length, ...), and how much of the clip each holds (n,)."""
    length = hearing.length
    if length is None:
        count = max(1, -(-len(heard) // round(_LONGEST_S * hearing.per_second)))
        length = max(-(-len(heard) // count), round(_SHORTEST_S * hearing.per_second))
    count = max(1, -(-len(heard) // length))
    padding = [(0, count * length - len(heard))] + [(0, 0)] * (heard.ndim - 1)
    shares = np.minimum(length, len(heard) - length * np.arange(count)).astype(np.float64)
    return np.pad(heard, padding).reshape(count, length, *heard.shape[1:]), shares


def _hearing_of(path: Path, shape: Sequence[int | None], frontend: FrontendSpec) -> Hearing:
    """What an input of (batch, ...) is: a waveform (samples), (samples, 1), or features (frames, channels[, 1])."""
    sizes = list(shape[1:])
    if len(sizes) >= 2 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) == 1:
        return Hearing("waveform", sizes[0], WAVEFORM_RATE_HZ)
    if len(sizes) == 2 and sizes[1] == frontend.channels:
        return Hearing("features", sizes[0], 1000 / frontend.step_ms)
    message = (
        f"{path}: its input is {tuple(shape)}; expected (batch, samples), (batch, samples, 1), "
        f"(batch, frames, {frontend.channels}) or (batch, frames, {frontend.channels}, 1)"
    )
    raise InputError(message)


def _rows(path: Path, values: Any) -> Floats:
    """Outputs (n, ..., K) as (n, K): what stands between is time, and averaged."""
    rows = np.asarray(values, dtype=np.float32)
    if rows.ndim < 2 or rows.size == 0:
        message = f"{path}: its output is {rows.shape}; expected (batch, values)"
        raise InputError(message)
    flat: Floats = rows.reshape(len(rows), -1, rows.shape[-1]).mean(axis=1)
    return flat


class _KerasTeacher:
    """A .keras file of one input and one output."""

    def __init__(self, path: Path, frontend: FrontendSpec) -> None:
        self._path = path
        try:
            # Without code from inside the file: safe_mode refuses layers that carry any.
            self._model = keras.models.load_model(path, compile=False, safe_mode=True)
        except (OSError, ValueError, TypeError, KeyError) as error:
            message = f"{path}: not a model that this Keras can load ({_first_line(error)}); save it again as .keras"
            raise InputError(message) from None
        if len(self._model.inputs) != 1 or len(self._model.outputs) != 1:
            found = f"{len(self._model.inputs)} inputs and {len(self._model.outputs)} outputs"
            message = f"{path}: has {found}; expected one of each"
            raise InputError(message)
        self._shape = tuple(self._model.inputs[0].shape)
        self.hearing = _hearing_of(path, self._shape, frontend)

    def outputs(self, pieces: Floats) -> Floats:
        """See :class:`Runner`."""
        shaped = pieces[..., np.newaxis] if pieces.ndim < len(self._shape) else pieces
        return _rows(self._path, self._model(shaped, training=False))


class _TfliteTeacher:
    """A TFLite file of one input and one output, in float or quantised, run by LiteRT's built-in kernels."""

    def __init__(self, path: Path, frontend: FrontendSpec) -> None:
        self._path = path
        try:
            self._interpreter = Interpreter(
                model_path=str(path),
                num_threads=1,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            message = f"{path}: not a TFLite model that LiteRT can load ({_first_line(error)})"
            raise InputError(message) from None
        if len(inputs) != 1 or len(outputs) != 1:
            message = f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs; expected one of each"
            raise InputError(message)
        self._entry, self._exit = inputs[0], outputs[0]
        signature = [int(size) for size in self._entry["shape_signature"]]
        self._rank = len(signature)
        self.hearing = _hearing_of(path, [None if size < 0 else size for size in signature], frontend)
        self._ready: tuple[int, ...] = ()

    def outputs(self, pieces: Floats) -> Floats:
        """See :class:`Runner`."""
        return np.concatenate([self._one(piece) for piece in pieces])

    def _one(self, piece: Floats) -> Floats:
        entry = piece[np.newaxis, ..., np.newaxis] if piece.ndim + 1 < self._rank else piece[np.newaxis]
        try:
            if entry.shape != self._ready:
                self._interpreter.resize_tensor_input(self._entry["index"], entry.shape, strict=False)
                self._interpreter.allocate_tensors()
                self._ready = entry.shape
            self._interpreter.set_tensor(self._entry["index"], _quantized(entry, self._entry))
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            message = f"{self._path}: LiteRT cannot run it on an input {entry.shape} ({_first_line(error)})"
            raise InputError(message) from None
        values = self._interpreter.get_tensor(self._exit["index"])
        scale, zero_point = self._exit["quantization"]
        if scale:
            values = (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
        return _rows(self._path, values)


def _quantized(values: Floats, details: dict[str, Any]) -> NDArray[Any]:
    """Values in the type of a TFLite input, by its scale and zero point where it has them."""
    kind, (scale, zero_point) = details["dtype"], details["quantization"]
    if not scale:
        return values.astype(kind)
    limits = np.iinfo(kind)
    rounded: NDArray[Any] = np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(kind)
    return rounded


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
