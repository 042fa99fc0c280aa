"""What the search proposer works with at one call: the constants, what is known, and its ideas."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from bot.model import Reason
from bot.proposers.base import Context
from bot.proposers.constants import Constant
from bot.proposers.evidence import Observation, same
from bot.proposers.ranges import Choices, Domain, Value, holds

MOST_TOGETHER = 5
"""So many constants are changed together at most."""
NEAR = 0.03
"""Values closer than this share of a range are as good as the same."""


class Why(StrEnum):
    """Which consideration led to an idea."""

    FOLLOW = "follow"
    TURN = "turn"
    BUNDLE = "bundle"
    UNTRIED = "untried"
    WEIGHED = "weighed"
    SAMPLED = "sampled"
    REMAINING = "remaining"


@dataclass(frozen=True)
class Idea:
    """New values for a few constants, what led to them, and how much gain that lets expect.

    `expected` is a share of the metric for each constant, where the idea was weighed.
    """

    values: Mapping[str, Value]
    why: Why
    expected: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Space:
    """What one call works with: the baseline, what is known, and a seeded source of chance."""

    context: Context
    constants: tuple[Constant, ...]
    observations: tuple[Observation, ...]
    chance: random.Random

    @cached_property
    def current(self) -> dict[str, Value]:
        """Today's values."""
        return {constant.name: constant.value for constant in self.constants}

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """What the constants may be today."""
        return {constant.name: constant.domain for constant in self.constants}

    @cached_property
    def most_together(self) -> int:
        """So many constants may be changed together: each is one line removed and one added."""
        lines = self.context.allowed.max_changed_lines
        return MOST_TOGETHER if lines is None else min(MOST_TOGETHER, lines // 2)

    @cached_property
    def untried(self) -> list[Constant]:
        """The constants that no experiment has changed."""
        return [constant for constant in self.constants if not self.touching(constant.name)]

    def touching(self, name: str) -> list[Observation]:
        """Experiments of today's runner class, or still open, that changed a constant."""
        return [
            one
            for one in self.observations
            if name in one.changed and (one.loss is not None or one.experiment.reason is None)
        ]

    def singles(self, reason: Reason) -> list[Observation]:
        """Experiments that ended so and moved one constant, from the value that it has today."""
        return [
            one
            for one in self.observations
            if one.experiment.reason is reason
            and one.loss is not None
            and one.constants_only
            and len(one.changed) == 1
            and all(
                name in self.domains
                and same(before, self.current[name])
                and holds(self.domains[name], after)
                for name, (before, after) in one.changed.items()
            )
        ]


def grid(constant: Constant, steps: int) -> Sequence[Value]:
    """The values of a constant, a range cut into so many even steps."""
    domain = constant.domain
    if isinstance(domain, Choices):
        return domain.values
    return list(dict.fromkeys(domain.at(step / steps) for step in range(steps + 1)))


def close(constant: Constant, first: Value, second: Value) -> bool:
    """Whether two values of a constant are the same but for a trifle."""
    domain = constant.domain
    if isinstance(domain, Choices) or isinstance(first, str) or isinstance(second, str):
        return same(first, second)
    if not (holds(domain, first) and holds(domain, second)):
        return False
    return abs(domain.to_unit(first) - domain.to_unit(second)) < NEAR
