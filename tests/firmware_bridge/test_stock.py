"""The stock library as a judge, here and on the emulated Cortex-M7: equal to ours with our tables, not without."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from machine_cases import ALL_STAGES, OTHER_SIZES, PLAIN, MachineCases

from edge_ser.errors import CheckError, MissingError
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import FrontendTables, make_tables
from edge_ser.frontend.torture import torture_set
from edge_ser.spec import FrontendSpec, NoiseReductionSpec, PcanSpec
from firmware_bridge import stock
from firmware_bridge.frontend_job import FrontendJob, JobResult
from firmware_bridge.stock import StockHost, StockM7, find_stock

# The package's own numbers (its src/micro_features.cpp), and others.
ITS_OWN = FrontendSpec(
    step_ms=10, lower_hz=125.0, noise_reduction=NoiseReductionSpec(True), pcan=PcanSpec(True)
)
SPECS = (ITS_OWN, FrontendSpec(), FrontendSpec(lower_hz=60.0, upper_hz=7800.0), OTHER_SIZES)


def test_the_stock_library_agrees_given_our_tables(
    stock_host: StockHost, cases: MachineCases, builds: Path
) -> None:
    results = stock_host.run(cases.jobs, builds / "stock", own_tables=False)
    assert cases.differences(results) == []


def test_the_stock_library_agrees_on_the_m7(stock_m7_results: list[JobResult], cases: MachineCases) -> None:
    assert cases.differences(stock_m7_results) == []


def test_our_core_takes_no_more_instructions(
    m7_results: list[JobResult], stock_m7_results: list[JobResult]
) -> None:
    """Whatever the spec, the sound and the size of the chunks."""
    ratios = []
    for ours, theirs in zip(m7_results, stock_m7_results, strict=True):
        for features, mine, its in zip(ours.features, ours.instructions, theirs.instructions, strict=True):
            if len(features):
                ratios.append(mine / its)
    print(f"{len(ratios)} recordings: {min(ratios):.2f} to {max(ratios):.2f} of the stock's")  # noqa: T201
    assert max(ratios) <= 1


def own_tables(
    run: Callable[..., list[JobResult]], folder: Path
) -> tuple[list[FrontendTables], list[JobResult]]:
    """What the library makes for itself for ``SPECS``, and the features of two sounds with it."""
    jobs = []
    for spec in SPECS:
        sounds = torture_set(spec)
        recordings = (sounds["chirp"] // 3 + sounds["dither"], sounds["level steps"])
        jobs.append(FrontendJob(spec, make_tables(spec), recordings))
    results = run(jobs, folder, own_tables=True)
    return [result.tables for result in results if result.tables is not None], results


def differing(ours: FrontendTables, theirs: FrontendTables) -> dict[str, int]:
    """How many entries of each table differ; of tables of another length, what is longer counts too."""
    counts = {}
    for name, mine in ours.to_arrays().items():
        its = theirs.to_arrays()[name]
        both = min(len(mine), len(its)) if mine.ndim else 1
        wrong = (
            int((mine != its).sum()) if mine.shape == its.shape else int((mine[:both] != its[:both]).sum())
        )
        if wrong or mine.shape != its.shape:
            counts[name] = wrong + (abs(len(mine) - len(its)) if mine.ndim else 0)
    return counts


def agreement(spec: FrontendSpec, result: JobResult, job_sounds: int = 2) -> float:
    """Share of the features with the library's own tables that are ours."""
    frontend, sounds = Frontend(make_tables(spec)), torture_set(spec)
    recordings = (sounds["chirp"] // 3 + sounds["dither"], sounds["level steps"])[:job_sounds]
    pairs = [(frontend.process(r), f) for r, f in zip(recordings, result.features, strict=True)]
    return float(np.mean(np.concatenate([(ours == theirs).ravel() for ours, theirs in pairs])))


def test_its_own_tables_on_this_machine(stock_host: StockHost, builds: Path) -> None:
    """Single precision moves one of 480 window coefficients and a few weights, each by one; nothing else."""
    tables, results = own_tables(stock_host.run, builds / "stock")
    for spec, theirs, result in zip(SPECS, tables, results, strict=True):
        counts, ours = differing(make_tables(spec), theirs), make_tables(spec)
        share = agreement(spec, result)
        print(f"{spec.lower_hz:g} Hz, {spec.channels}: {counts}, {share:.2%} of the features agree")  # noqa: T201
        assert counts.keys() <= {"window", "band_edges", "band_weights", "band_unweights", "gain_table"}
        assert sum(counts.values()) <= 0.03 * (ours.window.size + 2 * ours.band_weights.size)
        assert np.abs(ours.window.astype(int) - theirs.window).max() <= 1
        assert 0.9 <= share <= 1
    assert differing(make_tables(ITS_OWN), tables[0])


def test_its_own_tables_depend_on_the_machine(stock_host: StockHost, stock_m7: StockM7, builds: Path) -> None:
    """Fused multiply-add, which the compiler uses where the processor has it, moves more of them on the M7.

    For the default front end it even takes the last bin out of the filter bank. Without it, the M7's tables are
    those of a processor that has none.
    """
    host_tables, _ = own_tables(stock_host.run, builds / "stock")
    m7_tables, results = own_tables(stock_m7.run, builds / "stock-m7")
    for spec, here, there, result in zip(SPECS, host_tables, m7_tables, results, strict=True):
        counts = differing(make_tables(spec), there)
        print(  # noqa: T201
            f"{spec.lower_hz:g} Hz, {spec.channels}: {counts}, from this machine's {differing(here, there)}, "
            f"{agreement(spec, result):.2%} of the features agree"
        )
        assert agreement(spec, result) >= 0.9
    assert any(differing(make_tables(spec), there) for spec, there in zip(SPECS, m7_tables, strict=True))
    unfused, _ = own_tables(StockM7.find("-ffp-contract=off").run, builds / "stock-m7-unfused")
    assert any(differing(a, b) for a, b in zip(unfused, m7_tables, strict=True))
    if platform.machine() == "x86_64":  # whose compilers fuse nothing unless told to
        assert [differing(a, b) for a, b in zip(unfused, host_tables, strict=True)] == [{}] * len(SPECS)


def test_a_band_up_to_the_nyquist_bin(stock_host: StockHost, builds: Path) -> None:
    """The library refuses to make tables for it, but takes ours."""
    spec = FrontendSpec(upper_hz=8000.0)
    sounds = torture_set(spec)
    job = FrontendJob(spec, make_tables(spec), (sounds["white noise"],))
    (result,) = stock_host.run([job], builds / "stock", own_tables=False)
    assert np.array_equal(result.features[0], Frontend(job.tables).process(sounds["white noise"]))
    with pytest.raises(CheckError, match="refuses the spec"):
        stock_host.run([job], builds / "stock", own_tables=True)


def test_a_spec_of_other_tables_is_refused(stock_host: StockHost, builds: Path) -> None:
    job = FrontendJob(FrontendSpec(window_ms=32), make_tables(PLAIN), ())
    with pytest.raises(CheckError, match="differ in the window"):
        stock_host.run([job], builds / "stock", own_tables=False)


def test_an_archive_that_was_changed_is_refused(
    stock_host: StockHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_SER_STOCK", str(tmp_path))
    (tmp_path / stock_host.archive.name).write_bytes(stock_host.archive.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckError, match=f"expected {stock.SHA256}"):
        find_stock()
    with pytest.raises(CheckError, match="SHA-256"):
        StockHost(stock_host.compiler, tmp_path / stock_host.archive.name).run([], tmp_path, own_tables=False)


def test_an_archive_that_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGE_SER_STOCK", str(tmp_path))
    with pytest.raises(MissingError, match=r"make stock \(python -m firmware_bridge.stock\)"):
        find_stock()


def test_a_fetch_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGE_SER_STOCK", str(tmp_path))
    monkeypatch.setattr("firmware_bridge.stock.sys.executable", "/bin/false")
    with pytest.raises(
        MissingError, match=r"pip could not fetch it.*put pymicro_features-2\.0\.2\.tar\.gz into"
    ):
        stock.fetch_stock()


def test_members_that_leave_their_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import tarfile

    archive = tmp_path / "bad.tar.gz"
    with tarfile.open(archive, "w:gz") as members:
        member = tarfile.TarInfo("package/kissfft/../../../outside.h")
        member.size = 1
        members.addfile(member, io.BytesIO(b"x"))
    monkeypatch.setattr(stock, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    compilers = stock.Compiler(Path("gcc"), Path("g++"))
    with pytest.raises(CheckError, match="leaves its folder"):
        StockHost(compilers, archive).run([], tmp_path / "build", own_tables=False)
    assert not (tmp_path / "outside.h").exists()


def test_the_job_mentions_all_stages(cases: MachineCases) -> None:
    """The cases would prove little if a stage were never on."""
    specs = {job.spec for job in cases.jobs}
    assert {ALL_STAGES, PLAIN} <= specs
    for stage in ("noise_reduction", "pcan"):
        assert {getattr(spec, stage).enabled for spec in specs} == {True, False}
