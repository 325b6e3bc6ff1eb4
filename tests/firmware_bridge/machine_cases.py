"""The jobs that the core and the stock library get on every machine, and what NumPy makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edge_ser.frontend.net_input import quantize_features
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import make_tables
from edge_ser.frontend.torture import random_specs, torture_set
from edge_ser.spec import FrontendSpec, NoiseReductionSpec, PcanSpec
from firmware_bridge.frontend_job import FrontendJob, JobResult

PLAIN: Final = FrontendSpec(step_ms=10)
ALL_STAGES: Final = FrontendSpec(step_ms=10, noise_reduction=NoiseReductionSpec(True), pcan=PcanSpec(True))
OTHER_SIZES: Final = FrontendSpec(8000, 64, 32, 20, 60.0, 3900.0, noise_reduction=NoiseReductionSpec(True))
CHUNKS: Final = (0, 1, 7, 160)
"""Samples fed at once; 0 is a whole recording."""
NET_INPUT_FRAMES: Final = 20
RANDOM_SPECS: Final = 40
# Of the torture set, for the random specs: what reaches the ends of the integers and what follows the noise.
_FEW: Final = ("extremes", "fading chirp", "level steps", "lowest impulse", "dither")


@dataclass(frozen=True)
class MachineCases:
    """Jobs, and the reference's features for each.

    Attributes:
        jobs: the torture set by every way of feeding, then random specs.
        expected: uint16 (frames, channels) per job and recording.
    """

    jobs: tuple[FrontendJob, ...]
    expected: tuple[tuple[np.ndarray, ...], ...]

    @classmethod
    def make(cls) -> MachineCases:
        """The cases; the reference computes each spec once."""
        jobs: list[FrontendJob] = []
        expected: list[tuple[np.ndarray, ...]] = []
        for spec in (PLAIN, ALL_STAGES, OTHER_SIZES):
            sounds = torture_set(spec)
            job = FrontendJob(spec, make_tables(spec), tuple(sounds.values()))
            features = _reference(job)
            for chunk in CHUNKS:
                jobs.append(FrontendJob(spec, job.tables, job.recordings, chunk, NET_INPUT_FRAMES))
                expected.append(features)
        for index, spec in enumerate(random_specs(RANDOM_SPECS)):
            sounds = torture_set(spec)
            recordings = tuple(sounds[name] for name in _FEW)
            chunk = CHUNKS[index % len(CHUNKS)]
            jobs.append(FrontendJob(spec, make_tables(spec), recordings, chunk, NET_INPUT_FRAMES))
            expected.append(_reference(jobs[-1]))
        return cls(tuple(jobs), tuple(expected))

    def differences(self, results: Sequence[JobResult]) -> list[str]:
        """Where results are not the reference's, features and net input; one line each, and a count of all."""
        lines = []
        values = 0
        for job, expected, result in zip(self.jobs, self.expected, results, strict=True):
            for index, (ours, theirs) in enumerate(zip(expected, result.features, strict=True)):
                values += ours.size
                if wrong := int((ours != theirs).sum()):
                    lines.append(f"{job.spec}, chunks of {job.chunk_samples}, recording {index}: {wrong}")
            for index, (features, net_input) in enumerate(zip(expected, result.net_inputs, strict=True)):
                if not np.array_equal(net_input, _net_input(job, features)):
                    lines.append(f"{job.spec}, chunks of {job.chunk_samples}, net input {index}")
        print(f"{values} values compared, {len(lines)} recordings differ")  # noqa: T201
        return lines


def _reference(job: FrontendJob) -> tuple[np.ndarray, ...]:
    frontend = Frontend(job.tables)
    return tuple(frontend.process(recording) for recording in job.recordings)


def _net_input(job: FrontendJob, features: np.ndarray) -> np.ndarray:
    newest = features[-job.net_input_frames :] if len(features) >= job.net_input_frames else features[:0]
    return quantize_features(newest, job.spec.feature_low, job.spec.feature_high)
