"""Training curves, from the logs that `edge-ser train` leaves in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from edge_ser.bundle import Bundle
from edge_ser.errors import InputError
from edge_ser.files import parse_json_object, reason
from edge_ser.report.sources import read_file

LOG = "log.jsonl"
"""Name of a stage's log below the training folder, as :mod:`edge_ser.training.loop` writes it."""

_MOST_BYTES = 4 * 2**20
_MOST_STAGES = 32
_MOST_EPOCHS = 10_000
_EXPECTED = "expected the folder that edge-ser train wrote"


@dataclass(frozen=True)
class Epoch:
    """One line of a log.

    Attributes:
        epoch: counted from 1.
        loss: on the training clips.
        validation_uar: share, on speakers that are watched and never selected on.
    """

    epoch: Annotated[int, Field(ge=1)]
    loss: Annotated[float, Field(allow_inf_nan=False)]
    validation_uar: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class Curve:
    """One stage of a training: its name and its epochs in order, one at least."""

    stage: str
    epochs: tuple[Epoch, ...]


_LINE = TypeAdapter(Epoch)


def read_curves(folder: Path) -> tuple[Curve, ...]:
    """The curve of every stage in a training folder, in the order of their names.

    Raises:
        InputError: there is no such folder, no log in it, or a log is not as training writes it.
    """
    try:
        logs = sorted(folder.glob(f"*/{LOG}"))
    except OSError as error:
        message = f"{folder}: cannot be read ({reason(error)}); {_EXPECTED}"
        raise InputError(message) from None
    if not logs:
        what = "holds no training log" if folder.is_dir() else "no such folder"
        message = f"{folder}: {what} (*/{LOG}); {_EXPECTED}"
        raise InputError(message)
    if len(logs) > _MOST_STAGES:
        message = f"{folder}: {len(logs)} logs; {_EXPECTED}, which has at most {_MOST_STAGES}"
        raise InputError(message)
    return tuple(Curve(log.parent.name, _epochs(log)) for log in logs)


def is_training_of(folder: Path, bundle: Bundle) -> bool:
    """Whether the folder's training is the one that the bundle says it comes from.

    Raises:
        InputError: the folder's own report cannot be read.
    """
    told = bundle.report("train")
    place = folder / "train.json"
    if told is None or not place.is_file():
        return False
    found: dict[str, Any] = parse_json_object(read_file(place, _EXPECTED, _MOST_BYTES), str(place))
    # What quantize keeps of it; the spec stands in the bundle's manifest.
    return {key: value for key, value in found.items() if key != "spec"} == told


def _epochs(log: Path) -> tuple[Epoch, ...]:
    found: list[Epoch] = []
    for number, line in enumerate(read_file(log, _EXPECTED, _MOST_BYTES).splitlines(), start=1):
        try:
            found.append(_LINE.validate_python(json.loads(line)))
        except (ValidationError, ValueError, RecursionError):
            message = f"{log}: line {number} is no epoch (epoch, loss, validation_uar); {_EXPECTED}"
            raise InputError(message) from None
    if not 0 < len(found) <= _MOST_EPOCHS:
        message = f"{log}: {len(found)} epochs; expected 1 to {_MOST_EPOCHS}: train again"
        raise InputError(message)
    return tuple(found)
