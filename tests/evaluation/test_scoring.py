"""The backends that evaluation runs are what ships: the same integers, the same decisions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import hearing_bundle, learned_from_nobody

from edge_ser.bundle import Bundle
from edge_ser.bundle_controls import ControlHead, Controls, control_members
from edge_ser.bundle_float import FLOAT_HEADS
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import read_clips
from edge_ser.errors import InputError
from edge_ser.evaluation.backends import BACKENDS, golden_verdicts, load_backends
from edge_ser.evaluation.clips import clip_scores
from edge_ser.evaluation.scoring import score_clips, score_with_controls
from edge_ser.integer_head import Quantized, make_integer_head
from edge_ser.npz import npz_bytes
from edge_ser.runtime.interpreters import LiteRtNet
from edge_ser.runtime.pipeline import load_pipeline
from edge_ser.runtime.tflm import TflmNet


@pytest.fixture
def clips(hissing: Callable[..., Path]) -> list[Clip]:
    return read_clips("folder", hissing("f1", "m1"))


def test_litert_is_the_pipeline_that_ships(clips: list[Clip]) -> None:
    bundle = hearing_bundle(learned_from_nobody())
    pipeline = load_pipeline(bundle)
    expected = clip_scores(pipeline, clips, lambda _: None)
    found = score_clips(bundle, ("litert",), clips, lambda _: None)["litert"]
    assert np.allclose(found, expected, atol=1e-9)


def test_float_int8_and_tflm_are_the_same_net(clips: list[Clip]) -> None:
    found = score_clips(hearing_bundle(learned_from_nobody()), BACKENDS, clips, lambda _: None)
    assert list(found) == list(BACKENDS)
    assert (found["litert"] == found["tflm"]).all()
    assert np.abs(found["float"] - found["litert"]).max() < 0.05
    for rows in found.values():
        assert np.allclose(rows.sum(axis=1), 1)


def test_a_change_is_heard_and_every_clip_is_counted(clips: list[Clip]) -> None:
    counted: list[int] = []
    bundle = hearing_bundle(learned_from_nobody())
    silent = score_clips(
        bundle, ("litert",), clips, counted.append, change=lambda _clip, samples: np.zeros_like(samples)
    )
    assert sum(counted) == len(clips)
    assert (silent["litert"] == silent["litert"][0]).all()


def test_a_bundle_without_float_nets_has_no_float_row(clips: list[Clip]) -> None:
    bundle = hearing_bundle(learned_from_nobody(), carries_float=False)
    assert list(load_backends(bundle, BACKENDS)) == ["litert", "tflm"]


def test_a_float_head_of_another_size_is_refused() -> None:
    bundle = hearing_bundle(learned_from_nobody())
    small = npz_bytes({"weights": np.zeros((3, 4)), "bias": np.zeros(3)})
    with pytest.raises(InputError, match="expected 'weights' as float64"):
        load_backends(bundle.with_members({FLOAT_HEADS: small}), ("float",))


def test_golden_vectors_that_are_not_there_give_no_verdict() -> None:
    bundle = hearing_bundle(learned_from_nobody())
    verdicts = golden_verdicts(bundle, BACKENDS)
    assert set(verdicts) == {"litert", "tflm"}
    assert all(verdict["acoustic"] <= 2 for verdict in verdicts.values())
    kept = {name: data for name, data in bundle.members.items() if not name.startswith("golden/")}
    bare = type(bundle)(bundle.spec, kept, bundle.provenance)
    assert golden_verdicts(bare, BACKENDS) == {}


def test_tflm_computes_what_litert_computes() -> None:
    bundle = hearing_bundle(learned_from_nobody())
    model, frames = bundle.member("acoustic.tflite"), bundle.spec.segment_frames
    features = np.random.default_rng(0).integers(0, 256, size=(5, frames, 40), dtype=np.uint8)
    litert, tflm = (cls(model, "acoustic", frames, 40) for cls in (LiteRtNet, TflmNet))
    assert (litert.embed(features) == tflm.embed(features)).all()
    assert litert.output == tflm.output
    with pytest.raises(InputError, match="not a TFLite model"):
        TflmNet(b"nonsense", "acoustic", frames, 40)


def _with_controls(bundle: Bundle, keyword: float) -> Bundle:
    """Controls made of the bundle's own head; the taught one trusts the keyword embedding by ``keyword``."""
    heads = bundle.arrays(FLOAT_HEADS)
    size = bundle.spec.acoustic.embedding
    part = (size, Quantized(1 / 255, 0))
    made = []
    for trust in (0.0, keyword):
        weights = heads["weights"].copy()
        weights[:, size:] = trust * weights[:, :size]
        made.append(
            ControlHead(make_integer_head(weights, heads["bias"], [part, part]), weights, heads["bias"])
        )
    return bundle.with_members(control_members(Controls(made[0], (made[1],))))


def test_controls_are_decided_on_the_same_embeddings(clips: list[Clip]) -> None:
    bare = hearing_bundle(learned_from_nobody())
    bundle = _with_controls(bare, keyword=5.0)
    scored = score_with_controls(bundle, BACKENDS, clips, lambda _: None)
    plain = score_clips(bare, BACKENDS, clips, lambda _: None)
    assert set(scored.controls) == set(BACKENDS)
    for name in BACKENDS:
        assert (scored.probabilities[name] == plain[name]).all()
        decided = plain[name].argmax(axis=1)
        found = scored.controls[name]
        # The bundle's head hears no keywords: alone, it decides the same, whosever they are.
        assert (found.alone == decided).all()
        assert (found.swapped == decided).all()
        # The taught head trusts its keywords, which here are those of other clips.
        assert (found.shuffled != decided).any()
    assert (scored.controls["litert"].shuffled == scored.controls["tflm"].shuffled).all()
    in_two = score_with_controls(bundle, ("litert",), clips, lambda _: None, jobs=2)
    assert (in_two.controls["litert"].shuffled == scored.controls["litert"].shuffled).all()
    assert score_with_controls(bare, ("litert",), clips, lambda _: None).controls == {}
