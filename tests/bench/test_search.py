from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench import search
from bench.objectives import FLOOR, Objective, flawed, scattered
from bench.search import SYNTHETIC, shipped
from bench.search_nights import by_optuna, by_proposer
from bot.proposers.constants import Constant, find
from bot.proposers.ranges import Choices, Value
from bot.proposers.space import grid

CONSTANTS = find(SYNTHETIC).constants


def test_the_planted_flaw_costs_two_thirds_and_is_undone_by_one_constant() -> None:
    for seed in range(5):
        objective = flawed(CONSTANTS, seed)
        assert len(objective.flaw) == 1
        quotient = objective.true(objective.start) / objective.true(objective.mended)
        assert quotient == pytest.approx(35 / 11.5)


@pytest.mark.parametrize("make", [flawed, lambda c, seed: scattered(c, seed, badly_set=0.5)])
def test_no_objective_falls_below_its_floor_anywhere(make: search.Kind) -> None:
    chance = random.Random(0)
    for seed in range(5):
        objective = make(CONSTANTS, seed)
        for _ in range(50):
            values: dict[str, Value] = {c.name: chance.choice(grid(c, 10)) for c in CONSTANTS}
            assert objective.true(values) >= FLOOR - 1e-9


def test_most_constants_of_the_flawed_objective_gain_nothing() -> None:
    constants = find(shipped()).constants
    objective = flawed(constants, 0)
    start = objective.true(objective.start)
    gain = {
        c.name: 1 - min(objective.true({**objective.start, c.name: v}) for v in grid(c, 40)) / start
        for c in constants
    }
    assert sum(one > 0.5 for one in gain.values()) == 1
    assert sum(one > 0.015 for one in gain.values()) <= 9
    assert any(isinstance(c.domain, Choices) for c in constants)


def test_a_night_depends_on_its_seed_alone_and_every_run_counts() -> None:
    objective = scattered(CONSTANTS, 1, badly_set=0.5)
    first, again = (by_proposer(SYNTHETIC, objective, 1, 8) for _ in range(2))
    assert replace(first, seconds=0) == replace(again, seconds=0)
    assert first.runs >= 8 + 2  # the baseline has two
    assert by_proposer(SYNTHETIC, objective, 1, 8, behind=2).repeats == 0


def test_optuna_gets_as_many_runs_and_its_best_run_counts() -> None:
    objective = scattered(CONSTANTS, 1, badly_set=0.5)
    assert by_optuna(CONSTANTS, objective, 1, 1, tpe=True).gain == 0  # the start
    found = by_optuna(CONSTANTS, objective, 1, 20, tpe=False)
    assert found.runs == 20 and math.isfinite(found.gain)


def test_the_command_prints_one_object_with_all_three_ways(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "EXPERIMENTS", 3)
    assert search.main(["--json", "--synthetic", "--seeds", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= {"experiments", "noise", *search.KINDS}
    for kind in search.KINDS:
        rows = found[kind]
        assert rows.keys() == {"proposer", "tpe", "random"}
        assert rows["tpe"]["mean_runs"] == rows["proposer"]["mean_runs"] > 3
        assert rows["tpe"]["over_tpe"] == [0, 0, 0]


def test_the_objectives_may_be_others_than_the_rules_were_chosen_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "EXPERIMENTS", 2)
    seeds: list[int] = []

    def kind(constants: Sequence[Constant], seed: int) -> Objective:
        seeds.append(seed)
        return flawed(constants, seed)

    search.compare(SYNTHETIC, 2, kind, first_seed=1000)
    assert seeds == [1000, 1001]


def test_one_objective_is_refused_because_it_has_no_interval() -> None:
    with pytest.raises(SystemExit):
        search.main(["--seeds", "1"])
