"""Dividing a number into parts that add up to it exactly: tokens as integers, money as floats."""

import math
from collections.abc import Sequence

_DIGITS = 53  # binary digits of a float
_SMALLEST_EXPONENT = -1074  # of the smallest float above 0


def whole_parts(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Parts of `total` in proportion to `weights`, by largest remainder, earlier ones first; equal where all weights are 0.

    Raises ValueError without a weight, for a negative one, and for a negative total.
    """
    if not weights or min(weights) < 0 or total < 0:
        raise ValueError(f"cannot share {total} by {list(weights)}: needs a total and at least one weight, none below 0")
    by = weights if any(weights) else [1] * len(weights)
    whole = sum(by)
    parts = [total * weight // whole for weight in by]
    remainders = sorted(range(len(by)), key=lambda place: -(total * by[place] % whole))
    for place in remainders[: total - sum(parts)]:
        parts[place] += 1
    return tuple(parts)


def float_parts(total: float, weights: Sequence[int]) -> tuple[float, ...]:
    """Parts of `total` in proportion to `weights` that add up to it exactly, in any order and by any way of adding.

    Each part is a whole number of steps, a step being the last binary digit of `total`, so that no addition is ever rounded.
    (To take what is left of the total for the last part would not do: that depends on the order of adding, and Python 3.12 adds
    floats in another way than 3.11.) Raises ValueError as `whole_parts` does, and for a total that is not finite.
    """
    if not math.isfinite(total):
        raise ValueError(f"cannot share {total}: it is not finite")
    exponent = max(math.frexp(total)[1] - _DIGITS, _SMALLEST_EXPONENT)
    steps = whole_parts(int(_scaled(total, -exponent)), weights)
    return tuple(_scaled(float(part), exponent) for part in steps)


def _scaled(number: float, exponent: int) -> float:
    # In two steps: 2**1074 is no float.
    half = exponent // 2
    return math.ldexp(math.ldexp(number, half), exponent - half)
