"""Hypotheses in the making: several may be asked for at once, each is opened by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from bot.forge.base import ForgeError
from bot.git import GitError
from bot.history.cost import Cost
from bot.model import Proposal
from bot.proposers.account import Accounts
from bot.proposers.base import Context, NothingToPropose, ProposalFailed
from bot.proposing.context import left
from bot.proposing.place import Place
from bot.proposing.propose import Drafting
from bot.proposing.revise import Revising
from bot.run.base import Answered, Job, Mailbox, Proposers
from bot.snapshot import View

_REMEMBERED = 50  # latest proposals whose durations are kept


class Draft(Protocol):
    """Something a proposer is asked for: an experiment, or the revision of one."""

    place: Place

    @property
    def words(self) -> str:
        """What came of it, for a person."""
        ...

    def proposer(self, view: View) -> str:
        """The name of the proposer to ask."""
        ...

    def told(self, view: View, ahead: int = 0) -> Context:
        """What it is told. Raises CapReached."""
        ...

    def take(self, view: View, proposal: Proposal, told: Context) -> bool:
        """Carry an answer out; False when it was refused and another may be asked for."""
        ...

    def drop(self, view: View, failure: ProposalFailed) -> bool:
        """Note that it came to nothing; True when another may be asked for."""
        ...


@dataclass
class _Asked:
    draft: Draft
    told: Context
    started: float
    job: Job | None = None
    answer: Answered | None = None


class Drafts:
    """Everything that is being thought of, by the number of its job."""

    def __init__(self, proposers: Proposers, mailbox: Mailbox) -> None:
        self.proposers = proposers
        self.mailbox = mailbox
        self.durations_s: list[float] = []
        self._asked: dict[int, _Asked] = {}
        self._again: list[Draft] = []
        self._arrived: list[_Asked] = []
        self._accounts = Accounts()

    @property
    def count(self) -> int:
        """How many experiments are in the making."""
        making = [*self._again, *(one.draft for one in self._asked.values())]
        making += [one.draft for one in self._arrived]
        return sum(isinstance(draft, Drafting) for draft in making)

    @property
    def revising(self) -> frozenset[int]:
        """The experiments that are being revised."""
        asked = [*self._asked.values(), *self._arrived]
        drafts = (one.draft for one in asked)
        return frozenset(d.action.number for d in drafts if isinstance(d, Revising))

    @property
    def thinking(self) -> int:
        """How many answers are being waited for."""
        return len(self._asked)

    @property
    def arrived(self) -> bool:
        """Whether an answer waits to be carried out."""
        return bool(self._arrived)

    def ask(self, number: int, view: View, draft: Draft) -> None:
        """Ask for a draft. Raises CapReached when none may be begun."""
        if isinstance(draft, Revising) and (given := draft.given(view)):
            self.arrive(draft, *given)
            return
        told = draft.told(view, ahead=len(self._asked))
        # Looked up once more, in between which nobody spends anything.
        account = self._accounts.open(partial(left, draft.place, view, opening=not told.revision))
        told = replace(told, account=account)
        asked = _Asked(draft, told, self.mailbox.now())
        self._asked[number] = asked  # before: an answer may come at once
        name = draft.proposer(view)
        asked.job = self.proposers.start(number, name, told, self.mailbox.post)

    def arrive(self, draft: Draft, told: Context, proposal: Proposal) -> None:
        """Take a proposal that is there already: `carry_out` comes next."""
        answered = Answered(0, proposal)
        self._arrived.append(_Asked(draft, told, self.mailbox.now(), answer=answered))

    def again(self) -> list[Draft]:
        """Those that have to be asked for once more; they are forgotten here."""
        again, self._again = self._again, []
        return again

    def answered(self, message: Answered) -> None:
        """A proposer has answered: `carry_out` comes next."""
        asked = self._asked.pop(message.job, None)
        if asked is None:
            return
        self.durations_s = [*self.durations_s, self.mailbox.now() - asked.started][-_REMEMBERED:]
        asked.answer = message
        self._arrived.append(asked)

    def carry_out(self, view: View) -> str:
        """Carry out the answer that came first; what came of it in words, empty if nothing did.

        Raises NoProposal, CapReached, NothingToPropose and whatever else a proposer raised:
        that draft is given up then. What the forge or git raises while it is carried out leaves
        it as it is, to be tried again.
        """
        asked = self._arrived[0]
        again = False
        try:
            again = self._carry_out(asked, view)
        except Exception as raised:
            # An error that is the answer itself would come back at every look, for ever.
            is_answer = asked.answer is not None and raised is asked.answer.error
            if is_answer or not isinstance(raised, ForgeError | GitError | OSError):
                del self._arrived[0]
            raise
        del self._arrived[0]
        if again:
            self._again.append(asked.draft)
            return ""
        return asked.draft.words

    def _carry_out(self, asked: _Asked, view: View) -> bool:
        """Whether it is to be asked for again."""
        answer, draft = asked.answer, asked.draft
        assert answer is not None  # noqa: S101 (it has arrived)
        if answer.proposal is not None:
            return not draft.take(view, answer.proposal, asked.told)
        error = answer.error or ProposalFailed("the proposer said nothing", Cost())
        if isinstance(error, ProposalFailed):
            return draft.drop(view, error)
        if isinstance(draft, Revising) and isinstance(error, NothingToPropose):
            draft.give_up(view, error)
            return False
        raise error

    def stop(self) -> None:
        """Give up what is being thought of."""
        for asked in self._asked.values():
            if asked.job:
                asked.job.stop()
