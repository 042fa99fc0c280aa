"""The end of a pull request: base branch, chain and working tree move together.

Git's transaction of refs is safe against everything but the end of git itself between two of
its renames. For that moment there is a journal: `refs/forge/ending/<n>` is made before the
transaction, holds the chain as it will be, and goes away in it. `recover` finishes what has
reached the base branch and forgets what has not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from bot.forge.base import Author, Conflict, PullRequest, WorktreeDirty
from bot.forge.events import Closed, Commented, Merged, Person
from bot.forge.expected import require_descent, require_open
from bot.forge.git import store
from bot.forge.git.chains import Chains, Written
from bot.forge.git.worktree import Worktree, follows
from bot.git import Delete, RefChange, RefMoved, Update, Verify

JOURNAL = "refs/forge/ending"


class Endings:
    """Merges and closes into one base branch, in the name of `bot`."""

    def __init__(self, chains: Chains, base_branch: str, bot: Author) -> None:
        self._chains = chains
        self._repository = chains.repository
        self._branch = base_branch
        self._ref = f"refs/heads/{base_branch}"
        self._bot = bot

    def end(
        self, number: int, event: Merged | Closed, comment: str, guards: Sequence[RefChange]
    ) -> None:
        """Write the last event, after the bot's comment, and move the base branch with it.

        Raises Conflict, WorktreeDirty, or ForgeError when `event.commit` does not contain
        `event.base`; then nothing has changed.
        """
        base, commit = event.base, event.commit
        worktree, marks = self._prepare(base, commit)
        changes = [*guards, *marks]
        moves = commit != base
        changes.append(Update(self._ref, commit, base) if moves else Verify(self._ref, base))
        with follows(worktree, commit):
            self._chains.write(
                number,
                lambda pull: self._last_words(pull, event, comment),
                changes,
                place=worktree.repository if worktree else None,
                journal=f"{JOURNAL}/{number}" if moves else None,
            )

    def advance(self, base: str, commit: str) -> None:
        """Move the base branch alone; one ref moves, so that no journal is needed.

        Raises what `end` raises; then nothing has changed.
        """
        worktree, marks = self._prepare(base, commit)
        place = worktree.repository if worktree else self._repository
        try:
            with follows(worktree, commit):
                place.update_refs([*marks, Update(self._ref, commit, base)], "forge: ledger")
        except RefMoved as error:
            raise Conflict(str(error)) from error

    def recover(self) -> None:
        """Finish or forget ends that a crash interrupted, then bring the files along.

        Raises WorktreeDirty when a person's changes are in the way of the files.
        """
        git = self._repository.git
        listing = git.text("for-each-ref", "--format=%(objectname) %(refname)", f"{JOURNAL}/")
        for line in filter(None, listing.split("\n")):
            tip, ref = line.split(" ", 1)
            number = ref.removeprefix(f"{JOURNAL}/")
            # Both mean that another bot is at the same work, or finished it.
            with contextlib.suppress(Conflict, RefMoved):
                self._recover(int(number) if number.isdecimal() else 0, ref, tip)
        worktree = Worktree.of(self._repository, self._branch)
        if worktree is not None:
            worktree.recover()

    def _prepare(self, base: str, commit: str) -> tuple[Worktree | None, list[RefChange]]:
        """Check that the base branch can go from `base` to `commit`, with its working tree."""
        require_descent(self._repository.is_ancestor, base, commit)
        self.recover()
        self._require_base(base)
        worktree = Worktree.of(self._repository, self._branch) if commit != base else None
        if worktree is None:
            return None, []
        try:
            worktree.check(base, commit)
        except WorktreeDirty:
            self._require_base(base)  # files that another bot has moved on are no person's changes
            raise
        return worktree, [worktree.mark(base)]

    def _require_base(self, base: str) -> None:
        if self._repository.ref(self._ref) != base:
            raise Conflict(f"{self._branch} is not at {base} any more.")

    def _recover(self, number: int, ref: str, tip: str) -> None:
        end = store.read_event(self._repository, ref, tip)
        forget = Delete(ref, tip)
        base = self._repository.ref(self._ref)
        reached = (
            isinstance(end, Merged | Closed)
            and base is not None
            and self._repository.is_ancestor(end.commit, base)
        )
        meta = store.meta_ref(number)
        if not reached or self._repository.ref(meta) is None:
            self._repository.update_refs([forget], "forge: the end was not reached")
            return
        missing = self._repository.git.text("rev-list", "--reverse", tip, f"^{meta}").split()
        events = [store.read_event(self._repository, ref, commit) for commit in missing]

        def rest(pull: PullRequest) -> list[Written]:
            require_open(pull)
            return [(event, self._bot) for event in events]

        try:
            self._chains.write(number, rest, [forget])
        except Conflict:
            if self._repository.ref(ref) == tip:
                self._repository.update_refs([forget], "forge: ended already")

    def _last_words(
        self, pull: PullRequest, event: Merged | Closed, comment: str
    ) -> Sequence[Written]:
        require_open(pull)
        if not comment:
            return [(event, self._bot)]
        said = Commented(at=event.at, author=Person.of(self._bot), body=comment)
        return [(said, self._bot), (event, self._bot)]
