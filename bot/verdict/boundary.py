"""Where the sequential test stops: Wald's two lines, for tests of few and large steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.verdict.compare import Comparison
from bot.verdict.rule import VerdictRule
from bot.verdict.student import normal_equivalent, normal_quantile, t_cdf, t_quantile

# Mean excess of a normal random walk over a boundary, in standard deviations of a step
# (Siegmund 1985, Sequential Analysis, section 10): boundaries move inwards by this much.
_OVERSHOOT = 0.583


@dataclass(frozen=True)
class Boundary:
    """One look at a comparison: the log likelihood ratio and the two lines around it.

    The ratio is that of the design effect to no effect.
    """

    ratio: float
    lower: float
    upper: float
    significant: bool  # at the level of the test, as if this look were the only one
    significant_gain: Callable[[], float] = field(compare=False)
    gain_at: Callable[[float], float] = field(compare=False)  # the gain of a ratio

    @property
    def keeps(self) -> float:
        """The gain below which a candidate is given up at this look."""
        return self.gain_at(self.lower)

    @property
    def accepts_from(self) -> float:
        """The gain from which it is accepted."""
        return max(self.significant_gain(), self.gain_at(self.upper))

    def accepts(self, last: bool) -> bool:
        """Whether the gain is shown; the last look needs no more than an even ratio."""
        return self.significant and self.ratio >= (0.0 if last else self.upper)

    @property
    def rejects(self) -> bool:
        """Whether going on is not worth it."""
        return self.ratio <= self.lower


def detectable_effect(rule: VerdictRule) -> float:
    """The effect that the runs before the confirmation show, in standard deviations of a run.

    With `power`, at the level of the test, by as many runs of either side as it may take.
    """
    deviates = normal_quantile(1 - rule.test_alpha) + normal_quantile(rule.power)
    return deviates * math.sqrt(2 / rule.test_seeds)


def boundary(comparison: Comparison, min_effect: float, rule: VerdictRule) -> Boundary:
    """Look at a comparison of at least one run of each side."""
    deviation = math.sqrt((comparison.candidate.variance + comparison.baseline.variance) / 2)
    effect = max(min_effect, detectable_effect(rule) * deviation)
    if comparison.error <= 0 or effect <= 0:  # nothing varies: the difference is the answer
        sign = comparison.gain - max(min_effect, 0.0)
        ratio = math.copysign(math.inf, sign) if comparison.gain > 0 else -math.inf
        return Boundary(ratio, 0.0, 0.0, ratio > 0, lambda: min_effect, lambda _: min_effect)
    drift = effect / comparison.error  # how far apart the hypotheses are, in standard errors
    overshoot = _OVERSHOOT * drift / math.sqrt(comparison.candidate.runs)
    lower = min(math.log(1 - rule.power) + overshoot, 0.0)
    upper = max(math.log(rule.power / rule.test_alpha) - overshoot, 0.0)
    least = normal_quantile(1 - rule.test_alpha)
    deviate = normal_equivalent(comparison.t, comparison.df)
    return Boundary(
        ratio=drift * (deviate - drift / 2),
        lower=lower,
        upper=upper,
        significant=deviate >= least,
        significant_gain=lambda: comparison.gain_at(rule.test_alpha),
        gain_at=lambda ratio: _gain(ratio / drift + drift / 2, comparison),
    )


def _gain(deviate: float, comparison: Comparison) -> float:
    p = t_cdf(deviate, math.inf)
    if not 0 < p < 1:
        return math.copysign(math.inf, deviate)
    return t_quantile(p, comparison.df) * comparison.error
