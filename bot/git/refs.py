"""Changes of refs: several at once, all or nothing, each only from a known value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from bot.git.process import Git, GitError, GitFailed


@dataclass(frozen=True)
class Create:
    """Make a ref that does not exist yet."""

    ref: str
    new: str


@dataclass(frozen=True)
class Update:
    """Move a ref from `old` to `new`."""

    ref: str
    new: str
    old: str


@dataclass(frozen=True)
class Delete:
    """Remove a ref that is at `old`."""

    ref: str
    old: str


@dataclass(frozen=True)
class Verify:
    """Demand that a ref is at `old`, or does not exist when `old` is None."""

    ref: str
    old: str | None


RefChange: TypeAlias = Create | Update | Delete | Verify


class Shared(Protocol):
    """Another repository in which refs move before they move in ours."""

    def push(self, changes: Sequence[RefChange]) -> None:
        """Make those of the changes that concern it there. Raises RefMoved."""
        ...

    def catch_up(self) -> None:
        """Bring the refs that others write to where they are there."""
        ...


class RefMoved(GitError):
    """A ref was not where the change expected it; nothing was changed."""

    def __init__(self, ref: str, expected: str | None, found: str | None) -> None:
        super().__init__(
            f"{ref} is at {found or 'nothing'}, expected {expected or 'nothing'}: somebody else"
            " changed it in the meantime. Nothing was changed."
        )
        self.ref = ref
        self.expected = expected
        self.found = found


def update_refs(git: Git, changes: Sequence[RefChange], reason: str) -> None:
    """Make all changes in one transaction; `reason` goes into the reflogs.

    Raises RefMoved when a ref is not at its old value, GitLocked when a lock stays, and
    GitFailed (for example when one name is the folder of another); then nothing has changed.
    """
    lines = [b"start", *map(_line, changes), b"prepare", b"commit", b""]
    one_line = " ".join(reason.split())
    try:
        git.run("update-ref", "-m", one_line, "--stdin", "-z", stdin=b"\0".join(lines))
    except GitFailed:
        # Git's message is for people: what lost is found by looking.
        for change in changes:
            expected = expected_at(change)
            found = resolve_ref(git, change.ref)
            if found != expected:
                raise RefMoved(change.ref, expected, found) from None
        raise


def finish_refs(git: Git, changes: Sequence[RefChange], reason: str) -> None:
    """Make the changes that were made elsewhere already, leaving out those that are here too.

    Raises what `update_refs` raises.
    """
    try:
        update_refs(git, changes, reason)
    except RefMoved:
        left = [one for one in changes if resolve_ref(git, one.ref) != wanted_at(one)]
        if len(left) == len(changes):
            raise
        update_refs(git, left, reason)


def resolve_ref(git: Git, ref: str) -> str | None:
    """The object that a full ref name points to, None when there is no such ref."""
    done = git.run("show-ref", "--verify", "--hash", "--", ref, accepted=(0, 1, 128))
    return done.stdout.decode().strip() or None if done.code == 0 else None


def refs_below(git: Git, prefix: str) -> dict[str, str]:
    """The refs whose names begin with `prefix`, which ends in a slash, and where they are."""
    listing = git.text("for-each-ref", "--format=%(objectname) %(refname)", prefix)
    pairs = (line.split(" ", 1) for line in listing.split("\n") if line)
    return {ref: at for at, ref in pairs}


def expected_at(change: RefChange) -> str | None:
    """Where a ref must be before the change; None: it must not exist."""
    return None if isinstance(change, Create) else change.old


def wanted_at(change: RefChange) -> str | None:
    """Where a ref is after the change; None: it does not exist."""
    match change:
        case Delete():
            return None
        case Verify():
            return change.old
        case _:
            return change.new


def _line(change: RefChange) -> bytes:
    match change:
        case Create(ref, new):
            parts = [f"create {ref}", new]
        case Update(ref, new, old):
            parts = [f"update {ref}", new, old]
        case Delete(ref, old):
            parts = [f"delete {ref}", old]
        case Verify(ref, expected):
            parts = [f"verify {ref}", expected or ""]
    if any("\0" in part for part in parts):
        raise GitError(f"A ref name contains a NUL character: {parts!r}.")
    return "\0".join(parts).encode("utf-8", "surrogateescape")
