"""Student's t and the normal distribution, one number at a time.

Written out because the first use of scipy.special costs a step more time than everything else that
it computes; the tests compare both. Degrees of freedom are real numbers above 0; infinite ones
give the normal distribution. Probabilities above 1e-12 and their quantiles are right to 8 digits,
smaller ones to fewer.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
_MANY = 50.0  # degrees of freedom from which Hill's expansion is exact enough
_NORMAL_FROM = 1e15  # degrees of freedom that make no difference
_LARGEST = 1e150  # the largest t whose square is a number
_TINY = 1e-300  # stands for 0 where it would divide


def t_cdf(t: float, df: float) -> float:
    """The probability that Student's t with `df` > 0 degrees of freedom is at most `t`."""
    if math.isnan(t):
        return t
    if math.isinf(t):
        return 1.0 if t > 0 else 0.0
    t = max(-_LARGEST, min(t, _LARGEST))
    if df >= _MANY:
        return math.erfc(-_deviate(t, df) / math.sqrt(2)) / 2
    tail = _tail(t, df)
    return tail if t <= 0 else 1.0 - tail


@lru_cache(maxsize=100_000)
def t_quantile(p: float, df: float) -> float:
    """The t that is exceeded with probability 1 - `p`, 0 < `p` < 1.

    Halley's method, from the inverse of an approximation of the distribution by the normal one
    (Wallace 1959, Annals of Mathematical Statistics 30, equation 1.1).
    """
    if p > 0.5:  # the lower tail is the accurate one
        return -t_quantile(1.0 - p, df)
    deviate = _NORMAL.inv_cdf(p)
    if df > _NORMAL_FROM:
        return deviate
    exponent = (deviate * (8 * df + 3) / (8 * df + 1)) ** 2 / df
    t = -math.sqrt(df * math.expm1(min(exponent, 500.0)))
    for _ in range(1000):
        newton = (t_cdf(t, df) - p) / _density(t, df)
        bend = -(df + 1) * t / (df + t * t)  # of the density, relative to it
        step = newton / max(1 - newton * bend / 2, 0.5)
        t, before = min(t - step, 0.0), t
        if abs(t - before) <= 1e-5 * abs(t):  # after a step so small the error is far smaller
            break
    return t


@lru_cache(maxsize=10_000)
def normal_quantile(p: float) -> float:
    """The standard normal deviate that is exceeded with probability 1 - `p`, 0 < `p` < 1."""
    return _NORMAL.inv_cdf(p)


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


def _density(t: float, df: float) -> float:
    return math.exp(_log_scale(df) - (df + 1) / 2 * math.log1p(t * t / df)) / math.sqrt(df)


def _log_scale(df: float) -> float:
    """The logarithm of 1 / B(df / 2, 1 / 2)."""
    return math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.lgamma(0.5)


def _deviate(t: float, df: float) -> float:
    """The normal deviate of the same probability, for many degrees of freedom.

    Hill 1970, algorithm 395, Communications of the ACM 13 (10).
    """
    if df > _NORMAL_FROM:
        return t
    a = df - 0.5
    b = 48 * a * a
    y = a * math.log1p(t * t / df)
    series = (((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b)
    return math.copysign(((series + y + 3) / b + 1) * math.sqrt(y), t)


def _tail(t: float, df: float) -> float:
    """The probability beyond |t|: half of I(df / 2, 1 / 2) at df / (df + t * t).

    I is the regularised incomplete beta function (NIST DLMF 8.17).
    """
    a, b = df / 2, 0.5
    x, rest = df / (df + t * t), t * t / (df + t * t)
    power = math.exp(_log_scale(df) - a * math.log1p(t * t / df)) * math.sqrt(rest)
    if x < (a + 1) / (a + b + 2):  # else the fraction converges slowly
        return power / _fraction(x, a, b) / a / 2
    return 0.5 - power / _fraction(rest, b, a) / b / 2


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function (NIST DLMF 8.17.22).

    Evaluated from the front as Lentz (1976) does.
    """
    value = c = 1.0
    d = 0.0
    for term in range(1, 1000):
        m = term // 2
        if term % 2:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + numerator * d or _TINY)
        c = 1 + numerator / c or _TINY
        value *= c * d
        if abs(c * d - 1) < 1e-11:
            break
    return value
