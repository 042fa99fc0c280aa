"""Turns a proposer's idea into a pull request: context in, checks, branch and pull request out.

Before any time is spent on measuring: allowed by policy, parses, no duplicate. A refused
proposal goes back to the proposer with the reason, a bounded number of times.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from bot.errors import BotError
from bot.forge.base import BranchTaken, NewPull, PullRequest
from bot.history import beliefs
from bot.history.cost import Cost
from bot.history.related import related
from bot.history.spending import CapReached
from bot.model import Proposal
from bot.proposers.base import Context, ProposalFailed, Proposer
from bot.proposers.portfolio import PORTFOLIO
from bot.proposing import conversations, kept
from bot.proposing.asking import ask
from bot.proposing.checks import Refused, commit
from bot.proposing.context import context
from bot.proposing.place import BOT, Place
from bot.snapshot import View
from bot.text.naming import slug
from bot.views import texts
from bot.views.change import summary
from bot.views.related import related_text


class NoProposal(BotError):
    """The proposer had nothing acceptable to offer.

    `passing` tells that the network or a server was in trouble: later it may work.
    """

    passing: bool = False


@dataclass(frozen=True)
class Dropped:
    """A proposal that was not opened: why, and what it cost all the same."""

    reason: str
    cost: Cost


@dataclass
class Drafting:
    """One experiment in the making: what was refused or dropped on the way to it.

    Asking takes long and may be done elsewhere (`ask`); what comes back is handed in here. One
    that is `adopted` begins with an answer: where that is refused it ends, for nobody has decided
    to ask.
    """

    place: Place
    now: Callable[[], int]
    refused: list[str] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    pull: PullRequest | None = None
    adopted: bool = False
    _tried: Mapping[str, Any] | None = None  # the record of what was to be opened before

    @property
    def words(self) -> str:
        """What came of it, for a person."""
        if self.adopted and self.refused:
            return f"A proposal from before was not opened: {self.refused[0]}"
        pull = self.pull
        return f"#{pull.number} {pull.title}  (branch {pull.branch})" if pull else ""

    def proposer(self, view: View) -> str:
        """The name of the proposer to ask."""
        del view
        return PORTFOLIO

    def told(self, view: View, ahead: int = 0) -> Context:
        """What it is told. Raises CapReached."""
        told = partial(context, self.place, view, tuple(self.refused), ahead=ahead)
        now = told()
        earlier = conversations.base(self.place, now)
        return now if earlier == now.base else told(base=earlier)

    def take(self, view: View, proposal: Proposal, told: Context) -> bool:
        """Open a proposal; False when it is refused and there may be another attempt.

        Raises:
            NoProposal: every one was refused or dropped; the message names the reasons.
            Conflict: others were faster; take a new snapshot.
            ForgeError: the branch cannot be made; the message says what is in its way. Hand the
                same proposal in again later: if it was opened all the same, it is found.
        """
        if self._tried is not None and (opened := self._opened_before()):
            self.pull = opened
            return True
        if not kept.is_waiting(self.place, proposal):
            return True  # another bot has found and opened it
        try:
            # Whoever opens it, it is the same commit: so a forge can tell that it was opened.
            when = kept.written_at(self.place, proposal) or self.now()
            head = commit(self.place, view, proposal, told, when)
        except Refused as reason:
            kept.forget(self.place, proposal)
            if self.adopted:
                self.refused.append(str(reason))
                return True
            self._note(str(reason), proposal.cost, again=True)
            return False
        # The pull request answers for everything that it took to come to it.
        cost = sum((one.cost for one in self.dropped), proposal.cost)
        proposal = replace(proposal, cost=cost)
        self._tried = _record(view, proposal, told, self.dropped)
        changed = beliefs.change(beliefs.of(told.scratchpad), proposal.notes)
        body = _body(self.place, view, proposal, told, changed)
        self.pull = _open(self.place, proposal, body, head=head, record=self._tried)
        return True

    def _opened_before(self) -> PullRequest | None:
        """The pull request that the forge opened without being able to say so."""
        pulls = reversed(self.place.forge.pulls())
        return next((pull for pull in pulls if pull.record == self._tried), None)

    def drop(self, view: View, failure: ProposalFailed) -> bool:
        """Take note of an attempt that came to nothing; True: there may be another.

        Raises:
            NoProposal: there may not; the message names the reasons.
            CapReached: a cap of bot.toml does not allow another one.
        """
        del view
        if failure.capped:
            raise CapReached(f"Stopped before a cap of bot.toml: {failure}.") from None
        try:
            self._note(str(failure), failure.cost, again=failure.again)
        except NoProposal as none:
            none.passing = failure.passing
            raise
        return True

    def _note(self, reason: str, cost: Cost, *, again: bool) -> None:
        self.refused.append(reason)
        self.dropped.append(Dropped(reason, cost))
        if again and len(self.refused) < self.place.settings.proposer.attempts:
            return
        spent = sum((one.cost for one in self.dropped), Cost())
        raise NoProposal(
            f"{len(self.refused)} proposal{'s' * (len(self.refused) != 1)} in a row came to "
            f"nothing: {'; '.join(self.refused)}. Nothing was opened. "
            + (f"Spent: {spent}. " if spent else "")
            + "Change program.md or the constants of the entry file, or run again."
        )


def open_proposal(
    place: Place, view: View, proposer: Proposer, now: Callable[[], int]
) -> PullRequest:
    """Ask for a proposal until one passes the checks, and open it: all of it here and now.

    What was spent is written down as soon as it is known, whatever comes of it. Raises what
    `Drafting` raises, and NothingToPropose: the proposer has run out of ideas.
    """
    drafting = Drafting(place, now)
    while drafting.pull is None:
        told = drafting.told(view)
        try:
            drafting.take(view, ask(place, proposer, told, now()), told)
        except ProposalFailed as failure:
            drafting.drop(view, failure)
    return drafting.pull


def _record(
    view: View, proposal: Proposal, told: Context, dropped: Sequence[Dropped]
) -> Mapping[str, Any]:
    """Machine data of a pull request, as the forge gives it back."""
    changed = beliefs.change(beliefs.of(told.scratchpad), proposal.notes)
    record: Mapping[str, Any] = json.loads(
        json.dumps(
            {
                "proposer": proposal.proposer,
                "phase": told.phase.name,
                "cost": asdict(proposal.cost),
                "dropped": [asdict(one) for one in dropped],
                "sources": [asdict(source) for source in proposal.sources],
                "hypothesis": asdict(proposal.hypothesis),
                "beliefs": asdict(changed),
                "fork": told.base or view.snapshot.base,
            }
        )
    )
    return record


def _open(
    place: Place, proposal: Proposal, body: str, *, head: str, record: Mapping[str, Any]
) -> PullRequest:
    name = slug(proposal.hypothesis.title)
    for attempt in range(1, 100):
        branch = f"exp/{name}" if attempt == 1 else f"exp/{name}-{attempt}"
        if place.repository.ref(f"refs/heads/{branch}") is not None:
            continue
        try:
            title = proposal.hypothesis.title
            new = NewPull(branch, head, title, body, BOT, record, instead_of=proposal.kept)
            return place.forge.open(new)
        except BranchTaken:
            continue  # by somebody, in the meantime
    raise NoProposal(f"100 branches exp/{name}* exist already; delete the ones you do not need.")


def _body(
    place: Place, view: View, proposal: Proposal, told: Context, changed: beliefs.Change
) -> str:
    before, after = told.files, {**told.files, **proposal.files}
    entry = place.settings.candidate.entry
    known = related(place.repository, view.entries, before=before, after=after, entry_file=entry)
    return texts.pull_body(
        proposal,
        told.phase.name,
        changed,
        change=summary(before, after, entry),
        before=related_text(known),
    )
