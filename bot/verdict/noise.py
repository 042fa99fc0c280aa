"""How much repeated runs of the same code differ, and how well that is known.

A run of code whose metric has mean m varies with standard deviation r |m|: noise is relative,
because it was seen to grow with the level of the metric (2.9 at 35, 0.47 at 11). Only where a
metric takes values of zero or less is noise absolute. r is estimated from repeated runs of the
same code only: a scaled inverse chi-square prior (Gelman et al., Bayesian Data Analysis, 2.6)
fills up what those have shown, and each code's own spread is shrunk towards the pooled one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.verdict.rule import VerdictRule


@dataclass(frozen=True)
class Spread:
    """An estimated variance of one run (relative or absolute) and its degrees of freedom."""

    variance: float
    df: float


@dataclass(frozen=True)
class Noise:
    """What repeated runs show: sum of squared deviations and its degrees of freedom.

    In the units of `relative`: shares of the code's mean, or the metric's own.
    """

    squares: float
    df: int
    relative: bool

    def plus(self, values: Sequence[float]) -> Noise:
        """Also count these repeated runs of one code."""
        squares = squared_deviations(values, self.relative)
        return Noise(self.squares + squares, self.df + max(0, len(values) - 1), self.relative)


def is_relative(groups: Iterable[Sequence[float]]) -> bool:
    """Whether noise is taken as relative: every value of the metric is above zero."""
    return all(min(group) > 0 for group in groups if group)


def pool(groups: Iterable[Sequence[float]], relative: bool) -> Noise:
    """Sum up repeated runs, one group for each code. Groups of one run tell nothing."""
    squares, df = 0.0, 0
    for group in groups:  # thousands of them
        if len(group) > 1:
            squares += squared_deviations(group, relative)
            df += len(group) - 1
    return Noise(squares, df, relative)


def squared_deviations(values: Sequence[float], relative: bool) -> float:
    """The sum of squared deviations from the mean, as shares of it where noise is relative."""
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    scale = mean if relative else 1.0
    return math.fsum([((value - mean) / scale) ** 2 for value in values])


def filled_up(noise: Noise, level: float, rule: VerdictRule) -> Spread:
    """The pooled spread; a prior stands in for the runs that have not been repeated yet.

    The prior's degrees of freedom are those that are missing from `noise_prior_runs`, so that
    a prior of the wrong scale is forgotten as soon as there is something better. `level` is
    the metric's typical size, by which the prior is scaled where noise is absolute.
    """
    prior_df = max(0.0, rule.noise_prior_runs - noise.df)
    scale = rule.noise_prior if noise.relative else rule.noise_prior * level
    df = noise.df + prior_df
    return Spread((noise.squares + prior_df * scale**2) / df, df)


def shrunk(pooled: Spread, values: Sequence[float], relative: bool, likeness: float) -> Spread:
    """One code's own spread, from its runs and from what other code shows.

    The variances of different code scatter like a scaled inverse chi-square with `likeness`
    degrees of freedom (2: a factor of about 0.5 to 3 in the standard deviation), which adds
    to the uncertainty of the pooled estimate; the variance of a log variance is about 2 / df.
    """
    weight = 1 / (1 / pooled.df + 1 / likeness)
    own = max(0, len(values) - 1)
    squares = squared_deviations(values, relative)
    return Spread((weight * pooled.variance + squares) / (weight + own), weight + own)
