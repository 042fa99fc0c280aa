from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.errors import BotError
from bot.forge.base import Author, State
from bot.history import ledger, spending
from bot.history.cost import Cost
from bot.model import Proposal
from bot.proposers.account import Left
from bot.proposers.base import Context, ProposalFailed
from bot.proposing import kept
from bot.run.base import StopAsked
from bot.run.local import InThreads, LocalMailbox
from bot.run.scheduler import ASKED, CAPPED, TIME_UP, Scheduler
from bot.run.terms import STEP, Terms
from tests.bot.lab import AtOnce, Lab
from tests.bot.run.simulated import PATIENT, START, Ideas, Quiet, surroundings

PERSON = Author("Person", "person@example.org")


@pytest.fixture
def lab(tmp_path: Path, git_in_memory: None) -> Lab:
    return Lab.build(tmp_path / "project", settings="[verdict]\nmax_seeds = 4\n")


def test_a_gpu_does_not_wait_for_proposals(lab: Lab) -> None:
    around = surroundings(lab, Ideas(), slots=2)
    outcome = Scheduler(lab.place, *around, Terms(verdicts=12, max_in_flight=None)).run()
    teller = around[3]
    assert len(outcome.concluded) >= 12
    assert teller.state is not None and teller.state.busy is not None
    # The first proposal has nothing to hide behind, and the last runs end one after another.
    worked = teller.state.now - START - 60
    assert teller.state.busy * (worked + 60) / worked > 0.9
    assert around[1].most_at_once > 1


def four_dollars(left: Left) -> tuple[bool, Left] | None:
    assert left.usd is not None
    return (True, Left(4.0)) if left.usd >= 4 else None


@dataclass
class Spender(Ideas):
    """Ideas that cost three dollars each, in threads of their own."""

    thinking: int = 0
    most_thinking: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def propose(self, context: Context) -> Proposal:
        assert context.account is not None
        with self.lock:
            self.thinking += 1
            self.most_thinking = max(self.most_thinking, self.thinking)
        try:
            if not context.account.reserve(four_dollars):
                raise ProposalFailed("$4 do not fit", Cost(), capped=True)
            threading.Event().wait(0.05)
            context.account.settle(Cost(usd=3, calls=1))
            with self.lock:
                return replace(super().propose(context), cost=Cost(usd=3, calls=1))
        finally:
            with self.lock:
                self.thinking -= 1


def test_under_a_cap_in_dollars_several_think_at_once_and_never_pass_it(tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "project", settings="[caps]\nmax_usd = 8\n")
    proposer, teller = Spender(), Quiet()
    jobs = AtOnce(lab.measurer, proposer)
    asking = InThreads(lab.place, lambda name: proposer)
    terms = Terms(max_in_flight=6, patient=True)
    outcome = Scheduler(lab.place, jobs, asking, LocalMailbox(), teller, terms).run()
    assert re.search(r"cap of bot\.toml.*\$4 do not fit", outcome.why)
    assert proposer.most_thinking > 1
    # A third would have needed four dollars of the two that were left.
    assert spending.noted(lab.place.repository) == Cost(usd=6, calls=2)
    assert [pull.state for pull in lab.place.forge.pulls()] == [State.CLOSED] * 2
    assert proposing_refs(lab) == {}


def proposing_refs(lab: Lab) -> dict[str, str]:
    return dict(lab.place.forge.own_refs.below(kept.PREFIX))


def test_a_step_does_one_thing_after_another(lab: Lab) -> None:
    around = surroundings(lab, Ideas(), slots=2)
    (done,) = Scheduler(lab.place, *around, STEP).run().concluded
    assert done.verdict.reason.outcome == "closed"
    assert around[1].most_at_once == 1
    assert [pull.number for pull in lab.place.forge.pulls()] == [1]


def test_it_ends_after_the_verdicts_that_were_asked_for_and_opens_no_more(lab: Lab) -> None:
    around = surroundings(lab, Ideas(), slots=2)
    outcome = Scheduler(
        lab.place, *around, Terms(verdicts=3, max_in_flight=None, patient=True)
    ).run()
    assert (len(outcome.concluded), outcome.why) == (3, CAPPED)
    assert lab.place.forge.pulls(State.OPEN) == ()


