"""The process that times a local backend: ``python -m edge_ser.bench.child JOB.json RESULT.json``.

Only what the timing needs is imported before the memory is looked at the first time.
"""

from __future__ import annotations

import sys
import time
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Final

from edge_ser.bench.decision import DueDecision, WholeSegment, time_file
from edge_ser.bench.local import LocalJob
from edge_ser.bench.machine import load, resident_bytes, switched_away, this_machine
from edge_ser.bench.result import FORMAT, Agreement, BenchResult, BundleName, Usage
from edge_ser.bench.timing import time_runs
from edge_ser.bundle import Bundle, read_bundle
from edge_ser.errors import CheckError, EdgeSerError, InputError, MissingError
from edge_ser.files import json_bytes, read_json, write_atomically
from edge_ser.frontend.tables import FrontendTables
from edge_ser.runtime.golden import check_golden, golden_differences
from edge_ser.runtime.interpreters import Kernels, LiteRtNet
from edge_ser.runtime.pipeline import Pipeline, load_pipeline

GOLDEN: Final = "golden/samples.npy"
"""The audio that is played round and round."""

_COMPILED: Final = "_edgetpu.tflite"

_DEVICES: Final = {
    "litert": "this machine's processor, LiteRT",
    "tflm": "this machine's processor, TensorFlow Lite Micro's reference kernels",
    "usb": "an Edge TPU behind libedgetpu",
}
WHAT: Final = (
    "one decision as it comes due: front end over the newest keyword hop, one inference of each net, fusion; "
    "the audio before it was heard and its keyword windows were run while it came in"
)


def main() -> None:
    """Do the job; errors become one line and an exit code."""
    job_file, answer = Path(sys.argv[1]), Path(sys.argv[2])
    told = read_json(job_file)
    try:
        result = bench_here(LocalJob(**{field.name: told[field.name] for field in fields(LocalJob)}))
    except EdgeSerError as error:
        print(f"edge-ser: {error}", file=sys.stderr, flush=True)  # noqa: T201
        sys.exit(error.exit_code)
    write_atomically(answer, json_bytes(result.to_dict()))


def bench_here(job: LocalJob) -> BenchResult:
    """Time a backend in this process.

    Raises:
        InputError: the bundle or the file cannot be used.
        MissingError: what the backend needs is not here, or the bundle holds no compiled nets.
    """
    machine, load_before = this_machine(), load()
    memory_before = resident_bytes(peak=False)
    before = time.perf_counter_ns()
    bundle = read_bundle(Path(job.bundle))
    if GOLDEN not in bundle.members:
        message = f"{job.bundle}: holds no golden vectors, which a bench plays and checks; quantize it again"
        raise InputError(message)
    pipeline = open_pipeline(bundle, job)
    load_ms = (time.perf_counter_ns() - before) / 1e6
    # The first run is the first of this process: the golden check comes after the timing.
    samples = bundle.array(GOLDEN)
    tables = FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    away = switched_away()
    due = DueDecision(pipeline, tables, samples)
    timed = time_runs(due, job.runs, job.warm_up, job.pause_ms / 1e3)
    away = switched_away() - away
    memory_peak = resident_bytes(peak=True)
    at_once = time_runs(WholeSegment(pipeline, samples), job.runs, job.warm_up, job.pause_ms / 1e3)
    file = time_file(pipeline, Path(job.file)) if job.file else None
    whole = timed.whole
    settings: dict[str, str | bool | int | float] = {}
    if job.backend == "litert":
        settings = {"threads": job.threads, "xnnpack": job.xnnpack}
    if job.pause_ms:
        settings["pause_ms"] = job.pause_ms
    return BenchResult(
        format=FORMAT,
        backend=job.backend,  # type: ignore[arg-type]  # one of _DEVICES, as open_pipeline found
        kind="measured",
        device=_DEVICES[job.backend],
        what=WHAT,
        bundle=BundleName(bundle.spec.name, bundle.build_id),
        settings=settings,
        machine=machine,
        runs=whole.runs,
        warm_up=job.warm_up,
        first_ms=whole.first_ms,
        p50_ms=whole.p50_ms,
        p95_ms=whole.p95_ms,
        p99_ms=whole.p99_ms,
        mean_ms=whole.mean_ms,
        least_ms=whole.least_ms,
        most_ms=whole.most_ms,
        stages={name: timed.stage(name) for name in timed.stages},
        segment={"whole": at_once.whole},
        file=file,
        usage=Usage(
            load_ms=round(load_ms, 3),
            cpu_s=round(timed.cpu_ns / 1e9, 6),
            cpu_ms_per_decision=round(timed.cpu_ns / 1e6 / whole.runs, 6),
            memory_before_bytes=memory_before,
            memory_peak_bytes=memory_peak,
            switched_away=away,
            load_before=load_before,
            load_after=load(),
        ),
        instructions={},
        agreement=agreement(bundle, pipeline),
        notes=(),
        runs_ms=timed.runs_ms(),
    )


def open_pipeline(bundle: Bundle, job: LocalJob) -> Pipeline:
    """The bundle, run by the job's backend.

    Raises:
        InputError: an unknown backend, or a member that does not fit the spec.
        MissingError: what the backend needs is not here, or the bundle holds no compiled nets.
    """
    if job.backend == "litert":
        kernels = Kernels(threads=job.threads, xnnpack=job.xnnpack)
        return load_pipeline(bundle, partial(LiteRtNet, kernels=kernels))
    if job.backend == "tflm":
        from edge_ser.runtime.tflm import TflmNet

        return load_pipeline(bundle, TflmNet)
    if job.backend == "usb":
        if not all(f"{net}{_COMPILED}" in bundle.members for net in ("keyword", "acoustic")):
            message = f"{job.bundle}: no compiled nets in it; get the compiler (edge-ser doctor), run edge-ser compile"
            raise MissingError(message)
        return load_pipeline(bundle, partial(LiteRtNet, kernels=Kernels(delegate=job.delegate)), _COMPILED)
    message = f"backend {job.backend!r}: expected one of {', '.join(_DEVICES)}"
    raise InputError(message)


def agreement(bundle: Bundle, pipeline: Pipeline) -> Agreement:
    """How far a pipeline is from the bundle's golden vectors."""
    try:
        check_golden(bundle, pipeline)
        problem = ""
    except CheckError as error:
        problem = str(error)
    return Agreement(golden_differences(bundle, pipeline), not problem, problem)


if __name__ == "__main__":
    main()
