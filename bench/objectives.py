"""Cheap objectives over the constants of a script, of which the true value is known.

All are exp of a sum over constants, in which few matter: lower is better, never below 10.
`scattered` takes a weighted, partly one-sided square of the distance to a hidden optimum for each
constant, and interactions of pairs. `flawed` is made like the default task: one planted flaw that
costs two thirds of the metric, two constants that are worth 10 to 25 %, six that are worth 2 to
8 %, and others that can only do harm or nothing at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bot.proposers.constants import Constant
from bot.proposers.ranges import Choices, Value

FLOOR = 10.0
"""The metric's value when every constant is at its best."""
_FLAW = math.log(35 / 11.5)  # what the clamp of the default task costs, as a logarithm
_LARGE, _SMALL = (0.10, 0.25), (0.02, 0.08)  # gains, as shares of the metric
_LARGE_COUNT, _SMALL_COUNT = 2, 6
_HARMLESS = 1 / 3  # of the constants without a gain, those that do nothing at all

Part = Callable[[Value], float]
"""The cost of one constant's value: what it adds to the logarithm of the metric."""


@dataclass(frozen=True)
class Objective:
    """A metric of which the truth is known. `flaw` names the planted constant and undoes it."""

    start: Mapping[str, Value]
    cost: Callable[[Mapping[str, Value]], float]
    flaw: Mapping[str, Value]

    def true(self, values: Mapping[str, Value]) -> float:
        """The metric without noise."""
        return FLOOR * math.exp(self.cost(values))

    @property
    def mended(self) -> Mapping[str, Value]:
        """The start without its planted flaw, if it has one."""
        return {**self.start, **self.flaw}


# ---------------------------------------------------------------------------------------------
# scattered


