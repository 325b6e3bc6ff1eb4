"""Elementary functions that give the same bits on every machine.

C libraries round ``cos``, ``log1p`` and ``pow`` differently in the last place, which is enough to move an
integer of the front end's tables. Here each function is computed to 50 decimal digits and rounded once, so
that the result is the double nearest to the true value, which a library's result misses by no more than its
own error.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Final

_DIGITS: Final = 50
_CONTEXT: Final = Context(prec=_DIGITS, rounding=ROUND_HALF_EVEN)
_TWO_PI: Final = Decimal("6.28318530717958647692528676655900576839433879875021164194988918")


def cos(angle: float) -> float:
    """Cosine of ``angle`` (radians, from -7 to 7), correctly rounded to double precision."""
    with localcontext(_CONTEXT):
        return float(_cos(Decimal(angle)))


def log1p(value: float) -> float:
    """Natural logarithm of ``1 + value`` for a dimensionless ``value`` > -1, correctly rounded to double precision."""
    with localcontext(_CONTEXT) as context:
        # As many digits again as the sum with 1 pushes out.
        context.prec += max(0, -Decimal(value).adjusted()) if value else 0
        return float((1 + Decimal(value)).ln())


def power(base: float, exponent: float) -> float:
    """A dimensionless ``base`` >= 0 to the power of a dimensionless ``exponent``; 1 where that is 0.

    Correctly rounded to double precision.
    """
    if exponent == 0:
        return 1.0
    with localcontext(_CONTEXT):
        return float((Decimal(exponent) * Decimal(base).ln()).exp())


def nearest_cosine(turns: tuple[int, int], one: int) -> int:
    """``floor(one * cos + 1/2)`` at an angle given as a fraction of a full turn, (numerator, denominator)."""
    numerator, denominator = turns
    with localcontext(_CONTEXT):
        scaled = one * _cos(_TWO_PI * numerator / denominator)
        return int((scaled + Decimal("0.5")).to_integral_value(rounding=ROUND_FLOOR))


def _cos(angle: Decimal) -> Decimal:
    """The Taylor series; of the digits, about three are lost to cancellation near an angle of 7."""
    square = angle * angle
    term = total = Decimal(1)
    order = 0
    while term.adjusted() > -_DIGITS and term:
        order += 2
        term = -term * square / (order * (order - 1))
        total += term
    return total
