"""One repository: what is written to it, its refs, and who has what checked out.

Paths are text as `os.fsdecode` gives it, so that names which are not UTF-8 survive.
Object names are full hexadecimal ids; revisions come in through `resolve` only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.git import trees
from bot.git.objects import Objects, split
from bot.git.process import Git, GitError, GitFailed, NoIdentity, NotARepository, check_version
from bot.git.refs import RefChange, Shared, finish_refs, update_refs


@dataclass(frozen=True)
class Identity:
    """A name and an e-mail address, as commits carry them."""

    name: str
    email: str


@dataclass(frozen=True)
class Conflicts:
    """The paths on which two commits cannot be merged."""

    paths: tuple[str, ...]


class Repository(Objects):
    """A git repository, seen from one of its working trees."""

    def __init__(self, path: Path) -> None:
        super().__init__(Git(path))
        self.path = path
        self.shared: Shared | None = None
        self._common: Path | None = None
        self._committer: Identity | None = None  # asked for once: it is needed for every commit

    @classmethod
    def discover(cls, start: Path) -> Repository:
        """The repository whose working tree contains `start`.

        Raises GitMissing, NotARepository (also for a bare one), or GitError when it has no
        commit yet.
        """
        git = Git(start)
        check_version(git)
        if git.text("rev-parse", "--is-inside-work-tree") != "true":
            raise NotARepository(
                f"{start} is in a bare repository or in a .git folder. Start in a clone that has"
                " a working tree (`git clone`, or `git worktree add`)."
            )
        repository = cls(Path(git.text("rev-parse", "--show-toplevel")))
        if repository.resolve("HEAD") is None:
            raise GitError(
                f"The repository {repository.path} has no commit yet. Make the first one:"
                " git add train.py && git commit -m 'First commit'"
            )
        return repository

    def common_folder(self) -> Path:
        """The folder that holds refs and objects, shared by all working trees of the clone."""
        if self._common is None:
            answer = self.git.text("rev-parse", "--path-format=absolute", "--git-common-dir")
            self._common = Path(answer)
        return self._common

    # Writing objects: nothing is visible before a ref moves.

    def write_blob(self, data: bytes) -> str:
        """Store bytes exactly as they are."""
        return trees.write_blob(self.git, data)

    def write_tree(self, entries: Mapping[str, tuple[str, str]]) -> str:
        """Store one level of a tree: name to (mode, object id). The objects must exist."""
        return trees.write_tree(self.git, entries)

    def tree_with(self, base: str, files: Mapping[str, bytes | None]) -> str:
        """The tree of `base` (commit or tree) with other bytes in some files; None removes one.

        A file keeps its executable bit; a link becomes a regular file. Raises GitError when a
        folder is where a file must come, or the other way round.
        """
        return trees.edited(self.git, base, files)

    def commit_tree(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        author: Identity,
        when: int,
        *,
        committer: Identity | None = None,
    ) -> str:
        """A commit by `author`, made at `when` (seconds since 1970).

        Committed as `identity()`, unless `committer` says otherwise. Raises NoIdentity. It is
        never signed: a bot cannot answer for a person's key.
        """
        if committer is None:
            committer = self._committer = self._committer or self.identity()
        moment = f"@{when} +0000"
        environment = {
            "GIT_AUTHOR_NAME": _one_line(author.name),
            "GIT_AUTHOR_EMAIL": _one_line(author.email),
            "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_NAME": _one_line(committer.name),
            "GIT_COMMITTER_EMAIL": _one_line(committer.email),
            "GIT_COMMITTER_DATE": moment,
        }
        options = [part for parent in parents for part in ("-p", parent)]
        text = message.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")
        done = self.git.run(
            *("commit-tree", "--no-gpg-sign", *options, "-F", "-", tree),
            stdin=text,
            environment=environment,
        )
        return done.stdout.decode().strip()

    def merge_tree(self, base: str, head: str) -> str | Conflicts:
        """The tree that merging commit `head` into commit `base` gives, or where they conflict.

        Raises GitFailed when one of them is missing.
        """
        done = self.git.run(
            *("-c", "merge.renames=true", "-c", "merge.directoryRenames=false"),
            *("-c", "merge.conflictStyle=merge", "-c", "merge.renormalize=false"),
            *("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"),
            *("--allow-unrelated-histories", "--end-of-options", base, head),
            accepted=(0, 1),
        )
        if not done.stdout:  # neither a tree nor a conflict: one of the commits is not here
            raise GitFailed("merge-tree", done.code, done.stderr, self.git.place)
        tree, *paths = split(done.stdout)
        return tree if done.code == 0 else Conflicts(tuple(paths))

    # Refs, people, working trees

    def update_refs(
        self, changes: Sequence[RefChange], reason: str, *, local: bool = False
    ) -> None:
        """Change refs, all or nothing. Raises RefMoved when one is not at its old value.

        Where the refs are `shared`, they move there first, unless the change is `local`.
        """
        if self.shared is None or local:
            update_refs(self.git, changes, reason)
            return
        self.shared.push(changes)
        finish_refs(self.git, changes, reason)

    def is_branch_name(self, name: str) -> bool:
        """Whether a branch can have this name, and no command can mistake it for an option."""
        if any(part.startswith("-") for part in name.split("/")) or name == "HEAD":
            return False
        if not name.isprintable():  # nor what a terminal or JSON would garble
            return False
        done = self.git.run("check-ref-format", f"refs/heads/{name}", accepted=(0, 1))
        return done.code == 0

    def identity(self) -> Identity:
        """In whose name commits are made. Raises NoIdentity with the commands that set it."""
        try:
            answer = self.git.text("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
        except GitFailed as error:
            raise NoIdentity(
                "Git does not know who you are, and commits need a name. Run:\n"
                '  git config user.name "Your Name"\n'
                '  git config user.email "you@example.org"'
            ) from error
        found = re.fullmatch(r"(.*) <(.*)> \d+ [+-]\d+", answer, re.DOTALL)
        if found is None:
            raise GitError(f"Git gives an identity that cannot be read: {answer!r}.")
        return Identity(found[1], found[2])

    def head_branch(self) -> str | None:
        """The branch that is checked out here; None when HEAD is detached."""
        done = self.git.run("symbolic-ref", "--quiet", "HEAD", accepted=(0, 1))
        return os.fsdecode(done.stdout).strip().removeprefix("refs/heads/") or None

    def checked_out(self, branch: str) -> Path | None:
        """The working tree (this or a linked one) that has `branch` checked out, if any."""
        place: Path | None = None
        for field in split(self.git.run("worktree", "list", "--porcelain", "-z").stdout):
            if field.startswith("worktree "):
                place = Path(field.removeprefix("worktree "))
            elif field == f"branch refs/heads/{branch}" and place is not None and place.is_dir():
                return place
        return None

    def dirty_paths(
        self, paths: Sequence[str] | None = None, *, ignored: bool = False
    ) -> tuple[str, ...]:
        """Changed, staged, unmerged and untracked paths of this working tree.

        With `paths`, only those among them or below them; with `ignored`, also untracked files
        that git was told to ignore.
        """
        if paths is not None and not paths:
            return ()
        done = self.git.run(
            *("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all"),
            *(f"--ignored={'matching' if ignored else 'no'}", "--ignore-submodules=none"),
            *("--", *(paths or ())),
        )
        return tuple(sorted({entry[3:].rstrip("/") for entry in split(done.stdout)}))

    def changed_since(self, commit: str, place: str) -> set[str]:
        """Tracked paths below `place` that differ between `commit` and this working tree."""
        listing = self.git.run(
            "diff", "--name-only", "--no-renames", "-z", "--no-ext-diff", commit, "--", place
        )
        return set(split(listing.stdout))

    def unmerged_paths(self) -> tuple[str, ...]:
        """Paths with conflicts that a person has not resolved yet."""
        listing = self.git.run("diff", "--name-only", "--diff-filter=U", "-z", "--no-ext-diff")
        return tuple(dict.fromkeys(split(listing.stdout)))


def _one_line(text: str) -> str:
    """A name or address as git takes it: it refuses a name of nothing but such marks."""
    plain = re.sub(r"[\x00-\x20<>\x7f]+", " ", text).strip(" .,:;\"'\\")
    return plain.encode("utf-8", "replace").decode() or "unknown"
