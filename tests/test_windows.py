"""Which stretches of a recording decide: all of them, or the one around the loudest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_ser.audio import Segment, segments
from edge_ser.spec import AcousticSpec, DecisionSpec, FrontendSpec, KeywordSpec, SystemSpec
from edge_ser.windows import windows_of

SPEC = SystemSpec(
    name="words",
    keyword=KeywordSpec(("yes",)),
    acoustic=AcousticSpec(("anger", "neutral"), segment_s=0.9, hop_s=0.3),
    frontend=FrontendSpec(),
    decision=DecisionSpec(windows="loudest"),
)
RATE = 16_000
LENGTH = SPEC.segment_samples


def _whole(samples: np.ndarray) -> tuple[int, np.ndarray]:
    """Start and samples of the loudest segment, by the definition, with the whole recording at hand."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(float)
    padded = np.concatenate([np.zeros(29), (frames**2).mean(axis=1)])
    sums = np.convolve(padded, np.ones(30), "valid") if len(padded) >= 30 else np.zeros(0)
    peak = (int(np.argmax(sums)) - 14) * 160 if len(sums) else 0
    start = min(max(0, peak - LENGTH // 2), max(0, len(samples) - LENGTH))
    return start, np.pad(samples[start : start + LENGTH], (0, max(0, LENGTH - len(samples))))


def _found(samples: np.ndarray, cuts: list[int]) -> Segment:
    (found,) = windows_of(SPEC, np.split(samples, sorted(cuts)))
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80_000), st.lists(st.integers(0, 80_000), max_size=6), st.integers(0, 2**32 - 1))
def test_blocks_of_any_length_give_the_loudest_segment_of_the_whole(
    count: int, cuts: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    envelope = np.interp(np.arange(count), np.sort(rng.integers(0, count, 6)), rng.uniform(0, 3000, 6))
    samples = (envelope * rng.normal(size=count)).astype(np.int16)
    found = _found(samples, [min(cut, count) for cut in cuts])
    start, expected = _whole(samples)
    assert np.array_equal(found.samples, expected)
    assert (found.start_s, found.end_s) == (start / RATE, min(start + LENGTH, count) / RATE)


@pytest.mark.parametrize(("at_s", "start_s"), [(2.0, 1.55), (0.1, 0.0), (3.95, 3.1)])
def test_a_word_stands_in_the_middle_or_as_near_as_the_ends_allow(at_s: float, start_s: float) -> None:
    samples = np.random.default_rng(1).normal(size=4 * RATE) * 10
    word = slice(max(0, round((at_s - 0.15) * RATE)), round((at_s + 0.15) * RATE))
    samples[word] *= 300
    found = _found(samples.astype(np.int16), [])
    assert found.start_s == pytest.approx(start_s, abs=0.06)
    assert found.end_s - found.start_s == pytest.approx(0.9, abs=1e-3)


def test_silence_and_little_audio_give_one_segment_and_none_gives_none() -> None:
    silent = _found(np.zeros(3 * RATE, np.int16), [100])
    assert (silent.start_s, len(silent.samples)) == (0.0, LENGTH)
    short = _found(np.full(100, 7, np.int16), [])
    assert short.samples[:100].tolist() == [7] * 100
    assert not short.samples[100:].any()
    assert list(windows_of(SPEC, [])) == []


def test_all_windows_are_the_segments() -> None:
    samples = np.random.default_rng(2).integers(-99, 99, 40_000).astype(np.int16)
    hop = SPEC.frontend.samples_for(0.3)
    found = list(windows_of(replace(SPEC, decision=DecisionSpec()), [samples]))
    expected = list(segments([samples], LENGTH, hop, RATE))
    assert [one.start_s for one in found] == [one.start_s for one in expected]
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(found, expected, strict=True))
