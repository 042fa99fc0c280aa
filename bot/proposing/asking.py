"""Asks a proposer once: what it costs is written down as it goes, and so is what it answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial

from bot import interrupts
from bot.forge.base import ForgeError
from bot.git import GitError, Identity, RefChange
from bot.history import spending
from bot.history.cost import Cost
from bot.model import Hypothesis, Proposal
from bot.proposers.account import Account, Accounts
from bot.proposers.base import Context, ProposalFailed, Proposer
from bot.proposing import kept
from bot.proposing.checks import credential_in
from bot.proposing.place import BOT, Place
from bot.text.hygiene import Secrets


def ask(place: Place, proposer: Proposer, told: Context, when: int) -> Proposal:
    """One proposal, kept (`bot.proposing.kept`); what it cost is written down, also when it
    fails or is interrupted.

    Killed before it is kept, the conversation begins anew and is paid again; killed afterwards,
    nothing is.
    """
    account = told.account or Accounts().open(lambda: told.left)
    notes = _Notes(place, proposer, told, account, when)
    account.keep, account.share = notes.in_between, notes.share
    try:
        proposal = proposer.propose(replace(told, account=account))
    except ProposalFailed as failure:
        notes.write(failure.cost, f"dropped: {failure}")
        notes.share()
        raise
    except BaseException:
        notes.write(spent_by(proposer), "interrupted")
        notes.share()
        raise
    title = proposal.hypothesis.title
    proposal, changes = _kept(place, _redacted(proposal), told, when)
    notes.write(proposal.cost, f"{'revised' if told.revision else 'proposed'}: {title}", changes)
    _offer(place, proposal)
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
    """Writes down what one proposal costs, each part once."""

    def __init__(
        self, place: Place, proposer: Proposer, told: Context, account: Account, when: int
    ) -> None:
        self._place, self._proposer = place, proposer
        self._account, self._when = account, when
        self._number = told.number
        self._revises = told.revision.number if told.revision else None

    def in_between(self, cost: Cost) -> None:
        """One call, of perhaps many."""
        self._note(cost, f"a call on the way to #{self._revises or self._number}")

    def write(self, total: Cost, what: str, changes: Sequence[RefChange] = ()) -> None:
        """What remains of a total, and other changes of refs in the same transaction."""
        # An account that is closed was given up; what it had cost by then is written down.
        always = bool(total)
        write = partial(self._note, what=what, changes=changes, always=always)
        with interrupts.held():  # it is written down once, or not at all
            self._account.conclude(total, write)

    def share(self) -> None:
        """Let other clones know: this one may be gone with the next answer."""
        place = self._place
        # Otherwise it is shared with the next answer, or by the next step.
        with suppress(ForgeError, GitError):
            spending.share(place.repository, place.forge, _WHO, self._when)

    def _note(
        self, cost: Cost, what: str, changes: Sequence[RefChange] = (), *, always: bool = False
    ) -> None:
        spending.note(
            self._place.repository,
            cost,
            what,
            who=_WHO,
            when=self._when,
            proposer=asked(self._proposer),
            experiment=self._revises,
            always=always,
            together_with=changes,
        )


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


def _offer(place: Place, proposal: Proposal) -> None:
    """Keep it where clones share it, too: this one may live for a single step."""
    if proposal.kept is None:
        return
    ref, commit = proposal.kept
    if place.repository.ref(ref) == commit:  # not so where it was given up by now
        with suppress(ForgeError):  # it is kept here
            place.forge.publish(ref, old=None, new=commit)


def _redacted(proposal: Proposal) -> Proposal:
    """The proposal with no secret of this process in its words."""
    known = Secrets.of(os.environ)
    said = {key: known.redact(text) for key, text in asdict(proposal.hypothesis).items()}
    return replace(proposal, hypothesis=Hypothesis(**said), notes=known.redact(proposal.notes))
