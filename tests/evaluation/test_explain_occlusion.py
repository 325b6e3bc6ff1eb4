"""Hiding parts of what the acoustic net reads: the part that matters is found, and nothing else changes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from explain_cases import RATE, burst, centring, hearing, listening_to_words
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_ser.evaluation.explain_keyword import keyword_share
from edge_ser.evaluation.explain_occlusion import (
    COLUMN_FRAMES,
    Occlusion,
    Part,
    Stretch,
    channel_bands,
    log_odds,
)
from edge_ser.evaluation.explain_windows import choose, describe, merged
from edge_ser.frontend.quantize import centre_channels
from edge_ser.runtime.pipeline import Pipeline, load_pipeline


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return hearing()


def _effects(heard: Occlusion) -> np.ndarray:
    return heard.score - heard.without([Part((column,)) for column in heard.columns()])


@pytest.mark.parametrize("at_s", [0.05, 0.4, 0.75])
def test_a_burst_is_found_in_time_and_frequency(at_s: float, pipeline: Pipeline) -> None:
    heard = Occlusion(pipeline, burst(at_s))
    assert heard.recording.emotion == "anger"
    best = choose(heard.columns(), _effects(heard), 1)
    middle = (best[0].start + best[0].end) / 2 / RATE
    assert middle == pytest.approx(at_s + 0.1, abs=0.1)
    window = describe(heard, merged(best))[0]
    assert window.effect > 0.1
    # The net's anger is its sixth band of eight, and the bands hidden are the same eight.
    assert window.band == channel_bands(pipeline.spec)[6]


def test_a_burst_in_the_second_segment_is_found_there(pipeline: Pipeline) -> None:
    heard = Occlusion(pipeline, burst(1.5, seconds=2.6))
    assert len(heard.segments) == 3
    best = choose(heard.columns(), _effects(heard), 1)[0]
    assert Stretch(round(1.4 * RATE), round(1.8 * RATE)).overlaps(best)


@pytest.mark.parametrize("seconds", [0.03, 0.1, 0.24, 0.6, 1.0, 2.3])
def test_columns_cover_what_was_heard(seconds: float, pipeline: Pipeline) -> None:
    heard = Occlusion(pipeline, burst(0.0, seconds=max(seconds, 0.2))[: round(RATE * seconds)])
    columns = heard.columns()
    first, last = heard.reach
    assert (columns[0].start, columns[-1].end) == (first, last)
    assert all(one.end > one.start for one in columns)
    assert all(b.start <= a.end for a, b in pairwise(columns))
    width = COLUMN_FRAMES * pipeline.spec.frontend.step_samples
    assert all(one.end - one.start == min(width, last - first) for one in columns)


def test_nothing_hidden_is_the_decision_and_all_hidden_is_nothing_left(pipeline: Pipeline) -> None:
    heard = Occlusion(pipeline, burst(0.4, seconds=2.2))
    whole = Stretch(*heard.reach)
    assert heard.without([Part(())])[0] == pytest.approx(heard.score, abs=1e-12)
    assert heard.only([Part((whole,))])[0] == pytest.approx(heard.score, abs=1e-12)
    assert heard.without([Part((whole,))])[0] == pytest.approx(heard.only([Part(())])[0], abs=1e-12)
    assert heard.silenced([]) == pytest.approx(heard.score, abs=1e-12)


def test_many_parts_at_once_are_as_one_by_one(pipeline: Pipeline) -> None:
    heard = Occlusion(pipeline, burst(0.4, seconds=2.2))
    parts = [Part((column,), band) for column in heard.columns() for band in heard.bands()]
    assert len(parts) > 128
    together = heard.without(parts)
    assert (together[::29] == [heard.without([part])[0] for part in parts[::29]]).all()


def test_hidden_values_are_the_means_of_the_audio_and_not_of_the_padding(pipeline: Pipeline) -> None:
    half = Occlusion(pipeline, burst(0.1, seconds=0.5))
    one = half._heard[0]
    assert one.frames < len(one.input)
    assert (one.fill == np.rint(one.input[: one.frames].mean(axis=0))).all()
    assert (one.fill != np.rint(one.input.mean(axis=0))).any()
    # Padding is not hidden: it was never heard.
    assert half._hidden(Part((Stretch(round(0.6 * RATE), RATE),)), hide=True) == []


def test_a_centring_bundle_hides_behind_the_centring() -> None:
    heard = Occlusion(centring(), burst(0.4))
    assert (heard._heard[0].input == centre_channels(heard.features)[0]).all()
    assert np.abs(heard._heard[0].fill.astype(int) - 128).max() <= 1
    changed = heard._hidden(Part((heard.columns()[0],)), hide=True)[0][1]
    assert (changed[COLUMN_FRAMES:] == heard._heard[0].input[COLUMN_FRAMES:]).all()


@settings(max_examples=20)
@given(st.floats(0, 1))
def test_log_odds_are_finite_and_rise(probability: float) -> None:
    assert np.isfinite(log_odds(probability))
    assert float(log_odds(probability)) <= float(log_odds(min(1.0, probability + 1e-6)))


def test_what_only_the_keyword_net_hears_is_put_down_to_it() -> None:
    heard = Occlusion(load_pipeline(listening_to_words()), burst(0.6, length_s=0.3))
    assert heard.recording.emotion == "anger"
    assert np.abs(_effects(heard)).max() == 0
    share = keyword_share(heard)
    assert share.effect > 0.1
    assert share.window_effect > 0.1
    assert share.start_s is not None
    assert share.end_s is not None
    assert share.start_s <= 0.6 < share.end_s <= 1.0


def test_keywords_that_count_for_nothing_do_nothing(pipeline: Pipeline) -> None:
    share = keyword_share(Occlusion(pipeline, burst(0.4)))
    assert (share.effect, share.window_effect, share.start_s, share.word) == (0.0, 0.0, None, None)
