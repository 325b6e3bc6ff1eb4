"""Training curves: the logs that `edge-ser train` leaves in its folder, and what a bundle keeps of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from edge_ser.bundle import Bundle
from edge_ser.errors import InputError
from edge_ser.files import json_bytes, parse_json_object, read_limited, reason

LOG = "log.jsonl"
"""Name of a stage's log below the training folder; :mod:`edge_ser.training.loop` writes it."""

REPORT = "curves"
"""Name of the report; the member is ``reports/curves.json``: by stage, its epochs."""

_MOST_BYTES = 4 * 2**20
_MOST_STAGES = 32
_MOST_EPOCHS = 10_000
_EXPECTED = "expected the folder that edge-ser train wrote"


@dataclass(frozen=True)
class Epoch:
    """One line of a log.

    Attributes:
        epoch: counted from 1.
        loss: mean over the training clips: cross-entropy in nats, or what else the spec's loss adds up.
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
_STAGES = TypeAdapter(
    Annotated[
        dict[str, Annotated[tuple[Epoch, ...], Field(min_length=1, max_length=_MOST_EPOCHS)]],
        Field(max_length=_MOST_STAGES),
    ]
)


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


def curve_members(curves: tuple[Curve, ...]) -> dict[str, bytes]:
    """The curves as a member of a bundle; none where there are none."""
    stages = {curve.stage: [asdict(epoch) for epoch in curve.epochs] for curve in curves}
    return {f"reports/{REPORT}.json": json_bytes(stages)} if stages else {}


def curves_of(bundle: Bundle) -> tuple[Curve, ...]:
    """The curves that a bundle carries; none in one from before bundles carried them.

    Raises:
        InputError: they are not as edge-ser writes them.
    """
    told = bundle.report(REPORT)
    if told is None:
        return ()
    try:
        stages = _STAGES.validate_python(told)
    except ValidationError:
        message = (
            f"bundle {bundle.spec.name}: reports/{REPORT}.json is not as edge-ser writes it; quantize again"
        )
        raise InputError(message) from None
    return tuple(Curve(stage, epochs) for stage, epochs in stages.items())


def is_training_of(folder: Path, bundle: Bundle) -> bool:
    """Whether the folder's training is the one that the bundle says it comes from.

    Raises:
        InputError: the folder's own report cannot be read.
    """
    told = bundle.report("train")
    place = folder / "train.json"
    if told is None or not place.is_file():
        return False
    found: dict[str, Any] = parse_json_object(read_limited(place, _EXPECTED, _MOST_BYTES), str(place))
    # What quantize keeps of it; the spec stands in the bundle's manifest.
    return {key: value for key, value in found.items() if key != "spec"} == told


def _epochs(log: Path) -> tuple[Epoch, ...]:
    found: list[Epoch] = []
    for number, line in enumerate(read_limited(log, _EXPECTED, _MOST_BYTES).splitlines(), start=1):
        try:
            found.append(_LINE.validate_python(json.loads(line)))
        except (ValidationError, ValueError, RecursionError):
            message = f"{log}: line {number} is no epoch (epoch, loss, validation_uar); {_EXPECTED}"
            raise InputError(message) from None
    if not 0 < len(found) <= _MOST_EPOCHS:
        message = f"{log}: {len(found)} epochs; expected 1 to {_MOST_EPOCHS}: train again"
        raise InputError(message)
    return tuple(found)
