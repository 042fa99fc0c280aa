from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bot.model import Direction
from bot.verdict import Evidence, VerdictRule
from bot.verdict.compare import compare, sample
from bot.verdict.evidence import bounded_others
from bot.verdict.noise import Noise, Spread, filled_up, is_relative, pool, shrunk
from bot.verdict.pairing import seed_correlation
from bot.verdict.student import normal_equivalent, t_cdf, t_quantile

RULE = VerdictRule()


def test_repeated_runs_are_pooled_within_each_code_only() -> None:
    noise = pool([(10.0, 12.0), (100.0, 120.0), (7.0,), ()], relative=False)
    assert noise.df == 2
    assert noise.squares == pytest.approx(2 + 200)


@given(st.lists(st.lists(st.floats(0.1, 100), max_size=6)), st.booleans())
def test_pooling_is_counting_one_code_after_another(
    groups: list[list[float]], relative: bool
) -> None:
    noise = Noise(0.0, 0, relative)
    for group in groups:
        noise = noise.plus(group)
    assert pool(groups, relative) == noise


def test_relative_noise_does_not_depend_on_the_level() -> None:
    small = pool([(10.0, 12.0)], relative=True)
    assert small.squares == pytest.approx(pool([(100.0, 120.0)], relative=True).squares)
    assert is_relative([(1.0, 2.0), (3.0,)])
    assert not is_relative([(1.0, 2.0), (0.0,)])


def test_the_prior_stands_in_until_there_are_enough_repeated_runs() -> None:
    nothing = filled_up(pool([], relative=True), 11.5, RULE)
    assert nothing.variance == pytest.approx(RULE.noise_prior**2)
    assert nothing.df == RULE.noise_prior_runs
    some = filled_up(pool([(1.0, 1.1, 0.9, 1.0)], relative=True), 11.5, RULE)
    assert some.variance == pytest.approx(0.02 / 3)
    assert some.df == 3


def test_one_code_is_shrunk_towards_the_others_and_free_with_many_runs() -> None:
    pooled = Spread(1.0, 10.0)
    alone = shrunk(pooled, [5.0], relative=False, likeness=3.0)
    assert alone.variance == pytest.approx(1.0)
    assert alone.df < 3
    wild = [(-1.0) ** index * 5 for index in range(100)]
    assert shrunk(pooled, wild, relative=False, likeness=3.0).variance == pytest.approx(
        25, rel=0.05
    )


@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=8).filter(lambda v: max(v) - min(v) > 0.1),
    st.lists(st.floats(-100, 100), min_size=2, max_size=8).filter(lambda v: max(v) - min(v) > 0.1),
)
def test_without_shrinkage_it_is_welchs_test(a: list[float], b: list[float]) -> None:
    def own(values: list[float]) -> Spread:
        mean = sum(values) / len(values)
        df = len(values) - 1
        return Spread(sum((value - mean) ** 2 for value in values) / df, df)

    ours = compare(
        sample(a, own(a), relative=False), sample(b, own(b), relative=False), Direction.HIGHER
    )
    theirs = stats.ttest_ind(a, b, equal_var=False, alternative="greater")
    assert ours.t == pytest.approx(theirs.statistic, rel=1e-6, abs=1e-9)
    assert ours.df == pytest.approx(theirs.df, rel=1e-6)
    assert ours.p_better == pytest.approx(theirs.pvalue, rel=1e-5, abs=1e-9)
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    estimate = ours.estimate(0.95)
    assert estimate.low == pytest.approx(interval.low, rel=1e-6, abs=1e-6)
    assert estimate.high == pytest.approx(interval.high, rel=1e-6, abs=1e-6)


@given(st.floats(-30, 30), st.floats(0.5, 200))
def test_normal_equivalents_are_equally_rare(t: float, df: float) -> None:
    deviate = normal_equivalent(t, df)
    tail = t_cdf(-abs(t), df)
    assert t_cdf(-abs(deviate), math.inf) == pytest.approx(tail, rel=1e-6)
    assert abs(deviate) <= abs(t) + 1e-9


def test_quantiles_invert_the_distribution() -> None:
    assert t_cdf(t_quantile(0.9, 3.5), 3.5) == pytest.approx(0.9)
    assert t_quantile(0.975, math.inf) == pytest.approx(1.959964, abs=1e-6)


def test_pairing_by_seed_is_used_only_where_it_is_shown_to_help() -> None:
    together = tuple((s + 0.01 * (s % 2), s + 5.0) for s in range(10))
    apart = tuple((float(s % 2), float(s // 2 % 2)) for s in range(12))
    assert seed_correlation([together]) > 0.99
    assert seed_correlation([apart]) == 0.0
    assert seed_correlation([together[:4]]) == 0.0, "four pairs show nothing"
    assert seed_correlation([((1.0, 2.0),)] * 50) == 0.0, "single pairs have no deviations"


def test_numbers_of_others_that_are_too_large_to_calculate_with_are_bounded() -> None:
    def evidence(largest: float) -> Evidence:
        repeats, pairs = ((largest, 12.0), (-largest, 7.0)), (((largest, 1.0), (2.0, -largest)),)
        return Evidence((), (), repeats=repeats, pairs=pairs)

    assert bounded_others(evidence(1e300)) == bounded_others(evidence(1e70))
    usual = evidence(1e6)
    assert bounded_others(usual) == (usual.repeats, usual.pairs)
