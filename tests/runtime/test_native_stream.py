"""The listener in C, in this process: the same questions and the same records as the listener in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_cases import Watched, sound, system_with

from edge_ser.errors import InputError, MissingError
from edge_ser.runtime import native_stream
from edge_ser.runtime.native_stream import BUILT, WHY_NOT, NativeListener, open_listener
from edge_ser.runtime.stream import Due, Listener

pytestmark = pytest.mark.skipif(not BUILT, reason=f"the C listener is not built: {WHY_NOT}")


@st.composite
def variants(draw: st.DrawFn) -> dict[str, Any]:
    segment_s = draw(st.sampled_from([1.0, 1.5, 2.9]))
    gate = draw(st.sampled_from([0.0, -60.0, -30.0, -20.0]))
    abstain = draw(st.sampled_from([0.0, 0.5, 0.9]))
    return {
        "acoustic": {
            "segment_s": segment_s,
            "hop_s": draw(st.sampled_from([0.05, 0.1, 0.37, 1.0])),
            "normalisation": draw(st.sampled_from(["none", "channels"])),
        },
        "keyword": {"hop_s": draw(st.sampled_from([0.02, 0.1, 0.26, 0.5]))},
        "stream": {
            "gate_dbfs": gate,
            "hangover_s": draw(st.sampled_from([0.0, 0.1, 0.5])) if gate else 0.0,
            "smoothing": draw(st.integers(1, 5)),
            "hysteresis": draw(st.sampled_from([0.0, 0.1])),
        },
        "decision": {"averaging": "entropy", "abstain": abstain},
    }


@settings(max_examples=40)
@given(variants(), st.integers(0, 99), st.integers(1, 9000))
def test_c_does_what_python_does(variant: dict[str, Any], seed: int, size: int) -> None:
    system = system_with(seed, **variant)
    rng = np.random.default_rng(seed)
    heard = np.concatenate(
        [sound(rng.uniform(0.1, 1.2), int(10 ** rng.uniform(0, 4.5)), seed) for _ in range(5)]
    )
    ours, theirs = Watched(Listener(system), system), Watched(NativeListener(system), system)
    fails = {Due.KEYWORD, Due.ACOUSTIC} if seed % 7 == 0 else set()
    for watched in (ours, theirs):
        for start in range(0, len(heard), size):
            watched.fails = fails if start // size == 3 else set()
            watched.hear(heard[start : start + size])
            if start // size == 5:
                watched.listener.reset()
    assert ours.asked == theirs.asked
    assert ours.records == theirs.records


def test_net_inputs_are_the_same() -> None:
    system = system_with(acoustic={"normalisation": "channels", "hop_s": 0.4})
    listeners = Listener(system), NativeListener(system)
    heard = [sound(6.0), sound(6.0)]
    seen = 0
    while len(heard[0]):
        for index, listener in enumerate(listeners):
            heard[index] = heard[index][listener.feed(heard[index]) :]
        while (due := listeners[0].due) is not Due.NOTHING:
            first, second = (listener.net_input() for listener in listeners)
            assert (first == second).all()
            if due is Due.RECORD:
                assert listeners[0].record() == listeners[1].record()
                continue
            seen += 1
            size = system.keyword_embedding if due is Due.KEYWORD else system.acoustic_embedding
            for listener in listeners:
                listener.embedding(first.ravel()[-size:].copy())
    assert seen > 20


def test_misuse_is_refused() -> None:
    system = system_with()
    listener = NativeListener(system)
    with pytest.raises(InputError, match="expected a record"):
        listener.record()
    with pytest.raises(InputError, match="expected a net"):
        listener.embedding(np.zeros(system.keyword_embedding, np.uint8))
    with pytest.raises(InputError):
        listener.feed(np.zeros(3, np.float32))  # type: ignore[arg-type]  # that is the test


def test_where_it_is_not_built_python_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    system = system_with()
    assert isinstance(open_listener(system), NativeListener)
    monkeypatch.setattr(native_stream, "BUILT", False)
    assert isinstance(open_listener(system), Listener)
    with pytest.raises(MissingError):
        NativeListener(system)
