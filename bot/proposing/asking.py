"""Asks a proposer once: what it costs is written down as it goes, and so is what it answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial

from bot import interrupts
from bot.forge.base import Conflict, ForgeError
from bot.git import GitError, Identity, RefChange, RefMoved
from bot.history import spending
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal
from bot.proposers.account import Account, Accounts
from bot.proposers.base import Context, ProposalFailed, Proposer
from bot.proposing import conversations, kept
from bot.proposing.checks import credential_in
from bot.proposing.journal import Journal
from bot.proposing.place import BOT, Place
from bot.text.hygiene import Secrets


def ask(place: Place, proposer: Proposer, told: Context, when: int) -> Proposal:
    """One proposal, kept (`bot.proposing.kept`); what it cost is written down, also when it
    fails or is interrupted.

    Killed before it is kept, a conversation that its proposer keeps is gone on with by the next
    process that asks for the same, and the call in flight is paid again; killed afterwards, nothing
    is. A conversation that a cap or a broken connection has ended goes on later as well.
    """
    account = told.account or Accounts().open(lambda: told.left)
    journal = conversations.begin(place, told)
    notes = _Notes(place, proposer, told, account=account, journal=journal, when=when)
    account.keep, account.share = notes.in_between, notes.share_in_between
    account.give_up = notes.give_up
    try:
        proposal = proposer.propose(replace(told, account=account, conversation=journal))
    except ProposalFailed as failure:
        # Whatever comes of a revision is the answer to its request: nobody asks for it again.
        later = told.revision is None and failure.later
        notes.write(failure.cost, f"dropped: {failure}", ends=not later)
        notes.share()
        raise
    except BaseException:
        notes.write(spent_by(proposer), "interrupted")
        notes.share()
        raise
    title = proposal.hypothesis.title
    proposal, changes = _kept(place, _redacted(proposal), told, when)
    words = f"{'revised' if told.revision else 'proposed'}: {title}"
    notes.write(proposal.cost, words, changes, ends=True)
    _offer(place, proposal, journal)
    notes.share()
    return proposal


def spent_by(proposer: object) -> Cost:
    """What a proposer has spent since it was asked last, in the middle of an answer, too."""
    cost = getattr(proposer, "spent", None)
    return cost if isinstance(cost, Cost) else Cost()


def asked(proposer: object) -> str:
    """The name of the proposer that answers: of several together, the one that is asked now."""
    return str(getattr(proposer, "asked", "") or getattr(proposer, "name", ""))


class _Notes:
    """Writes down what one proposal costs, each part once, and how its conversation stands."""

    def __init__(
        self,
        place: Place,
        proposer: Proposer,
        told: Context,
        *,
        account: Account,
        journal: Journal,
        when: int,
    ) -> None:
        self._place, self._proposer = place, proposer
        self._account, self._when = account, when
        self._journal = journal
        self._number = told.number
        self._revises = told.revision.number if told.revision else None

    def in_between(self, cost: Cost) -> None:
        """One call, of perhaps many."""
        step = self._journal.step(self._account.settled + cost)
        self._note(cost, f"a call on the way to #{self._revises or self._number}", step)

    def give_up(self, cost: Cost) -> None:
        """The last part of what it cost; its conversation is left to whoever asks next."""
        step = self._journal.released(self._account.settled + cost)
        self._note(cost, "interrupted", step)

    def write(
        self, total: Cost, what: str, changes: Sequence[RefChange] = (), *, ends: bool = False
    ) -> None:
        """What remains of a total, and other changes of refs in the same transaction.

        Where it `ends` the conversation does, else it is left to whoever asks for the same next.
        """

        def write(cost: Cost) -> None:
            journal = self._journal
            step = journal.ended() if ends else journal.released(self._account.settled + cost)
            # An account that is closed was given up; what it had cost by then is written down.
            self._note(cost, what, step, changes, always=bool(total))
            if ends:
                journal.over()

        with interrupts.held():  # it is written down once, or not at all
            self._account.conclude(total, write)

    def share(self) -> None:
        """Let other clones know: this one may be gone with the next answer."""
        place = self._place
        # Otherwise it is shared with the next answer, or by the next step.
        with suppress(ForgeError, GitError):
            spending.share(place.repository, place.forge.own_refs, _WHO, self._when)
        with suppress(GitError):
            self._journal.offer()  # afterwards: what was kept has been counted

    def share_in_between(self) -> None:
        """The same after one call. Raises ProposalFailed when another process goes on with it."""
        self.share()
        if self._journal.lost:
            raise ProposalFailed(
                "another bot goes on with this conversation", self._account.settled, again=False
            )

    def _note(
        self,
        cost: Cost,
        what: str,
        step: tuple[RefChange, ...],
        changes: Sequence[RefChange] = (),
        *,
        always: bool = False,
    ) -> None:
        write = partial(
            spending.note,
            self._place.repository,
            cost,
            what,
            who=_WHO,
            when=self._when,
            proposer=asked(self._proposer),
            experiment=self._revises,
            always=always,
        )
        try:
            write(together_with=[*changes, *step])
            self._journal.made(step)
        except RefMoved as moved:
            if moved.ref != self._journal.ref:
                raise
            self._journal.lost = True
            write(together_with=changes)  # it was paid for all the same


_WHO = Identity(BOT.name, BOT.id)


def _kept(
    place: Place, proposal: Proposal, told: Context, when: int
) -> tuple[Proposal, tuple[RefChange, ...]]:
    """The proposal as it is kept. One with a credential is refused later, and kept nowhere."""
    before = told.files if told.revision is None else {**told.files, **told.revision.files}
    if credential_in(proposal.files, before):
        return proposal, ()
    try:
        return kept.write(place.repository, proposal, told, _WHO, when)
    except GitError:
        return proposal, ()  # what it cost shall be written down all the same


def _offer(place: Place, proposal: Proposal, journal: Journal) -> None:
    """Keep it where clones share it, too, instead of the conversation: this one may live for a
    single step."""
    if proposal.kept is None:
        return
    ref, commit = proposal.kept
    if place.repository.ref(ref) != commit:
        return  # it was given up by now
    with suppress(ForgeError):  # it is kept here
        try:
            place.forge.own_refs.publish(ref, old=None, new=commit, instead_of=journal.shared)
            journal.taken()
        except Conflict:  # the conversation is not there as it was
            place.forge.own_refs.publish(ref, old=None, new=commit)


def _redacted(proposal: Proposal) -> Proposal:
    """The proposal with no secret of this process in its words."""
    known = Secrets.of(os.environ)
    said = {key: known.redact(text) for key, text in asdict(proposal.hypothesis).items()}
    return replace(proposal, hypothesis=Hypothesis(**said), notes=known.redact(proposal.notes))
