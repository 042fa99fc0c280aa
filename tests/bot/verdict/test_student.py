"""Student's t and the normal distribution, against scipy's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from bot.verdict.student import normal_equivalent, normal_quantile, t_cdf, t_quantile

MANY = st.floats(0.3, 300) | st.floats(300, 1e9) | st.integers(1, 100)
TAIL = st.floats(math.log(1e-12), math.log(0.5)).map(math.exp)


@given(TAIL, MANY)
def test_probability(p: float, df: float) -> None:
    t = float(stdtrit(df, p))
    assert t_cdf(t, df) == pytest.approx(stdtr(df, t), rel=2e-8)
    assert t_cdf(-t, df) == pytest.approx(stdtr(df, -t), rel=2e-8)


@given(TAIL, MANY)
def test_quantile(p: float, df: float) -> None:
    assert t_quantile(p, df) == pytest.approx(stdtrit(df, p), rel=2e-8, abs=1e-12)
    upper = 1 - p
    assert t_quantile(upper, df) == pytest.approx(-t_quantile(1 - upper, df))


@given(st.floats(-1e6, 1e6) | st.sampled_from((0.0, 1e-300, -1e-300)), MANY)
def test_both_tails_add_up_to_one(t: float, df: float) -> None:
    assert 0 <= t_cdf(t, df) <= 1
    assert t_cdf(t, df) + t_cdf(-t, df) == pytest.approx(1)


@given(st.floats(-37, 8))
def test_infinite_degrees_of_freedom_are_the_normal_distribution(z: float) -> None:
    p = float(ndtr(z))
    assert t_cdf(z, math.inf) == pytest.approx(p, rel=1e-12)
    if 0 < p < 1:
        assert t_quantile(p, math.inf) == normal_quantile(p)
        assert normal_quantile(p) == pytest.approx(ndtri(p), rel=1e-12, abs=1e-12)


@given(st.floats(-1e4, 1e4), MANY)
def test_the_equivalent_normal_deviate_is_exceeded_as_rarely(t: float, df: float) -> None:
    z = normal_equivalent(t, df)
    assert z == -normal_equivalent(-t, df)
    if abs(z) < 37:
        assert t_cdf(-abs(z), math.inf) == pytest.approx(t_cdf(-abs(t), df), rel=1e-9)


def test_the_ends() -> None:
    assert (t_cdf(math.inf, 3), t_cdf(-math.inf, 3), t_cdf(0.0, 3)) == (1.0, 0.0, 0.5)
    assert t_cdf(1e300, 3) == t_cdf(1e300, 1e3) == t_cdf(1e300, 1e308) == 1
    assert t_quantile(0.5, 3) == 0
    assert t_quantile(0.9, 1e308) == normal_quantile(0.9)
    assert normal_equivalent(-1e9, math.inf) == -38
