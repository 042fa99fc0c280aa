"""The values that a constant may take: from the hint beside it, else derived from its value."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from enum import StrEnum

Value = bool | int | float | str
"""The value of a tunable constant."""


class Kind(StrEnum):
    """The type of a constant's literal."""

    INTEGER = "int"
    FLOAT = "float"
    BOOL = "bool"
    STRING = "str"


_LEAST_DECAY = 0.9
"""A range of fractions that ends from here to below 1 is that of a decay."""
_FEWEST_STEPS = 8
"""Multiples of more than one are kept to where a range has at least so many of them."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `log`: even steps are equal factors.

    `whole`: integers only, in multiples of `step`. Fractions from above 0 to just below 1, such as
    0 .. 0.99, are taken as decays: even steps are equal factors of what is missing to 1.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    hinted: bool = False
    step: int = 1

    @property
    def decay(self) -> bool:
        """Whether what is missing to 1 counts, as in the decay of an average: 0.9, 0.99, 0.999."""
        fractions = not (self.whole or self.log) and self.low >= 0
        return fractions and _LEAST_DECAY <= self.high < 1

    def to_unit(self, value: float) -> float:
        """The place of `value` between low (0) and high (1), on the range's own scale."""
        if self.high == self.low:
            return 0.0
        if self.decay:
            return math.log((1 - value) / (1 - self.low)) / math.log(
                (1 - self.high) / (1 - self.low)
            )
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def at(self, unit: float) -> int | float:
        """The value at a place between 0 and 1, rounded so that it reads well."""
        unit = min(1.0, max(0.0, unit))
        if self.decay:
            value = 1 - (1 - self.low) * ((1 - self.high) / (1 - self.low)) ** unit
        elif self.log:
            value = self.low * (self.high / self.low) ** unit
        else:
            value = self.low + unit * (self.high - self.low)
        return self.tidy(value)

    def tidy(self, value: float) -> int | float:
        """The nearest value in the range that has few digits: at most three significant ones."""
        if self.whole:
            return int(min(self.high, max(self.low, self.step * round(value / self.step))))
        if self.decay:
            missing = float(f"{1 - value:.1g}" if value > self.low else 1 - value)
            return min(self.high, max(self.low, round(1 - missing, 12)))
        # On a linear scale digits far below the width of the range mean nothing.
        width = self.high - self.low
        step = 0.0 if self.log or width <= 0 else 10.0 ** (math.floor(math.log10(width)) - 2)
        if step:
            value = round(round(value / step) * step, 12)
        digits = 2 if self.log and self.high > 4 * self.low else 3
        return min(self.high, max(self.low, float(f"{value:.{digits}g}")))


@dataclass(frozen=True)
class Choices:
    """One of a few values."""

    values: tuple[Value, ...]
    hinted: bool = False


Domain = Range | Choices


def holds(domain: Domain, value: Value) -> bool:
    """Whether a value, which may come from an older script, is one that the domain offers."""
    if isinstance(domain, Choices):
        return value in domain.values
    return not isinstance(value, str) and domain.low <= value <= domain.high


def kind_of(value: Value, domain: Domain) -> Kind:
    """The kind of a constant: a whole number in a range of fractions counts as a fraction."""
    if isinstance(value, bool):
        return Kind.BOOL
    if isinstance(value, str):
        return Kind.STRING
    if isinstance(domain, Range):
        return Kind.INTEGER if domain.whole else Kind.FLOAT
    return Kind.INTEGER if isinstance(value, int) else Kind.FLOAT


_NUMBER = r"[+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})(\s*,\s*log)?\s*(?:;.*)?")
_ITEM = r"""(?:"[^"\\]*"|'[^'\\]*'|[^\s,;"'][^,;"']*)"""
_CHOICES = re.compile(rf"one of:\s*({_ITEM}(?:\s*,\s*{_ITEM})*)\s*(?:;.*)?")
_LOOKS_LIKE_HINT = re.compile(rf"one of:|{_NUMBER}\s*\.\.")


