"""Where pull requests live: the interface that every forge offers, with its types and errors.

Callers: `bot.snapshot` reads, `bot.execute` writes, the commands show. A forge keeps facts
and moves refs by compare-and-swap; it never judges, builds no trees, and knows no statistics.
One contract test suite runs against every forge.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from bot.forge.errors import (
    BranchTaken,
    Conflict,
    ForgeError,
    NoSuchPull,
    Unreachable,
    WorktreeDirty,
)
from bot.forge.pulls import (
    Approval,
    Attempt,
    Audit,
    AuditedWinner,
    Author,
    Check,
    Comment,
    Conclusion,
    NewPull,
    Note,
    Permission,
    PlannedRun,
    PullRequest,
    State,
    Stray,
)
from bot.model import Verdict

__all__ = [
    "Approval",
    "Attempt",
    "Audit",
    "AuditedWinner",
    "Audits",
    "Author",
    "BranchTaken",
    "Check",
    "Comment",
    "Conclusion",
    "Conflict",
    "Forge",
    "ForgeError",
    "NewPull",
    "NoSuchPull",
    "Note",
    "OwnRefs",
    "Permission",
    "PlannedRun",
    "PullRequest",
    "State",
    "Stray",
    "Unreachable",
    "WorktreeDirty",
]


class Audits(Protocol):
    """Fresh runs of winners and of what they replaced, whose results hold sealed scores."""

    def numbers(self) -> tuple[int, ...]:
        """The numbers of all audits, in order."""
        ...

    def read(self, numbers: Collection[int] | None = None) -> tuple[Audit, ...]:
        """Audits in order of their numbers; all of them, or those with `numbers`."""
        ...

    def begin(self, audit: Audit) -> None:
        """Write down an audit before any of it is run.

        Its number is above all others; `results` and `created_at` are the forge's to fill.
        Raises Conflict when it is not: another bot has begun one.
        """
        ...

    def record(self, number: int, index: int, result: Mapping[str, Any]) -> None:
        """Keep the result of one planned run of an audit.

        Raises Conflict when there is one already; ForgeError when there is no such run.
        """
        ...


class OwnRefs(Protocol):
    """The bot's own refs beside the pull requests: complete proposals, conversations, costs."""

    def elsewhere(self, ref: str) -> str | None:
        """Where `ref` is in the place that all clones share.

        What a forge does not share is where this clone has it. Raises Unreachable.
        """
        ...

    def below(self, prefix: str) -> Mapping[str, str]:
        """Those below `prefix` and where they are, in this clone and in the place
        that all clones share as it was when it was looked at last."""
        ...

    def publish(
        self,
        ref: str,
        *,
        old: str | None,
        new: str | None,
        instead_of: tuple[str, str] | None = None,
    ) -> None:
        """Move it there from `old` to `new` (None: remove it); nothing where it is not shared.

        `instead_of` is another ref and where it is there: it ends in the same write. Raises
        Conflict when one is somewhere else, ForgeError when it may not be moved.
        """
        ...


