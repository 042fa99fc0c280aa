"""The bound: the cheapest test that can be found when everything but the means is known.

Standard deviation 1 of both sides and the normal shape are known exactly; the means are not,
so the baseline has to be run as well. A sequential test with free boundaries is optimised by
random search for the fewest runs per null experiment at a given error rate and power. No
confirmation is asked of it and no claim made, so a rule that confirms cannot reach it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import numpy as np

DESIGN = 2.0  # the effect for which power is asked, in standard deviations


@dataclass(frozen=True)
class FreeTest:
    """A sequential test with its own boundary at every kind of look."""

    first_runs: int  # of a new baseline
    keep_first: float  # gain above which a candidate gets a second run
    keep: float  # and the later ones
    ratio: float  # log likelihood ratio of DESIGN against nothing that accepts
    deviate: float  # and the least normal deviate
    candidate_cap: int
    baseline_cap: int


def simulate(
    test: FreeTest, base_length: int, effect: float, bases: int, seed: int
) -> tuple[float, float]:
    """Runs per experiment and share accepted, over `bases` baselines at once."""
    generator = np.random.default_rng(seed)
    baseline_runs = np.full(bases, float(test.first_runs))
    baseline_sum = generator.normal(size=bases) * math.sqrt(test.first_runs)
    runs = float(test.first_runs * bases)
    accepted = 0
    for _ in range(base_length):
        total = generator.normal(size=bases) + effect
        alive = np.ones(bases, dtype=bool)
        runs += bases
        for count in range(1, test.candidate_cap + 1):
            gain = total / count - baseline_sum / baseline_runs
            variance = 1 / count + 1 / baseline_runs
            wins = alive & (DESIGN * (gain - DESIGN / 2) / variance > test.ratio)
            wins &= gain / np.sqrt(variance) > test.deviate
            accepted += int(wins.sum())
            alive &= ~wins & (gain > (test.keep_first if count == 1 else test.keep))
            if count == test.candidate_cap:
                break
            total += generator.normal(size=bases) + effect
            runs += int(alive.sum())
            more = alive & (baseline_runs < test.baseline_cap)
            baseline_sum += np.where(more, generator.normal(size=bases), 0.0)
            baseline_runs += more
            runs += int(more.sum())
    return runs / (bases * base_length), accepted / (bases * base_length)


def bound(
    base_length: int, alpha: float, power: float, tries: int, seed: int
) -> tuple[float, FreeTest]:
    """The fewest runs per null experiment that were found, and the test that needs them.

    Half of the tries are random, the other half vary the best one so far.
    """
    generator = random.Random(seed)
    bases = max(200, 20_000 // base_length)
    best: tuple[float, FreeTest] | None = None
    for attempt in range(tries):
        test = (
            _draw(generator) if best is None or attempt < tries / 2 else _vary(best[1], generator)
        )
        runs, errors = simulate(test, base_length, 0.0, bases, seed)
        if errors > alpha or (best and runs >= best[0]):
            continue
        _, shown = simulate(test, base_length, DESIGN, bases, seed + 1)
        if shown >= power:
            best = (runs, test)
    if best is None:
        raise ValueError(f"no test with alpha {alpha} and power {power} was found; try more")
    return best


def _draw(generator: random.Random) -> FreeTest:
    return FreeTest(
        first_runs=generator.choice([1, 2, 3, 4]),
        keep_first=generator.uniform(0.4, 1.2),
        keep=generator.uniform(0.5, 1.2),
        ratio=generator.uniform(2.0, 4.5),
        deviate=generator.uniform(2.0, 3.0),
        candidate_cap=generator.choice([5, 8]),
        baseline_cap=generator.choice([3, 4, 6, 8, 16, 40]),
    )


def _vary(test: FreeTest, generator: random.Random) -> FreeTest:
    return replace(
        test,
        keep_first=test.keep_first + generator.gauss(0, 0.05),
        keep=test.keep + generator.gauss(0, 0.05),
        ratio=test.ratio + generator.gauss(0, 0.2),
        deviate=test.deviate + generator.gauss(0, 0.1),
        baseline_cap=generator.choice([test.baseline_cap, 3, 4, 6, 8, 16, 40]),
    )
