"""Proposers in threads: what is given up is counted once, whatever its thread still does."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.history import spending
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal
from bot.proposers.account import Accounts, Left
from bot.proposers.base import Context, Revision
from bot.proposing import conversations, kept
from bot.proposing.propose import Drafting
from bot.run.local import InThreads, LocalMailbox
from tests.bot.lab import Lab

ANSWER = Cost(usd=1.0, calls=1)
BEGUN = Cost(usd=0.25, calls=1)


@dataclass
class Slow:
    """One answer has come, another is being given until `go_on`."""

    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    spent: Cost = field(default_factory=Cost)
    name: str = "claude"

    def propose(self, context: Context) -> Proposal:
        assert context.account is not None
        self.spent = ANSWER
        context.account.settle(ANSWER)
        context.account.reserve(lambda left: (True, Left(5.0)))
        self.spent = ANSWER + BEGUN
        self.begun.set()
        self.go_on.wait(60)
        context.account.settle(ANSWER)
        return Proposal(Hypothesis("Try", "It may."), {"train.py": b"x = 1\n"}, "claude", ANSWER)


def test_what_is_given_up_is_counted_once_with_the_answer_in_flight(tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "project")
    proposer, mailbox, accounts = Slow(), LocalMailbox(), Accounts()
    told = Drafting(lab.place, lambda: 1).told(lab.view())
    told = replace(told, account=accounts.open(lambda: Left(10.0)))
    job = InThreads(lab.place, lambda name: proposer).start(1, "claude", told, mailbox.post)
    assert proposer.begun.wait(60)
    job.stop()
    assert spending.noted(lab.place.repository) == ANSWER + BEGUN
    proposer.go_on.set()
    assert mailbox.wait(mailbox.now() + 60) is not None
    assert spending.noted(lab.place.repository) == ANSWER + BEGUN
    assert lab.place.forge.own_refs.below(kept.PREFIX) == {}
    assert accounts.open(lambda: Left(8.75)).left == Left(8.75), "nothing stays reserved"


class Kept(Slow):
    """The same with a conversation."""

    def propose(self, context: Context) -> Proposal:
        assert context.conversation is not None
        context.conversation.keep(self.name, {"message-0001.json": b"{}"})
        return super().propose(context)


def test_the_conversation_of_what_is_given_up_is_free_and_knows_its_whole_cost(
    tmp_path: Path,
) -> None:
    lab = Lab.build(tmp_path / "project", settings='[proposer]\nname = "claude"\n')
    proposer, mailbox = Kept(), LocalMailbox()
    told = Drafting(lab.place, lambda: 1).told(lab.view())
    told = replace(told, account=Accounts().open(lambda: Left(10.0)))
    job = InThreads(lab.place, lambda name: proposer).start(1, "claude", told, mailbox.post)
    assert proposer.begun.wait(60)
    assert conversations.waiting(lab.place, told) is None
    job.stop()
    about = conversations.waiting(lab.place, told)
    assert about is not None and Cost.read(about.cost) == ANSWER + BEGUN
    assert spending.noted(lab.place.repository) == ANSWER + BEGUN
    proposer.go_on.set()
    assert mailbox.wait(mailbox.now() + 60) is not None
    assert conversations.waiting(lab.place, told) == about


def test_a_revision_that_is_given_up_is_counted_for_its_experiment(tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "project")
    proposer, mailbox = Slow(), LocalMailbox()
    told = Drafting(lab.place, lambda: 1).told(lab.view())
    asked = Revision(4, Hypothesis("Try", "It may."), told.files, error="crashed")
    told = replace(told, account=Accounts().open(lambda: Left(10.0)), revision=asked)
    job = InThreads(lab.place, lambda name: proposer).start(1, "claude", told, mailbox.post)
    assert proposer.begun.wait(60)
    job.stop()
    assert spending.revising(lab.place.repository, 4) == (ANSWER + BEGUN).usd
    proposer.go_on.set()
    assert mailbox.wait(mailbox.now() + 60) is not None