class Forge(Protocol):
    """A home of pull requests. Every write either happens wholly or raises and changes nothing."""

    name: str
    bot: Author
    """Who the bot is here: what others with `is_bot` say is not its own word."""

    @property
    def audits(self) -> Audits:
        """The audits, apart from the pull requests."""
        ...

    @property
    def own_refs(self) -> OwnRefs:
        """What the bot keeps beside them."""
        ...

    def recover(self) -> None:
        """Finish what a crash left half done, and tidy up; call it at every start.

        Raises WorktreeDirty when a person's changes are in the way of that.
        """
        ...

    def base(self) -> str:
        """The commit that the base branch points to."""
        ...

    def pulls(self, state: State | None = None) -> tuple[PullRequest, ...]:
        """Pull requests in order of their numbers; all of them, or those in one state."""
        ...

    def pull(self, number: int) -> PullRequest:
        """One pull request. Raises NoSuchPull."""
        ...

    def open(self, new: NewPull) -> PullRequest:
        """Create the branch (unless it is at `head` already) and the pull request.

        Line breaks and control characters in the title become spaces. Raises BranchTaken when
        the branch exists elsewhere, or has an open pull request; ForgeError when the branch
        cannot have its name, is the base branch, cannot exist beside another (`exp/a` beside
        `exp`), or the title is empty; Conflict when too many others open theirs just now, or
        `instead_of` is not there any more, which else is removed in the same write. Where a process
        was killed before it could do that, the pull request that it opened is returned.
        """
        ...

    def push(self, number: int, *, old: str, new: str, author: Author) -> None:
        """Move branch and head of an open pull request from `old` to `new`, which contains it.

        Raises Conflict when branch or head is not at `old`, or the pull request is not open.
        """
        ...

    def sync_heads(self) -> tuple[Stray, ...]:
        """Take over what people pushed to the branches of open pull requests.

        A branch that moved forward becomes the new head; one that was deleted or rewritten
        is reported, and left alone. Call it before a snapshot.
        """
        ...

    def comment(self, number: int, author: Author, body: str) -> None:
        """Add a comment. Raises NoSuchPull."""
        ...

    def review(self, number: int, author: Author, body: str, notes: Sequence[Note]) -> None:
        """Add a comment and one on each line, all or nothing; an empty `body` is left out.

        A line that the forge cannot show is said in the comment. Raises NoSuchPull.
        """
        ...

    def react(self, number: int, comment: str, *, obeyed: bool) -> None:
        """Mark a comment as heard, where a forge has signs for that; harmless if repeated."""
        ...

    def addressed(self, word: str) -> tuple[PullRequest, ...]:
        """Pull requests that have ended, but where a person said `word` since the bot's last word.

        What the bot says with a verdict is no such word: it may not know of what was said just
        before. `word` is in lower case and found in any. Of very many some are enough; others
        follow when those have their answer.
        """
        ...

    def reopened(self) -> tuple[PullRequest, ...]:
        """Pull requests that have ended, but that somebody has opened again where people look.

        Of very many some are enough. Call it after the open ones were read.
        """
        ...

    def set_labels(self, number: int, labels: frozenset[str]) -> None:
        """Replace the labels of a pull request."""
        ...

    def start(self, number: int, attempt: Attempt) -> None:
        """Write down that `attempt` is asked for, before any of it is run.

        Its `results` and `created_at` are the forge's to fill. Raises Conflict when the pull
        request is no longer open at `attempt.head`, or has an attempt with this id.
        """
        ...

    def record(self, number: int, attempt: str, index: int, result: Mapping[str, Any]) -> None:
        """Keep the result of one planned run, also when it arrives after the verdict.

        A second result for the same run is refused. Raises Conflict when there is one already;
        ForgeError when there is no such attempt or run.
        """
        ...

    def record_many(
        self, number: int, attempt: str, results: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Keep the results of several runs of one attempt, by their index, all or none.

        Raises what `record` raises.
        """
        ...

    def post(self, number: int, check: Check) -> None:
        """Show a completed check on the pull request."""
        ...

    def merge(
        self, number: int, *, head: str, base: str, commit: str, verdict: Verdict, comment: str
    ) -> None:
        """Move the base branch from `base` to `commit` and mark the pull request merged.

        All or nothing. `commit` contains `base` and `head`; it may be `base` itself (merged by
        hand). `comment` is the bot's; an empty one is left out. Raises Conflict when head, its
        branch or base is not what was expected, the pull request is not open, or, where what
        `pulls` tells may be old, people have closed it or said something since; WorktreeDirty
        when the base branch is checked out and a person's changes are in the way.
        """
        ...

    def close(
        self, number: int, *, head: str, base: str, commit: str, verdict: Verdict, comment: str
    ) -> None:
        """Close the pull request and move the base branch to its ledger commit, likewise.

        `head` is what the verdict is about. Raises Conflict when it is not the head any more;
        where the branch of the pull request is does not matter here.
        """
        ...

    def advance(self, *, base: str, commit: str) -> None:
        """Move the base branch from `base` to `commit`, which belongs to no pull request.

        All or nothing. Raises Conflict when the base branch is elsewhere; WorktreeDirty when
        it is checked out and a person's changes are in the way.
        """
        ...

    def permission(self, author: Author) -> Permission:
        """What `author` may do now, at the time of the question."""
        ...
