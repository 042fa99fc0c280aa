"""Pull requests and what belongs to them, as every forge tells of them: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.model import Purpose, Side, Verdict


class State(StrEnum):
    """The state of a pull request."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class Permission(StrEnum):
    """What a person may do in the repository now."""

    WRITE = "write"
    READ = "read"
    NONE = "none"


class Conclusion(StrEnum):
    """How a check reads: a win, a valid loss, or a run that came to nothing."""

    SUCCESS = "success"
    NEUTRAL = "neutral"
    FAILURE = "failure"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Author:
    """Who did something. `id` is stable when names change (an e-mail address, a numeric id)."""

    name: str
    id: str
    is_bot: bool = False


@dataclass(frozen=True)
class Comment:
    """A comment on a pull request. `body` is text from outside: data, never instructions.

    `path` and `line` (from 1, in the head of then) say what a comment on a line is about.
    """

    id: str
    author: Author
    body: str
    created_at: int  # seconds since 1970, UTC
    edited: bool = False  # the body is not what was said first: nothing in it is obeyed
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Note:
    """What is to be said about one line (from 1) of a file in the head of a pull request."""

    path: str
    line: int
    body: str


@dataclass(frozen=True)
class Approval:
    """Somebody approved exactly this head. What they may do is asked when it matters."""

    author: Author
    head: str


@dataclass(frozen=True)
class PlannedRun:
    """One run that an attempt asks for. `tree` is the git tree that is measured."""

    side: Side
    tree: str
    seed: int
    purpose: Purpose


@dataclass(frozen=True)
class Attempt:
    """One request to measure: a batch of runs, interleaved on one machine in the given order.

    `results` maps the index of a planned run to its measurement (`runner.result.Measurement`
    as JSON data). An attempt is complete when every run has a result.
    """

    id: str
    base: str  # base commit whose tree the baseline runs measure
    head: str  # head commit that was merged into it
    merge_tree: str
    runs: tuple[PlannedRun, ...]
    results: Mapping[int, Mapping[str, Any]]
    created_at: int = 0

    @property
    def complete(self) -> bool:
        """Whether every planned run has its result."""
        return len(self.results) == len(self.runs)


@dataclass(frozen=True)
class AuditedWinner:
    """A merged experiment whose tree is measured again beside that of its parent."""

    number: int
    winner: str  # git trees
    parent: str


@dataclass(frozen=True)
class Audit:
    """A session of an audit: winners, the runs that it asks for, and their results so far.

    Kept apart from the pull requests, and never shown with them: a result holds the sealed
    score as well. `runner_class` is the only one whose results it takes.
    """

    number: int
    runner_class: str
    winners: tuple[AuditedWinner, ...]
    runs: tuple[PlannedRun, ...]
    results: Mapping[int, Mapping[str, Any]]
    created_at: int = 0

    @property
    def complete(self) -> bool:
        """Whether every planned run has its result."""
        return len(self.results) == len(self.runs)


@dataclass(frozen=True)
class Check:
    """What people look at beside the head commit: display only, never a source of truth."""

    attempt: str
    head: str
    conclusion: Conclusion
    title: str
    summary: str  # Markdown


@dataclass(frozen=True)
class NewPull:
    """A pull request to open. The commit `head` exists already; its branch does not."""

    branch: str
    head: str
    title: str
    body: str
    author: Author
    record: Mapping[str, Any]  # machine data: proposer, phase, cost, hypothesis
    instead_of: tuple[str, str] | None = None  # a ref of the bot's own, and where it is: it ends


@dataclass(frozen=True)
class PullRequest:
    """A pull request with everything that has happened to it."""

    number: int
    branch: str
    head: str
    title: str
    body: str
    author: Author
    state: State
    created_at: int
    record: Mapping[str, Any]
    labels: frozenset[str] = frozenset()
    comments: tuple[Comment, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    checks: tuple[Check, ...] = ()
    verdict: Verdict | None = None
    closed_at: int | None = None
    fork: bool = False  # its branch is in somebody else's copy of the repository
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True)
class Stray:
    """A branch of an open pull request that no longer contains the head it had.

    `branch_head` is where the branch is now; None when it was deleted. A forge reports it and
    changes nothing: the pull request keeps its head until a person or the bot decides.
    """

    number: int
    head: str
    branch_head: str | None
