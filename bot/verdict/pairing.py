"""Whether runs that share a seed also share their luck: estimated, never assumed.

Under a wall-clock budget the same seed spreads as much as different ones, so that pairing by
seed helps nothing; under a fixed number of steps it may remove most of the noise. Only the
lower confidence bound of the correlation, pooled over all experiments, is made use of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from bot.verdict.compare import Sample
from bot.verdict.student import normal_quantile

_CONFIDENCE = 0.95
_FEWEST_PAIRS = 8  # below this the bound is not worth computing


def seed_correlation(experiments: Sequence[Sequence[tuple[float, float]]]) -> float:
    """The lower confidence bound of the correlation by seed, 0 where none is shown.

    One sequence of (candidate, baseline) values for each experiment: deviations from that
    experiment's means are pooled. The bound is Fisher's (1921), by z transformation.
    """
    xx = yy = xy = 0.0
    df = 0
    for pairs in experiments:
        if len(pairs) < 2:
            continue
        dx, dy = map(_deviations, zip(*pairs, strict=True))
        xx += math.fsum([d**2 for d in dx])
        yy += math.fsum([d**2 for d in dy])
        xy += math.fsum(map(mul, dx, dy))
        df += len(pairs) - 1
    if df < _FEWEST_PAIRS or xx <= 0 or yy <= 0:
        return 0.0
    correlation = max(-0.999999, min(0.999999, xy / math.sqrt(xx * yy)))
    # df counts pairs less one per experiment; Fisher's error is 1 / sqrt(pairs - 3).
    bound = math.atanh(correlation) - normal_quantile(_CONFIDENCE) / math.sqrt(df - 2)
    return max(0.0, math.tanh(bound))


def _deviations(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


def covariance_of_means(correlation: float, shared: int, a: Sample, b: Sample) -> float:
    """The covariance of two means of which `shared` runs were made with the same seeds."""
    return correlation * math.sqrt(a.variance * b.variance) * shared / (a.runs * b.runs)
