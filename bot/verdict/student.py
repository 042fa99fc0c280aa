"""Student's t and the normal distribution, one number at a time.

scipy.special is imported on first use: it takes longer than `bot log` may. Degrees of freedom
are real numbers; infinite ones give the normal distribution.
"""

from __future__ import annotations

import math
from functools import lru_cache


def t_cdf(t: float, df: float) -> float:
    """The probability that Student's t with `df` > 0 degrees of freedom is at most `t`."""
    if math.isinf(t):
        return 1.0 if t > 0 else 0.0
    from scipy.special import ndtr, stdtr

    return float(ndtr(t)) if math.isinf(df) else float(stdtr(df, t))


@lru_cache(maxsize=100_000)
def t_quantile(p: float, df: float) -> float:
    """The t that is exceeded with probability 1 - `p`, 0 < `p` < 1."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(p)) if math.isinf(df) else float(stdtrit(df, p))


@lru_cache(maxsize=10_000)
def normal_quantile(p: float) -> float:
    """The standard normal deviate that is exceeded with probability 1 - `p`, 0 < `p` < 1."""
    return t_quantile(p, math.inf)


def normal_equivalent(t: float, df: float) -> float:
    """The standard normal deviate that is exceeded as rarely as `t`.

    Boundaries of a sequential test that was computed for a known variance hold closely for
    an estimated one when they are compared at equal significance (Jennison & Turnbull 2000,
    section 3.8). Bounded to +-38, where the normal distribution ends in double precision.
    """
    if t > 0:  # the upper tail is the accurate one near 0, by symmetry
        return -normal_equivalent(-t, df)
    p = t_cdf(t, df)
    return normal_quantile(p) if p > 0 else -38.0
