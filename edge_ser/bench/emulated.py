"""Instructions of the part of a decision that is no neural net, on QEMU's Cortex-M7.

An emulator has no caches, no pipeline and no memory that waits: instructions compare programs, they are no times.
They are the same in every run, so that one run says all.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.bench.machine import this_machine
from edge_ser.bench.result import FORMAT, NO_TIMES, STREAM_BYTES, Agreement, BenchResult, BundleName
from edge_ser.bundle import Bundle
from edge_ser.frontend.engine import quantize_features
from edge_ser.frontend.tables import FrontendTables
from edge_ser.runtime.golden import beyond_tolerance, distance
from firmware_bridge.frontend_job import FrontendJob
from firmware_bridge.qemu_m7 import QemuM7
from firmware_bridge.stream_parity import M7, ListenerCount, StreamComparison, own_setting, padded

PARTS: Final = ("frontend", "net_inputs", "embeddings", "records")
"""What :data:`firmware_bridge.stream_job.STAGES` are called here, in its order."""
WHAT: Final = (
    f"instructions of all that is no net, {NO_TIMES}: front end with gate and schedule, fed hop by hop; the nets' "
    "inputs; keeping their embeddings; the record, with pooling, words, fusion and smoothing; the nets do not run on "
    "the emulator, their embeddings come from this CPU (LiteRT)"
)
NO_MILLISECONDS: Final = (
    "Emulated: an emulator knows no caches and no memory that waits; these are no milliseconds."
)


def run_emulated(bundle: Bundle) -> BenchResult:
    """Count the instructions of the whole path but the nets, over the bundle's golden audio.

    The golden audio is a segment, so that one decision is made; less is filled up with zeros.

    Raises:
        MissingError: the cross compiler or the emulator is not on this machine; how to get it.
        CheckError: a program cannot be built, or fails.
        InputError: the bundle's heads or tables are more than the C core can hold.
    """
    machine = QemuM7.find()
    setting = own_setting(bundle)
    tables = setting.system.tables
    samples = bundle.array("golden/samples.npy")
    lacking = bundle.spec.segment_samples - len(samples)
    played = padded(setting.system, samples) if lacking > 0 else samples
    job = FrontendJob(bundle.spec.frontend, tables, (samples,), chunk_samples=tables.step_samples)
    with tempfile.TemporaryDirectory(prefix="edge-ser-m7-") as name:
        folder = Path(name)
        (found,) = machine.run([job], folder)
        comparison = StreamComparison([setting], folder, None, machine, native=False)
        comparison.add_to(setting, {"golden audio": played})
    notes = (f"The golden audio is {lacking:,} samples short of a segment: zeros follow it.",)
    count = comparison.counts[setting.name, M7]
    return emulated_result(bundle, found.features[0], count, len(played), notes if lacking > 0 else ())


def emulated_result(
    bundle: Bundle,
    features: NDArray[np.uint16],
    count: ListenerCount,
    played: int,
    notes: tuple[str, ...] = (),
) -> BenchResult:
    """The result of what the emulator did with the golden audio.

    Args:
        bundle: the bundle.
        features: uint16 (frames, channels), which the front end on its own made of it.
        count: what the listener did, beside the one in Python.
        played: samples that the listener was fed.
        notes: more that a reader must know.
    """
    spec, tables = bundle.spec, FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    heard = quantize_features(features, tables.feature_low, tables.feature_high)
    difference = distance(bundle.array("golden/features.npy"), heard)
    wrong = beyond_tolerance({"features": difference})
    if count.first is not None:
        where = f"from byte {count.first.byte} of {count.bytes:,} on"
        wrong.append(f"net inputs and records differ from Python's in {count.differences:,} bytes, {where}")
    problem = f"golden audio: {'; '.join(wrong)}" if wrong else ""
    decisions = max(1, count.records)
    compared = (
        f"Fed as a board hears it, {tables.step_samples} samples at once: {count.bytes:,} bytes of net inputs and "
        f"records ({count.records} of them) compared with the listener in Python."
    )
    asked = count.instructions[PARTS.index("net_inputs")] > 0
    silent = () if asked else ("The gate takes the golden audio for silence: no net was asked for anything.",)
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
        instructions=_instructions(tables, count, played, decisions),
        agreement=Agreement({"features": difference, STREAM_BYTES: count.differences}, not problem, problem),
        notes=(NO_MILLISECONDS, compared, *silent, *notes),
        runs_ms={},
    )


def _instructions(
    tables: FrontendTables, count: ListenerCount, played: int, decisions: int
) -> dict[str, dict[str, int]]:
    """By part; what is spent once a decision has no figure per second, since that is a matter of the system's hop."""
    spent = dict(zip(PARTS, count.instructions, strict=True))
    hops = max(1, (played - tables.window_samples) // tables.step_samples + 1)
    per_hop = spent["frontend"] / hops
    rates = {
        "per_hop": round(per_hop),
        "per_second_of_audio": round(per_hop * tables.sample_rate_hz / tables.step_samples),
    }
    parts = {
        name: {**(rates if name == "frontend" else {}), "per_segment": round(one / decisions)}
        for name, one in spent.items()
    }
    return {**parts, "whole": {"per_segment": round(sum(spent.values()) / decisions)}}
