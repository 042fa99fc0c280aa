"""Choose the changes with the best outlook, given everything that experiments have shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

from bot.proposers.constants import Constant
from bot.proposers.evidence import Observation, same
from bot.proposers.ranges import Value
from bot.proposers.space import Idea, Space, Why, close, grid

if TYPE_CHECKING:
    from bot.proposers.outlook import Outlook

BAR = 0.04
"""Gains below this share of the metric are hardly ever proved, so they count for nothing."""
STEPS = 10
"""Into how many steps a range is cut where moves are weighed."""
SMALLEST = 0.005
"""A move of which less is expected, as a share of the metric, is not made beside others."""
MOST_TRIES = 2
"""A value that was in so many experiments that did not win is not weighed again."""


def weigh(space: Space) -> Iterator[Idea]:
    """The moves that promise most together, then all but the last of them, and so on.

    Nothing where they are expected to do more harm than good.
    """
    from bot.proposers.outlook import Move, outlook

    moves = [
        Move(index, value)
        for index, constant in enumerate(space.constants)
        for value in _worth_a_try(constant, space.touching(constant.name))
    ]
    if not moves:
        return
    view = outlook(space.constants, space.observations, moves)
    chosen = _most_promising(view, [move.index for move in moves], space)
    for count in range(len(chosen), 0, -1):
        if sum(view.gains[at] for at in chosen[:count]) <= 0:
            return
        names = {space.constants[moves[at].index].name: at for at in chosen[:count]}
        yield Idea(
            {name: moves[at].value for name, at in names.items()},
            Why.WEIGHED,
            {name: float(view.gains[at]) for name, at in names.items()},
        )


def _worth_a_try(constant: Constant, touching: Sequence[Observation]) -> Iterator[Value]:
    """Other values, without those that have failed often enough from where it is today."""
    steps = [one.changed[constant.name] for one in touching if not one.won]
    failed = [after for before, after in steps if same(before, constant.value)]
    for value in grid(constant, STEPS):
        tries = sum(close(constant, after, value) for after in failed)
        if not same(value, constant.value) and tries < MOST_TRIES:
            yield value


def _most_promising(view: Outlook, index: Sequence[int], space: Space) -> list[int]:
    """Moves of different constants, added one by one while the outlook of all gets better.

    Of several the expected improvement beyond BAR counts.
    """
    chosen: list[int] = []
    gain = variance = best = 0.0
    order = list(range(len(index)))
    space.chance.shuffle(order)  # among equals
    while len(chosen) < space.most_together:
        taken = {index[at] for at in chosen}
        options = []
        for at in order:
            if index[at] in taken or (chosen and view.gains[at] < SMALLEST):
                continue
            more = view.covariance[at, at] + 2 * view.covariance[at, chosen].sum()
            options.append((_improvement(gain + view.gains[at], variance + more), at))
        if not options:
            break
        better, at = max(options, key=lambda option: option[0])
        if better <= best:
            break
        gain, best = gain + view.gains[at], better
        variance += view.covariance[at, at] + 2 * view.covariance[at, chosen].sum()
        chosen.append(at)
    return chosen


def _improvement(gain: float, variance: float) -> float:
    """How much a normally distributed gain exceeds BAR on average, where it does."""
    deviation = math.sqrt(max(variance, 1e-12))
    bell = NormalDist(gain - BAR, deviation)
    return (gain - BAR) * (1 - bell.cdf(0)) + deviation**2 * bell.pdf(0)
