"""The simulation: hundreds of histories with faults, and that it would notice a defect."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench import simulate
from bench.simulation import bots, busy
from bench.simulation.faults import RATES
from bench.simulation.history import play
from bot.actions import Action, Conclude, Measure, Resume
from bot.decide import Room, decide
from bot.execute import Executor
from bot.model import Reason, Verdict
from bot.run.base import Order
from bot.snapshot import View

SEEDS = "60"


def test_histories_keep_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    code = simulate.main(["--seeds", SEEDS, "--busy-hours", "0", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["failures"], code) == ([], 0)
    assert set(told["faults"]) == set(RATES), "a fault that never strikes tests nothing"


@pytest.mark.slow
def test_many_more_histories_keep_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    code = simulate.main(["--seeds", "600", "--first", "10000", "--busy-hours", "0", "--json"])
    assert (json.loads(capsys.readouterr().out)["failures"], code) == ([], 0)


@pytest.mark.parametrize("seed", [10005, 10385, 10455])
def test_an_experiment_that_a_person_took_over_and_then_rewrote_gets_its_verdict(seed: int) -> None:
    assert not play(seed).failure


@pytest.mark.parametrize("seed", [2, 5])
def test_a_seed_is_one_history_with_the_real_git_too(seed: int) -> None:
    quick, again, real = play(seed), play(seed), play(seed, quick=False)
    assert quick.story == again.story == real.story
    assert quick.tip == again.tip == real.tip


@pytest.mark.parametrize(("gpus", "hours", "least"), [(1, 4, 0.98), (4, 1, 0.97)])
def test_no_gpu_waits_for_a_proposer(gpus: int, hours: float, least: float) -> None:
    assert busy.measure(gpus, hours).share >= least


@pytest.mark.slow
def test_sixteen_gpus_do_not_wait_for_a_proposer_either() -> None:
    assert busy.measure(16, 2).share >= 0.97


def failing(seeds: range) -> list[str]:
    return [outcome.failure for seed in seeds if (outcome := play(seed)).failure]


def test_a_merge_that_was_not_measured_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(view: View, room: Room) -> tuple[Action, ...]:
        return tuple(
            Conclude(action.number, Verdict(Reason.IMPROVEMENT, "It looks good."))
            if isinstance(action, Measure)
            else action
            for action in decide(view.snapshot, room)
        )

    monkeypatch.setattr(bots, "everything", hasty)
    assert any("without runs" in failure for failure in failing(range(3)))


def test_a_verdict_that_is_given_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    close: Callable[..., Any] = Executor.conclude

    def twice(self: Executor, action: Conclude, view: Any) -> None:
        close(self, action, view)
        base = self.forge.base()
        entry = self.repository.git.text("log", "-1", "--format=%B", base)
        commit = self.repository.commit_tree(
            self.repository.tree(base), [base], entry, self.repository.identity(), self.now()
        )
        self.forge.advance(base=base, commit=commit)

    monkeypatch.setattr(Executor, "conclude", twice)
    assert any("2 verdicts" in failure for failure in failing(range(3)))


def test_a_run_that_is_paid_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on: Callable[..., Order] = Executor.go_on

    def forgetful(self: Executor, action: Resume, view: View) -> Order:
        attempts = view.standing(action.number).pull.attempts
        attempt = next(one for one in attempts if one.id == action.attempt)
        return replace(go_on(self, action, view), runs=tuple(enumerate(attempt.runs)))

    monkeypatch.setattr(Executor, "go_on", forgetful)
    assert any("PaidTwice" in failure for failure in failing(range(8)))
