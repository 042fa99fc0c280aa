"""Error rates of the production rule, by the simulator; wide bounds, fixed seeds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bench.verdict import BASES, MIXED, PLAIN, WORLDS, fixed, main, production
from bench.verdict_bound import bound
from bench.verdict_streams import fixed_bases, mixed
from bench.verdict_worlds import World
from bot.verdict import VerdictRule

RULE = VerdictRule()
MAKE = production(RULE, learns=False)


def test_few_candidates_without_a_gain_are_merged() -> None:
    tally = fixed_bases(PLAIN, MAKE, 1500, 10, seed=11)
    assert tally.merge_rate < 0.02  # about 0.005 is expected
    assert tally.runs_per_experiment < 2.7


def test_greedy_keeping_merges_about_half_of_them() -> None:
    greedy = fixed_bases(PLAIN, fixed(1, 0), 1000, 10, seed=11)
    assert 0.4 < greedy.merge_rate < 0.6


def test_candidates_that_spread_three_times_as_much_do_not_win_by_luck() -> None:
    tally = fixed_bases(World("wild", spread=(3, 3)), MAKE, 1000, 10, seed=11)
    assert tally.merge_rate < 0.04  # below 0.02 is expected


def test_most_gains_of_two_standard_deviations_are_merged_and_claimed_honestly() -> None:
    tally = fixed_bases(PLAIN, MAKE, 400, 10, seed=12, effect=2.0)
    assert tally.merge_rate > 0.7
    assert 0.9 < tally.claimed_over_true_gain < 1.15


def test_without_noise_every_candidate_costs_one_run() -> None:
    world = World("no noise", tails=0)
    null = fixed_bases(world, MAKE, 200, 200, seed=13)
    assert null.merged == 0
    assert null.runs <= 200 + RULE.baseline_seeds + 3  # the first of them shows that
    better = fixed_bases(world, MAKE, 50, 50, seed=13, effect=0.5)
    assert better.merged == 50
    assert better.claimed_over_true_gain == pytest.approx(1)


def test_most_winners_of_a_mixed_stream_are_true() -> None:
    tally = mixed(MIXED, production(RULE, learns=True), 10, 100, seed=14)
    assert tally.false_share_of_winners < 0.15
    assert tally.gain_per_100_runs > 2


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("base", BASES)
def test_false_merges_stay_below_two_percent_everywhere(world: World, base: int) -> None:
    tally = fixed_bases(world, MAKE, 10_000, base, seed=100 + base)
    assert tally.merge_rate <= 0.02


@pytest.mark.slow
def test_the_targets_of_power_cost_and_honesty() -> None:
    shown = fixed_bases(PLAIN, MAKE, 10_000, 10, seed=15, effect=2.0)
    assert shown.merge_rate >= 0.8
    for base in (10, 200):
        cost = fixed_bases(PLAIN, MAKE, 10_000, base, seed=16).runs_per_experiment
        assert cost <= 1.25 * bound(base, RULE.alpha, 0.8, 300, 1)[0]
    stream = mixed(replace(MIXED), production(RULE, learns=True), 50, 200, seed=17)
    assert stream.false_share_of_winners <= 0.05
    assert 0.9 <= stream.claimed_over_true_gain <= 1.1


@pytest.mark.slow
def test_the_command_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--experiments", "1000", "--tries", "60"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["null"]["runs_per_experiment"]) == {"base_4", "base_10", "base_200"}
    assert {"production", "greedy", "fixed_three", "known"} <= set(result["mixed"])
