"""Turns a proposer's idea into a pull request: context in, checks, branch and pull request out.

Before any time is spent on measuring: allowed by policy, parses, no duplicate. A refused
proposal goes back to the proposer with the reason, a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from bot import fingerprint, texts
from bot.errors import BotError
from bot.forge.base import Author, Conflict, Forge, NewPull, PullRequest
from bot.git import Identity, Repository
from bot.model import Direction, Estimate, Proposal
from bot.naming import slug
from bot.proposers.base import Context, PastExperiment, Proposer
from bot.settings import Settings
from bot.snapshot import View, check_change

BOT = Author(name="Mergelab", id="mergelab@users.noreply.invalid", is_bot=True)
PHASE = "default"
HISTORY = 1_000
"""How many of the latest experiments a proposer is told about."""


class NoProposal(BotError):
    """The proposer had nothing acceptable to offer."""


@dataclass(frozen=True)
class Place:
    """Where proposals are made: the repository, its forge and its settings."""

    repository: Repository
    forge: Forge
    settings: Settings


def open_proposal(
    place: Place, view: View, proposer: Proposer, now: Callable[[], int]
) -> PullRequest:
    """Ask for a proposal until one passes the checks, and open it.

    Raises:
        NoProposal: every one was refused; the message names the reasons.
        NothingToPropose: the proposer has run out of ideas.
    """
    refused: list[str] = []
    for _ in range(place.settings.proposer.attempts):
        proposal = proposer.propose(context(place, view, tuple(refused)))
        try:
            head = _commit(place, view, proposal, now())
        except _Refused as reason:
            refused.append(str(reason))
            continue
        return _open(place, view, proposal, head)
    raise NoProposal(
        f"{len(refused)} proposals in a row were refused: {'; '.join(refused)}. "
        "Nothing was opened. Change program.md or the constants of the entry file, or run again."
    )


def context(place: Place, view: View, refused: tuple[str, ...] = ()) -> Context:
    """What a proposer may know about the present state and the past."""
    values = [run.value for run in view.snapshot.baseline if run.value is not None]
    settings = place.settings
    return Context(
        number=1 + max((entry.number for entry in view.entries), default=0),
        seed=settings.proposer.seed,
        files=view.files,
        entry=settings.candidate.entry,
        metric=settings.metric.name,
        direction=Direction(settings.metric.direction),
        baseline=sum(values) / len(values) if values else None,
        history=_history(place, view),
        program=_text(place, view, "program.md"),
        scratchpad=_text(place, view, settings.scratchpad.path),
        refused=refused,
    )


def _history(place: Place, view: View) -> list[PastExperiment]:
    entries = view.entries[-HISTORY:]
    paths = place.settings.candidate.paths
    commits = {commit for entry in entries for commit in (entry.head, entry.fork)} - {"-"}
    found = place.repository.read_many([(commit, path) for commit in commits for path in paths])

    def files(commit: str) -> dict[str, bytes]:
        read = {path: found.get((commit, path)) for path in paths}
        return {path: data for path, data in read.items() if data is not None}

    past = []
    for entry in entries:
        estimate = None
        if entry.difference is not None and entry.interval is not None:
            estimate = Estimate(
                difference=entry.difference,
                low=entry.interval[0],
                high=entry.interval[1],
                level=entry.level or 0.0,
                candidate_mean=entry.value or 0.0,
                baseline_mean=entry.baseline or 0.0,
                candidate_runs=entry.seeds,
                baseline_runs=entry.seeds,
                degrees_of_freedom=0.0,
            )
        past.append(
            PastExperiment(
                number=entry.number,
                title=entry.title,
                reason=entry.reason,
                files=files(entry.head),
                metric=entry.value,
                baseline=entry.baseline,
                estimate=estimate,
                comparable=view.runner_class in entry.evidence,
                base_files=files(entry.fork) or None,
            )
        )
    return past


def _text(place: Place, view: View, path: str) -> str:
    data = place.repository.read_file(view.snapshot.base, path) or b""
    return data.decode("utf-8", errors="replace")


class _Refused(Exception):
    """This proposal is not opened; the message says why, for the proposer and the log."""


def _commit(place: Place, view: View, proposal: Proposal, when: int) -> str:
    """Put the proposal into a commit on the base branch. Moves no ref."""
    outside = set(proposal.files) - set(place.settings.candidate.paths)
    if outside:
        raise _Refused(f"it edits {', '.join(sorted(outside))}, which bot.toml does not allow")
    changed = {**view.files, **proposal.files}
    if changed == view.files:
        raise _Refused("it changes nothing")
    mark = fingerprint.exact(changed)
    if mark == fingerprint.exact(view.files):
        raise _Refused("it changes only comments or formatting")
    for entry in view.entries:
        if entry.fingerprint == mark and view.runner_class in entry.evidence:
            raise _Refused(f"experiment #{entry.number} tried the same code ({entry.reason})")
    repository, base = place.repository, view.snapshot.base
    tree = repository.tree_with(base, dict(proposal.files))
    message = f"{proposal.hypothesis.title}\n\n{proposal.hypothesis.rationale}\n"
    head = repository.commit_tree(tree, [base], message, Identity(BOT.name, BOT.id), when)
    violations = check_change(repository, base, head, place.settings)
    if violations:
        raise _Refused("; ".join(str(violation) for violation in violations[:3]))
    return head


def _open(place: Place, view: View, proposal: Proposal, head: str) -> PullRequest:
    name = slug(proposal.hypothesis.title)
    record = {
        "proposer": proposal.proposer,
        "phase": PHASE,
        "cost": asdict(proposal.cost),
        "hypothesis": asdict(proposal.hypothesis),
        "fork": view.snapshot.base,
    }
    for attempt in range(1, 100):
        branch = f"exp/{name}" if attempt == 1 else f"exp/{name}-{attempt}"
        if place.repository.ref(f"refs/heads/{branch}") is not None:
            continue
        title, body = proposal.hypothesis.title, texts.pull_body(proposal, PHASE)
        try:
            return place.forge.open(NewPull(branch, head, title, body, BOT, record))
        except Conflict:
            continue  # somebody took this name in the meantime
    raise NoProposal(f"100 branches exp/{name}* exist already; delete the ones you do not need.")
