"""Candidate against baseline: Welch's comparison of two means with shrunken spreads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bot.model import Direction, Estimate
from bot.verdict.noise import Spread
from bot.verdict.student import t_cdf, t_quantile


@dataclass(frozen=True)
class Sample:
    """Runs of one side: how many, their mean, and the estimated variance of one run.

    The variance is in the metric's own units squared, with its degrees of freedom.
    """

    runs: int
    mean: float
    variance: float
    df: float

    @property
    def variance_of_mean(self) -> float:
        """The squared standard error of the mean."""
        return self.variance / self.runs


def sample(values: Sequence[float], spread: Spread, relative: bool) -> Sample:
    """Summarise at least one value; a relative `spread` is scaled by the mean."""
    mean = math.fsum(values) / len(values)
    scale = mean**2 if relative else 1.0
    return Sample(len(values), mean, spread.variance * scale, spread.df)


@dataclass(frozen=True)
class Comparison:
    """How much better the candidate is: `gain` is positive when it is better.

    `error` is the standard error of `gain`, `df` its degrees of freedom after Welch (1947)
    and Satterthwaite (1946).
    """

    candidate: Sample
    baseline: Sample
    gain: float
    error: float
    df: float

    @property
    def t(self) -> float:
        """Student's t of the gain; infinite when there is no noise at all."""
        if self.error > 0:
            return self.gain / self.error
        return math.copysign(math.inf, self.gain) if self.gain else 0.0

    @property
    def p_better(self) -> float:
        """The one-sided probability of a gain as large as this if there were none."""
        return t_cdf(-self.t, self.df)

    @property
    def p_worse(self) -> float:
        """The one-sided probability of a loss as large as this if there were none."""
        return t_cdf(self.t, self.df)

    def gain_at(self, alpha: float) -> float:
        """The gain that is significant at the one-sided level `alpha`."""
        return t_quantile(1 - alpha, self.df) * self.error

    def estimate(self, level: float) -> Estimate:
        """Candidate minus baseline with a two-sided interval."""
        difference = self.candidate.mean - self.baseline.mean
        reach = t_quantile(0.5 + level / 2, self.df) * self.error
        return Estimate(
            difference=difference,
            low=difference - reach,
            high=difference + reach,
            level=level,
            candidate_mean=self.candidate.mean,
            baseline_mean=self.baseline.mean,
            candidate_runs=self.candidate.runs,
            baseline_runs=self.baseline.runs,
            degrees_of_freedom=self.df,
        )


def compare(
    candidate: Sample, baseline: Sample, direction: Direction, covariance: float = 0.0
) -> Comparison:
    """Compare two means. `covariance` is that of the means, from runs that share seeds."""
    a, b = candidate.variance_of_mean, baseline.variance_of_mean
    sign = -1.0 if direction is Direction.LOWER else 1.0
    total = a + b
    share = a / total if total > 0 else 0.5  # of the candidate; squares of tiny a, b vanish
    inverse_df = share**2 / candidate.df + (1 - share) ** 2 / baseline.df
    return Comparison(
        candidate=candidate,
        baseline=baseline,
        gain=sign * (candidate.mean - baseline.mean),
        error=math.sqrt(max(0.0, total - 2 * covariance)),
        df=1 / inverse_df if inverse_df > 0 else math.inf,
    )
