"""The pipeline: what fits the spec runs, what does not is refused, and golden vectors catch another arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_ser.audio import Segment
from edge_ser.averaging import ONE, Steps, average_shares
from edge_ser.bundle import Bundle
from edge_ser.errors import CheckError, InputError
from edge_ser.frontend.tables import make_tables
from edge_ser.integer_head import Quantized, make_integer_head
from edge_ser.npz import npy_bytes, npz_bytes
from edge_ser.runtime.golden import check_golden, golden_members
from edge_ser.runtime.interpreters import LiteRtNet, output_quantization
from edge_ser.runtime.pipeline import Decision, Pipeline, load_pipeline
from edge_ser.spec import DecisionSpec
from edge_ser.spec_file import load_spec

if TYPE_CHECKING:
    from conftest import ConvertedNet

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
NOISE = (np.random.default_rng(3).normal(size=TINY.segment_samples) * 3000).astype(np.int16)


@pytest.fixture(scope="module")
def bundle(tiny_nets: dict[str, ConvertedNet]) -> Bundle:
    rng = np.random.default_rng(2)
    keyword = (TINY.keyword.embedding, output_quantization(tiny_nets["keyword"].files.int8))
    acoustic = (TINY.acoustic.embedding, output_quantization(tiny_nets["acoustic"].files.int8))
    classes, words = len(TINY.acoustic.classes), len(TINY.keyword.classes)
    fusion = make_integer_head(
        rng.normal(size=(classes, acoustic[0] + keyword[0])), rng.normal(size=classes), [acoustic, keyword]
    )
    heads = make_integer_head(rng.normal(size=(words, keyword[0])), rng.normal(size=words), [keyword])
    members = {
        "keyword.tflite": tiny_nets["keyword"].files.int8,
        "acoustic.tflite": tiny_nets["acoustic"].files.int8,
        "frontend_tables.npz": npz_bytes(make_tables(TINY.frontend).to_arrays()),
        "fusion.npz": npz_bytes({**fusion.to_arrays("fusion"), **heads.to_arrays("words")}),
    }
    made = Bundle(TINY, members, {})
    return made.with_members(golden_members(load_pipeline(made), NOISE))


def test_a_decision(bundle: Bundle) -> None:
    pipeline = load_pipeline(bundle)
    decision = pipeline.decide(Segment(0.0, 3.0, NOISE))
    assert decision.logits.dtype == np.int32
    assert sum(decision.scores) == pytest.approx(1)
    assert decision.emotion == TINY.acoustic.classes[int(np.argmax(decision.scores))]
    assert decision.keyword is None or decision.keyword in TINY.keyword.words


def test_equal_samples_give_equal_decisions_whatever_came_before(bundle: Bundle) -> None:
    pipeline = load_pipeline(bundle)
    first = pipeline.decide(Segment(0.0, 3.0, NOISE)).logits
    pipeline.decide(Segment(3.0, 6.0, NOISE[::-1].copy()))
    assert (pipeline.decide(Segment(6.0, 9.0, NOISE)).logits == first).all()


def test_keyword_windows_are_what_the_keyword_net_makes_of_their_frames(
    bundle: Bundle, tiny_nets: dict[str, ConvertedNet]
) -> None:
    pipeline = load_pipeline(bundle)
    features = pipeline.features(NOISE[np.newaxis])
    net = LiteRtNet(tiny_nets["keyword"].files.int8, "keyword", TINY.keyword_frames, 40)
    windows = pipeline.embeddings(features).keyword_windows[0]
    assert len(windows) == len(TINY.keyword_starts) == 4
    for start, window in zip(TINY.keyword_starts, windows, strict=True):
        assert (net.embed(features[:, start : start + TINY.keyword_frames])[0] == window).all()


def test_golden_vectors_hold_here(bundle: Bundle) -> None:
    check_golden(bundle, load_pipeline(bundle))


@pytest.mark.parametrize(
    ("member", "change", "words"),
    [("features", 1, "features differs by 1"), ("acoustic_embedding", 3, "acoustic_embedding differs by 3")],
)
def test_golden_vectors_name_the_stage_that_differs(
    bundle: Bundle, member: str, change: int, words: str
) -> None:
    name = f"golden/{member}.npy"
    array = bundle.array(name).copy()
    array.flat[0] = array.flat[0] + change if array.flat[0] < 100 else array.flat[0] - change
    with pytest.raises(CheckError, match=words):
        check_golden(bundle.with_members({name: npy_bytes(array)}), load_pipeline(bundle))


def test_a_model_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match=r"bad\.tflite"):
        LiteRtNet(b"not a model at all", "bad.tflite", 49, 40)


def test_a_float_model_is_refused(tiny_nets: dict[str, ConvertedNet]) -> None:
    with pytest.raises(InputError, match="float32"):
        LiteRtNet(tiny_nets["keyword"].files.float32, "keyword.tflite", TINY.keyword_frames, 40)


def test_a_model_of_another_spec_is_refused(bundle: Bundle) -> None:
    swapped = bundle.with_members({"acoustic.tflite": bundle.member("keyword.tflite")})
    with pytest.raises(InputError, match="the spec expects"):
        load_pipeline(swapped)


def test_a_head_of_another_size_is_refused(bundle: Bundle) -> None:
    arrays = bundle.arrays("fusion.npz")
    small = make_integer_head(np.eye(3), np.zeros(3), [(3, Quantized(0.1, 0))])
    swapped = bundle.with_members({"fusion.npz": npz_bytes({**arrays, **small.to_arrays("fusion")})})
    with pytest.raises(InputError, match="fusion weights"):
        load_pipeline(swapped)


def _decisions(bundle: Bundle, decision: DecisionSpec) -> tuple[Pipeline, list[Decision]]:
    """Three segments, the last of which is half as long."""
    pipeline = load_pipeline(replace(bundle, spec=replace(bundle.spec, decision=decision)))
    rng = np.random.default_rng(9)
    count = 2 * TINY.segment_samples + TINY.segment_samples // 2
    sound = rng.normal(size=count) * np.repeat(
        [200.0, 3000.0, 9000.0], [count // 3, count // 3, count - 2 * (count // 3)]
    )
    return pipeline, [pipeline.decide(one) for one in pipeline.segments([sound.astype(np.int16)])]


def test_by_default_a_recording_is_the_mean_of_its_segments(bundle: Bundle) -> None:
    pipeline, decisions = _decisions(bundle, DecisionSpec())
    assert len(decisions) == 3
    found = pipeline.recording(decisions)
    mean = np.average([one.logits for one in decisions], axis=0, weights=[1.0, 1.0, 0.5])
    assert found.scores == pytest.approx(pipeline.fusion.probabilities(mean[np.newaxis])[0])
    assert found.emotion == TINY.acoustic.classes[int(mean.argmax())]
    assert not found.abstained
    assert not any(decision.abstained for decision in decisions)


def test_the_entropy_rule_takes_integers_and_seconds(bundle: Bundle) -> None:
    pipeline, decisions = _decisions(bundle, DecisionSpec(averaging="entropy"))
    seconds = np.array([decision.end_s - decision.start_s for decision in decisions])
    logits = np.stack([decision.logits for decision in decisions])
    shares = average_shares(Steps.of_scale(pipeline.fusion.scale).below_best(logits), seconds)
    assert np.array(pipeline.recording(decisions).scores) * ONE == pytest.approx(shares, abs=8)
    assert (pipeline.probabilities(logits, seconds) == pipeline.recording(decisions).scores).all()
    _, same = _decisions(bundle, DecisionSpec())
    for one, other in zip(decisions, same, strict=True):
        assert one.emotion == other.emotion
        assert one.scores == pytest.approx(other.scores, abs=0.002)


def test_who_wants_certainty_hears_nothing_of_a_guess(bundle: Bundle) -> None:
    _, decisions = _decisions(bundle, DecisionSpec(averaging="entropy"))
    sure = sorted(max(decision.scores) for decision in decisions)
    between = (sure[0] + sure[-1]) / 2
    assert sure[0] < between < sure[-1]
    pipeline, judged = _decisions(bundle, DecisionSpec(averaging="entropy", abstain=between))
    assert [one.abstained for one in judged] == [max(one.scores) < between for one in judged]
    assert {one.abstained for one in judged} == {True, False}
    assert pipeline.recording([one for one in judged if one.abstained]).abstained
