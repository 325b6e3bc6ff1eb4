"""Distillation of the acoustic net: from the teachers of a spec to lessons, and the first of two stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from edge_ser.corpora.clip import Clip
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.layers import with_classifier
from edge_ser.provenance import code_digest
from edge_ser.spec import SystemSpec
from edge_ser.teacher_files import STAGE, TeacherFile, student_columns
from edge_ser.training import stages
from edge_ser.training.examples import UNLABELLED, Epochs
from edge_ser.training.lessons import Lesson, Lessons, make_lessons
from edge_ser.training.loop import WEIGHTS, Validation, train_net
from edge_ser.training.teachers import keep_said, kept_said, said_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_ser.training.prepared import Progress

_SAID_CODE = (
    "audio.py",
    "frontend",
    "networks",
    "training/segments.py",
    "training/teachers.py",
    "training/teachers_huggingface.py",
    "windows.py",
)
"""The source that decides what a teacher says of a clip."""

_LESSON_CODE = ("training/lessons.py", "training/teaching.py")


@dataclass(frozen=True, eq=False)
class Teaching:
    """What a training's teachers teach.

    Attributes:
        lessons: for the training clips in their order; ``None`` where there is no teacher.
        key: what made them; goes into the key of whatever learns from them.
    """

    lessons: Lessons | None
    key: str

    @property
    def last(self) -> Lesson | None:
        """What the net as a whole is taught when its classifier is: the second stage's lesson, or the only one."""
        return None if self.lessons is None else self.lessons.head or self.lessons.net

    @property
    def of_classes(self) -> Lesson | None:
        """The same if it is one of classes: what quantisation-aware epochs, which have no guess of a vector, keep."""
        return self.last.without_hint if self.last is not None and self.last.form == "classes" else None


def hear_teachers(
    spec: SystemSpec,
    teachers: Sequence[TeacherFile],
    labelled: Sequence[Clip],
    speech: Sequence[Clip],
    folder: Path,
    progress: Progress,
) -> Teaching:
    """Let every teacher hear the training clips, or read what it said; then make the lessons.

    Args:
        spec: the student.
        teachers: of :func:`edge_ser.teacher_files.find_teachers`.
        labelled: the training clips with an emotion.
        speech: those without; their rows of the lessons are behind the others'.
        folder: of the training; what was said is kept in :data:`~edge_ser.teacher_files.STAGE` below it.
        progress: shows what is going on.

    Raises:
        InputError: a teacher or a clip cannot be used; it is named.
        MissingError: a package that a teacher needs is not installed.
    """
    if not teachers:
        return Teaching(None, "")
    asked, classes = spec.training.acoustic.teacher, spec.acoustic.classes
    clips = (*labelled, *speech)
    labels = [classes.index(str(clip.emotion)) for clip in labelled] + [UNLABELLED] * len(speech)
    stage = folder / STAGE
    heard = stages.clips_digest(clips, labels)
    files = [[one.kind, one.sha256] for one in teachers]
    key = stages.digest([files, asked.output, heard, asdict(spec.frontend), code_digest(_SAID_CODE)])
    done = stages.is_done(stage, key)
    outputs = []
    for at, teacher in enumerate(teachers):
        kept = stage / f"said-{at}.npy"
        if not kept.exists():
            with progress(f"teacher {at + 1} of {len(teachers)}", len(clips)) as advance:
                keep_said(kept, said_by(asked, teacher, spec.frontend, clips, advance))
        outputs.append(kept_said(kept, len(clips)))
    if not done:
        stages.mark_done(stage, {"teachers": [one.told() for one in teachers]})
    columns = [student_columns(spec, one) for one in teachers]
    speakers = [f"{clip.corpus}/{clip.speaker}" for clip in clips]
    wanted = np.array(labels, dtype=np.int64)
    lessons = make_lessons(asked, outputs, columns, wanted, speakers, len(classes), progress)
    return Teaching(lessons, stages.digest([key, asdict(asked), code_digest(_LESSON_CODE)]))


def learn_vector(
    spec: SystemSpec,
    epochs: Epochs,
    watched: Validation,
    key: str,
    folder: Path,
    advance: Callable[[int], None],
    begin: Callable[[keras.Model], None] | None,
) -> keras.Model:
    """The first of two stages: train the net on its teachers' vector alone; its classifier learns nothing here.

    The validation UAR in this stage's log is that of the untaught classifier, and means nothing.

    Args:
        spec: the student.
        epochs: makes the batches; its lesson is the vector.
        watched: see :func:`~edge_ser.training.loop.train_net`.
        key: of everything that this stage depends on.
        folder: takes this stage's files.
        advance: called with 1 for every epoch.
        begin: see :func:`~edge_ser.training.loop.train_net`.

    Returns:
        The net without a classifier, trained, and frozen for the second stage.
    """
    recipe, seed, dropout = spec.training.acoustic, spec.training.seed, spec.acoustic.dropout
    if not stages.is_done(folder, key):
        train_net(build_acoustic(spec), epochs, watched, recipe, dropout, seed, folder, advance, begin)
        stages.mark_done(folder, {"epochs": recipe.epochs})
    net = build_acoustic(spec)
    with_classifier(net, len(spec.acoustic.classes), 0.0).load_weights(folder / WEIGHTS)
    net.trainable = False
    return net
