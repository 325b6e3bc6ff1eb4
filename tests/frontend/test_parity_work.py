"""What parity is shown on: legal specs, the torture set, recordings of any length in bounded batches."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
from frontend_cases import frontend_specs
from hypothesis import given, settings

from edge_ser.audio import read_audio
from edge_ser.errors import InputError
from edge_ser.files import json_bytes, sha256_hex
from edge_ser.frontend.torture import random_specs, torture_set
from edge_ser.spec import FrontendSpec
from edge_ser.spec_file import spec_from_dict
from firmware_bridge import parity_work
from firmware_bridge.parity_work import make_cases, recording_batches, torture_batches

RATES = {"wide": FrontendSpec(), "narrow": FrontendSpec(8000, upper_hz=3800.0)}


def accepted(spec: FrontendSpec) -> FrontendSpec:
    """The spec, read back from a system that the product's own rules accepted."""
    system = {
        "name": "random",
        "frontend": dataclasses.asdict(spec),
        "keyword": {"words": ["yes"], "hop_s": spec.step_ms * 10 / 1000},
        "acoustic": {"classes": ["anger", "neutral"]},
    }
    return spec_from_dict(system).frontend


def test_random_specs_are_legal() -> None:
    specs = random_specs(500)
    assert [accepted(spec) for spec in specs] == list(specs)
    assert len(set(specs)) == 500


def test_random_specs_cover_the_range() -> None:
    specs = random_specs(500)
    for name, low, high in (("window_ms", 10, 64), ("step_ms", 5, 32), ("channels", 8, 80)):
        values = {getattr(spec, name) for spec in specs}
        assert (min(values), max(values)) == (low, high)
    switches = {(s.sample_rate_hz, s.noise_reduction.enabled, s.pcan.enabled, s.log.enabled) for s in specs}
    assert len(switches) == 16


def test_random_specs_are_the_same_on_every_machine() -> None:
    assert random_specs(200)[:20] == random_specs(20)
    assert random_specs(20, seed=1) != random_specs(20)
    text = json_bytes({"specs": [dataclasses.asdict(spec) for spec in random_specs(200)]})
    assert sha256_hex(text) == "eb472f93211a94005f1d9562b5a432c735c17d214bd723f95ee79f4866b51a62"


@settings(max_examples=50)
@given(frontend_specs())
def test_specs_drawn_by_tests_are_legal(spec: FrontendSpec) -> None:
    assert accepted(spec) == spec


@pytest.mark.parametrize("spec", RATES.values(), ids=RATES)
def test_the_torture_set_reaches_the_ends(spec: FrontendSpec) -> None:
    sounds = torture_set(spec)
    lengths = {len(samples) for samples in sounds.values()}
    window, step = spec.window_samples, spec.step_samples
    assert {0, 1, window - 1, window, window + step - 1, window + step, spec.sample_rate_hz} == lengths
    assert {spec.frames_in(length) for length in lengths} >= {0, 1, 2}
    assert all(samples.dtype == np.int16 and samples.ndim == 1 for samples in sounds.values())
    assert min(samples.min(initial=0) for samples in sounds.values()) == -32_768
    assert max(samples.max(initial=0) for samples in sounds.values()) == 32_767
    again = torture_set(spec)
    assert all(np.array_equal(samples, again[name]) for name, samples in sounds.items())


def test_torture_batches_hold_every_case() -> None:
    cases = make_cases(RATES, 3)
    (batch,) = torture_batches(cases)
    assert [work.spec_name for work in batch] == ["wide", "narrow", "random 0", "random 1", "random 2"]
    assert all(work.names == tuple(torture_set(work.job.spec)) for work in batch)
    assert all(len(work.job.recordings) == len(work.names) for work in batch)


def test_recordings_come_whole_at_every_rate_in_bounded_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity_work, "PIECE_S", 20.0)
    monkeypatch.setattr(parity_work, "_BATCH_S", 50.0)
    random = np.random.default_rng(0)
    files = []
    for index, (rate, seconds, channels) in enumerate([(44_100, 75, 2), (16_000, 3, 1), (8000, 40, 1)]):
        file = tmp_path / f"{index}.wav"
        soundfile.write(file, random.integers(-9000, 9000, (rate * seconds, channels)).astype(np.int16), rate)
        files.append(file)
    batches = list(recording_batches(make_cases(RATES, 0), files, pytest.fail))
    for batch in batches:
        assert sum(map(parity_work.seconds_of, batch)) <= 50 + 40  # a group of pieces more than its limit
    for name, spec in RATES.items():
        pieces = {
            piece: samples
            for batch in batches
            for work in batch
            if work.spec_name == name
            for piece, samples in zip(work.names, work.job.recordings, strict=True)
        }
        assert max(map(len, pieces.values())) <= 20 * spec.sample_rate_hz
        assert f"{files[0]} from 20 s" in pieces
        for file in files:
            joined = np.concatenate(
                [samples for piece, samples in pieces.items() if piece.startswith(str(file))]
            )
            assert np.array_equal(joined, read_audio(file, spec.sample_rate_hz))


def test_a_bad_file_is_told_once_and_the_others_are_compared(tmp_path: Path) -> None:
    good = tmp_path / "good.wav"
    soundfile.write(good, np.ones(16_000, np.int16), 16_000)
    bad = tmp_path / "bad.wav"
    bad.write_bytes(good.read_bytes()[:5000])
    told: list[tuple[Path, InputError]] = []
    files = [tmp_path / "absent.wav", bad, good]
    batches = list(recording_batches(make_cases(RATES, 0), files, lambda *what: told.append(what)))
    assert [path for path, _ in told] == files[:2]
    assert {name for batch in batches for work in batch for name in work.names} == {str(good)}
    assert {work.spec_name for batch in batches for work in batch} == set(RATES)
