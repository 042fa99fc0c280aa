"""What all experiments together let expect of other values: one smooth effect for each constant.

A Gaussian process with an additive kernel over the relative loss. Every experiment, also one that
changed several constants or was compared with an older baseline, tells of the difference between
two values of each constant that it changed, as exactly as its runs allow. Moving away from a value
that somebody chose is expected to do some harm, until an experiment says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.proposers.constants import Constant
from bot.proposers.evidence import Observation
from bot.proposers.ranges import Choices, Domain, Value, holds

AMPLITUDE = 0.08
"""Usual size of a constant's effect, as a share of the metric."""
REACH = 0.4
"""Values further apart than this share of a range say little about each other."""
HARM = 0.1
"""Expected loss at the far end of a range; it grows with the square of the way."""
BROKEN = 0.5
"""Relative loss of an experiment that broke, and the largest that counts."""
NOISE = 0.05
"""Standard error of a relative loss where its runs do not tell it."""

_MOST_KNOWN = 200  # latest experiments that count: what is calculated grows with the square
_LEAST_NOISE = 0.005
_APART = 1_000.0  # between the places of choices, so that they say nothing about each other
_OTHER_CHOICE = 0.5  # way to another choice, as a share of a range
_ERRORS = 4.4  # standard errors in an interval, for the few runs that there are

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Move:
    """Another value for one constant, named by its index."""

    index: int
    value: Value


@dataclass(frozen=True)
class Outlook:
    """Expected relative gains of moves that are made alone, and how uncertain these are."""

    gains: _Array
    covariance: _Array


def outlook(
    constants: Sequence[Constant], observations: Sequence[Observation], moves: Sequence[Move]
) -> Outlook:
    """What is to be expected of moves from today's values."""
    today = np.array([_place(constant, constant.value) for constant in constants])
    domains = {constant.name: constant.domain for constant in constants}
    known = [one for one in observations if _tells(one, domains)][-_MOST_KNOWN:]
    index = np.array([move.index for move in moves])
    start = today[index]
    end = np.array([_place(constants[move.index], move.value) for move in moves])
    prior = _shared(start[:, None], end[:, None], start, end) * (index[:, None] == index)
    expected = -_harm(constants, today, end, index)
    if not known:
        return Outlook(expected, prior)

    before, after = (_places(constants, known, side) for side in (0, 1))
    every = np.arange(len(constants))
    harm = _harm(constants, today, after, every) - _harm(constants, today, before, every)
    surprise = np.array([_relative_loss(one) for one in known]) - harm.sum(axis=1)
    related = _shared(before[:, None], after[:, None], before, after).sum(axis=2)
    related += np.diag([_error(one) ** 2 for one in known])
    cross = _shared(start[:, None], end[:, None], before.T[index], after.T[index])
    solved = np.linalg.solve(related, np.column_stack([surprise, cross.T]))
    return Outlook(expected - cross @ solved[:, 0], prior - cross @ solved[:, 1:])


def _shared(before: _Array, after: _Array, other_before: _Array, other_after: _Array) -> _Array:
    """The prior covariance of two differences of one constant's effect."""

    def kernel(first: _Array, second: _Array) -> _Array:
        return AMPLITUDE**2 * np.exp(-0.5 * ((first - second) / REACH) ** 2)

    return (
        kernel(after, other_after)
        - kernel(after, other_before)
        - kernel(before, other_after)
        + kernel(before, other_before)
    )


def _harm(
    constants: Sequence[Constant], today: _Array, places: _Array, index: NDArray[np.int_]
) -> _Array:
    """What other values are expected to cost before anything is known of them."""
    choice = np.array([isinstance(constant.domain, Choices) for constant in constants])[index]
    way = np.abs(places - today[index])
    return HARM * np.where(choice, np.minimum(way, _OTHER_CHOICE), way) ** 2


def _places(constants: Sequence[Constant], known: Sequence[Observation], side: int) -> _Array:
    """Experiments by constants; the same on both sides where a constant was not changed."""
    rows = [
        [
            _place(constant, one.changed[constant.name][side])
            if constant.name in one.changed
            else 0.0
            for constant in constants
        ]
        for one in known
    ]
    return np.array(rows)


def _place(constant: Constant, value: Value) -> float:
    domain = constant.domain
    if isinstance(domain, Choices):
        return _APART * domain.values.index(value)
    return domain.to_unit(float(value))


def _tells(one: Observation, domains: Mapping[str, Domain]) -> bool:
    return (
        one.constants_only
        and one.loss is not None
        and bool(one.changed)
        and all(
            name in domains and all(holds(domains[name], value) for value in sides)
            for name, sides in one.changed.items()
        )
    )


def _relative_loss(one: Observation) -> float:
    """Logarithm of metric over baseline where lower is better; gains add up on that scale."""
    assert one.loss is not None  # noqa: S101  (`_tells`)
    share = one.loss / _scale(one)
    return math.log1p(max(-0.95, min(BROKEN, share)))


def _error(one: Observation) -> float:
    estimate = one.experiment.estimate
    width = (estimate.high - estimate.low) / _scale(one) if estimate else math.nan
    return max(_LEAST_NOISE, width / _ERRORS) if math.isfinite(width) else NOISE


def _scale(one: Observation) -> float:
    return abs(one.experiment.baseline or 1.0)
