"""Channel means taken off before the acoustic net: exact integers, blind to level and microphone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edge_ser.frontend import native
from edge_ser.frontend.extension import BUILT
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.frontend.quantize import centre_channels

_MAPS = arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 6)))


@given(_MAPS)
def test_it_is_what_plain_integers_give(features: NDArray[np.uint8]) -> None:
    expected = features.astype(np.int64).copy()
    clips, frames, channels = features.shape
    for clip in range(clips):
        for channel in range(channels):
            values = [int(value) for value in features[clip, :, channel]]
            mean = (sum(values) + frames // 2) // frames
            expected[clip, :, channel] = [min(255, max(0, value - mean + 128)) for value in values]
    assert np.array_equal(centre_channels(features), expected)


@pytest.mark.skipif(not BUILT, reason="the native front end was not built here")
@given(_MAPS)
def test_c_gives_the_same_integers_and_leaves_its_input_alone(features: NDArray[np.uint8]) -> None:
    before = features.copy()
    assert np.array_equal(native.centre_channels(features), centre_channels(features))
    assert np.array_equal(features, before)


@given(arrays(np.uint8, (2, 16, 4), elements=st.integers(60, 120)), st.integers(-60, 60))
def test_level_and_microphone_are_gone(features: NDArray[np.uint8], shift: int) -> None:
    """A gain or a microphone adds a constant to every channel of log features."""
    colour = np.arange(4) * 5 - 10
    moved = (features.astype(np.int64) + shift // 2 + colour).astype(np.uint8)
    assert np.array_equal(centre_channels(moved), centre_channels(features))


def test_the_mean_lands_in_the_middle() -> None:
    rng = np.random.default_rng(3)
    features = rng.integers(60, 190, size=(5, 144, 40), dtype=np.uint8)
    means = centre_channels(features).mean(axis=1)
    assert np.abs(means - 128).max() <= 0.5


@pytest.mark.parametrize(("rule", "changed"), [("none", False), ("channels", True)])
def test_the_spec_decides(rule: str, changed: bool) -> None:
    features = np.full((1, 8, 4), 9, dtype=np.uint8)
    heard = acoustic_input(features, rule)  # type: ignore[arg-type]
    assert heard.dtype == np.uint8
    assert set(heard.ravel().tolist()) == {128 if changed else 9}
