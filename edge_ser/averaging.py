"""From the scores of a recording's windows to the shares of its emotions, and when to say nothing.

Two rules. ``mean``: the windows' scores are averaged, weighted by the audio in each. ``entropy``: their calibrated
probabilities are averaged, weighted by the audio in each over the entropy of what it says, so that a window that
knows counts more than one that guesses. Weighting by inverse entropy is how we read the uncertainty-aware ensemble of
MATER (arXiv 2506.19887), whose formulas are not known to us; windows instead of models, the integers and the floor
under the entropy are ours. The probabilities are calibrated (Guo et al., arXiv 1706.04599) because the fusion head
was tempered on validation speakers (:mod:`edge_ser.training.fusion`).

The ``entropy`` rule is in integers throughout, so that a board, a laptop and an evaluation give the same shares. A
window has int32 scores; ``Steps`` of the head is two integers that ship with it. With ``>>`` rounding downwards, ``/``
on whole numbers rounding downwards, and tables ``POWERS`` and ``LOGARITHMS`` of 256 entries each:

1. ``steps[c] = (multiplier * (largest score - score[c]) + (1 << (shift - 1))) >> shift``: how far class c is below the
   best one, in 1/256 octaves;
2. ``power[c] = POWERS[steps[c] & 255] >> (steps[c] >> 8)``, and 0 where ``steps[c] >= 4352``; ``z = sum of power``;
3. ``share[c] = ((power[c] << 16) + z / 2) / z``: probabilities, 65536 is one;
4. ``k = index of z's highest bit``; ``entropy = 256 * (k - 16) + LOGARITHMS[(z << 8 >> k) - 256] + (sum of
   share[c] * steps[c] >> 16)``, in 1/256 bits;
5. ``weight = (milliseconds << 16) / max(entropy, 16)``; ``sums[c] += weight * share[c]``; ``total += weight``.

After the last window ``(sums[c] + total / 2) / total`` are the recording's shares; the largest decides, the lower index
where two are equal. int64 holds the sums of ten thousand hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.spec import Averaging

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ONE = 1 << 16
"""The share that is certain."""

_OCTAVE = 256
_FURTHEST = 17 * _OCTAVE
"""A class 17 octaves below the best one has a share that rounds to nothing."""

_LEAST_ENTROPY = 16
"""A sixteenth of a bit: surer than that (a share of 0.993 of two) no window counts more. Ours."""

_MULTIPLIER_BITS = 30
"""Two scores lie less than 2**32 apart, so that the product fits an int64 with room for the rounding."""

POWERS: Integers = np.rint(ONE * 2.0 ** (-np.arange(_OCTAVE) / _OCTAVE)).astype(np.int64)
"""``65536 * 2**(-i / 256)``."""

LOGARITHMS: Integers = np.rint(_OCTAVE * np.log2(1 + np.arange(_OCTAVE) / _OCTAVE)).astype(np.int64)
"""``256 * log2(1 + i / 256)``."""


@dataclass(frozen=True)
class Steps:
    """How many steps of 1/256 octave a score unit is: ``multiplier / 2**shift``."""

    multiplier: int
    shift: int

    @classmethod
    def of_scale(cls, scale: float) -> Steps:
        """Of a head whose score unit stands for ``scale`` nats.

        Raises:
            InputError: a unit so large that no two scores could be compared.
        """
        per_unit = scale * _OCTAVE / np.log(2)
        fraction, exponent = np.frexp(per_unit)
        shift = _MULTIPLIER_BITS - int(exponent)
        if not np.isfinite(per_unit) or per_unit <= 0 or shift < 1:
            message = (
                f"head scale is {scale}; expected a number above 0, of at most a thousand: make it again"
            )
            raise InputError(message)
        # A scale so small that the shift would leave an int64 loses bits of the multiplier instead.
        kept = min(shift, 62)
        return cls(int(np.rint(np.ldexp(fraction, _MULTIPLIER_BITS - (shift - kept)))), kept)

    def below_best(self, scores: NDArray[np.int32]) -> Integers:
        """Step 1; int32 (n, classes) to int64 (n, classes)."""
        whole = scores.astype(np.int64)
        distance = whole.max(axis=1, keepdims=True) - whole
        steps: Integers = (distance * self.multiplier + (1 << (self.shift - 1))) >> self.shift
        return steps


def real_below_best(logits: Floats) -> Integers:
    """Step 1 of a net in float; logits in nats (n, classes) to int64 (n, classes)."""
    distance = (logits.max(axis=1, keepdims=True) - logits) * (_OCTAVE / np.log(2))
    steps: Integers = np.floor(np.minimum(distance, 2.0**40) + 0.5).astype(np.int64)
    return steps


def window_shares(steps: Integers) -> tuple[Integers, Integers]:
    """Steps 2 to 4.

    Args:
        steps: int64 (n, classes), how far each class is below the window's best.

    Returns:
        Shares int64 (n, classes), 65536 is one; entropy int64 (n,) in 1/256 bits, not below 0.
    """
    near = np.minimum(steps, _FURTHEST)
    powers = np.where(steps < _FURTHEST, POWERS[near % _OCTAVE] >> (near // _OCTAVE), 0)
    total = powers.sum(axis=1, keepdims=True)
    shares = ((powers << 16) + total // 2) // total
    whole = total[:, 0]
    highest = np.frexp(whole.astype(np.float64))[1].astype(np.int64) - 1
    octaves = _OCTAVE * (highest - 16) + LOGARITHMS[((whole << 8) >> highest) - _OCTAVE]
    entropy: Integers = octaves + ((shares * near).sum(axis=1) >> 16)
    return shares, entropy


def average_shares(steps: Integers, seconds: NDArray[np.floating]) -> Integers:
    """The ``entropy`` rule.

    Args:
        steps: int64 (n, classes), how far each class is below its window's best; n at least 1.
        seconds: audio in each window (n,), counted in whole milliseconds, one at least.

    Returns:
        int64 (classes,), 65536 is one.
    """
    shares, entropy = window_shares(steps)
    milliseconds = np.maximum(1, np.rint(1000 * seconds)).astype(np.int64)
    weights = (milliseconds << 16) // np.maximum(entropy, _LEAST_ENTROPY)
    total = int(weights.sum())
    averaged: Integers = (weights @ shares + total // 2) // total
    return averaged


def probabilities_of(averaging: Averaging, logits: Floats, seconds: NDArray[np.floating]) -> Floats:
    """Probabilities of a recording from the logits of a net in float.

    Args:
        averaging: by which rule.
        logits: nats (n, classes), one row per window.
        seconds: audio in each window (n,).

    Returns:
        float64 (classes,), summing to 1.
    """
    if averaging == "entropy":
        return shares_to_probabilities(average_shares(real_below_best(logits), seconds))
    mean = np.average(logits, axis=0, weights=seconds)
    raised: Floats = np.exp(mean - mean.max())
    return shares_to_probabilities(raised)


def shares_to_probabilities(shares: Integers | Floats) -> Floats:
    """Shares, to any scale, as real numbers that sum to 1 (rounding leaves the integers a few 65536ths off)."""
    real = shares.astype(np.float64)
    probabilities: Floats = real / real.sum(axis=-1, keepdims=True)
    return probabilities


def abstains(shares: Integers, threshold: float) -> bool:
    """Whether the largest of the shares (classes,) is below a threshold from 0 (never) to 1; exact in integers."""
    return int(shares.max()) < int(np.ceil(threshold * ONE))
