"""Synthetic metric streams: code whose true mean is known, and runs of it that cost one each.

A world is measured in the metric's own units around a level like that of the default task
(11.5 with a standard deviation of 0.47, lower is better), so that the relative noise model
of the production code is exercised as it is in real life.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

LEVEL = 11.5
DEVIATION = 0.47 / 11.5  # of one run, relative to the mean of the code that is run


@dataclass(frozen=True)
class World:
    """What kind of metric, machine and candidates a stream has.

    spread: range of the candidates' standard deviations over the baseline's (log-uniform).
    known: range of degrees of freedom known about the noise when a stream begins.
    tails: degrees of freedom of Student's t that runs follow (scaled to the same standard
        deviation); infinite is normal, 0 is a metric without noise.
    trend: change per run of the machine's offset, in standard deviations (negative: better).
    wander: standard deviation of a slowly wandering offset, in standard deviations of a run.
    true_share: share of candidates that are better, by `effects` standard deviations.
    """

    name: str
    spread: tuple[float, float] = (1.0, 1.0)
    known: tuple[int, int] = (3, 8)
    tails: float = math.inf
    trend: float = 0.0
    wander: float = 0.0
    true_share: float = 0.0
    effects: tuple[float, float] = (0.5, 3.0)


WANDER_RUNS = 50.0  # after so many runs a wandering offset has forgotten where it was


@dataclass(frozen=True)
class Code:
    """Code with a true mean, and the standard deviation of its runs over the usual one."""

    mean: float
    spread: float = 1.0

    @property
    def deviation(self) -> float:
        """The standard deviation of one run in the metric's units."""
        return DEVIATION * self.mean * self.spread


@dataclass
class Machine:
    """Runs code. Counts every run, and drifts as the world says."""

    world: World
    random: random.Random
    runs: int = 0
    _offset: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._offset = self.world.wander * self.random.gauss(0, 1)

    def run(self, code: Code) -> float:
        """One run of `code`; it costs one."""
        self.runs += 1
        world = self.world
        if world.wander:
            keep = math.exp(-1 / WANDER_RUNS)
            step = world.wander * math.sqrt(1 - keep**2)
            self._offset = keep * self._offset + step * self.random.gauss(0, 1)
        drift = world.trend * self.runs + self._offset
        return code.mean + code.deviation * self._deviate() + DEVIATION * code.mean * drift

    def _deviate(self) -> float:
        tails = self.world.tails
        if tails == 0:
            return 0.0
        deviate = self.random.gauss(0, 1)
        if math.isinf(tails):
            return deviate
        chi_square = self.random.gammavariate(tails / 2, 2)
        return deviate / math.sqrt(chi_square / tails) * math.sqrt((tails - 2) / tails)


def known_repeats(world: World, generator: random.Random) -> tuple[float, ...]:
    """Repeated runs of some earlier code, made before the stream began and not counted."""
    count = generator.randint(*world.known) + 1
    earlier = Machine(world, generator)
    code = Code(LEVEL)
    return tuple(earlier.run(code) for _ in range(count))


def next_candidate(world: World, base: Code, generator: random.Random) -> tuple[Code, float]:
    """A candidate and its true gain over `base`, in the base's level of noise."""
    low, high = world.spread
    spread = math.exp(generator.uniform(math.log(low), math.log(high)))
    effect = 0.0
    if generator.random() < world.true_share:
        effect = generator.uniform(*world.effects)
    return Code(base.mean * (1 - effect * DEVIATION), spread), effect
