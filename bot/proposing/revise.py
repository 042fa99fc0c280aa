"""One chance to repair: a proposal that broke in its smoke run goes back to its proposer.

The smoke run costs seconds. The proposer hears the runner's typed word of what went wrong
(never the candidate's own text) and hands out repaired files, which become a new commit on the
same branch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.forge.base import PullRequest
from bot.history.spending import CapReached
from bot.model import Hypothesis
from bot.proposers.base import NothingToPropose, ProposalFailed, Proposer, Revision
from bot.proposing.propose import BOT, Place, Refused, ask, commit, context
from bot.snapshot import View, allowed_files

REVISING = frozenset({"claude", "command"})
"""Proposers that can repair; `search` has nothing to repair with."""
MARK = "The smoke run failed"
"""How the comment begins that says a proposal had its chance."""


def may_revise(pull: PullRequest, proposer: str) -> bool:
    """Whether this experiment is the proposer's own and has not had its chance yet."""
    own = pull.author.is_bot and pull.record.get("proposer") == proposer in REVISING
    return own and not any(
        comment.author.is_bot and comment.body.startswith(MARK) for comment in pull.comments
    )


def revise(
    place: Place,
    view: View,
    proposer: Proposer,
    number: int,
    *,
    error: str,
    now: Callable[[], int],
) -> bool:
    """Ask for a repair once and push it; whether there is a new head to measure.

    The chance is used up when this returns, whatever came of it. Raises Conflict when somebody
    else moved the branch, ForgeError and GitError.
    """
    pull = place.forge.pull(number)
    if not may_revise(pull, proposer.name):
        return False
    try:
        told = context(place, view)
        stated = pull.record.get("hypothesis")
        words = stated if isinstance(stated, dict) else {}
        hypothesis = Hypothesis(pull.title, str(words.get("rationale", "")))
        files = allowed_files(place.repository, pull.head, place.settings)
        told = replace(told, revision=Revision(number, hypothesis, files, error))
        proposal = ask(place, proposer, told, now())
        head = commit(place, view, proposal, told, now(), onto=pull.head)
    except (ProposalFailed, NothingToPropose, CapReached, Refused) as reason:
        place.forge.comment(number, BOT, f"{MARK}: {error}. It was not repaired: {reason}")
        return False
    place.forge.push(number, old=pull.head, new=head, author=BOT)
    cost = f" It cost {proposal.cost}." if proposal.cost else ""
    place.forge.comment(number, BOT, f"{MARK}: {error}. The proposer repaired it.{cost}")
    return True
