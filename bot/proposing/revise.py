"""A new commit on an experiment's own branch, by a proposer: a repair, or what a person asked for.

A proposal that broke in its smoke run, which costs seconds, goes back to its proposer once: it
hears the runner's typed word of what went wrong (never the candidate's own text). A person's
guidance goes the same way. Killed at any instant, the next step finds either the commit or the
request as it was: at most the call in flight is paid again.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.decide import Revise
from bot.history import revisions
from bot.history.spending import CapReached
from bot.model import Hypothesis
from bot.proposers.base import NothingToPropose, ProposalFailed, Proposer, Revision
from bot.proposing.propose import BOT, Place, Refused, ask, commit, context
from bot.snapshot import REPAIRING, View, allowed_files
from bot.text.plain import inert_markdown


def revise(
    place: Place, view: View, proposer: Proposer, action: Revise, *, now: Callable[[], int]
) -> bool:
    """Ask for a revision once and push it; whether there is a new head to measure.

    The request is answered when this returns, whatever came of it. Raises Conflict when somebody
    else moved the branch, ForgeError, GitError, and what a proposer raises when a person has to
    put something right.
    """
    standing = view.standing(action.number)
    pull = standing.pull
    if revisions.is_answered(action.request, standing.answered):
        return False
    stated = pull.record.get("hypothesis")
    words = stated if isinstance(stated, dict) else {}
    hypothesis = Hypothesis(pull.title, str(words.get("rationale", "")))
    files = allowed_files(place.repository, pull.head, place.settings)
    error, guidance = standing.experiment.broken, action.guidance or ""
    asked = Revision(action.number, hypothesis, files, "" if guidance else error, guidance)
    try:
        told = context(place, view, revision=asked)
        proposal = ask(place, proposer, told, now())
        head = commit(place, view, proposal, told, now(), onto=pull.head, request=action.request)
    except (ProposalFailed, NothingToPropose, CapReached, Refused) as reason:
        said = f"It was not revised: {inert_markdown(str(reason))}"
        place.forge.comment(action.number, BOT, _comment(action, error, said))
        return False
    place.forge.push(action.number, old=pull.head, new=head, author=BOT)
    cost = f" That cost {proposal.cost}." if proposal.cost else ""
    said = f"The proposer revised it ({head[:12]}): {inert_markdown(proposal.hypothesis.title)}."
    place.forge.comment(action.number, BOT, _comment(action, error, said + cost))
    return True


def reviser(place: Place, view: View, action: Revise) -> str:
    """The name of the proposer to ask: the experiment's own if it can, else one of bot.toml."""
    own = view.standing(action.number).pull.record.get("proposer")
    return str(own) if own in REPAIRING else place.settings.proposer.name


def _comment(action: Revise, error: str, said: str) -> str:
    cause = (
        "As a person asked" if action.guidance else f"The smoke run failed: {inert_markdown(error)}"
    )
    return f"{cause}. {said}\n\n{revisions.hidden(action.request)}\n"
