"""What a process of its own is asked to compute, and what it answers, as .npz files.

TensorFlow may not be imported where its op is compared with the others; it runs in a child process, and these are
the two files that go there and back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from edge_ser.npz import npz_arrays, npz_bytes
from edge_ser.spec import FrontendSpec

Samples: TypeAlias = NDArray[np.int16]
Features: TypeAlias = NDArray[np.uint16]

_INDEX: Final = "index"
_LARGEST_BYTES: Final = 2**31


@dataclass(frozen=True)
class Refused:
    """An implementation that does not take a spec, in its own words."""

    reason: str


Answer: TypeAlias = tuple[Features, ...] | Refused
"""Features of each recording of a job, uint16 (frames, channels), or why there are none."""


def write_job(path: Path, jobs: Sequence[tuple[FrontendSpec, Sequence[Samples]]]) -> None:
    """Write specs and for each the recordings, int16 (samples,), that it is asked for."""
    index = [{"spec": asdict(spec), "recordings": len(recordings)} for spec, recordings in jobs]
    arrays = {
        _name(job, place): samples
        for job, (_, recordings) in enumerate(jobs)
        for place, samples in enumerate(recordings)
    }
    _write(path, index, arrays)


def read_job(path: Path) -> list[tuple[FrontendSpec, list[Samples]]]:
    """The inverse of :func:`write_job`."""
    adapter = TypeAdapter(FrontendSpec)
    index, arrays = _read(path)
    return [
        (
            # By way of JSON: strict mode takes tables for dataclasses only there.
            adapter.validate_json(json.dumps(entry["spec"])),
            [arrays[_name(job, place)] for place in range(entry["recordings"])],
        )
        for job, entry in enumerate(index)
    ]


def write_answers(path: Path, answers: Sequence[Answer]) -> None:
    """Write one answer per job: uint16 (frames, channels) of each of its recordings, or why there are none."""
    index: list[dict[str, Any]] = []
    arrays: dict[str, Features] = {}
    for job, answer in enumerate(answers):
        if isinstance(answer, Refused):
            index.append({"refused": answer.reason})
            continue
        index.append({"recordings": len(answer)})
        arrays |= {_name(job, place): features for place, features in enumerate(answer)}
    _write(path, index, arrays)


def read_answers(path: Path) -> list[Answer]:
    """The inverse of :func:`write_answers`."""
    index, arrays = _read(path)
    return [
        Refused(entry["refused"])
        if "refused" in entry
        else tuple(arrays[_name(job, place)] for place in range(entry["recordings"]))
        for job, entry in enumerate(index)
    ]


def _write(path: Path, index: Sequence[dict[str, Any]], arrays: dict[str, Any]) -> None:
    text = np.frombuffer(json.dumps(index).encode(), np.uint8)
    path.write_bytes(npz_bytes({_INDEX: text, **arrays}))


def _read(path: Path) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    arrays = npz_arrays(path.read_bytes(), str(path), _LARGEST_BYTES)
    index: list[dict[str, Any]] = json.loads(arrays.pop(_INDEX).tobytes())
    return index, arrays


def _name(job: int, place: int) -> str:
    return f"{job}-{place}"
