"""From blocks to decisions: those of `edge-ser classify`, whatever the audio's length and however it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from live_cases import RATE, noise, said, shipped
from stream_cases import TINY

from edge_ser.audio import read_audio
from edge_ser.audio_live import Block
from edge_ser.bundle import Bundle
from edge_ser.errors import InputError
from edge_ser.runtime.live import (
    SILENCE_DBFS,
    STAGES,
    LiveDecision,
    LiveListener,
    Word,
    tuned,
    why_not_as_classify,
)
from edge_ser.runtime.pipeline import Decision, Pipeline
from edge_ser.runtime.stream_system import StreamSystem, stream_system
from edge_ser.spec import NoiseReductionSpec, PcanSpec

Loaded = tuple[Bundle, Pipeline]


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return shipped()


def _blocks(samples: np.ndarray, length: int = 320, began_s: float = 0.0) -> list[Block]:
    """As they come from a source that began at ``began_s``."""
    return [
        Block(
            samples[at : at + length], at, False, began_s + min(at + length, len(samples)) / RATE, at + length
        )
        for at in range(0, len(samples), length)
    ]


def _hear(listener: LiveListener, blocks: Iterable[Block]) -> list[LiveDecision]:
    found = [decision for block in blocks for decision in listener.hear(block)]
    return found + list(listener.finish())


def _classified(pipeline: Pipeline, samples: np.ndarray) -> list[Decision]:
    return [pipeline.decide(segment) for segment in pipeline.segments([samples])]


def _with_hop(pipeline: Pipeline, hop_s: float) -> Pipeline:
    spec = replace(pipeline.spec, acoustic=replace(pipeline.spec.acoustic, hop_s=hop_s))
    nets = pipeline.acoustic_net, pipeline.keyword_net
    return Pipeline(spec, pipeline._net_input, *nets, pipeline.fusion, pipeline.words)


@pytest.mark.parametrize(
    "length",
    # Shorter than anything, than a segment by a sample, by what no frame reads, whole, and rests around half a second.
    [
        1,
        320,
        16_000,
        46_239,
        46_240,
        46_399,
        46_400,
        46_401,
        54_399,
        54_400,
        92_700,
        92_800,
        100_799,
        100_800,
    ],
)
def test_every_length_gets_what_classify_says(loaded: Loaded, length: int) -> None:
    bundle, pipeline = loaded
    samples = noise(length / RATE + 0.001)[:length]
    for hop_s in (2.9, 0.5):
        expected = _classified(_with_hop(pipeline, hop_s), samples)
        found = _hear(LiveListener(pipeline, tuned(stream_system(bundle), hop_s)), _blocks(samples))
        assert [said(one.decision) for one in found if one.decision] == [said(one) for one in expected], hop_s
        assert [(one.start_s, one.end_s) for one in found] == [(one.start_s, one.end_s) for one in expected]
        assert not any(one.silent or one.gap for one in found)


def test_real_speech_in_blocks_of_any_length(loaded: Loaded, shared_data: Callable[[str], Path]) -> None:
    bundle, pipeline = loaded
    files = sorted(shared_data("EMO-DB").rglob("*.flac"))[3:80:11]
    samples = np.concatenate([read_audio(file) for file in files])
    expected = [said(one) for one in _classified(pipeline, samples)]
    for length in (320, 1, 479, 48_000, len(samples)):
        heard = samples if length > 1 else samples[: 3 * RATE]
        found = _hear(LiveListener(pipeline, stream_system(bundle)), _blocks(heard, length))
        wanted = expected if length > 1 else [said(one) for one in _classified(pipeline, heard)]
        assert [said(one.decision) for one in found if one.decision] == wanted, length


def test_nothing_heard_is_nothing_said(loaded: Loaded) -> None:
    bundle, pipeline = loaded
    assert _hear(LiveListener(pipeline, stream_system(bundle)), []) == []
    assert _hear(LiveListener(pipeline, stream_system(bundle)), _blocks(np.zeros(0, np.int16))) == []


def test_a_decision_is_due_when_its_audio_was_there(loaded: Loaded) -> None:
    bundle, pipeline = loaded
    blocks = _blocks(noise(7.0), began_s=1000.0)
    found = _hear(LiveListener(pipeline, stream_system(bundle)), blocks)
    assert [one.due_s for one in found] == pytest.approx([1002.9, 1005.8, 1007.0])
    # A resampler held 480 samples back: what is complete now was said 30 ms before the newest sound.
    late = [replace(block, ready_at=block.ready_at + 480) for block in blocks]
    found = _hear(LiveListener(pipeline, stream_system(bundle)), late)
    assert [one.due_s for one in found] == pytest.approx([1002.87, 1005.77, 1007.0 - 0.03], abs=0.031)
    assert all(set(one.stages_ms) == set(STAGES) for one in found)
    assert all(one.stages_ms["acoustic net"] > 0 for one in found)


def test_a_slow_board(loaded: Loaded) -> None:
    bundle, pipeline = loaded
    pauses: list[float] = []
    _hear(LiveListener(pipeline, stream_system(bundle), 50.0, pauses.append), _blocks(noise(6.0)))
    assert len(pauses) == 2
    assert all(0 < pause <= 50.0 for pause in pauses)
    pauses.clear()
    _hear(LiveListener(pipeline, stream_system(bundle), 0.0, pauses.append), _blocks(noise(6.0)))
    assert pauses == []


def test_behind_a_gap_it_begins_anew(loaded: Loaded) -> None:
    bundle, pipeline = loaded
    samples = noise(10.0)
    blocks = _blocks(samples)
    # 4.0 s are heard, 1.5 s are lost.
    lossy = [*blocks[:200], replace(blocks[275], gap=True), *blocks[276:]]
    found = _hear(LiveListener(pipeline, stream_system(bundle)), lossy)
    after = _classified(pipeline, samples[275 * 320 :])
    assert [(one.start_s, one.gap) for one in found] == [(0.0, False), (5.5, True), (8.4, False)]
    for one, other in zip(found[1:], after, strict=True):
        assert one.decision is not None
        assert one.decision.scores == other.scores
        assert one.start_s == pytest.approx(other.start_s + 5.5)
    # Too little behind a gap is no recording of its own.
    found = _hear(
        LiveListener(pipeline, stream_system(bundle)), [*blocks[:150], replace(blocks[499], gap=True)]
    )
    assert [one.start_s for one in found] == [0.0]


def test_a_closed_gate_says_nothing(loaded: Loaded) -> None:
    bundle, pipeline = loaded
    samples = np.concatenate([np.zeros(2 * 46_400, np.int16), noise(2.9)])
    listener = LiveListener(pipeline, tuned(stream_system(bundle), gate_dbfs=-45.0))
    assert listener.gate_open is None
    first, second, third = _hear(listener, _blocks(samples))
    assert listener.gate_open
    assert first.silent
    assert second.silent
    assert (first.decision, first.shown, first.level_dbfs) == (None, None, SILENCE_DBFS)
    assert third.decision is not None
    assert said(third.decision) == said(_classified(pipeline, samples)[2])
    assert third.level_dbfs == pytest.approx(20 * np.log10(3000 / 32_768), abs=1.5), (
        "the loudest of 145 blocks"
    )
    open_listener = LiveListener(pipeline, stream_system(bundle))
    assert not any(one.silent for one in _hear(open_listener, _blocks(samples)))
    assert open_listener.gate_open is None, "the shipped bundle has no gate"


def test_words_are_told_as_they_are_heard(loaded: Loaded) -> None:
    bundle, pipeline = loaded
    words: list[Word] = []
    listener = LiveListener(pipeline, stream_system(bundle), heard=words.append)
    before: list[int] = []
    decided: list[LiveDecision] = []
    for block in _blocks(noise(30.0, level=300)):
        decided += listener.hear(block)
        before.append(len(words))
    named = {one.decision.keyword for one in decided if one.decision} - {None}
    assert named <= {word.word for word in words}
    # Windows begin 0, 0.5, 1.0 and 1.5 s into a segment.
    assert all(round(word.at_s % 2.9, 3) in (0.0, 0.5, 1.0, 1.5) for word in words)
    assert all(0.5 <= word.share <= 1.0 for word in words)


def test_tuning(loaded: Loaded) -> None:
    system: StreamSystem = stream_system(loaded[0])
    assert tuned(system) is system
    assert tuned(system, hop_s=0.5).schedule.hop_frames == 25
    assert tuned(system, gate_dbfs=-40.0).gate.power == round(32_768**2 * 1e-4)
    assert not tuned(system, gate_dbfs=0.0).gate.enabled
    for hop_s in (0.0, -1.0, 0.51, 0.001, 60.02, 1e9, float("nan")):
        with pytest.raises(InputError, match=r"--hop .*: expected a multiple of 0\.02 s, at most 60"):
            tuned(system, hop_s=hop_s)
    for gate_dbfs in (1.0, -200.0, float("nan")):
        with pytest.raises(InputError, match="--gate"):
            tuned(system, gate_dbfs=gate_dbfs)


def test_when_a_stream_is_no_row_of_segments() -> None:
    assert why_not_as_classify(TINY) == ""
    frontend = replace(TINY.frontend, noise_reduction=NoiseReductionSpec(True))
    assert "noise reduction" in why_not_as_classify(replace(TINY, frontend=frontend))
    frontend = replace(TINY.frontend, pcan=PcanSpec(True))
    assert "PCAN" in why_not_as_classify(replace(TINY, frontend=frontend))
    assert "hop" in why_not_as_classify(replace(TINY, acoustic=replace(TINY.acoustic, hop_s=2.889)))
