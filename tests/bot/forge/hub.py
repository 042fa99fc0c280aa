"""What the contract suite needs of a place where pull requests live, beside the forge itself.

To put another forge through the contract, write a `Hub` for it and name it in the fixture
`hub` of `conftest.py`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from bot.forge.base import Attempt, Author, Forge, NewPull, PlannedRun, PullRequest
from bot.forge.git import GitForge
from bot.git import Identity, Repository
from bot.model import Purpose, Reason, Side, Verdict

PERSON = Author("Ada", "ada@example.org")
CLOSED = Verdict(Reason.WORSE, "It is worse.")
MERGED = Verdict(Reason.IMPROVEMENT, "It is better.")


class Hub(Protocol):
    """A repository with a forge, and what people do to it behind the forge's back."""

    @property
    def forge(self) -> Forge:
        """The forge of the first bot."""
        ...

    def another_bot(self) -> Forge:
        """A second forge object for the same place, as a second bot would have it."""
        ...

    def commit(self, files: Mapping[str, bytes], *parents: str) -> str:
        """A commit that the forge can see: the first parent's tree with these files."""
        ...

    def tree(self, commit: str) -> str:
        """The tree of a commit."""
        ...

    def branch(self, name: str) -> str | None:
        """Where a branch is."""
        ...

    def person_pushes(self, branch: str, commit: str | None) -> None:
        """A person sets a branch, by force if need be, or deletes it."""
        ...

    def seen_as(self, author: Author) -> Author:
        """Who is shown for what the forge wrote in the name of `author`."""
        ...

    def kept(self, text: str) -> str:
        """`text` as this place can keep it."""
        ...


class LocalHub:
    """A hub around the embedded forge."""

    def __init__(self, path: Path, clock: float = 1_700_000_000.0) -> None:
        self.path = path
        self.now = clock
        self.repository = Repository(path)
        self.forge = self.another_bot()

    def another_bot(self) -> GitForge:
        return GitForge(self.repository, "main", clock=self._clock)

    def commit(self, files: Mapping[str, bytes], *parents: str) -> str:
        tree = self.repository.tree_with(parents[0], files)
        return self.repository.commit_tree(
            tree, parents, "Work", Identity("Ada", "ada@example.org"), int(self.now)
        )

    def tree(self, commit: str) -> str:
        return self.repository.tree(commit)

    def branch(self, name: str) -> str | None:
        return self.repository.ref(f"refs/heads/{name}")

    def person_pushes(self, branch: str, commit: str | None) -> None:
        if commit is None:
            run(self.path, "update-ref", "-d", f"refs/heads/{branch}")
        else:
            run(self.path, "update-ref", f"refs/heads/{branch}", commit)

    def seen_as(self, author: Author) -> Author:
        return author

    def kept(self, text: str) -> str:
        return text

    def _clock(self) -> float:
        self.now += 1
        return self.now


def first_commit(path: Path) -> None:
    """Make a repository with one commit on main, checked out."""
    run(path, "init", "-q", "-b", "main", ".")
    run(path, "config", "user.name", "Lab")
    run(path, "config", "user.email", "lab@example.org")
    (path / "train.py").write_bytes(b"rate = 1\n")
    (path / "notes.md").write_bytes(b"notes\n")
    run(path, "add", ".")
    run(path, "commit", "-q", "-m", "First")


def run(place: Path, *arguments: str) -> str:
    """Git as a person would use it."""
    done = subprocess.run(["git", *arguments], cwd=place, check=True, capture_output=True)
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def propose(
    hub: Hub, name: str = "one", text: bytes = b"rate = 2\n", title: str = "Try"
) -> NewPull:
    """A pull request that changes train.py, not opened yet."""
    head = hub.commit({"train.py": text}, hub.forge.base())
    return NewPull(f"exp/{name}", head, title, "Because.", PERSON, {"proposer": "search"})


def open_one(hub: Hub, name: str = "one", text: bytes = b"rate = 2\n") -> PullRequest:
    """An open pull request that changes train.py."""
    return hub.forge.open(propose(hub, name, text))


def attempt(hub: Hub, pull: PullRequest, name: str = "a1", runs: int = 2) -> Attempt:
    """An attempt that measures candidate and baseline in turn."""
    base = hub.forge.base()
    candidate, baseline = hub.tree(pull.head), hub.tree(base)
    planned = tuple(
        PlannedRun(side, tree, seed, Purpose.SCREEN)
        for seed in range((runs + 1) // 2)
        for side, tree in ((Side.CANDIDATE, candidate), (Side.BASELINE, baseline))
    )[:runs]
    return Attempt(name, base, pull.head, candidate, planned, {})


def merge_commit(hub: Hub, pull: PullRequest, text: bytes = b"rate = 2\n") -> str:
    """What the bot builds to merge: base with the head's train.py and an entry, two parents."""
    files = {"scratchpad.md": b"won\n", "train.py": text}
    return hub.commit(files, hub.forge.base(), pull.head)


def merge(hub: Hub, pull: PullRequest, forge: Forge | None = None) -> str:
    """Merge a pull request as the bot does; returns the new base."""
    base = hub.forge.base()
    commit = merge_commit(hub, pull)
    (forge or hub.forge).merge(
        pull.number, head=pull.head, base=base, commit=commit, verdict=MERGED, comment="Merged."
    )
    return commit


def close(hub: Hub, pull: PullRequest, forge: Forge | None = None) -> str:
    """Close a pull request with a ledger commit; returns the new base."""
    base = hub.forge.base()
    commit = hub.commit({"scratchpad.md": b"lost\n"}, base)
    (forge or hub.forge).close(
        pull.number,
        head=pull.head,
        base=base,
        commit=commit,
        verdict=CLOSED,
        comment="Closed.",
    )
    return commit
