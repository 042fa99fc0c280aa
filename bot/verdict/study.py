"""Evidence sorted for the test: which runs belong to which stage, and what noise is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bot.model import Direction, Purpose, Run
from bot.verdict.compare import Comparison, compare, sample
from bot.verdict.evidence import Evidence, Pair, bounded_others, values
from bot.verdict.noise import Noise, Spread, filled_up, is_relative, pool, shrunk
from bot.verdict.pairing import covariance_of_means, seed_correlation
from bot.verdict.rule import VerdictRule

_OWN_SPREAD = 0.1  # of the likeness to other code, once there are enough runs of one's own
_NOISE_FREE_DF = 2  # repeated runs without any difference that show a metric without noise


@dataclass(frozen=True)
class Study:
    """The runs of both sides by stage, and the noise that other code shows.

    `baseline` holds the latest runs before the candidate's confirmation began.
    """

    candidate: tuple[Run, ...]
    confirmation: tuple[Run, ...]
    baseline: tuple[Run, ...]
    baseline_confirmation: tuple[Run, ...]
    baseline_confirmations_tried: int
    direction: Direction
    noise: Noise
    noise_free: bool
    pairs: tuple[tuple[Pair, ...], ...]
    experiments_since_baseline: int
    rule: VerdictRule

    @cached_property
    def correlation(self) -> float:
        """What runs that share a seed have in common; only a comparison asks for it."""
        return seed_correlation(self.pairs)

    @property
    def level(self) -> float:
        """The typical size of the metric: the absolute mean of the baseline's runs."""
        runs = values(self.baseline)
        return abs(math.fsum(runs) / len(runs))

    @property
    def min_effect(self) -> float:
        """The smallest gain worth merging, in the metric's own units."""
        factor = 1.0 if self.rule.min_effect_is_absolute else self.level
        return self.rule.min_effect * factor

    def tested(self) -> Comparison:
        """Compare what came before the confirmation."""
        return self._compare(
            self.candidate, self.baseline, self.candidate, self.baseline, self.rule.likeness
        )

    def confirmed(self) -> Comparison:
        """Compare the confirmation runs alone; earlier runs only tell how much runs spread."""
        baseline = self.baseline_confirmation or self.baseline
        return self._compare(
            self.confirmation,
            baseline,
            (*self.candidate, *self.confirmation),
            (*self.baseline, *self.baseline_confirmation),
            self.rule.likeness,
        )

    def everything(self) -> Comparison:
        """Compare all runs of both sides."""
        return self._compare_all(self.rule.likeness)

    def together(self) -> Comparison:
        """Compare all runs of both sides, each with hardly more than its own spread."""
        return self._compare_all(_OWN_SPREAD * self.rule.likeness)

    def _compare_all(self, likeness: float) -> Comparison:
        candidate = (*self.candidate, *self.confirmation)
        baseline = (*self.baseline, *self.baseline_confirmation)
        return self._compare(candidate, baseline, candidate, baseline, likeness)

    def _compare(
        self,
        candidate: Sequence[Run],
        baseline: Sequence[Run],
        candidate_repeats: Sequence[Run],
        baseline_repeats: Sequence[Run],
        likeness: float,
    ) -> Comparison:
        a = sample(
            values(candidate),
            self._spread(values(candidate_repeats), values(baseline_repeats), likeness),
            self.noise.relative,
        )
        b = sample(
            values(baseline),
            self._spread(values(baseline_repeats), values(candidate_repeats), likeness),
            self.noise.relative,
        )
        shared = {run.seed for run in candidate} & {run.seed for run in baseline}
        covariance = covariance_of_means(self.correlation, len(shared), a, b)
        return compare(a, b, self.direction, covariance)

    def _spread(self, own: Sequence[float], other: Sequence[float], likeness: float) -> Spread:
        if self.noise_free:
            return Spread(0.0, math.inf)
        pooled = filled_up(self.noise.plus(other), self.level, self.rule)
        return shrunk(pooled, own, self.noise.relative, likeness)


def study(evidence: Evidence, rule: VerdictRule) -> Study:
    """Sort evidence whose candidate runs all produced a value."""
    candidate = tuple(run for run in evidence.candidate if run.purpose is not Purpose.CONFIRM)
    confirmation = tuple(run for run in evidence.candidate if run.purpose is Purpose.CONFIRM)
    attempts = {run.attempt for run in confirmation}
    beside = [
        run
        for run in evidence.baseline
        if run.purpose is Purpose.CONFIRM and run.attempt in attempts
    ]
    known = [run for run in evidence.baseline if run not in beside and run.value is not None]
    own, other = values(evidence.candidate), values(evidence.baseline)
    repeats, pairs = bounded_others(evidence)
    relative = is_relative((own, other, *repeats))
    noise = pool(repeats, relative)
    everything = noise.plus(own).plus(other)
    return Study(
        candidate=candidate,
        confirmation=confirmation,
        baseline=tuple(known[-rule.baseline_window :]),
        baseline_confirmation=tuple(run for run in beside if run.value is not None),
        baseline_confirmations_tried=len(beside),
        direction=evidence.direction,
        noise=noise,
        noise_free=everything.df >= _NOISE_FREE_DF and everything.squares == 0,
        pairs=pairs,
        experiments_since_baseline=evidence.experiments_since_baseline,
        rule=rule,
    )