def test_a_clean_stop_finishes_the_run_in_flight_and_begins_nothing(lab: Lab) -> None:
    around = surroundings(lab, Ideas())
    around[2].at(START + 200, StopAsked())
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert outcome.why == ASKED
    assert any("Ctrl-C again ends at once" in words for words in around[3].said)
    assert around[2].now() == START + 60 + 300
    (pull,) = (one for one in lab.place.forge.pulls() if one.attempts)
    assert [len(attempt.results) for attempt in pull.attempts] == [1]
    after = surroundings(lab, Ideas(most=0))
    Scheduler(lab.place, *after, PATIENT).run()
    assert lab.place.forge.pulls(State.OPEN) == ()
    assert all(one.complete for pull in lab.place.forge.pulls() for one in pull.attempts)


def test_it_ends_when_its_time_is_up(lab: Lab) -> None:
    around = surroundings(lab, Ideas())
    terms = Terms(deadline=START + 1_000, max_in_flight=None, patient=True, look_every_s=30)
    around[2].at(START + 1_100, StopAsked())
    assert Scheduler(lab.place, *around, terms).run().why == TIME_UP
    assert any("It ends already" in words for words in around[3].said), "Ctrl-C is answered"
    assert START + 1_000 <= around[2].now() <= START + 1_300


def test_it_finishes_what_is_open_when_no_idea_is_left(lab: Lab) -> None:
    around = surroundings(lab, Ideas(most=2))
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert outcome.why == "no idea is left"
    assert [entry.number for entry in ledger.read(lab.folder, "main")] == [1, 2]


def test_a_step_without_an_idea_says_so(lab: Lab) -> None:
    with pytest.raises(BotError, match="no idea is left"):
        Scheduler(lab.place, *surroundings(lab, Ideas(most=0)), STEP).run()


def test_what_a_person_closes_is_not_measured_on(lab: Lab) -> None:
    around = surroundings(lab, Ideas(most=1))

    def close() -> None:
        (pull,) = lab.place.forge.pulls(State.OPEN)
        lab.delete(pull.branch)

    around[2].at(START + 100, close)
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert [done.verdict.reason for done in outcome.concluded] == ["by-human"]
    assert around[2].now() < START + 60 + 300


def test_a_held_experiment_finishes_its_run_in_flight_and_waits(lab: Lab) -> None:
    around = surroundings(lab, Ideas(most=1))

    def hold() -> None:
        (pull,) = lab.place.forge.pulls(State.OPEN)
        lab.place.forge.comment(pull.number, PERSON, "/bot hold")

    around[2].at(START + 100, hold)
    outcome = Scheduler(lab.place, *around, PATIENT).run()
    assert outcome.concluded == ()
    (pull,) = lab.place.forge.pulls(State.OPEN)
    assert [len(attempt.results) for attempt in pull.attempts] == [1]


def test_an_attempt_that_is_measured_elsewhere_is_left_alone(lab: Lab) -> None:
    around = surroundings(lab, Ideas(most=1))
    around[2].at(START + 200, StopAsked())
    Scheduler(lab.place, *around, PATIENT).run()
    after = surroundings(lab, Ideas(most=0))
    after[0].away = frozenset({"1.1"})
    Scheduler(lab.place, *after, PATIENT).run()
    assert after[0].orders == []


def test_two_proposals_at_once_do_not_become_the_same_experiment(lab: Lab) -> None:
    class Same(Ideas):
        def propose(self, context: Context) -> Proposal:
            self.chance = random.Random(len(context.refused))
            return super().propose(context)

    around = surroundings(lab, Same(), slots=2)
    Scheduler(lab.place, *around, Terms(verdicts=2, max_in_flight=2)).run()
    titles = [pull.title for pull in lab.place.forge.pulls()]
    assert len(titles) == len(set(titles)) >= 2
