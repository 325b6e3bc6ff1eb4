"""What teachers are, before any of them runs: which files, what is in them, and whom they have heard.

No TensorFlow in here, so that an evaluation can refuse a dishonest teacher before it trains anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge_ser.bundle import read_bundle
from edge_ser.bundle_float import FLOAT_WEIGHTS
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest, read_manifest
from edge_ser.errors import InputError
from edge_ser.files import read_json, reason, sha256_hex
from edge_ser.provenance import told_corpora
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import spec_from_dict
from edge_ser.spec_training import TeacherKind, TeacherSpec

STAGE = "acoustic-teacher"
"""Folder inside a training that keeps what its teachers said, and in ``STAGE_RESULT`` who they were."""

STAGE_RESULT = "done.json"

_HUGGINGFACE_FILES = ("config.json", "preprocessor_config.json")
_FOLD_BUNDLE = "fold.edgeser"
_HEARD_PARTS = ("train", "validation")


@dataclass(frozen=True, eq=False)
class TeacherFile:
    """One teacher on disk.

    Attributes:
        kind: see :class:`edge_ser.spec_training.TeacherSpec`.
        path: its file or folder.
        sha256: of everything in it that decides its outputs.
        learned_from: what it has heard, in words.
        corpora: what provenance says of the corpora that it and its own teachers learned from, one entry each with
            ``name`` and ``speakers``; empty of a file from elsewhere.
        spec: the system of a training or a bundle, else ``None``.
    """

    kind: TeacherKind
    path: Path
    sha256: str
    learned_from: str
    corpora: tuple[dict[str, Any], ...] = ()
    spec: SystemSpec | None = None

    def told(self) -> dict[str, Any]:
        """Ready for JSON: what a result says of it; its name alone, not where it lies on this machine."""
        return {
            "kind": self.kind,
            "name": self.path.name,
            "sha256": self.sha256,
            "learned_from": self.learned_from,
            "corpora": list(self.corpora),
        }


def find_teachers(spec: SystemSpec, emotions: Manifest) -> tuple[TeacherFile, ...]:
    """Look up the teachers of a spec, and that none has heard a speaker whom this training tests or chooses on.

    Args:
        spec: the student; ``training.acoustic.teacher`` says which teachers.
        emotions: who trains, validates and tests.

    Returns:
        One entry per path; none where the spec has no teacher.

    Raises:
        InputError: a path leads to nothing usable, or a teacher does not know the student's emotions, or has heard
            whom it must not.
    """
    teacher = spec.training.acoustic.teacher
    found = tuple(_find(teacher, Path(path)) for path in teacher.paths)
    for one in found:
        _check_unheard(one, emotions)
        student_columns(spec, one)
    return found


def in_fold(spec: SystemSpec, fold: str) -> SystemSpec:
    """The spec with ``{fold}`` in its teachers' paths replaced."""
    acoustic = spec.training.acoustic
    named = replace(acoustic, teacher=acoustic.teacher.in_fold(fold))
    return replace(spec, training=replace(spec.training, acoustic=named))


def student_columns(spec: SystemSpec, teacher: TeacherFile) -> tuple[int, ...]:
    """Which outputs of a teacher stand for the student's classes, in the student's order; none if it gives vectors.

    Raises:
        InputError: the teacher does not know one of the student's emotions.
    """
    asked = spec.training.acoustic.teacher
    if not asked.names_classes:
        return ()
    known = teacher.spec.acoustic.classes if teacher.spec is not None else asked.classes
    lacking = [name for name in spec.acoustic.classes if name not in known]
    if lacking:
        message = (
            f"{teacher.path}: this teacher does not know {', '.join(lacking)}, it knows {', '.join(known)}; take "
            "another one, or fewer classes"
        )
        raise InputError(message)
    return tuple(known.index(name) for name in spec.acoustic.classes)


