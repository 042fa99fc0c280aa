"""Turns a proposer's idea into a pull request: context in, checks, branch and pull request out.

Before any time is spent on measuring: allowed by policy, parses, no duplicate. A refused
proposal goes back to the proposer with the reason, a bounded number of times.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bot.errors import BotError
from bot.forge.base import BranchTaken, ForgeError, NewPull, PullRequest
from bot.git import Identity
from bot.history import beliefs, fingerprint, revisions, spending
from bot.history.cost import Cost
from bot.history.past import settled_by
from bot.history.related import related
from bot.history.spending import CapReached
from bot.model import Hypothesis, Proposal
from bot.place import BOT, Place
from bot.policy import rules as policy
from bot.policy.inspection import check_change
from bot.proposers.base import (
    Context,
    ProposalFailed,
    Proposer,
)
from bot.proposers.portfolio import PORTFOLIO
from bot.proposing.context import context
from bot.snapshot import View
from bot.text.hygiene import Secrets
from bot.text.naming import slug
from bot.text.plain import for_terminal, one_line, quiet
from bot.views import texts
from bot.views.change import summary
from bot.views.related import related_text

PHASE = "default"


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

    Asking takes long and may be done elsewhere (`ask`); what comes back is handed in here.
    """

    place: Place
    now: Callable[[], int]
    refused: list[str] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    pull: PullRequest | None = None
    _tried: Mapping[str, Any] | None = None  # the record of what was to be opened before

    @property
    def words(self) -> str:
        """What came of it, for a person."""
        pull = self.pull
        return f"#{pull.number} {pull.title}  (branch {pull.branch})" if pull else ""

    def proposer(self, view: View) -> str:
        """The name of the proposer to ask."""
        del view
        return PORTFOLIO

    def told(self, view: View, ahead: int = 0) -> Context:
        """What it is told. Raises CapReached."""
        return context(self.place, view, tuple(self.refused), ahead=ahead)

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
        try:
            head = commit(self.place, view, proposal, told, self.now())
        except Refused as reason:
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


def ask(place: Place, proposer: Proposer, told: Context, when: int) -> Proposal:
    """One proposal; what it cost is written down, also when it fails or is interrupted."""
    of = told.revision.number if told.revision else None
    who = Identity(BOT.name, BOT.id)

    def note(cost: Cost, what: str) -> None:
        spending.note(place.repository, cost, what, who=who, when=when, experiment=of)
        with suppress(ForgeError):  # then it is shared by the next one, or by the next step
            spending.share(place.repository, place.forge, who, when)

    try:
        proposal = proposer.propose(told)
    except ProposalFailed as failure:
        note(failure.cost, f"dropped: {failure}")
        raise
    except BaseException:
        cost = getattr(proposer, "spent", Cost())
        note(cost if isinstance(cost, Cost) else Cost(), "interrupted")
        raise
    note(proposal.cost, f"{'revised' if of else 'proposed'}: {proposal.hypothesis.title}")
    return _redacted(proposal)


class Refused(Exception):
    """This proposal is not opened; the message says why, for the proposer and the log."""


def commit(
    place: Place,
    view: View,
    proposal: Proposal,
    told: Context,
    when: int,
    *,
    onto: str | None = None,
    request: str | None = None,
) -> str:
    """Put the proposal into a commit on the base branch, or on the head `onto`. Moves no ref.

    `request` is what it revises the experiment for, see `bot.history.revisions`.

    Raises:
        Refused: it may not be opened; the message says why.
    """
    outside = set(proposal.files) - set(place.settings.candidate.paths)
    if outside:
        raise Refused(f"it edits {', '.join(sorted(outside))}, which bot.toml does not allow")
    _check_for_secrets(view, proposal)
    changed = {**view.files, **proposal.files}
    if changed == view.files:
        raise Refused("it changes nothing")
    mark = fingerprint.exact(changed)
    if mark == fingerprint.exact(view.files):
        raise Refused("it changes only comments or formatting")
    earlier = settled_by(view.entries, mark, view.runner_class)
    if earlier is not None:
        raise Refused(f"experiment #{earlier} tried the same code")
    for standing in view.standings:
        if standing.fingerprint == mark and standing.pull.head != onto:
            raise Refused(f"experiment #{standing.pull.number}, which is open, tries the same code")
    repository, base = place.repository, view.snapshot.base
    fork = base if onto is None else repository.merge_base(base, onto) or base
    tree = repository.tree_with(onto or base, dict(changed if onto else proposal.files))
    if onto and tree == repository.tree(onto):
        raise Refused("it changes nothing of the experiment")
    idea = proposal.hypothesis
    words = f"{quiet(one_line(idea.title))}\n\n{quiet(for_terminal(idea.rationale))}"
    message = revisions.message(words, request)
    head = repository.commit_tree(tree, [onto or base], message, Identity(BOT.name, BOT.id), when)
    violations = check_change(repository, fork, head, place.settings)
    if not violations and told.phase.max_changed_lines is not None:
        violations = policy.check_diff(repository.diff(fork, head), told.allowed)
    if violations:
        raise Refused("; ".join(str(violation) for violation in violations[:3]))
    return head


def _check_for_secrets(view: View, proposal: Proposal) -> None:
    known = Secrets.of(os.environ)
    for path, data in proposal.files.items():
        old = view.files.get(path, b"").decode("utf-8", errors="replace")
        if known.found_in(data.decode("utf-8", errors="replace")) and not known.found_in(old):
            raise Refused(f"{path} would hold what looks like a credential")


def _redacted(proposal: Proposal) -> Proposal:
    """The proposal with no secret of this process in its words."""
    known = Secrets.of(os.environ)
    said = {key: known.redact(text) for key, text in asdict(proposal.hypothesis).items()}
    return replace(proposal, hypothesis=Hypothesis(**said), notes=known.redact(proposal.notes))


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
                "fork": view.snapshot.base,
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
            return place.forge.open(NewPull(branch, head, title, body, BOT, record))
        except BranchTaken:
            continue  # by somebody, in the meantime
    raise NoProposal(f"100 branches exp/{name}* exist already; delete the ones you do not need.")


def _body(
    place: Place, view: View, proposal: Proposal, told: Context, changed: beliefs.Change
) -> str:
    before, after = view.files, {**view.files, **proposal.files}
    entry = place.settings.candidate.entry
    known = related(place.repository, view.entries, before=before, after=after, entry_file=entry)
    return texts.pull_body(
        proposal,
        told.phase.name,
        changed,
        change=summary(before, after, entry),
        before=related_text(known),
    )
