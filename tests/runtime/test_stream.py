"""The listener in Python: what it asks for and when, what it says, and that it says what `classify` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_cases import TINY, Watched, sound, system_with

from edge_ser.audio import read_audio, segments
from edge_ser.averaging import ONE, Steps, window_shares
from edge_ser.bundle import read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.errors import InputError
from edge_ser.frontend.net_input import NetInput
from edge_ser.integer_head import IntegerHead
from edge_ser.runtime import stream as stream_module
from edge_ser.runtime.pipeline import load_pipeline
from edge_ser.runtime.record import ABSTAINED, CHANGED, FAILED, GAP, SILENT
from edge_ser.runtime.stream import Due, Listener, listen
from edge_ser.runtime.stream_system import Schedule, stream_system
from edge_ser.runtime.words import hear

QUIET = np.zeros(16_000 * 4, np.int16)


def test_windows_that_segments_share_are_asked_for_once() -> None:
    system = system_with(acoustic={"hop_s": 1.0})
    watched = Watched(Listener(system), system).hear(sound(8.0))
    starts = [record.first_frame for record in watched.records]
    assert starts == [0, 50, 100, 150, 200, 250]
    windows = [frame for due, frame in watched.asked if due is Due.KEYWORD]
    assert windows == list(range(0, windows[-1] + 1, 25)), "each once, in the order of time"
    assert [frame for due, frame in watched.asked if due is Due.ACOUSTIC] == starts


def test_windows_that_no_segment_shares() -> None:
    system = system_with(acoustic={"hop_s": 0.74})
    watched = Watched(Listener(system), system).hear(sound(5.0))
    windows = {frame for due, frame in watched.asked if due is Due.KEYWORD}
    asked = [frame for due, frame in watched.asked if due is Due.KEYWORD]
    assert len(asked) == len(windows)
    for record in watched.records:
        assert {record.first_frame + start for start in TINY.keyword_starts} <= windows


@given(st.integers(1, 60), st.integers(1, 30), st.integers(0, 40), st.lists(st.integers(0, 60), min_size=1))
def test_slots_hold_every_window_that_a_segment_may_need(
    hop: int, keyword: int, more: int, starts: list[int]
) -> None:
    inside = tuple(sorted({start % (more + 1) for start in starts}))
    schedule = Schedule(keyword + more, hop, keyword, inside)
    begins = [frame for frame in range(400) if schedule.window_begins(frame)]
    span = range(more + 1)
    most = max(sum(frame - first in span for frame in begins) for first in range(150, 300))
    assert schedule.slots == most >= 1


def test_a_hop_off_the_grid_is_rounded_down_to_it() -> None:
    # 51,360 samples are 160.5 steps.
    assert system_with(acoustic={"segment_s": 3.21, "hop_s": 3.21}).schedule.hop_frames == 160


def test_chunks_make_no_difference() -> None:
    system, heard = (
        system_with(stream={"gate_dbfs": -40.0}),
        np.concatenate([sound(3.0), QUIET, sound(4.0, seed=9)]),
    )
    whole = Watched(Listener(system), system).hear(heard)
    for size in (1, 7, 320, 479, 16_001):
        if size > 1:
            pieces = Watched(Listener(system), system)
            for start in range(0, len(heard), size):
                pieces.hear(heard[start : start + size])
            assert (pieces.asked, pieces.records) == (whole.asked, whole.records)


def test_nothing_runs_on_silence() -> None:
    system = system_with(stream={"gate_dbfs": -40.0})
    watched = Watched(Listener(system), system).hear(QUIET)
    assert watched.asked == []
    (record,) = watched.records
    assert record.flags == SILENT
    assert (record.emotion, record.shown, record.keyword) == (None, None, None)
    assert set(record.scores) == set(record.shares) == {0}
    assert record.level == 0


def test_without_a_gate_silence_is_heard() -> None:
    system = system_with()
    watched = Watched(Listener(system), system).hear(QUIET)
    assert [record.flags & SILENT for record in watched.records] == [0]


def test_a_microphones_offset_is_silence() -> None:
    system = system_with(stream={"gate_dbfs": -40.0})
    assert Watched(Listener(system), system).hear(QUIET + 9000).records[0].flags == SILENT


def test_a_segment_that_holds_any_sound_is_heard_whole() -> None:
    system = system_with(stream={"gate_dbfs": -40.0})
    late = QUIET.copy()
    late[16_000 * 2 : 16_000 * 2 + 3200] = sound(0.2)
    watched = Watched(Listener(system), system).hear(late)
    assert [record.flags & SILENT for record in watched.records] == [0]
    # The windows before the sound are made up for at the segment's end.
    windows = [frame for due, frame in watched.asked if due is Due.KEYWORD]
    assert sorted(windows) == list(TINY.keyword_starts)
    assert windows != sorted(windows)


@pytest.mark.parametrize(("hangover_s", "silent"), [(0.0, SILENT), (1.0, 0)])
def test_the_gate_stays_open_for_the_hang_over(hangover_s: float, silent: int) -> None:
    system = system_with(stream={"gate_dbfs": -40.0, "hangover_s": hangover_s})
    # Sound up to half a second before the second segment.
    heard = np.concatenate([sound(2.4), QUIET])
    records = Watched(Listener(system), system).hear(heard).records
    assert [record.flags & SILENT for record in records] == [0, silent]


def test_the_level_is_the_loudest_steps() -> None:
    system = system_with()
    heard = np.zeros(16_000 * 3, np.int16)
    heard[640:960:2] = 100
    (record,) = Watched(Listener(system), system).hear(heard).records
    assert record.level == (320 * 160 * 100**2 - (160 * 100) ** 2).bit_length()


def test_by_default_what_is_decided_is_shown() -> None:
    system = system_with(acoustic={"hop_s": 0.3})
    records = Watched(Listener(system), system).hear(sound(12.0)).records
    assert len({record.emotion for record in records}) > 1
    shown = None
    for record in records:
        assert record.shown == record.emotion
        assert bool(record.flags & CHANGED) == (record.shown != shown)
        shown = record.shown


def test_smoothing_and_hysteresis() -> None:
    plain = {"acoustic": {"hop_s": 0.3}}
    raw_system = system_with(**plain)
    raw = Watched(Listener(raw_system), raw_system).hear(sound(15.0)).records
    system = system_with(**plain, stream={"smoothing": 4, "hysteresis": 0.2})
    smoothed = Watched(Listener(system), system).hear(sound(15.0)).records
    shown: int | None = None
    for index, record in enumerate(smoothed):
        # Records hold 65536 as 65535, which no mean of four can hide behind.
        rows = [
            window_shares(system.fusion_steps.below_best(np.array([other.scores], np.int32)))[0][0]
            for other in raw[max(0, index - 3) : index + 1]
        ]
        mean = (np.sum(rows, axis=0) + len(rows) // 2) // len(rows)
        assert record.shares == tuple(np.minimum(mean, 65_535))
        if shown is None or mean.max() >= mean[shown] + round(0.2 * ONE):
            shown = int(mean.argmax())
        assert record.shown == shown
        assert (record.emotion, record.scores) == (raw[index].emotion, raw[index].scores)
    changes = [sum(a.shown != b.shown for a, b in pairwise(records)) for records in (raw, smoothed)]
    assert changes[1] < changes[0]


def test_abstaining_keeps_what_was_shown() -> None:
    system = system_with(acoustic={"hop_s": 0.3}, decision={"averaging": "entropy", "abstain": 0.95})
    records = Watched(Listener(system), system).hear(sound(12.0)).records
    abstained = [bool(record.flags & ABSTAINED) for record in records]
    assert 0 < sum(abstained) < len(abstained)
    for record, before in zip(records[1:], records, strict=False):
        best = window_shares(system.fusion_steps.below_best(np.array([record.scores], np.int32)))[0].max()
        assert bool(record.flags & ABSTAINED) == (best < int(np.ceil(0.95 * ONE)))
        assert record.shown == (before.shown if record.flags & ABSTAINED else record.emotion)


def test_a_net_that_fails_is_told_and_the_next_segment_is_heard() -> None:
    system = system_with(acoustic={"hop_s": 1.0})
    for net in (Due.KEYWORD, Due.ACOUSTIC):
        watched = Watched(Listener(system), system)
        watched.fails = {net}
        watched.hear(sound(3.5))
        assert [record.flags for record in watched.records] == [FAILED]
        assert watched.records[0].emotion is None
        watched.fails = set()
        watched.hear(sound(2.0))
        assert [record.flags & FAILED for record in watched.records] == [FAILED, 0, 0]


def test_after_a_loss_of_audio() -> None:
    system = system_with()
    watched = Watched(Listener(system), system).hear(sound(4.0))
    fresh = Watched(Listener(system), system).hear(sound(6.0, seed=5))
    watched.listener.reset()
    watched.hear(sound(6.0, seed=5))
    first, *after = watched.records
    assert [record.sequence for record in watched.records] == [0, 1, 2]
    assert [record.flags & GAP for record in after] == [GAP, 0]
    for record, other in zip(after, fresh.records, strict=True):
        assert (record.scores, record.first_frame) == (other.scores, other.first_frame)
    assert not first.flags & GAP


def test_before_frames_wrap_all_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "LAST_FRAME", 200)
    system = system_with()
    records = Watched(Listener(system), system).hear(sound(8.0)).records
    assert [(record.first_frame, record.flags & GAP) for record in records] == [(0, 0), (0, GAP)]


def test_misuse_is_refused() -> None:
    system = system_with()
    listener = Listener(system)
    with pytest.raises(InputError, match="nothing is due; expected a record"):
        listener.record()
    with pytest.raises(InputError, match="nothing is due; expected a net"):
        listener.embedding(np.zeros(system.keyword_embedding, np.uint8))
    listener.feed(sound(3.0))
    with pytest.raises(InputError, match="keyword embedding is uint8"):
        listener.embedding(np.zeros(3, np.uint8))
    assert listener.feed(sound(1.0)) == 0, "a net is due"


def test_it_says_what_classify_says(shared_data: Callable[[str], Path]) -> None:
    bundle = read_bundle(shipped_bundle())
    pipeline, system = load_pipeline(bundle), stream_system(bundle)
    files = sorted(shared_data("EMO-DB").rglob("*.flac"))[5:120:14]
    samples = np.concatenate([read_audio(file) for file in files])
    records = list(
        listen(Listener(system), pipeline.acoustic_net, pipeline.keyword_net, np.array_split(samples, 40))
    )
    assert len(records) >= 5
    whole = [s for s in pipeline.segments([samples]) if len(s.samples) / 16_000 == s.end_s - s.start_s]
    for record, segment in zip(records, whole, strict=False):
        decision = pipeline.decide(segment)
        assert record.scores == tuple(decision.logits.tolist())
        assert system.classes[record.emotion or 0] == decision.emotion
        assert (None if record.keyword is None else system.words[record.keyword]) == decision.keyword
        assert record.first_frame * 0.02 == pytest.approx(segment.start_s)


def test_what_the_nets_read_is_the_pipelines_input() -> None:
    system = system_with(acoustic={"normalisation": "channels"})
    heard, seen = sound(3.5), []
    listener = Listener(system)
    left = heard
    while listener.due is not Due.ACOUSTIC:
        left = left[listener.feed(left) :]
        if listener.due is Due.KEYWORD:
            seen.append((listener.frame, listener.net_input()))
            listener.embedding(np.zeros(system.keyword_embedding, np.uint8))
    (segment, *_) = segments([heard], TINY.segment_samples, TINY.segment_samples, 16_000)
    features = NetInput(system.tables).features(segment.samples[np.newaxis])[0]
    for frame, window in seen:
        assert (window == features[frame : frame + TINY.keyword_frames]).all()
    means = (features.sum(axis=0, dtype=int) + len(features) // 2) // len(features)
    assert (listener.net_input() == np.clip(features.astype(int) - means + 128, 0, 255)).all()


class TestWords:
    HEAD = IntegerHead(np.eye(4, dtype=np.int16), np.zeros(4, np.int32), 1.0)
    STEPS = Steps.of_scale(1.0)

    def heard(self, *windows: list[int]) -> tuple[int, int] | None:
        return hear(self.HEAD, self.STEPS, np.array(windows, np.uint8))

    def test_half_is_enough_and_less_is_not(self) -> None:
        # Two words as likely as each other, the rest next to nothing.
        assert self.heard([200, 200, 0, 0]) == (0, ONE // 2)
        assert self.heard([200, 200, 198, 0]) is None

    def test_unknown_and_silence_are_no_words(self) -> None:
        assert self.heard([0, 0, 200, 0], [0, 0, 0, 200]) is None

    def test_the_clearest_window_counts(self) -> None:
        assert self.heard([1, 0, 0, 0], [0, 50, 0, 0], [40, 39, 0, 0]) == (1, ONE)

    @given(st.lists(st.lists(st.integers(0, 12), min_size=4, max_size=4), min_size=1, max_size=4))
    def test_it_is_the_probability_of_a_half(self, windows: list[list[int]]) -> None:
        probabilities = self.HEAD.probabilities(np.array(windows))[:, :2]
        if abs(probabilities.max() - 0.5) > 1e-3:
            assert (self.heard(*windows) is not None) == (probabilities.max() >= 0.5)


def test_a_system_that_the_core_cannot_hold_is_refused() -> None:
    system = system_with()
    with pytest.raises(InputError, match="build id 'x'"):
        replace(system, build_id="x")
    with pytest.raises(InputError, match="heads of"):
        replace(system, words=system.words[:-1])
    with pytest.raises(InputError, match="at most 16 and 253"):
        replace(system, words=tuple(f"w{i}" for i in range(254)))
