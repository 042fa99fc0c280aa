"""The embedded forge: `bot.forge.base.Forge` inside a git repository.

Whoever can write the refs is trusted. Every write prepares objects first and then makes one
transaction of refs that verifies where each ref was: it happens wholly, or somebody else was
first and nothing happened. A change of the chain by somebody else that does not matter (a
comment while a result is recorded) is folded in, and the write tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.forge.base import (
    Attempt,
    Author,
    Check,
    Conflict,
    ForgeError,
    NewPull,
    Note,
    Permission,
    PullRequest,
    State,
    Stray,
)
from bot.forge.events import (
    Attempted,
    Checked,
    Closed,
    Commented,
    Event,
    Judgement,
    Labelled,
    Measured,
    Merged,
    Person,
)
from bot.forge.expected import (
    refusals,
    require_descent,
    require_head,
    require_no_result,
    require_open,
    require_room_for,
)
from bot.forge.git import store
from bot.forge.git.audits import GitAudits
from bot.forge.git.chains import Chains, Written
from bot.forge.git.ending import Endings
from bot.forge.git.heads import Heads
from bot.forge.git.opening import Openings
from bot.forge.git.own_refs import GitOwnRefs
from bot.forge.git.sharing import Sharing
from bot.git import RefChange, Repository, Update, Verify
from bot.model import Verdict

BOT = Author("bot", "bot@localhost", is_bot=True)
_MANY_LOOSE = 250  # pull requests whose refs are files of their own


class GitForge:
    """Pull requests under `refs/forge` of one repository, merging into `base_branch`."""

    name = "git"

    def __init__(
        self,
        repository: Repository,
        base_branch: str,
        *,
        bot: Author = BOT,
        clock: Callable[[], float] = time.time,
        taken: Callable[[], int] = lambda: 0,
        remote: str = "",
    ) -> None:
        """`taken` tells the greatest number that is known from elsewhere to be given.

        A clone may lack the refs of pull requests that its ledger speaks of. `remote` is the one
        through which several clones share them, see `bot.forge.git.sharing`.
        """
        self._sharing = Sharing(repository, remote, base_branch) if remote else None
        repository.shared = self._sharing
        self.repository = repository
        self.base_branch = base_branch
        self._base_ref = f"refs/heads/{base_branch}"
        self.bot = bot
        self._clock = clock
        self._chains = Chains(repository)
        self._openings = Openings(self._chains, base_branch, self._now, taken, self._sharing)
        self._heads = Heads(self._chains, self._now)
        self._endings = Endings(self._chains, base_branch, bot)
        self.own_refs = GitOwnRefs(repository, self._sharing)
        self.audits = GitAudits(repository, bot, self._now)

    # Reading

    def base(self) -> str:
        """The commit that the base branch points to."""
        commit = self.repository.ref(self._base_ref)
        if commit is None:
            raise ForgeError(
                f"There is no branch {self.base_branch!r} in {self.repository.path}. Create it, or"
                " name another base branch in bot.toml."
            )
        return commit

    def pulls(self, state: State | None = None) -> tuple[PullRequest, ...]:
        """Pull requests in order of their numbers; all of them, or those in one state."""
        return store.pulls(self.repository, state)

    def pull(self, number: int) -> PullRequest:
        """One pull request. Raises NoSuchPull."""
        return self._chains.read(number)[1]

    def permission(self, author: Author) -> Permission:  # noqa: ARG002 (other forges ask)
        """Everybody who can write here can write everything."""
        return Permission.WRITE

    # Opening and pushing

    @refusals()
    def open(self, new: NewPull) -> PullRequest:
        """Create the branch (unless it is at `head` already) and the pull request."""
        return self._openings.open(new)

    def push(self, number: int, *, old: str, new: str, author: Author) -> None:
        """Move branch and head of an open pull request from `old` to `new`."""
        pull = self._open_pull(number)
        require_descent(self.repository.is_ancestor, old, new)
        branch = Update(f"refs/heads/{pull.branch}", new, old)
        self._heads.push(number, old, new, author, branch)

    def sync_heads(self) -> tuple[Stray, ...]:
        """Take over what people pushed to the branches of open pull requests.

        With a remote, first what others did there.
        """
        if self._sharing:
            self._sharing.fetch(self._open_branches, self._endings.advance)
        return self._heads.take_over()

    def _open_branches(self) -> tuple[str, ...]:
        return tuple(pull.branch for pull in self.pulls(State.OPEN))

    # Talking and measuring

    def comment(self, number: int, author: Author, body: str) -> None:
        """Add a comment. Raises NoSuchPull."""
        self._add(number, lambda _: Commented(at=self._now(), author=Person.of(author), body=body))

    @refusals()
    def review(self, number: int, author: Author, body: str, notes: Sequence[Note]) -> None:
        """Add a comment and one on each line, all or nothing; an empty `body` is left out."""
        who, now = Person.of(author), self._now()
        said = [Commented(at=now, author=who, body=body)] if body else []
        said += [
            Commented(at=now, author=who, body=note.body, path=note.path, line=note.line)
            for note in notes
        ]
        if said:
            self._chains.write(number, lambda _: [(event, author) for event in said])

    def react(self, number: int, comment: str, *, obeyed: bool) -> None:
        """There are no signs here; the bot's comment is the answer."""

    def addressed(self, word: str) -> tuple[PullRequest, ...]:
        """Pull requests that have ended, but where a person said `word` since."""
        tips = store.tips(self.repository)
        ended = [tip for tip in tips if tip.addressed and tip.state is not State.OPEN]
        read = store.read(self.repository, ended)
        return tuple(
            pull for pull in read if any(word in said.body.casefold() for said in pull.comments)
        )

    def reopened(self) -> tuple[PullRequest, ...]:
        """None: what has ended here cannot be opened again."""
        return ()

    def set_labels(self, number: int, labels: frozenset[str]) -> None:
        """Replace the labels of a pull request."""
        self._add(number, lambda _: Labelled(at=self._now(), labels=tuple(sorted(labels))))

    def start(self, number: int, attempt: Attempt) -> None:
        """Write down that `attempt` is asked for, before any of it is run."""

        def event(pull: PullRequest) -> Event:
            require_room_for(pull, attempt)
            return Attempted.of(attempt, self._now())

        self._add(number, event, Verify(store.head_ref(number), attempt.head))

    def record(self, number: int, attempt: str, index: int, result: Mapping[str, Any]) -> None:
        """Keep the result of one planned run, also when it arrives after the verdict."""
        self.record_many(number, attempt, {index: result})

    def record_many(
        self, number: int, attempt: str, results: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Keep the results of several runs of one attempt, all or none."""

        def events(pull: PullRequest) -> list[Written]:
            require_no_result(pull, attempt, results)
            made = [
                Measured(at=self._now(), attempt=attempt, index=index, result=dict(result))
                for index, result in sorted(results.items())
            ]
            return [(event, self.bot) for event in made]

        if results:
            self._chains.write(number, events)

    def post(self, number: int, check: Check) -> None:
        """Show a completed check on the pull request."""
        self._add(number, lambda _: Checked.of(check, self._now()))

    # Ending

    @refusals()
    def merge(
        self, number: int, *, head: str, base: str, commit: str, verdict: Verdict, comment: str
    ) -> None:
        """Move the base branch from `base` to `commit` and mark the pull request merged."""
        pull = self._open_pull(number)
        require_head(pull, head)
        require_descent(self.repository.is_ancestor, head, commit)
        guards: list[RefChange] = [Verify(store.head_ref(number), head)]
        branch_ref = f"refs/heads/{pull.branch}"
        at = self.repository.ref(branch_ref)
        # What the base branch has already is merged, wherever its branch went afterwards.
        if not self.repository.is_ancestor(head, base):
            if at not in {None, head}:
                raise Conflict(f"Branch {pull.branch} is at {at}, but {head} was to be merged.")
            guards.append(Verify(branch_ref, at))
        end = Merged(
            at=self._now(), head=head, base=base, commit=commit, verdict=Judgement.of(verdict)
        )
        self._endings.end(number, end, comment, guards)

    @refusals()
    def close(
        self, number: int, *, head: str, base: str, commit: str, verdict: Verdict, comment: str
    ) -> None:
        """Close the pull request and move the base branch to its ledger commit, likewise."""
        pull = self._open_pull(number)
        require_head(pull, head)
        judged = Judgement.of(verdict)
        end = Closed(at=self._now(), head=head, base=base, commit=commit, verdict=judged)
        self._endings.end(number, end, comment, [Verify(store.head_ref(number), head)])

    @refusals()
    def advance(self, *, base: str, commit: str) -> None:
        """Move the base branch from `base` to `commit`, which belongs to no pull request."""
        self._endings.advance(base, commit)

    def recover(self) -> None:
        """Finish what a crash left half done, and tidy up; call it at every start.

        Raises WorktreeDirty when a person's changes are in the way of the files.
        """
        self._tidy()
        self._endings.recover()

    # How

    def _add(self, number: int, event: Callable[[PullRequest], Event], *guards: RefChange) -> None:
        def events(pull: PullRequest) -> list[Written]:
            new = event(pull)
            author = new.author.author() if isinstance(new, Commented) else self.bot
            return [(new, author)]

        self._chains.write(number, events, guards)

    def _tidy(self) -> None:
        """Pack what has piled up: plumbing never does it, and many loose refs are slow to list.

        Harmless while others write; how and when objects are packed is the user's setting.
        """
        git = self.repository.git
        loose = git.place / git.text("rev-parse", "--git-common-dir") / store.NAMESPACE
        if loose.is_dir() and sum(1 for _ in loose.iterdir()) > _MANY_LOOSE:
            git.run("pack-refs", "--all")
        git.run("maintenance", "run", "--auto", "--quiet")

    def _open_pull(self, number: int) -> PullRequest:
        pull = self.pull(number)
        require_open(pull)
        return pull

    def _now(self) -> int:
        return int(self._clock())
