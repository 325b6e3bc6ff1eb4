"""False accepts against false rejects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import hearing_spec, hiss
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.audio import write_wav
from edge_ser.corpora.clip import Clip
from edge_ser.evaluation.keyword_nets import Floats, Windows, clip_windows, front_end
from edge_ser.evaluation.keyword_stream import (
    THRESHOLDS,
    keyword_free,
    stream_windows,
    summed,
    sweep,
    triggers,
    voice,
)

SPEC = hearing_spec()
RATE = SPEC.frontend.sample_rate_hz


def test_windows_that_overlap_are_one_trigger() -> None:
    above = np.zeros((10, 2), dtype=bool)
    above[[1, 2, 6], 0] = True
    above[[2, 9], 1] = True
    assert triggers(above, 2) == 4
    assert triggers(above, 1) == 5
    assert triggers(above, 10) == 2


@given(st.lists(st.lists(st.booleans(), min_size=2, max_size=2), min_size=1, max_size=40), st.integers(1, 5))
def test_triggers_are_never_closer_than_a_window(rows: list[list[bool]], span: int) -> None:
    above = np.array(rows)
    count = triggers(above, span)
    assert count <= above.sum()
    assert count <= above.shape[1] * -(-len(rows) // span)
    assert (count > 0) == above.any()


def test_stream_windows_are_the_front_ends_frames_at_the_devices_hop() -> None:
    front = front_end(SPEC)
    samples = (np.random.default_rng(1).normal(size=RATE * 2) * 2000).astype(np.int16)
    windows = stream_windows(SPEC, front, samples)
    hop = SPEC.frontend.samples_for(SPEC.keyword.hop_s)
    alone = front.features(samples[np.newaxis, hop : hop + SPEC.keyword_samples])[0]
    assert np.array_equal(windows[1], alone)
    assert windows.shape == (4, SPEC.keyword_frames, SPEC.frontend.channels)
    assert stream_windows(SPEC, front, samples[:100]).shape[0] == 1


def _loudness(windows: Windows) -> Floats:
    """A net whose probability of the word is how loud the loudest band of a window is."""
    heard = windows.mean(axis=1).max(axis=1) / 255.0
    return np.stack([heard, np.zeros_like(heard), 1 - heard], axis=1)


def test_a_sweep_counts_and_its_table_divides(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    write_wav(tmp_path / "word.wav", hiss(rng, 1000.0, 0.5), RATE)
    write_wav(tmp_path / "hush.wav", np.zeros(RATE * 4, dtype=np.int16), RATE)
    write_wav(tmp_path / "loud.wav", hiss(rng, 1000.0, 4.0), RATE)
    word = Clip("folder", tmp_path / "word.wav", "a", keyword="yes")
    free = {
        "hush": [Clip("folder", tmp_path / "hush.wav", "b")],
        "loud": [Clip("folder", tmp_path / "loud.wav", "c")],
    }
    counts = sweep(SPEC, front_end(SPEC), _loudness, [word], free, lambda _done: None)
    assert counts.words == 4
    assert counts.accepts["hush"] == (0,) * len(THRESHOLDS)
    assert counts.accepts["loud"][0] == 8  # every window of half a second, one a hop
    assert counts.rejects[0] == 0
    assert counts.rejects[-1] == 4
    assert list(counts.rejects) == sorted(counts.rejects)
    rows = summed([counts.to_dict(), counts.to_dict()])
    assert rows[0]["false_accepts_per_hour"] == {"hush": 0.0, "loud": 7200.0, "all": 3600.0}
    assert rows[0]["words"] == 8
    assert (rows[0]["false_rejects"], rows[-1]["false_rejects"]) == (0.0, 1.0)
    assert rows[0]["hours"]["loud"] == pytest.approx(8 / 3600, abs=1e-4)


def test_what_counts_as_free_of_keywords(tmp_path: Path) -> None:
    def clip(speaker: str, **labels: str) -> Clip:
        return replace(Clip("folder", tmp_path / f"{speaker}.wav", speaker), **labels)

    clips = [
        clip("a", text="say yes now"),
        clip("b", text="yesterday"),
        clip("c", keyword="yes"),
        clip("d", keyword="no"),
        clip("e"),
        clip("f"),
    ]
    kept = keyword_free(clips, ("yes",), frozenset({voice(clips[5])}))
    assert [one.speaker for one in kept] == ["b", "d", "e"]


def test_a_clips_window_has_the_clip_in_its_middle_and_what_is_around_it(tmp_path: Path) -> None:
    front, wanted = front_end(SPEC), SPEC.keyword_samples
    samples = (np.random.default_rng(3).normal(size=RATE * 3) * 3000).astype(np.int16)
    write_wav(tmp_path / "long.wav", samples, RATE)
    write_wav(tmp_path / "short.wav", samples[: wanted // 2], RATE)
    long = Clip("folder", tmp_path / "long.wav", "a", start_s=1.0, end_s=1.2)
    at = round(1.1 * RATE) - wanted // 2
    windows = clip_windows(SPEC, front, [long, Clip("folder", tmp_path / "short.wav", "a")])
    assert np.array_equal(windows[0], front.features(samples[np.newaxis, at : at + wanted])[0])
    padded = np.pad(samples[: wanted // 2], (wanted // 4, wanted - wanted // 2 - wanted // 4))
    assert np.array_equal(windows[1], front.features(padded[np.newaxis])[0])
    for start_s, end_s in ((0.0, 0.1), (2.95, 3.0)):  # the ends of the file: filled up with zeros
        edge = replace(long, start_s=start_s, end_s=end_s)
        assert clip_windows(SPEC, front, [edge]).shape == (1, SPEC.keyword_frames, SPEC.frontend.channels)
