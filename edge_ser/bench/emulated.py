"""Instructions of the part of a decision that is no neural net, on QEMU's Cortex-M7.

An emulator has no caches, no pipeline and no memory that waits: instructions compare programs, they are no times.
They are the same in every run, so that one run says all.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from edge_ser.bench.machine import this_machine
from edge_ser.bench.result import FORMAT, NO_TIMES, Agreement, BenchResult, BundleName
from edge_ser.bundle import Bundle
from edge_ser.frontend.engine import quantize_features
from edge_ser.frontend.tables import FrontendTables
from firmware_bridge.frontend_job import FrontendJob, JobResult
from firmware_bridge.qemu_m7 import QemuM7

WHAT: Final = (
    f"instructions of the front end, fed hop by hop; {NO_TIMES}, and the nets do not run on the emulator"
)


def run_emulated(bundle: Bundle) -> BenchResult:
    """Count the instructions of the front end over the bundle's golden audio.

    Raises:
        MissingError: the cross compiler or the emulator is not on this machine; how to get it.
        CheckError: the program cannot be built, or fails.
    """
    machine = QemuM7.find()
    tables = FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    samples = bundle.array("golden/samples.npy")
    job = FrontendJob(bundle.spec.frontend, tables, (samples,), chunk_samples=tables.step_samples)
    with tempfile.TemporaryDirectory(prefix="edge-ser-m7-") as folder:
        (found,) = machine.run([job], Path(folder))
    return emulated_result(bundle, tables, found)


def emulated_result(bundle: Bundle, tables: FrontendTables, found: JobResult) -> BenchResult:
    """The result of a job over the golden audio."""
    spec = bundle.spec
    (features,), (count,) = found.features, found.instructions
    per_hop = count / max(1, len(features))
    hops_per_second = spec.frontend.sample_rate_hz / tables.step_samples
    heard = quantize_features(features, tables.feature_low, tables.feature_high)
    expected = bundle.array("golden/features.npy")
    difference = None
    if heard.shape == expected.shape:
        difference = int(np.abs(heard.astype(np.int64) - expected.astype(np.int64)).max())
    problem = "" if difference == 0 else f"golden vectors: features differ by {difference}; expected 0"
    return BenchResult(
        format=FORMAT,
        backend="qemu",
        kind="emulated",
        device="QEMU's Cortex-M7 (mps2-an500); instructions, no time",
        what=WHAT,
        bundle=BundleName(spec.name, bundle.build_id),
        settings={},
        machine=this_machine(),
        runs=1,
        warm_up=0,
        first_ms=None,
        p50_ms=None,
        p95_ms=None,
        p99_ms=None,
        mean_ms=None,
        least_ms=None,
        most_ms=None,
        stages={},
        segment={},
        file=None,
        usage=None,
        instructions={
            "frontend": {
                "per_hop": round(per_hop),
                "per_second_of_audio": round(per_hop * hops_per_second),
                "per_segment": count,
            }
        },
        agreement=Agreement({"features": difference}, not problem, problem),
        notes=("Emulated: an emulator knows no caches and no memory that waits; these are no milliseconds.",),
        runs_ms={},
    )
