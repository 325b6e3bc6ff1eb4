"""Decisions on labelled clips by several predictors side by side: what tables are made of and what files keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.evaluation.controls import Controlled, controlled_from_dict, pool_controlled

_DIGITS = 5
"""Digits of a probability that a file keeps."""


@dataclass(frozen=True)
class ClipName:
    """What a table needs to know of a clip.

    Attributes:
        corpus: name of its layout.
        file: path below the corpus' folder.
        start_s: start inside the file, seconds.
        speaker: who speaks.
        sex: ``"f"``, ``"m"`` or ``""``.
    """

    corpus: str
    file: str
    start_s: float
    speaker: str
    sex: str


@dataclass(frozen=True, eq=False)
class Decided:
    """Predictions on one set of clips.

    Attributes:
        classes: class names.
        clips: which clips.
        labels: int (n,), their true classes.
        probabilities: by predictor, float64 (n, classes).
        constant: the class of the constant predictor: the commonest of the training clips.
        controls: by backend, what its keyword controls decided; for :func:`edge_ser.evaluation.controls.gains`.
    """

    classes: tuple[str, ...]
    clips: tuple[ClipName, ...]
    labels: NDArray[np.int64]
    probabilities: Mapping[str, NDArray[np.float64]]
    constant: int
    controls: Mapping[str, Controlled] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse tables whose parts do not belong together.

        Raises:
            InputError: a predictor has another number of rows or classes than there are.
        """
        shape = (len(self.clips), len(self.classes))
        for name, rows in self.probabilities.items():
            if rows.shape != shape:
                message = f"decisions of {name}: {rows.shape}; expected {shape} (clips, classes)"
                raise InputError(message)
        inside = (self.labels >= 0) & (self.labels < len(self.classes))
        if self.labels.shape != shape[:1] or not inside.all() or not 0 <= self.constant < len(self.classes):
            message = f"labels: {self.labels.shape}, or not all within the {len(self.classes)} classes"
            raise InputError(message)

    @property
    def speakers(self) -> list[str]:
        """Speaker of each clip, unique over corpora."""
        return [f"{clip.corpus}/{clip.speaker}" for clip in self.clips]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "classes": list(self.classes),
            "constant": self.classes[self.constant],
            "clips": [[c.corpus, c.file, c.start_s, c.speaker, c.sex] for c in self.clips],
            "labels": self.labels.tolist(),
            "probabilities": {
                name: np.round(rows, _DIGITS).tolist() for name, rows in self.probabilities.items()
            },
            "controls": {name: controlled.to_dict() for name, controlled in self.controls.items()},
        }


def decided_from_dict(plain: Mapping[str, Any], source: str) -> Decided:
    """Read back what :meth:`Decided.to_dict` gave.

    Raises:
        InputError: it is something else; ``source`` is named.
    """
    try:
        classes = tuple(str(name) for name in plain["classes"])
        clips = tuple(
            ClipName(str(c), str(f), float(at), str(who), str(sex)) for c, f, at, who, sex in plain["clips"]
        )
        return Decided(
            classes=classes,
            clips=clips,
            labels=np.array(plain["labels"], dtype=np.int64),
            probabilities={
                str(name): np.array(rows, dtype=np.float64).reshape(len(clips), len(classes))
                for name, rows in dict(plain["probabilities"]).items()
            },
            constant=classes.index(plain["constant"]),
            controls={
                str(name): controlled_from_dict(rows, len(clips), len(classes))
                for name, rows in dict(plain.get("controls", {})).items()
            },
        )
    except (KeyError, TypeError, ValueError, InputError) as error:
        message = f"{source}: not decisions that evaluate wrote ({error!r}); delete it and evaluate again"
        raise InputError(message) from None


def pool(parts: Sequence[Decided]) -> Decided:
    """All decisions in one table, folds after one another; the predictors that every part has.

    The constant predictor's class is that of the most parts (its UAR is the same for every class).

    Raises:
        InputError: no parts, or parts that tell other classes apart.
    """
    if not parts or any(part.classes != parts[0].classes for part in parts):
        message = (
            f"{len(parts)} sets of decisions cannot be pooled; expected at least one, of the same classes"
        )
        raise InputError(message)
    shared = [name for name in parts[0].probabilities if all(name in part.probabilities for part in parts)]
    constants = [part.constant for part in parts]
    return Decided(
        classes=parts[0].classes,
        clips=tuple(clip for part in parts for clip in part.clips),
        labels=np.concatenate([part.labels for part in parts]),
        probabilities={name: np.concatenate([part.probabilities[name] for part in parts]) for name in shared},
        constant=max(sorted(set(constants)), key=constants.count),
        controls={
            name: pool_controlled([part.controls[name] for part in parts])
            for name in parts[0].controls
            if all(name in part.controls for part in parts)
        },
    )


def clip_names(clips: Sequence[Clip], roots: Mapping[str, Path]) -> tuple[ClipName, ...]:
    """Names of clips; files relative to their corpus' folder.

    Args:
        clips: the clips.
        roots: folder of each corpus, by the name of its layout.
    """
    return tuple(
        ClipName(c.corpus, _below(c.path, roots.get(c.corpus)), c.start_s, c.speaker, c.sex) for c in clips
    )


def _below(path: Path, root: Path | None) -> str:
    return path.relative_to(root).as_posix() if root and path.is_relative_to(root) else path.as_posix()