def domain_of(value: Value, comment: str) -> tuple[Domain | None, str]:
    """The domain of a constant with this value and comment, and what is wrong with its hint.

    None when it cannot be tuned: a text without a hint, or a domain with one value only.
    """
    problem = ""
    if _LOOKS_LIKE_HINT.match(comment):
        hinted = _from_hint(value, comment)
        if not isinstance(hinted, str):
            return hinted, ""
        problem = f"the hint {comment[:60]!r} is not used: {hinted}"
    return _derived(value), problem


def _from_hint(value: Value, comment: str) -> Domain | str:
    if match := _RANGE.fullmatch(comment):
        low, high, log = match.groups()
        return _range_from_hint(value, low, high, bool(log))
    if match := _CHOICES.fullmatch(comment):
        texts = re.findall(_ITEM, match.group(1))
        return _choices_from_hint(value, [text.strip() for text in texts])
    return "write `low .. high`, `low .. high, log` or `one of: a, b`, then `;` before any text"


def _range_from_hint(value: Value, low: str, high: str, log: bool) -> Domain | str:
    if isinstance(value, bool | str):
        return "a range needs a number"
    whole = isinstance(value, int) and not re.search(r"[.eE]", low + high)
    bounds = [float(low), float(high)]
    if not all(math.isfinite(bound) and abs(bound) <= 2**53 for bound in bounds):
        return "the bounds must be finite"
    if bounds[0] >= bounds[1]:
        return "the first bound must be below the second"
    # The value of today always belongs to its range.
    lowest, highest = min(bounds[0], value), max(bounds[1], value)
    if log and lowest <= 0:
        return "a logarithmic range must be above 0"
    step = _common_step(value, *bounds) if whole else 1
    return Range(lowest, highest, log, whole, hinted=True, step=step)


def _common_step(*numbers: float) -> int:
    """The largest power of two, up to 8, in all of them: widths like to stay multiples of it.

    Where that would leave few values, such as 0, 2 and 4, the numbers are even by chance.
    """
    step = math.gcd(8, *(int(number) for number in numbers)) if any(numbers) else 1
    width = max(numbers) - min(numbers)
    return step if width >= _FEWEST_STEPS * step else 1


def _choices_from_hint(value: Value, texts: list[str]) -> Domain | str:
    choices: list[Value] = []
    for text in texts:
        choice = _literal(text)
        if isinstance(value, str) and not isinstance(choice, str):
            choice = text  # a bare word, or a number as text
        if isinstance(value, float) and isinstance(choice, int) and not isinstance(choice, bool):
            choice = float(choice)
        if choice is None or _family(choice) != _family(value):
            return f"{text!r} is not of the same type as {value!r}"
        choices.append(choice)
    choices = list(dict.fromkeys([*choices, *([] if value in choices else [value])]))
    if len(choices) < 2:
        return "name at least two values"
    return Choices(tuple(choices), hinted=True)


def _literal(text: str) -> Value | None:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str) else None


def _family(value: Value) -> type:
    return float if type(value) is int else type(value)


def _derived(value: Value) -> Domain | None:
    """A sensible domain when nobody wrote one: a few steps up and down from the value."""
    if isinstance(value, bool):
        return Choices((False, True))
    if isinstance(value, str):
        return None
    return _derived_integer(value) if isinstance(value, int) else _derived_float(value)


def _derived_float(value: float) -> Domain:
    if value < 0:
        return Range(value * 10, value / 10)
    if value == 0:
        return Range(0.0, 0.5)  # most often a rate that is switched off
    if value < 0.1:
        return Range(value / 10, value * 10, log=True)
    if value < 0.5:  # from here to 1 most often a share or a decay
        return Range(value / 4, min(value * 3, (1 + value) / 2))
    if value < 1:
        return Range(max(value / 4, 1 - 4 * (1 - value)), 1 - (1 - value) / 10)
    return Range(value / 10, value * 10, log=True)


def _derived_integer(value: int) -> Domain:
    if value == 0:
        return Range(0, 4, whole=True)
    if value < 0:
        return Range(value * 4, min(-1, -(-value // 4)), whole=True)
    return Range(max(1, value // 4), value * 4, log=value > 1, whole=True)
