"""Shares of a recording: the integers are those of the description, and close to the real numbers they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from edge_ser.averaging import (
    LOGARITHMS,
    ONE,
    POWERS,
    Steps,
    abstains,
    average_shares,
    probabilities_of,
    real_below_best,
    shares_to_probabilities,
    window_shares,
)
from edge_ser.errors import InputError

SCORES = arrays(
    np.int32, st.tuples(st.integers(1, 5), st.integers(2, 9)), elements=st.integers(-(2**31), 2**31 - 1)
)
SCALES = st.floats(1e-12, 10.0)


def _by_the_letter(scores: np.ndarray, steps: Steps, seconds: np.ndarray) -> list[int]:
    """The five steps of the module's description in whole numbers, as a board would take them."""
    powers = [round(65536 * 2 ** (-i / 256)) for i in range(256)]
    logarithms = POWERS_OF_TWO
    sums, total = [0] * scores.shape[1], 0
    for row, duration in zip(scores.tolist(), seconds.tolist(), strict=True):
        below = [
            (steps.multiplier * (max(row) - score) + (1 << (steps.shift - 1))) >> steps.shift for score in row
        ]
        assert max(steps.multiplier * (max(row) - score) for score in row) + (1 << (steps.shift - 1)) < 2**63
        power = [0 if b >= 4352 else powers[b & 255] >> (b >> 8) for b in below]
        z = sum(power)
        share = [((p << 16) + z // 2) // z for p in power]
        k = z.bit_length() - 1
        entropy = 256 * (k - 16) + logarithms[((z << 8) >> k) - 256]
        entropy += sum(s * min(b, 4352) for s, b in zip(share, below, strict=True)) >> 16
        weight = (max(1, round(1000 * duration)) << 16) // max(entropy, 16)
        sums = [one + weight * s for one, s in zip(sums, share, strict=True)]
        total += weight
    assert max(*sums, total) < 2**63
    return [(one + total // 2) // total for one in sums]


POWERS_OF_TWO = [round(256 * np.log2(1 + i / 256)) for i in range(256)]


@given(scores=SCORES, scale=SCALES, data=st.data())
def test_shares_are_those_of_the_description(scores: np.ndarray, scale: float, data: st.DataObject) -> None:
    seconds = np.array(data.draw(st.lists(st.floats(0.0, 20.0), min_size=len(scores), max_size=len(scores))))
    steps = Steps.of_scale(scale)
    assert 0 < steps.multiplier <= 2**30
    assert average_shares(steps.below_best(scores), seconds).tolist() == _by_the_letter(
        scores, steps, seconds
    )


@given(logits=arrays(np.float64, (4, 6), elements=st.floats(-30, 30)))
def test_shares_and_entropy_are_close_to_real_ones(logits: np.ndarray) -> None:
    shares, entropy = window_shares(real_below_best(logits))
    real = softmax(logits, axis=1)
    bits = -(real * np.log2(np.maximum(real, 1e-300))).sum(axis=1)
    assert np.abs(shares / ONE - real).max() < 0.001
    assert np.abs(entropy / 256 - bits).max() < 0.03
    assert (entropy >= 0).all()


@given(scale=SCALES, scores=arrays(np.int32, (3, 5), elements=st.integers(-(2**20), 2**20)))
def test_integer_and_real_scores_give_the_same_steps(scale: float, scores: np.ndarray) -> None:
    whole = Steps.of_scale(scale).below_best(scores)
    real = real_below_best(scores.astype(np.float64) * scale)
    assert np.abs(whole - real).max() <= 1 + np.abs(real).max() * 1e-8


def test_tables_are_what_they_say() -> None:
    assert POWERS[[0, 128]].tolist() == [65536, 46341]
    assert LOGARITHMS[[0, 128]].tolist() == [0, 150]
    assert len(POWERS) == len(LOGARITHMS) == 256


def test_a_window_that_knows_outvotes_two_that_guess() -> None:
    logits = np.array([[6.0, 0.0, 0.0], [0.0, 0.6, 0.5], [0.0, 0.6, 0.5]])
    seconds = np.ones(3)
    assert probabilities_of("entropy", logits, seconds).argmax() == 0
    # Without the weights the guesses would win as soon as there are enough of them.
    many = np.vstack([logits, np.tile(logits[1:2], (12, 1))])
    shares, _ = window_shares(real_below_best(many))
    assert shares.mean(axis=0).argmax() == 1
    assert probabilities_of("entropy", many, np.ones(len(many))).argmax() == 0


def test_longer_windows_count_more() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert probabilities_of("entropy", logits, np.array([2.0, 1.0])).argmax() == 0
    assert probabilities_of("entropy", logits, np.array([1.0, 2.0])).argmax() == 1


@given(logits=arrays(np.float64, (3, 4), elements=st.floats(-20, 20)))
def test_the_mean_rule_is_the_softmax_of_the_mean(logits: np.ndarray) -> None:
    seconds = np.array([1.0, 2.0, 0.5])
    expected = softmax(np.average(logits, axis=0, weights=seconds))
    assert (probabilities_of("mean", logits, seconds) == expected).all()


def test_abstaining_is_exact_at_its_threshold() -> None:
    shares = np.array([ONE // 2, ONE // 4, ONE // 4])
    assert not abstains(shares, 0.0)
    assert not abstains(shares, 0.5)
    assert abstains(shares, 0.5 + 1 / ONE)
    assert shares_to_probabilities(shares).tolist() == [0.5, 0.25, 0.25]


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_scale_that_compares_nothing_is_refused(scale: float) -> None:
    with pytest.raises(InputError, match="head scale"):
        Steps.of_scale(scale)
