"""Numbers as people read them: few digits, no exponents in the usual range."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """A metric's value for people: four significant digits, no exponent in the usual range."""
    return rounded(value, 4)


def rounded(value: float, digits: int, *, sign: bool = False) -> str:
    """`value` with so many significant digits, for example 374 or 0.0012 and never 3.7e+02."""
    rough = float(f"{value:.{digits}g}")
    size = abs(rough)
    if size and not 1e-6 <= size < 1e9:
        return f"{value:{'+' if sign else ''}.{digits}g}"
    places = max(0, digits - 1 - math.floor(math.log10(size))) if size else 0
    text = f"{rough:{'+' if sign else ''}.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text
