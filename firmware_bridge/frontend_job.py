"""Jobs for a front end that runs as a program of its own, on this machine or on an emulated one.

The layout of both files is described in ``boards/common/job.h``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import CheckError, InputError
from edge_ser.frontend import design
from edge_ser.frontend.tables import FrontendTables
from edge_ser.spec import FrontendSpec

_JOB_MAGIC: Final = b"ESERJOB1"
_RESULT_MAGIC: Final = b"ESERRES1"
_SOURCE: Final = "result of the front-end program"
_OWN_TABLES: Final = 1
_MAX_SAMPLES: Final = 1 << 28
_MAX_NET_INPUT: Final = 65_535
_NUMBERS: Final = (
    "sample_rate_hz",
    "window_samples",
    "step_samples",
    "channels",
    "noise_reduction",
    "smoothing_bits",
    "even_smoothing",
    "odd_smoothing",
    "min_signal_remaining",
    "pcan",
    "snr_shift",
    "log",
    "log_shift",
    "feature_low",
    "feature_high",
)
_ARRAY_TYPES: Final = {
    "window": "<i2",
    "twiddles": "<i2",
    "real_twiddles": "<i2",
    "band_edges": "<i2",
    "band_weights": "<i2",
    "band_unweights": "<i2",
    "gain_table": "<i2",
    "log_table": "<u2",
}


@dataclass(frozen=True)
class FrontendJob:
    """Recordings that one front end shall process, each from the reset state.

    Attributes:
        spec: what the tables were made from; the stock library makes its own from it.
        tables: the integers.
        recordings: int16 (samples,) each.
        chunk_samples: samples that are fed at once; 0 for each recording at once.
        net_input_frames: how many of the newest frames are wanted as uint8 net input; 0 for none.

    Raises:
        InputError: a recording is not int16 of one dimension, or a number is out of range.
    """

    spec: FrontendSpec
    tables: FrontendTables
    recordings: tuple[NDArray[np.int16], ...]
    chunk_samples: int = 0
    net_input_frames: int = 0

    def __post_init__(self) -> None:
        for index, recording in enumerate(self.recordings):
            if recording.dtype != np.int16 or recording.ndim != 1 or recording.size > _MAX_SAMPLES:
                message = (
                    f"front-end job: recording {index} is {recording.dtype} {recording.shape}; "
                    f"expected int16 of one dimension, at most {_MAX_SAMPLES} samples"
                )
                raise InputError(message)
        for name, most in (("chunk_samples", _MAX_SAMPLES), ("net_input_frames", _MAX_NET_INPUT)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                message = f"front-end job: {name} is {value}; expected 0 to {most}"
                raise InputError(message)


@dataclass(frozen=True)
class JobResult:
    """What a front end made of a job, one entry per recording.

    Attributes:
        features: uint16 (frames, channels) each.
        instructions: instructions that the processing took; 0 where the machine cannot count them.
        net_inputs: uint8 (net_input_frames, channels) each, no rows where the recording has fewer frames.
        tables: what the front end computed with; ``None`` where that was not asked.
    """

    features: tuple[NDArray[np.uint16], ...]
    instructions: tuple[int, ...]
    net_inputs: tuple[NDArray[np.uint8], ...] = ()
    tables: FrontendTables | None = None


@dataclass(frozen=True)
class JobResults:
    """A whole result file.

    Attributes:
        state_bytes: what the caller of the front end gives it to work in; 0 for the stock library.
        jobs: one result per job, in their order.
    """

    state_bytes: int
    jobs: list[JobResult]


def write_jobs(jobs: Sequence[FrontendJob], *, own_tables: bool = False) -> bytes:
    """The job file.

    Args:
        jobs: what shall be done.
        own_tables: whether the front end makes its own tables from the specs (the stock library alone can).
    """
    parts = [_JOB_MAGIC, struct.pack("<II", _OWN_TABLES if own_tables else 0, len(jobs))]
    for job in jobs:
        parts += [_spec_bytes(job.spec), _tables_bytes(job.tables)]
        parts.append(struct.pack("<III", job.chunk_samples, job.net_input_frames, len(job.recordings)))
        for recording in job.recordings:
            parts += [struct.pack("<I", recording.size), recording.astype("<i2").tobytes()]
    return b"".join(parts)


def read_results(data: bytes, jobs: Sequence[FrontendJob], *, own_tables: bool = False) -> JobResults:
    """Read a result file and check it against the jobs that it answers.

    Args:
        data: the file.
        jobs: what was asked.
        own_tables: as given to :func:`write_jobs`; without it the front end must have computed with the tables
            that it was given.

    Raises:
        CheckError: the file is not the answer to these jobs.
    """
    reader = _Reader(data)
    _expect("first bytes", reader.take(len(_RESULT_MAGIC)), _RESULT_MAGIC)
    state_bytes = reader.number("<I")
    _expect("jobs", reader.number("<I"), len(jobs))
    results = [_read_result(reader, job, own_tables=own_tables) for job in jobs]
    _expect("bytes after the last job", reader.left, 0)
    return JobResults(state_bytes, results)


def _spec_bytes(spec: FrontendSpec) -> bytes:
    noise, pcan = spec.noise_reduction, spec.pcan
    shares = (noise.even_smoothing, noise.odd_smoothing, noise.min_signal_remaining)
    numbers = (spec.lower_hz, spec.upper_hz, *shares, pcan.strength, pcan.offset)
    return struct.pack("<II7fI", spec.window_ms, spec.step_ms, *numbers, pcan.gain_bits)


def _tables_bytes(tables: FrontendTables) -> bytes:
    numbers = struct.pack(f"<{len(_NUMBERS)}i", *(int(getattr(tables, name)) for name in _NUMBERS))
    arrays = (getattr(tables, name).astype(dtype).tobytes() for name, dtype in _ARRAY_TYPES.items())
    return numbers + b"".join(arrays)


class _Reader:
    """Takes pieces off a file that may be cut short or wrong."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._place

    def take(self, size: int) -> bytes:
        if size > self.left:
            message = f"{_SOURCE}: ends after {len(self._data)} bytes; expected at least {self._place + size}"
            raise CheckError(message)
        self._place += size
        return self._data[self._place - size : self._place]

    def number(self, code: str) -> int:
        (value,) = struct.unpack(code, self.take(struct.calcsize(code)))
        return int(value)

    def array(self, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        piece = self.take(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        array = np.frombuffer(piece, dtype).reshape(shape)
        return array.astype(array.dtype.newbyteorder("="))


def _read_result(reader: _Reader, job: FrontendJob, *, own_tables: bool) -> JobResult:
    tables = _read_tables(reader, job.tables)
    if not own_tables:
        _expect("SHA-256 of the tables", tables.sha256, job.tables.sha256)
    features, instructions, net_inputs = [], [], []
    for recording in job.recordings:
        frames, channels = job.tables.frames_in(recording.size), job.tables.channels
        _expect(f"frames of {recording.size} samples", reader.number("<I"), frames)
        features.append(reader.array("<u2", (frames, channels)))
        instructions.append(reader.number("<Q"))
        rows = job.net_input_frames if job.net_input_frames <= frames else 0
        _expect(f"frames of net input out of {frames}", reader.number("<I"), rows)
        net_inputs.append(reader.array("|u1", (rows, channels)))
    return JobResult(tuple(features), tuple(instructions), tuple(net_inputs), tables)


def _read_tables(reader: _Reader, given: FrontendTables) -> FrontendTables:
    numbers = {name: reader.number("<i") for name in _NUMBERS}
    for name in ("window_samples", "channels"):
        _expect(name, numbers[name], getattr(given, name))
    points, channels = design.fft_size_for(given.window_samples) // 2, given.channels
    arrays: dict[str, NDArray[Any]] = {name: np.array(value, np.int32) for name, value in numbers.items()}
    shapes: dict[str, tuple[int, ...]] = {
        "window": (given.window_samples,),
        "twiddles": (points, 2),
        "real_twiddles": (points // 2, 2),
        "band_edges": (channels + 2,),
        "gain_table": given.gain_table.shape,
        "log_table": given.log_table.shape,
    }
    for name, dtype in _ARRAY_TYPES.items():
        if name not in shapes:
            edges = arrays["band_edges"]
            shapes[name] = (max(0, int(edges[-1]) - int(edges[0])),)
        arrays[name] = reader.array(dtype, shapes[name])
    try:
        return FrontendTables.from_arrays(arrays)
    except InputError as error:
        message = f"{_SOURCE}: {error}"
        raise CheckError(message) from None


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        message = f"{_SOURCE}: {what}: {found!r}; expected {expected!r}"
        raise CheckError(message)
