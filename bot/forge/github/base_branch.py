"""The base branch: on GitHub it is moved, in the clone it follows, with its working tree."""

from __future__ import annotations

from collections.abc import Sequence

from bot.forge.base import Conflict, ForgeError
from bot.forge.expected import require_descent
from bot.forge.git.worktree import Worktree, follows
from bot.forge.github.remote import Move, Remote
from bot.git import Create, RefChange, RefMoved, Repository, Update


class BaseBranch:
    """One branch, here and on GitHub."""

    def __init__(self, repository: Repository, remote: Remote, name: str) -> None:
        self._repository = repository
        self._remote = remote
        self.name = name
        self._ref = f"refs/heads/{name}"

    def there(self) -> str:
        """Where it was on GitHub when it was fetched."""
        commit = self._remote.branch(self.name)
        if commit is None:
            raise ForgeError(
                f"There is no branch {self.name!r} at {self._remote.url}. Push it, or name another"
                " base branch in bot.toml."
            )
        return commit

    def follow(self) -> str:
        """Bring the clone's branch to where GitHub's is, and return that.

        Raises ForgeError when the clone has commits that GitHub lacks, WorktreeDirty when a
        person's changes are in the way.
        """
        there, here = self.there(), self._repository.ref(self._ref)
        if here == there:
            return there
        if here is None:
            self._move_here([Create(self._ref, there)], there, None)
            return there
        if not self._repository.is_ancestor(here, there):
            raise ForgeError(
                f"Your branch {self.name} has commits that GitHub does not have. Push them"
                f" (`git push`), or put them on another branch and run `git reset --keep"
                f" {there}`; then run this again."
            )
        worktree = Worktree.of(self._repository, self.name)
        marks: list[RefChange] = []
        if worktree is not None:
            worktree.recover()
            worktree.check(here, there)
            marks = [worktree.mark(here)]
        self._move_here([*marks, Update(self._ref, there, here)], there, worktree)
        return there

    def recover(self) -> None:
        """Bring the files along that an interrupted move left behind. Raises WorktreeDirty."""
        worktree = Worktree.of(self._repository, self.name)
        if worktree is not None:
            worktree.recover()

    def move(self, base: str, commit: str, others: Sequence[Move]) -> None:
        """Move GitHub's branch from `base` to `commit`, other refs with it, then the clone's.

        `others` come in the same push: all of it happens or nothing does. Raises Conflict,
        WorktreeDirty, ForgeError when `commit` does not contain `base`.
        """
        require_descent(self._repository.is_ancestor, base, commit)
        self.recover()
        if self.there() != base:
            raise Conflict(f"{self.name} is not at {base} any more.")
        self.follow()
        worktree = Worktree.of(self._repository, self.name)
        if worktree is not None:
            worktree.check(base, commit)
        moves = [*others, *([Move(self._ref, commit, base)] if base != commit else [])]
        self._remote.push(moves)
        self.follow()

    def _move_here(
        self, changes: Sequence[RefChange], there: str, worktree: Worktree | None
    ) -> None:
        place = worktree.repository if worktree else self._repository
        try:
            with follows(worktree, there):
                place.update_refs(changes, "forge: follow GitHub")
        except RefMoved as error:
            raise Conflict(str(error)) from error
