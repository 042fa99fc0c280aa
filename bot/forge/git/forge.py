"""The embedded forge: `bot.forge.base.Forge` inside a git repository.

Whoever can write the refs is trusted. Every write prepares objects first and then makes one
transaction of refs that verifies where each ref was: it happens wholly, or somebody else was
first and nothing happened. A change of the chain by somebody else that does not matter (a
comment while a result is recorded) is folded in, and the write tried again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from bot.forge.base import (
    Attempt,
    Audit,
    Author,
    BranchTaken,
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
from bot.forge.git import store
from bot.forge.git.audits import Audits
from bot.forge.git.chains import TRIES, Chains, Written, refusals
from bot.forge.git.ending import Endings
from bot.forge.git.events import (
    Attempted,
    Checked,
    Closed,
    Commented,
    Event,
    Judgement,
    Labelled,
    Measured,
    Merged,
    Opened,
    Person,
    Plan,
    Pushed,
)
from bot.forge.git.sharing import Sharing
from bot.forge.opening import in_the_way, title_of
from bot.git import Create, Delete, GitFailed, RefChange, RefMoved, Repository, Update, Verify
from bot.git.refs import refs_below
from bot.model import Verdict

BOT = Author("bot", "bot@localhost", is_bot=True)
_MANY_LOOSE = 250  # pull requests whose refs are files of their own

_log = logging.getLogger(__name__)


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
        self._taken = taken
        self._chains = Chains(repository)
        self._endings = Endings(self._chains, base_branch, bot)
        self._audits = Audits(repository, bot)

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
        found = store.tips(self.repository)
        wanted = [tip for tip in found if state is None or tip.state in {state, None}]
        read = store.read(self.repository, wanted)
        return tuple(pull for pull in read if state is None or pull.state is state)

    def pull(self, number: int) -> PullRequest:
        """One pull request. Raises NoSuchPull."""
        return self._chains.read(number)[1]

    def permission(self, author: Author) -> Permission:  # noqa: ARG002
        """Everybody who can write here can write everything."""
        return Permission.WRITE

    # Opening and pushing

    @refusals()
    def open(self, new: NewPull) -> PullRequest:
        """Create the branch (unless it is at `head` already) and the pull request."""
        title = title_of(self.repository, new, self.base_branch)
        branch_ref = f"refs/heads/{new.branch}"
        taken = self._taken()
        for _ in range(TRIES):
            # The number is looked for first: whoever opens after that takes the same number,
            # and whoever opened before is seen in the list.
            number = max(store.last_number(self.repository), taken) + 1
            for other in self.pulls(State.OPEN):
                if other.branch == new.branch:
                    raise BranchTaken(f"Branch {new.branch} has pull request #{other.number} open.")
            at = self.repository.ref(branch_ref)
            if at is None and self._sharing and self._sharing.branch(new.branch):
                raise BranchTaken(f"Branch {new.branch} exists already on the remote.")
            if at not in {None, new.head}:
                raise BranchTaken(f"Branch {new.branch} exists already, at {at}.")
            if at is not None and self._sharing:
                self._sharing.offer(new.branch, at)
            event = Opened(
                at=self._now(),
                number=number,
                branch=new.branch,
                head=new.head,
                title=title,
                body=new.body,
                author=Person.of(new.author),
                record=dict(new.record),
            )
            tip, pull = self._chains.extend(None, None, [(event, new.author)])
            changes: list[RefChange] = [
                Create(store.head_ref(number), new.head),
                Create(store.meta_ref(number), tip),
                Verify(branch_ref, at) if at else Create(branch_ref, new.head),
                *([Delete(*new.instead_of)] if new.instead_of else []),
            ]
            try:
                self.repository.update_refs(changes, f"forge: open #{number}")
            except RefMoved as moved:
                if new.instead_of and moved.ref == new.instead_of[0]:
                    raise Conflict(f"Another bot has opened what {moved.ref} held.") from None
                if self._sharing:
                    self._sharing.catch_up()
                continue
            except GitFailed as error:
                raise self._in_the_way(new.branch) or error from error
            return pull
        raise Conflict("Too many others open pull requests at this moment. Try again.")

    def push(self, number: int, *, old: str, new: str, author: Author) -> None:
        """Move branch and head of an open pull request from `old` to `new`."""
        pull = self._open_pull(number)
        self._contains(old, new)
        branch = Update(f"refs/heads/{pull.branch}", new, old)
        self._push(number, old, new, author, branch)

    def sync_heads(self) -> tuple[Stray, ...]:
        """Take over what people pushed to the branches of open pull requests.

        With a remote, first what others did there.
        """
        if self._sharing:
            branches = lambda: (pull.branch for pull in self.pulls(State.OPEN))  # noqa: E731
            self._sharing.fetch(branches, self._endings.advance)
        strays: list[Stray] = []
        pulls = self.pulls(State.OPEN)
        at = self._branches(pull.branch for pull in pulls)
        for pull in pulls:
            branch = at.get(pull.branch)
            if branch == pull.head:
                continue
            if branch is None or not self.repository.is_ancestor(pull.head, branch):
                strays.append(Stray(pull.number, pull.head, branch))
                continue
            author = self._author_of(branch)
            unchanged = Verify(f"refs/heads/{pull.branch}", branch)
            try:
                self._push(pull.number, pull.head, branch, author, unchanged)
            except Conflict:  # another bot was first, or the person pushed again: next time
                _log.debug("head of #%d moved while it was taken over", pull.number)
        return tuple(strays)

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
            if pull.state is not State.OPEN or pull.head != attempt.head:
                raise Conflict(f"#{number} is {pull.state} at {pull.head}, not at {attempt.head}.")
            if any(other.id == attempt.id for other in pull.attempts):
                raise Conflict(f"#{number} has an attempt {attempt.id!r} already.")
            return Attempted(
                at=self._now(),
                id=attempt.id,
                base=attempt.base,
                head=attempt.head,
                merge_tree=attempt.merge_tree,
                runs=tuple(Plan.of(run) for run in attempt.runs),
            )

        self._add(number, event, Verify(store.head_ref(number), attempt.head))

    def record(self, number: int, attempt: str, index: int, result: Mapping[str, Any]) -> None:
        """Keep the result of one planned run, also when it arrives after the verdict."""
        self.record_many(number, attempt, {index: result})

    def record_many(
        self, number: int, attempt: str, results: Mapping[int, Mapping[str, Any]]
    ) -> None:
        """Keep the results of several runs of one attempt, all or none."""

        def events(pull: PullRequest) -> list[Written]:
            for known in pull.attempts:
                if known.id == attempt and (taken := sorted(set(results) & set(known.results))):
                    raise Conflict(f"Run {taken[0]} of {attempt!r} in #{number} has its result.")
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
        if pull.head != head:
            raise Conflict(f"The head of #{number} is {pull.head}, expected {head}.")
        self._contains(head, commit)
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
    def close(self, number: int, *, base: str, commit: str, verdict: Verdict, comment: str) -> None:
        """Close the pull request and move the base branch to its ledger commit, likewise."""
        end = Closed(at=self._now(), base=base, commit=commit, verdict=Judgement.of(verdict))
        self._endings.end(number, end, comment, [])

    @refusals()
    def advance(self, *, base: str, commit: str) -> None:
        """Move the base branch from `base` to `commit`, which belongs to no pull request."""
        self._endings.advance(base, commit)

    def elsewhere(self, ref: str) -> str | None:
        """Where this clone has it: nothing but experiments and the base branch is shared."""
        return self.repository.ref(ref)

    def own_refs(self, prefix: str) -> Mapping[str, str]:
        """The bot's own refs below `prefix` in this clone."""
        return refs_below(self.repository.git, prefix)

    def publish(self, ref: str, *, old: str | None, new: str | None) -> None:
        """Nothing: it is not shared."""

    # Audits

    def audit_numbers(self) -> tuple[int, ...]:
        """The numbers of all audits, in order."""
        return self._audits.numbers()

    def audits(self, numbers: Collection[int] | None = None) -> tuple[Audit, ...]:
        """Audits in order of their numbers; all of them, or those with `numbers`."""
        return self._audits.read(numbers)

    @refusals()
    def begin_audit(self, audit: Audit) -> None:
        """Write down an audit before any of it is run."""
        self._audits.begin(audit, self._now())

    @refusals()
    def record_audit(self, number: int, index: int, result: Mapping[str, Any]) -> None:
        """Keep the result of one planned run of an audit."""
        self._audits.record(number, index, result, self._now())

    def recover(self) -> None:
        """Finish what a crash left half done, and tidy up; call it at every start.

        Raises WorktreeDirty when a person's changes are in the way of the files.
        """
        self._tidy()
        self._endings.recover()

    # How

    def _push(self, number: int, old: str, new: str, author: Author, branch: RefChange) -> None:
        def event(pull: PullRequest) -> Event:
            _require_open(pull)
            if pull.head != old:
                raise Conflict(f"The head of #{number} is {pull.head}, expected {old}.")
            return Pushed(at=self._now(), head=new, author=Person.of(author))

        self._chains.write(
            number,
            lambda pull: [(event(pull), author)],
            [Update(store.head_ref(number), new, old), branch],
        )

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
        _require_open(pull)
        return pull

    def _now(self) -> int:
        return int(self._clock())

    def _contains(self, old: str, new: str) -> None:
        if old != new and not self.repository.is_ancestor(old, new):
            raise ForgeError(f"{new} does not contain {old}; branches only move forward.")

    def _branches(self, names: Iterable[str]) -> dict[str, str]:
        refs = [f"refs/heads/{name}" for name in names]
        if not refs:
            return {}
        listing = self.repository.git.text(
            "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", *refs
        )
        pairs = (line.split(" ", 1) for line in listing.split("\n") if line)
        return {name: commit for commit, name in pairs}

    def _author_of(self, commit: str) -> Author:
        answer = self.repository.git.text("log", "-1", "--format=%an%x00%ae", commit)
        name, _, address = answer.partition("\0")
        return Author(name, address)

    def _in_the_way(self, branch: str) -> ForgeError | None:
        """What to say when `branch` would be a folder of another one, or the other way round."""
        other = in_the_way(self.repository, branch)
        if not other:
            return None
        return ForgeError(
            f"Branch {branch!r} cannot be created: a branch {other!r} is in its way, as a file is"
            f" in the way of a folder. Give that one another name: git branch -m {other} NEW-NAME"
        )


def _require_open(pull: PullRequest) -> None:
    if pull.state is not State.OPEN:
        raise Conflict(f"#{pull.number} is {pull.state} already.")
