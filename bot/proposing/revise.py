"""A new commit on an experiment's own branch, by a proposer: a repair, or what a person asked for.

A proposal that broke in its smoke run, which costs seconds, goes back to its proposer once: it
hears the runner's typed word of what went wrong (never the candidate's own text). A person's
guidance goes the same way. Killed at any instant, the next step finds either the commit or the
request as it was; a revision that was complete by then is taken, a conversation that was not goes
on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.actions import Revise
from bot.candidate import allowed_files
from bot.history import revisions
from bot.history.spending import CapReached
from bot.model import Hypothesis, Proposal
from bot.proposers.base import Context, NothingToPropose, ProposalFailed, Proposer, Revision
from bot.proposers.portfolio import reviser
from bot.proposers.tables import CapsTable
from bot.proposing import kept
from bot.proposing.asking import ask
from bot.proposing.checks import Refused, commit
from bot.proposing.context import context
from bot.proposing.place import BOT, Place
from bot.snapshot import View
from bot.text.plain import inert_markdown


@dataclass
class Revising:
    """One revision in the making. It is asked for once: whatever comes of it is the answer."""

    place: Place
    action: Revise
    now: Callable[[], int]
    revised: bool = False
    _head: str = ""  # of the branch, when it was asked

    @property
    def words(self) -> str:
        """What came of it, for a person."""
        return f"#{self.action.number}: {'revised' if self.revised else 'was not revised'}"

    def proposer(self, view: View) -> str:
        """The name of the proposer to ask."""
        author = view.standing(self.action.number).pull.record.get("proposer")
        return reviser(self.place.settings.shares, str(author))

    def given(self, view: View) -> tuple[Context, Proposal] | None:
        """What a process before this one was given for the same request; no cap counts for it."""
        if kept.waiting(self.place):
            settings = self.place.settings.model_copy(update={"caps": CapsTable()})
            told = self._told(view, replace(self.place, settings=settings))
            if (found := kept.answer(self.place, told)) is not None:
                return told, found
        return None

    def told(self, view: View, ahead: int = 0) -> Context:
        """What it is told. Raises CapReached."""
        del ahead
        return self._told(view, self.place)

    def _told(self, view: View, place: Place) -> Context:
        standing = view.standing(self.action.number)
        pull = standing.pull
        self._head = pull.head
        stated = pull.record.get("hypothesis")
        words = stated if isinstance(stated, dict) else {}
        hypothesis = Hypothesis(pull.title, str(words.get("rationale", "")))
        files = allowed_files(self.place.repository, pull.head, self.place.settings)
        guidance = self.action.guidance or ""
        error = "" if guidance else standing.experiment.broken
        asked = Revision(self.action.number, hypothesis, files, error, guidance)
        return context(place, view, revision=asked)

    def take(self, view: View, proposal: Proposal, told: Context) -> bool:
        """Push a revision, or say why not. Always True: there is no other attempt.

        Raises Conflict when somebody else moved the branch, ForgeError and GitError.
        """
        if not self._wanted(view):
            kept.forget(self.place, proposal)
            return True
        place, action, head = self.place, self.action, self._head
        try:
            new = commit(place, view, proposal, told, self.now(), onto=head, request=action.request)
        except Refused as reason:
            self.give_up(view, reason)
            kept.forget(place, proposal)
            return True
        place.forge.push(action.number, old=head, new=new, author=BOT)
        kept.forget(place, proposal)
        cost = f" That cost {proposal.cost}." if proposal.cost else ""
        title = inert_markdown(proposal.hypothesis.title)
        self._comment(view, f"The proposer revised it ({new[:12]}): {title}.{cost}")
        self.revised = True
        return True

    def drop(self, view: View, failure: ProposalFailed) -> bool:
        """Say that it came to nothing. Always False: there is no other attempt."""
        self.give_up(view, failure)
        return False

    def give_up(self, view: View, reason: Exception) -> None:
        """Say that it was not revised."""
        if self._wanted(view):
            self._comment(view, f"It was not revised: {inert_markdown(str(reason))}")

    def _wanted(self, view: View) -> bool:
        """Whether the experiment is as it was when the revision was asked for."""
        standing = next((s for s in view.standings if s.pull.number == self.action.number), None)
        if standing is None or (self._head and standing.pull.head != self._head):
            return False
        return not revisions.is_answered(self.action.request, standing.answered)

    def _comment(self, view: View, said: str) -> None:
        error = view.standing(self.action.number).experiment.broken
        text = _comment(self.action, error, said)
        self.place.forge.comment(self.action.number, BOT, text)


def revise(
    place: Place, view: View, proposer: Proposer, action: Revise, *, now: Callable[[], int]
) -> bool:
    """Ask for a revision once and push it, here and now; whether there is a new head to measure.

    One that a process before this one was given is taken instead of asking again.

    The request is answered when this returns, whatever came of it. Raises Conflict when somebody
    else moved the branch, ForgeError, GitError, and what a proposer raises when a person has to
    put something right.
    """
    revising = Revising(place, action, now)
    if not revising._wanted(view):
        return False
    try:
        given = revising.given(view)
        told = given[0] if given else revising.told(view)
        proposal = given[1] if given else ask(place, proposer, told, now())
    except (ProposalFailed, NothingToPropose, CapReached) as reason:
        revising.give_up(view, reason)
    else:
        revising.take(view, proposal, told)
    return revising.revised


def _comment(action: Revise, error: str, said: str) -> str:
    cause = (
        "As a person asked" if action.guidance else f"The smoke run failed: {inert_markdown(error)}"
    )
    return f"{cause}. {said}\n\n{revisions.hidden(action.request)}\n"
