"""Lets a checked-out base branch take its index and working tree along when it moves.

As `git merge --ff-only` does it: a two-tree `read-tree -m -u`, which leaves every other path
alone. The branch moves first, in the same transaction as the pull request; a marker ref of
that working tree, made in it too, says where the files still are. Whoever finds the marker
after a crash finishes the advance, because the two-tree merge is right from any state in
between and refuses what would lose a person's changes. An interrupt waits for both.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bot import interrupts
from bot.forge.base import WorktreeDirty
from bot.git import (
    Create,
    Delete,
    GitError,
    GitFailed,
    GitLocked,
    RefChange,
    RefMoved,
    Repository,
    Shared,
)

# Refs below refs/worktree belong to one working tree alone.
MARKER = "refs/worktree/forge-advance"

_log = logging.getLogger(__name__)


class Worktree:
    """The working tree that has the base branch checked out."""

    def __init__(self, place: Path, branch: str, shared: Shared | None = None) -> None:
        self.repository = Repository(place)
        self.repository.shared = shared
        self.branch = branch

    @classmethod
    def of(cls, repository: Repository, branch: str) -> Worktree | None:
        """The working tree that has `branch` checked out; None when none has."""
        place = repository.checked_out(branch)
        return None if place is None else cls(place, branch, repository.shared)

    def check(self, old: str, new: str) -> None:
        """Raise WorktreeDirty unless files and index can go from `old` to `new`."""
        self._refresh()
        try:
            self._read_tree(old, new, "--dry-run")
        except GitLocked:
            raise
        except GitFailed as error:
            raise WorktreeDirty(self._in_the_way(old, new, error), str(self._place)) from error

    def mark(self, old: str) -> RefChange:
        """The change that belongs into the transaction which moves the branch away from `old`."""
        return Create(MARKER, old)

    def advance(self, new: str) -> bool:
        """Bring files and index to `new` and drop the marker; whether they are there now.

        They stay behind, with the marker, while a person's change or a lock is in the way.
        """
        old = self.repository.ref(MARKER)
        if old is None:
            return True
        try:
            self._refresh()
            self._take_finished(old, new)
            self._read_tree(old, new)
        except GitFailed:
            return False
        with contextlib.suppress(RefMoved):  # another bot finished the same advance
            self.repository.update_refs([Delete(MARKER, old)], "forge: files advanced")
        return True

    def recover(self) -> None:
        """Finish an advance that a crash interrupted. Raises WorktreeDirty when it cannot."""
        old = self.repository.ref(MARKER)
        new = self.repository.resolve("HEAD")
        if old is None or new is None or self.advance(new):
            return
        if self.repository.ref(MARKER) != old:  # another bot has finished it
            return
        self.check(old, new)
        raise GitError(f"The files of {self._place} could not be brought to {new}. Try again.")

    @property
    def _place(self) -> Path:
        return self.repository.path

    def _refresh(self) -> None:
        # Files that only look changed (a new time stamp) must not count as changed.
        self.repository.git.run("update-index", "--refresh", accepted=(0, 1))

    def _read_tree(self, old: str, new: str, *options: str) -> None:
        self.repository.git.run("read-tree", "-m", "-u", *options, old, new)

    def _in_the_way(self, old: str, new: str, error: GitFailed) -> tuple[str, ...]:
        changed = self.repository.changed_paths(old, new)
        dirty = set(self.repository.dirty_paths())
        exact = tuple(path for path in changed if path in dirty)
        # A file where a folder must come, or a folder where a file must come.
        near = tuple(
            path
            for path in sorted(dirty)
            if any(c.startswith(path + "/") or path.startswith(c + "/") for c in changed)
        )
        return exact or near or (error.stderr.strip(),)

    def _take_finished(self, old: str, new: str) -> None:
        """Tell the index about files that an interrupted advance has written already."""
        git = self.repository.git
        listing = git.run("ls-tree", "-r", "-z", "--full-tree", new).stdout
        wanted = {
            os.fsdecode(path): head.split(b" ")
            for head, _, path in (entry.partition(b"\t") for entry in listing.split(b"\0") if entry)
        }
        lines = b""
        dirty = set(self.repository.dirty_paths())
        for path in self.repository.changed_paths(old, new):
            entry = wanted.get(path)
            if path in dirty and entry is not None and self._holds(path, *entry[::2]):
                mode, _, blob = entry
                lines += mode + b" " + blob + b"\t" + os.fsencode(path) + b"\0"
        if lines:
            git.run("update-index", "--add", "-z", "--index-info", stdin=lines)
            self._refresh()

    def _holds(self, path: str, mode: bytes, blob: bytes) -> bool:
        """Whether the file is what git would write for this entry of a tree."""
        file = self._place / path
        try:
            found = file.lstat().st_mode
        except OSError:
            return False
        if not stat.S_ISREG(found) or mode not in {b"100644", b"100755"}:
            return False
        done = self.repository.git.run("hash-object", "--", path)
        return done.stdout.strip() == blob and bool(found & 0o100) == (mode == b"100755")


@contextlib.contextmanager
def follows(worktree: Worktree | None, commit: str) -> Iterator[None]:
    """Around the write that moves the branch to `commit`: its files come along, if it has any.

    Interrupts wait until then. A crash, or an edit in their way, leaves it to the next start.
    """
    with interrupts.held():
        yield
        if worktree is not None and not worktree.advance(commit):
            _log.warning(
                "%s moved, but the files in %s could not follow yet; the next start tries again.",
                worktree.branch,
                worktree.repository.path,
            )
