"""What goes wrong during a night: what is waited for, what ends it, and what people are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from bot.errors import BotError, RunnerFailed
from bot.forge.base import Author, Conflict, Unreachable
from bot.forge.git import GitForge
from bot.git import GitLocked
from bot.history.cost import Cost
from bot.history.spending import CapReached
from bot.model import Proposal
from bot.phases import marks
from bot.proposers.base import Context, NothingToPropose, ProposalFailed
from bot.run.base import Concluded, StopAsked
from bot.run.scheduler import Scheduler
from bot.run.state import Phase
from bot.run.troubles import Troubles
from bot.snapshot import take
from tests.bot.lab import Lab, git
from tests.bot.run.simulated import PATIENT, START, Ideas, Quiet, surroundings

PERSON = Author("Person", "person@example.org")


@pytest.fixture
def lab(tmp_path: Path, git_in_memory: None) -> Lab:
    return Lab.build(tmp_path / "project", settings="[verdict]\nmax_seeds = 4\n")


@pytest.fixture
def clone(tmp_path: Path) -> Lab:
    """The same with the real git, and with the base branch checked out."""
    return Lab.build(tmp_path / "project", settings="[verdict]\nmax_seeds = 4\n")


def test_a_provider_in_trouble_is_asked_again_later(lab: Lab) -> None:
    down: list[Exception] = [
        ProposalFailed("overloaded", Cost(), again=False, passing=True) for _ in range(8)
    ]
    around = surroundings(lab, Ideas(failures=[*down], most=1))
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert len(outcome.concluded) == 1
    assert any("Asking again" in words for words in around[3].said)


def test_proposals_that_come_to_nothing_again_and_again_end_the_run(lab: Lab) -> None:
    bad: list[Exception] = [
        ProposalFailed("the model refused", Cost(), again=False) for _ in range(50)
    ]
    with pytest.raises(BotError, match="the model refused"):
        Scheduler(lab.place, *surroundings(lab, Ideas(failures=bad)), PATIENT).run()


def test_who_has_no_idea_while_experiments_are_open_is_asked_again_after_a_verdict(
    lab: Lab,
) -> None:
    class Waiting(Ideas):
        """Has one idea, and no other before it knows what became of that."""

        def propose(self, context: Context) -> Proposal:
            ended = sum(one.reason is not None for one in context.history)
            if ended < min(context.number - 1, 3):
                raise NothingToPropose("no idea before the verdict")
            if ended == 3:
                raise NothingToPropose("no idea is left")
            return super().propose(context)

    around = surroundings(lab, Waiting(), slots=3)
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert len(outcome.concluded) == 3 and outcome.why == "no idea is left"
    assert len([words for words in around[3].said if "before the verdict" in words]) == 1


def test_what_ended_the_proposals_for_good_is_not_over_with_the_next_verdict(lab: Lab) -> None:
    _, _, mailbox, teller = surroundings(lab, Ideas())
    troubles = Troubles(lab.place, mailbox, teller, patient=True)
    troubles.close(NothingToPropose("no idea"))
    troubles.verdict()
    assert not troubles.no_proposals
    troubles.close(BotError("no key"))
    troubles.close(NothingToPropose("no idea"))
    troubles.verdict()
    assert troubles.no_proposals


def test_a_cap_that_is_reached_is_told_once_in_its_own_words(lab: Lab) -> None:
    _, _, mailbox, teller = surroundings(lab, Ideas())
    troubles = Troubles(lab.place, mailbox, teller, patient=True)
    for _ in range(2):
        troubles.close(CapReached("caps.max_usd = 1 is reached. Nothing more is proposed."))
    assert teller.said == ["caps.max_usd = 1 is reached. Nothing more is proposed."]


def test_a_forge_that_cannot_be_reached_is_waited_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = surroundings(lab, Ideas(most=2))
    whole = GitForge.record
    calls = iter(range(100))

    def flaky(self: GitForge, *arguments: object) -> None:
        if next(calls) % 2 == 0:
            raise Unreachable("The forge does not answer.", retry_after_s=70)
        whole(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(GitForge, "record", flaky)
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert len(outcome.concluded) == 2
    assert all(one.complete for pull in lab.place.forge.pulls() for one in pull.attempts)


def test_a_git_lock_that_a_proposer_met_is_waited_for_once(lab: Lab) -> None:
    locked = GitLocked("update-ref", 128, "Unable to create 'x.lock': File exists.", lab.folder)
    around = surroundings(lab, Ideas(failures=[locked], most=1))
    around[2].at(START + 20_000, lambda: pytest.fail("it waits for ever"))
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert len(outcome.concluded) == 1
    assert sum("x.lock" in words for words in around[3].said) == 1


def test_a_runner_that_fails_now_and_then_is_started_again(lab: Lab) -> None:
    around = surroundings(lab, Ideas(most=1))
    around[0].failures = [RunnerFailed("The runner vanished.") for _ in range(3)]
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert len(outcome.concluded) == 1
    assert len(around[0].orders) >= 4


def test_a_runner_that_always_fails_ends_the_run(lab: Lab) -> None:
    around = surroundings(lab, Ideas())
    around[0].failures = [RunnerFailed("No sandbox.") for _ in range(50)]
    with pytest.raises(RunnerFailed, match="No sandbox"):
        Scheduler(lab.place, *around, PATIENT).run()


def test_what_keeps_the_forge_is_told_all_the_while(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = surroundings(lab, Ideas(most=1))
    mailbox, teller = around[2:]

    def looks(*arguments: object) -> object:
        if mailbox.now() < START + 300:
            raise Unreachable("The forge does not answer.")
        return take(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("bot.run.scheduler.take", looks)
    assert len(Scheduler(lab.place, *around, PATIENT).run().concluded) == 1
    away = [state for state in teller.states if state.now < START + 300]
    assert {(state.phase, state.note) for state in away} == {
        (Phase.WAITING, "The forge does not answer.")
    }
    times = [state.now for state in teller.states]
    assert max(later - before for before, later in pairwise(times)) <= 30
    well = {state.phase for state in teller.states if state.now > START + 315}
    assert well == {Phase.WORKING, Phase.ENDED}


def test_a_slot_whose_runner_always_fails_is_left_alone_while_another_works(lab: Lab) -> None:
    around = surroundings(lab, Ideas(most=5), slots=2)
    measurer, _, mailbox, teller = around
    measurer.broken, measurer.run_s = frozenset({"0"}), 60
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert len(outcome.concluded) == 5
    tried = sum(slot == "0" for slot, _ in measurer.orders)
    assert 5 <= tried <= 6 + (mailbox.now() - START) / 600
    assert sum("the other slots go on" in words for words in teller.said) == 1
    assert Phase.WAITING not in {state.phase for state in teller.states}


def test_where_every_slot_fails_again_and_again_the_run_ends(lab: Lab) -> None:
    around = surroundings(lab, Ideas(), slots=2)
    around[0].broken = frozenset({"0", "1"})
    with pytest.raises(RunnerFailed, match="The card is lost"):
        Scheduler(lab.place, *around, PATIENT).run()


def test_an_edit_in_the_way_of_a_new_phase_is_waited_for(tmp_path: Path) -> None:
    lab = Lab.build(
        tmp_path / "project", "[[phase]]\nname = 'tune'\npatience = 1\n[[phase]]\nname = 'build'\n"
    )
    around = surroundings(lab, Ideas())
    around[0].run_s = 20
    mailbox, blob = around[2], git(lab.folder, "rev-parse", "main:README.md")

    class Clumsy(Quiet):
        def concluded(self, done: Concluded) -> None:
            """As after `git stash pop` with a conflict: nothing can be merged into the index."""
            if len(marks.read(lab.folder, "main")) == 0:
                entries = "".join(f"100644 {blob} {stage}\tNOTES\n" for stage in (1, 2, 3))
                lab.place.repository.git.run("update-index", "--index-info", stdin=entries.encode())

    mailbox.at(START + 400, lambda: git(lab.folder, "reset", "-q"))
    teller, one_by_one = Clumsy(), replace(PATIENT, max_in_flight=1, verdicts=2)
    Scheduler(lab.place, *around[:3], teller, one_by_one).run()
    assert [mark.name for mark in marks.read(lab.folder, "main")] == ["build"]
    waiting = [state.now for state in teller.states if state.phase is Phase.WAITING]
    assert waiting and waiting[0] < START + 400 <= waiting[-1] + 30


def test_an_edit_in_the_way_of_one_verdict_stops_no_other_experiment_and_no_answer(
    clone: Lab,
) -> None:
    around = surroundings(clone, Ideas(most=2))
    measurer, _, mailbox, _ = around
    measurer.run_s = 20
    scratchpad = clone.folder / "scratchpad.md"
    answers: list[int] = []

    def ask() -> None:
        clone.place.forge.comment(1, PERSON, "/bot help")

    def look() -> None:
        answers.append(len(clone.place.forge.pull(1).comments))

    mailbox.at(START + 61, lambda: scratchpad.write_text("# Mine\n"))
    mailbox.at(START + 150, ask)
    mailbox.at(START + 200, look)
    mailbox.at(START + 400, lambda: git(clone.folder, "checkout", "-q", "scratchpad.md"))
    outcome = Scheduler(clone.place, *around, PATIENT).run()
    assert len(outcome.concluded) == 2
    assert answers == [2]
    orders = [order.attempt for _, order in measurer.orders]
    assert len(orders) == len(set(orders))


def test_a_result_that_the_forge_would_not_take_is_offered_once_more_at_the_end(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = surroundings(lab, Ideas())
    mailbox, whole, away = around[2], GitForge.record, [True]

    def record(self: GitForge, *arguments: object) -> None:
        if away[0]:
            raise Unreachable("The forge does not answer.", retry_after_s=500)
        whole(self, *arguments)  # type: ignore[arg-type]

    def interrupt() -> None:
        away.clear()
        away.append(False)
        raise KeyboardInterrupt

    monkeypatch.setattr(GitForge, "record", record)
    mailbox.at(START + 200, StopAsked())
    mailbox.at(START + 400, interrupt)  # the run has ended, and nothing is in flight
    with pytest.raises(KeyboardInterrupt):
        Scheduler(lab.place, *around, PATIENT).run()
    results = [len(one.results) for pull in lab.place.forge.pulls() for one in pull.attempts]
    assert results == [1]


def test_lost_races_are_no_trouble_while_something_is_done_between_them(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passes() -> Iterator[Exception | bool]:
        for _ in range(3):
            yield from [Conflict("Somebody was first.")] * 15
            yield True
        yield False

    told = passes()

    def look(scheduler: Scheduler) -> bool:
        one = next(told)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr(Scheduler, "_pass", look)
    Scheduler(lab.place, *surroundings(lab, Ideas()), PATIENT).run()
    assert next(told, None) is None
