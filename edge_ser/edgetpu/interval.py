"""A range with its middle: how every predicted amount is written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A range with its middle.

    Attributes:
        low: smallest plausible value, in whatever unit the amount has.
        mid: best guess, in the same unit.
        high: largest plausible value, in the same unit.
    """

    low: float
    mid: float
    high: float

    def times(self, other: Interval | float) -> Interval:
        """The product of two ranges of amounts that are not negative, the ``other`` in whatever unit.

        >>> Interval(1, 2, 3).times(Interval(1, 2, 4))
        Interval(low=1, mid=4, high=12)
        """
        factor = other if isinstance(other, Interval) else exactly(other)
        return Interval(self.low * factor.low, self.mid * factor.mid, self.high * factor.high)

    def over(self, rate: Interval) -> Interval:
        """The amount divided by a positive rate; the fastest rate with the least amount is the low end.

        >>> Interval(10, 20, 40).over(Interval(10, 20, 20))
        Interval(low=0.5, mid=1.0, high=4.0)
        """
        return Interval(self.low / rate.high, self.mid / rate.mid, self.high / rate.low)

    def holds(self, value: float) -> bool:
        """Whether a value, in the same unit, lies in the range."""
        return self.low <= value <= self.high


def exactly(amount: float) -> Interval:
    """An amount that is known, in whatever unit."""
    return Interval(amount, amount, amount)


def sum_intervals(*intervals: Interval) -> Interval:
    """Intervals added end by end."""
    return Interval(
        sum(item.low for item in intervals),
        sum(item.mid for item in intervals),
        sum(item.high for item in intervals),
    )


def independent(mid: float, ends: Iterable[tuple[float, float]]) -> Interval:
    """A range from causes that do not know of each other: their deviations add as squares.

    Args:
        mid: the amount with everything in its middle, in whatever unit.
        ends: for each cause, in the same unit, the amount with that cause at either of its ends and all others in
            their middle.

    >>> independent(10.0, [(7.0, 13.0), (6.0, 14.0)])
    Interval(low=5.0, mid=10.0, high=15.0)
    """
    below = above = 0.0
    for pair in ends:
        below += max(mid - min(pair), 0.0) ** 2
        above += max(max(pair) - mid, 0.0) ** 2
    return Interval(max(mid - math.sqrt(below), 0.0), mid, mid + math.sqrt(above))
