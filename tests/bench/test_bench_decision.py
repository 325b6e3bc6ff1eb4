"""The decision that is timed is the pipeline's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge_ser.audio import Segment, write_wav
from edge_ser.bench.decision import DueDecision, WholeSegment, time_file
from edge_ser.bench.timing import time_runs
from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.errors import InputError
from edge_ser.frontend.tables import FrontendTables
from edge_ser.runtime.golden import TOLERANCE, golden_differences
from edge_ser.runtime.interpreters import Kernels, LiteRtNet
from edge_ser.runtime.pipeline import Embeddings, Pipeline, load_pipeline


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(shipped_bundle())


@pytest.fixture(scope="module")
def pipeline(bundle: Bundle) -> Pipeline:
    return load_pipeline(bundle)


def test_after_a_segment_it_decides_as_the_pipeline_does(bundle: Bundle, pipeline: Pipeline) -> None:
    """Hop by hop over audio must end in what the pipeline makes of the same frames and the same windows."""
    spec, tables = bundle.spec, FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    audio = bundle.array("golden/samples.npy")
    due = DueDecision(pipeline, tables, audio)
    hop = spec.frontend.samples_for(spec.keyword.hop_s)
    hops = 12
    for run in range(hops):
        due.refill(run)
        for _, stage in due.stages:
            stage()
    lead = spec.frontend.window_samples - spec.frontend.step_samples
    heard = np.resize(audio, lead + hops * hop)
    frames = pipeline.features(heard[np.newaxis])[0]
    segment = frames[-spec.segment_frames :]
    steps = hop // spec.frontend.step_samples
    ends = [len(frames) - steps * back for back in reversed(range(len(spec.keyword_starts)))]
    windows = np.stack([frames[end - spec.keyword_frames : end] for end in ends])
    expected = pipeline.decision_of(
        Embeddings(
            pipeline.embeddings(segment[np.newaxis]).acoustic, pipeline.keyword_net.embed(windows)[np.newaxis]
        ),
        0.0,
        spec.acoustic.segment_s,
    )
    assert due.decision is not None
    assert (due.decision.logits == expected.logits).all()
    assert due.decision.keyword == expected.keyword


def test_a_segment_at_once_is_what_classify_decides(
    bundle: Bundle, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio, seen = bundle.array("golden/samples.npy"), []
    decide = Pipeline.decide
    monkeypatch.setattr(Pipeline, "decide", lambda self, one: seen.append(one.samples) or decide(self, one))
    timed = time_runs(WholeSegment(pipeline, audio), runs=3, warm_up=1)
    assert timed.stages == ("segment",)
    assert len(seen) == 5
    assert all(samples.shape == (bundle.spec.segment_samples,) for samples in seen)
    # The input is another one each time.
    assert len({samples.tobytes() for samples in seen}) == 5


def test_too_little_audio_is_refused(bundle: Bundle, pipeline: Pipeline) -> None:
    tables = FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz"))
    with pytest.raises(InputError, match="at least a segment"):
        DueDecision(pipeline, tables, np.zeros(100, np.int16))


def test_a_file_is_timed_from_first_sample_to_last_decision(
    bundle: Bundle, pipeline: Pipeline, tmp_path: Path
) -> None:
    audio = np.tile(bundle.array("golden/samples.npy"), 4)
    write_wav(tmp_path / "long.wav", audio, bundle.spec.frontend.sample_rate_hz)
    found = time_file(pipeline, tmp_path / "long.wav", runs=2)
    assert found.audio_s == pytest.approx(4 * bundle.spec.acoustic.segment_s, abs=0.01)
    assert found.decisions == 4
    assert len(found.wall_s) == 2
    # The slowest run counts, not the best.
    assert found.times_real_time == pytest.approx(found.audio_s / max(found.wall_s), rel=0.01)


def test_other_kernels_run_the_same_nets(bundle: Bundle, pipeline: Pipeline) -> None:
    """Threads change nothing; XNNPACK, within what is allowed, may."""
    features = bundle.array("golden/features.npy")[np.newaxis]
    threaded = load_pipeline(bundle, partial(LiteRtNet, kernels=Kernels(threads=2)))
    expected, found = pipeline.embeddings(features), threaded.embeddings(features)
    assert (found.acoustic == expected.acoustic).all()
    assert (found.keyword_windows == expected.keyword_windows).all()
    other = load_pipeline(bundle, partial(LiteRtNet, kernels=Kernels(xnnpack=True)))
    assert set(golden_differences(bundle, other)) == {*TOLERANCE, "scores"}


def test_decide_and_decision_of_agree(bundle: Bundle, pipeline: Pipeline) -> None:
    samples = bundle.array("golden/samples.npy")
    whole = pipeline.decide(Segment(1.0, 3.9, samples))
    parts = pipeline.decision_of(pipeline.embeddings(pipeline.features(samples[np.newaxis])), 1.0, 3.9)
    assert (whole.logits == parts.logits).all()
    assert (whole.start_s, whole.end_s, whole.scores) == (parts.start_s, parts.end_s, parts.scores)
    assert (whole.logits == bundle.array("golden/scores.npy")).all()