def told_teachers(spec: SystemSpec, folder: Path) -> list[dict[str, Any]]:
    """Who taught a finished training of ``spec`` in ``folder``: :meth:`TeacherFile.told` of each; empty for nobody.

    Raises:
        InputError: the training does not say so, though its spec has teachers.
    """
    if not spec.training.acoustic.teacher.paths:
        return []
    record = folder / STAGE / STAGE_RESULT
    told = read_json(record).get("teachers")
    try:
        for one in told or ():
            _ = (str(one["sha256"]), str(one["learned_from"]))
            for entry in one["corpora"]:
                _heard(entry)
        return list(told or ())
    except (KeyError, TypeError, AttributeError):
        message = f"{record}: does not say who taught this training; train it again"
        raise InputError(message) from None


def taught_corpora(teachers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The corpora of :meth:`TeacherFile.told` entries, each once: whoever taught a teacher taught its pupil."""
    corpora: list[dict[str, Any]] = []
    for one in teachers:
        corpora += [entry for entry in one["corpora"] if entry not in corpora]
    return corpora


@contextmanager
def weights_of(teacher: TeacherFile) -> Iterator[Path]:
    """The Keras weights file of a training's or a bundle's acoustic net, classifier included.

    A training's is the net from before any quantisation-aware epochs. A bundle's lies in a temporary folder.
    """
    if teacher.kind == "training":
        yield _training_weights(teacher.path)
        return
    with TemporaryDirectory(prefix="edge-ser-teacher-") as folder:
        path = Path(folder) / "teacher.weights.h5"
        path.write_bytes(read_bundle(teacher.path).member(FLOAT_WEIGHTS["acoustic"]))
        yield path


def _find(teacher: TeacherSpec, path: Path) -> TeacherFile:
    if teacher.kind == "training":
        return _find_training(path)
    if teacher.kind == "bundle":
        return _find_bundle(path)
    learned_from = teacher.learned_from.strip()
    if teacher.kind == "huggingface":
        weights = sorted(path.glob("*.safetensors"))
        if not (path / _HUGGINGFACE_FILES[0]).is_file() or not weights:
            expected = "a folder with config.json and model.safetensors"
            message = f"{_named(path)}: not a HuggingFace encoder; expected {expected}"
            raise InputError(message)
        settings = [path / name for name in _HUGGINGFACE_FILES if (path / name).is_file()]
        return TeacherFile("huggingface", path, _digest([*settings, *weights]), learned_from)
    ending = {"keras": ".keras", "tflite": ".tflite", "vectors": ".npz"}[teacher.kind]
    if path.suffix != ending or not path.is_file():
        message = f"{_named(path)}: not a {teacher.kind} teacher; expected a {ending} file"
        raise InputError(message)
    return TeacherFile(teacher.kind, path, _digest([path]), learned_from)


def _find_training(path: Path) -> TeacherFile:
    # `train` leaves its spec in train.json, a fold of `evaluate` in request.json.
    records = [path / name for name in ("train.json", "request.json") if (path / name).is_file()]
    if not records or not _training_weights(path).is_file():
        message = (
            f"{_named(path)}: holds no finished training; expected a folder of edge-ser train, or of one fold of "
            "edge-ser evaluate --keep"
        )
        raise InputError(message)
    record = read_json(records[0])
    if not isinstance(record.get("spec"), dict):
        message = f"{records[0]}: holds no spec; expected what edge-ser wrote, train again"
        raise InputError(message)
    spec = spec_from_dict(record["spec"], source=str(records[0]))
    own = told_corpora(read_manifest(path / "emotions.json"))
    inherited = told_teachers(spec, path)
    begun = _start_corpora(path, records[0], record)
    about = [_digest([_training_weights(path)]), spec.to_dict()]
    return TeacherFile(
        kind="training",
        path=path,
        sha256=sha256_hex(json.dumps(about, sort_keys=True).encode()),
        learned_from=_in_words([*own, *begun], inherited),
        corpora=_checked(path, [*own, *begun, *taught_corpora(inherited)]),
        spec=spec,
    )


def _find_bundle(path: Path) -> TeacherFile:
    bundle = read_bundle(path)
    if FLOAT_WEIGHTS["acoustic"] not in bundle.members:
        message = f"{path}: carries no float weights to teach with; make it again with: edge-ser quantize"
        raise InputError(message)
    told = bundle.provenance.get("corpora")
    roles = told if isinstance(told, dict) else {}
    # The keyword net teaches nothing here: whom it learned from does not matter.
    entries = [
        one
        for role, entry in roles.items()
        if role != "words"
        for one in (entry if isinstance(entry, list) else [entry])
    ]
    if not entries:
        raise _untold(path)
    teachers = bundle.provenance.get("teachers")
    inherited = list(teachers) if isinstance(teachers, list) else []
    corpora = _checked(path, entries)
    return TeacherFile(
        "bundle", path, _digest([path]), _in_words(corpora, inherited), corpora, spec=bundle.spec
    )


def _start_corpora(path: Path, source: Path, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The corpora of the bundle that a training started from."""
    start = record.get("start")
    if not start:
        return []
    if isinstance(start, str):  # a fold of `evaluate` names the bundle, and tells of it in its own
        start = read_bundle(path / _FOLD_BUNDLE).provenance.get("corpora")
        entries = start.get("start") if isinstance(start, dict) else None
    else:
        entries = start.get("corpora") if isinstance(start, dict) else None
    if not isinstance(entries, list):
        raise _untold(source)
    return entries


def _checked(path: Path, entries: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The entries, each of which says whom it is about."""
    try:
        for entry in entries:
            _heard(entry)
    except (KeyError, TypeError, AttributeError):
        raise _untold(path) from None
    return tuple(entries)


def _in_words(corpora: Iterable[Mapping[str, Any]], teachers: Iterable[Mapping[str, Any]]) -> str:
    words = [f"training part of {entry.get('name')}" for entry in corpora]
    words += [f"by a teacher of its own: {one.get('learned_from')}" for one in teachers]
    return "; ".join(dict.fromkeys(words))


def _untold(path: Path) -> InputError:
    message = (
        f"{path}: does not say whom it learned from, so no score after it could be believed; make it again"
    )
    return InputError(message)


def _check_unheard(teacher: TeacherFile, emotions: Manifest) -> None:
    heard = {who for entry in teacher.corpora for who in _heard(entry)}
    for part, use in (("test", "tests"), ("validation", "chooses on")):
        clips: tuple[Clip, ...] = getattr(emotions, part)
        # Of a teacher's own validation speakers no weight knows anything; a test fold is kept from them all the same.
        crossing = sorted(
            {
                f"{clip.corpus}/{clip.speaker}"
                for clip in clips
                if (clip.corpus, clip.speaker, "train") in heard
                or (part == "test" and (clip.corpus, clip.speaker, "validation") in heard)
            }
        )
        if crossing:
            message = (
                f"{teacher.path}: this teacher has heard speaker {crossing[0]}, whom this training {use}: its scores "
                "would be worth nothing; take a teacher of the same fold ({fold} in the path stands for its name)"
            )
            raise InputError(message)


def _heard(entry: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(corpus, speaker, part) of everyone in an entry of provenance."""
    return [(str(entry["name"]), str(who), part) for part in _HEARD_PARTS for who in entry["speakers"][part]]


def _training_weights(folder: Path) -> Path:
    return folder / "acoustic" / "weights.weights.h5"


def _named(path: Path) -> str:
    hint = " ({fold} is filled in by edge-ser evaluate alone)" if "{fold}" in str(path) else ""
    return f"{path}{hint}"


def _digest(files: Iterable[Path]) -> str:
    """SHA-256 over names and contents of files; they may be larger than memory."""
    seen = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as opened:
                content = hashlib.file_digest(opened, "sha256").digest()
        except OSError as error:
            message = f"{file}: cannot be read ({reason(error)}); expected a file of a teacher"
            raise InputError(message) from None
        seen.update(file.name.encode() + b"\0" + content)
    return seen.hexdigest()