def scattered(constants: Sequence[Constant], seed: int, *, badly_set: float) -> Objective:
    """Every constant matters by a log-normal weight; a share of them is badly set."""
    chance = np.random.default_rng([seed, 1])
    weights = np.exp(chance.normal(0, 1.3, len(constants)))
    weights = weights * 6 / weights.sum()
    one_sided = chance.random(len(constants)) < 1 / 3
    optima = [_optimum(constant, chance, badly_set) for constant in constants]
    drawn = chance.integers(0, len(constants), (len(constants) // 2, 2))
    pairs = [
        (int(a), int(b), float(strength))
        for (a, b), strength in zip(drawn, chance.normal(0, 0.4, len(drawn)), strict=True)
        if a != b
    ]

    def cost(values: Mapping[str, Value]) -> float:
        sides = zip(constants, optima, one_sided, strict=True)
        away = np.array([_away(c, optimum, one, values[c.name]) for c, optimum, one in sides])
        total = float((weights * away**2).sum())
        for a, b, strength in pairs:
            product = away[a] * away[b] * math.copysign(1.0, strength)
            scale = abs(strength) * math.sqrt(weights[a] * weights[b])
            total += scale * max(0.0, float(product))
        return total

    return Objective({c.name: c.value for c in constants}, cost, {})


def _optimum(
    constant: Constant, chance: np.random.Generator, badly_set: float
) -> float | dict[Value, float]:
    domain = constant.domain
    if isinstance(domain, Choices):
        return {v: abs(float(chance.normal(0, 0.4))) for v in domain.values}
    if chance.random() < badly_set:
        return float(chance.random())
    here = _place(constant, constant.value)
    return float(np.clip(chance.normal(here, 0.15), 0, 1))


def _away(
    constant: Constant, optimum: float | dict[Value, float], one_sided: bool, value: Value
) -> float:
    if isinstance(optimum, dict):
        return optimum[value]
    away = _place(constant, value) - optimum
    return min(away, 0.0) if one_sided else away


# ---------------------------------------------------------------------------------------------
# flawed


def flawed(constants: Sequence[Constant], seed: int) -> Objective:
    """One flaw as large as the default task's, a few large gains, some small ones, many none."""
    chance = np.random.default_rng([seed, 3])
    order = [constants[int(index)] for index in chance.permutation(len(constants))]
    numeric = [constant for constant in order if not isinstance(constant.domain, Choices)]
    planted = numeric[0]
    others = [constant for constant in order if constant is not planted]
    sizes = [_LARGE] * _LARGE_COUNT + [_SMALL] * _SMALL_COUNT
    gains = [float(chance.uniform(*size)) for size in sizes] + [0.0] * len(others)
    parts = {planted.name: _wall(planted)}
    for constant, gain in zip(others, gains, strict=False):
        parts[constant.name] = (
            _valley(constant, -math.log1p(-gain), chance) if gain else _plain(constant, chance)
        )
    # Half of the constants with a gain lose a part of it to one that has its effect on them.
    movers = others[: len(sizes)]
    tied = [(movers[i], others[-1 - i]) for i in range(len(sizes) // 2)]

    def cost(values: Mapping[str, Value]) -> float:
        total = sum(part(values[name]) for name, part in parts.items())
        for mover, other in tied:
            moved = _moved(mover, values[mover.name]) * _moved(other, values[other.name])
            total += 0.2 * moved
        return total

    domain = planted.domain
    assert not isinstance(domain, Choices)
    mended = domain.high if _far_bound(planted) else domain.low
    return Objective({c.name: c.value for c in constants}, cost, {planted.name: mended})


def _wall(constant: Constant) -> Part:
    """High at today's value, falling to nothing half-way to the farther bound, then flat."""
    here, bound = _place(constant, constant.value), _far_bound(constant)

    def cost(value: Value) -> float:
        way = (_place(constant, value) - here) / (bound - here)
        return _FLAW * min(1.5, max(0.0, 1 - way / 0.5))

    return cost


def _valley(constant: Constant, gain: float, chance: np.random.Generator) -> Part:
    """Costs `gain` today and nothing somewhere else; a third of them are flat beyond that."""
    domain = constant.domain
    if isinstance(domain, Choices):
        others = [value for value in domain.values if value != constant.value]
        best = others[int(chance.integers(len(others)))]
        costs = {value: gain * float(chance.uniform(0.5, 2)) for value in others}
        costs |= {best: 0.0, constant.value: gain}
        return lambda value: costs[value]
    here, flat = _place(constant, constant.value), chance.random() < 1 / 3
    up, room = bool(chance.random() < 0.5), (here, 1 - here)
    if room[up] < 0.2:
        up = not up
    distance = float(chance.uniform(0.2, 0.8)) * room[up] * (1 if up else -1)

    def cost(value: Value) -> float:
        way = (_place(constant, value) - here) / distance
        return 0.0 if flat and way > 1 else gain * min(6.0, (1 - way) ** 2)

    return cost


def _plain(constant: Constant, chance: np.random.Generator) -> Part:
    """Today's value is the best, or it does not matter."""
    if chance.random() < _HARMLESS:
        return lambda _: 0.0
    harm = float(chance.exponential(0.3))  # at the far end of the range
    return lambda value: harm * _moved(constant, value) ** 2


def _moved(constant: Constant, value: Value) -> float:
    """How far from today's value, as a share of the range."""
    if isinstance(constant.domain, Choices):
        return 0.0 if value == constant.value else 0.5
    return abs(_place(constant, value) - _place(constant, constant.value))


def _place(constant: Constant, value: Value) -> float:
    """Where a value lies between its bounds, on the scale that its hint names and no other."""
    domain = constant.domain
    assert not isinstance(domain, Choices)
    if domain.log:
        return math.log(float(value) / domain.low) / math.log(domain.high / domain.low)
    return (float(value) - domain.low) / (domain.high - domain.low)


def _far_bound(constant: Constant) -> float:
    return 1.0 if _place(constant, constant.value) <= 0.5 else 0.0
