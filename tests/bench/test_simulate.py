"""The simulation: hundreds of histories with faults, and that it would notice a defect."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bench import simulate
from bench.simulation import bots, busy
from bench.simulation.faults import RATES
from bench.simulation.history import ON_GITHUB, forge_of, play
from bot.actions import Action, Conclude, Measure, Resume
from bot.decide import Room, decide
from bot.execute import Executor
from bot.forge.github.journal import Journal
from bot.forge.github.opening import Openings
from bot.git import RefChange, Update, refs
from bot.model import Reason, Verdict
from bot.proposing import asking
from bot.run.base import Order
from bot.run.flights import Flights
from bot.run.slots import Slots
from bot.snapshot import View
from bot.standing import Standing
from bot.workflows.measurer import WorkflowMeasurer

SEEDS = 300
GITHUB = range(ON_GITHUB - 1, 200, ON_GITHUB)
"""Seeds of histories on the model of GitHub."""


def test_histories_keep_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    told = played(0, SEEDS, capsys)
    assert set(told["faults"]) == set(RATES), "a fault that never strikes tests nothing"
    assert min(told["forges"].values()) >= SEEDS // ON_GITHUB


@pytest.mark.slow
def test_many_more_histories_keep_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    told = played(10_000, 800, capsys)
    assert set(told["faults"]) == set(RATES)


def played(first: int, seeds: int, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the command tells of these histories, none of which may fail."""
    numbers = ["--seeds", str(seeds), "--first", str(first)]
    code = simulate.main([*numbers, "--busy-hours", "0", "--json"])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["failures"], code) == ([], 0)
    return told


@pytest.mark.parametrize(
    ("seed", "found"),
    [
        (7, "a force-push took the head on record away from every new clone"),
        (63, "what a person closed while its opening was cut short was opened again"),
        (31, "a merge tree of a commit that is not there ended a step with a traceback"),
        (113, "runs of an attempt were made whose results another bot had already"),
        (119, "a closed experiment had another head than the one that was judged"),
        (147, "an older list of comments ended a step with a traceback"),
        (10771, "a run was made again whose result an older list of comments lacked"),
        (10790, "a run of an audit was made whose result another bot had already"),
    ],
)
def test_what_a_seed_once_found_is_mended(seed: int, found: str) -> None:
    assert not play(seed).failure, found


@pytest.mark.parametrize("seed", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_seed_is_one_history_with_the_real_git_too(seed: int) -> None:
    quick, again, real = play(seed), play(seed), play(seed, quick=False)
    assert quick.story == again.story == real.story
    assert quick.tip == again.tip == real.tip
    assert quick.forge == forge_of(seed)


@pytest.mark.parametrize(("gpus", "hours", "least"), [(1, 4, 0.98), (4, 1, 0.97)])
def test_no_gpu_waits_for_a_proposer(gpus: int, hours: float, least: float) -> None:
    assert busy.measure(gpus, hours).share >= least


@pytest.mark.slow
def test_sixteen_gpus_do_not_wait_for_a_proposer_either() -> None:
    assert busy.measure(16, 2).share >= 0.97


# Defects planted in the product: each has to be found within a few seeds.


def found(words: str, seeds: Sequence[int]) -> bool:
    return any(words in (play(seed).failure or "") for seed in seeds)


def test_a_merge_that_was_not_measured_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(view: View, room: Room) -> tuple[Action, ...]:
        return tuple(
            Conclude(action.number, Verdict(Reason.IMPROVEMENT, "It looks good."))
            if isinstance(action, Measure)
            else action
            for action in decide(view.snapshot, room)
        )

    monkeypatch.setattr(bots, "everything", hasty)
    assert found("without runs", range(3))


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
    assert found("2 verdicts", range(3))


def test_a_run_that_is_paid_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on: Callable[..., Order] = Executor.go_on

    def forgetful(self: Executor, action: Resume, view: View) -> Order:
        attempts = view.standing(action.number).pull.attempts
        attempt = next(one for one in attempts if one.id == action.attempt)
        return replace(go_on(self, action, view), runs=tuple(enumerate(attempt.runs)))

    monkeypatch.setattr(Executor, "go_on", forgetful)
    assert found("PaidTwice", range(8))


def test_a_result_that_is_not_written_down_at_once_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Slots, "keep", lambda self: None)  # only at the next look
    assert found("PaidTwice", range(40))


def test_a_run_that_counts_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    facts: Callable[..., Any] = Executor._facts

    def doubled(self: Executor, standing: Standing, view: View) -> Any:
        found = facts(self, standing, view)
        return replace(found, runs=(*found.runs, *found.runs))

    monkeypatch.setattr(Executor, "_facts", doubled)
    assert found("counts", range(8))


def test_a_move_of_refs_without_compare_and_swap_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line: Callable[[RefChange], bytes] = refs._line

    def unguarded(change: RefChange) -> bytes:
        return line(replace(change, old="") if isinstance(change, Update) else change)

    monkeypatch.setattr(refs, "_line", unguarded)
    assert found("2 verdicts", range(2))


def test_a_run_that_another_bot_has_made_already_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Flights, "tidy", lambda self, view: None)
    assert found("PaidTwice", [4])


def test_a_workflow_that_is_asked_for_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkflowMeasurer, "elsewhere", lambda self, attempts: frozenset())
    assert found("PaidTwice", GITHUB[:10])


def test_a_proposal_that_is_opened_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether another process has opened it."""
    monkeypatch.setattr(Openings, "_led_to", lambda self, shown, event: False)
    monkeypatch.setattr(Openings, "_opened_before", lambda self, new: None)
    monkeypatch.setattr(Journal, "is_pending", lambda self, kind, name, commit: True)
    assert found("opened twice", [335])


def test_a_cost_that_other_clones_never_hear_of_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking._Notes, "share", lambda self: None)
    assert found("nobody knows what", GITHUB[:8])


def test_a_journal_that_is_never_finished_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "forget", lambda *_: None)
    assert found("journals are left", GITHUB[:12])
