"""People who work in the same repository while the bots do: with git, and in comments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from bench.simulation.project import TRAIN, constant, with_constant
from bot.forge.base import Author, ForgeError, State
from bot.git import Create, Delete, Identity, RefChange, RefMoved, Repository, Update
from bot.open import CannotOpen, open_branch
from bot.proposing.place import Place

PERSON = Identity("Person", "person@example.org")
AUTHOR = Author(PERSON.name, PERSON.email)
BASE = "refs/heads/main"
WORDS = (
    *("Interesting.", "/bot help", "/bot", "/bot dance", "> /bot close", "/bot approve now"),
    *("/bot hold", "/bot hold", "/bot resume", "/bot rerun", "/bot close", "/bot close Dull."),
    *("/bot merge", "/bot pause", "/bot start", "/bot start", "/bot revise Half of it, no. {}."),
    *("/bot hold\n/bot resume", "/bot rerun\n/bot merge", "/bot pause\n/bot start"),
)


@dataclass(frozen=True)
class Listed:
    """A pull request as people see it in a list."""

    number: int
    branch: str


class Desk(Protocol):
    """Where people look at pull requests and talk about them."""

    @property
    def repository(self) -> Repository:
        """Where their git works: what they commit there is there for everybody."""
        ...

    def pulls(self, *, ended: bool = False) -> Sequence[Listed]:
        """The open ones, or all."""
        ...

    def comment(self, number: int, body: str) -> None:
        """Say something."""
        ...

    def open(self, branch: str, title: str) -> int:
        """Open an experiment; its number. Raises CannotOpen, ForgeError."""
        ...

    def close(self, number: int) -> None:
        """End it where there is a button for that, else by command."""
        ...


@dataclass(frozen=True)
class EmbeddedDesk:
    """The command line of a person in the same clone."""

    place: Place

    @property
    def repository(self) -> Repository:
        """The clone."""
        return self.place.repository

    def pulls(self, *, ended: bool = False) -> Sequence[Listed]:
        """The open ones, or all."""
        found = self.place.forge.pulls(None if ended else State.OPEN)
        return [Listed(pull.number, pull.branch) for pull in found]

    def comment(self, number: int, body: str) -> None:
        """`bot comment`."""
        self.place.forge.comment(number, AUTHOR, body)

    def open(self, branch: str, title: str) -> int:
        """`bot open`."""
        return open_branch(self.place, branch, title, "").number

    def close(self, number: int) -> None:
        """There is no button."""
        self.comment(number, "/bot close")


@dataclass
class People:
    """Each call of `act` is one thing that somebody does. Their git always works."""

    desk: Desk
    chance: Random
    now: Callable[[], int]
    ideas: int = 0
    said: int = 0

    def act(self) -> str:
        """Do something; what it was."""
        everything = [
            self.comment,
            self.comment,
            self.comment,
            self.close,
            self.edit_main,
            self.edit_constant_on_main,
            self.push,
            self.push_what_is_forbidden,
            self.rewrite,
            self.delete_branch,
            self.merge,
            self.squash,
            self.open_idea,
            self.open_idea,
        ]
        done = self.chance.choice(everything)
        try:
            said = done()
        except (RefMoved, ForgeError, CannotOpen) as error:
            said = f"but: {error}"
        return f"a person: {done.__name__} {said}"

    def release(self) -> str:
        """Take back every hold and pause."""
        pulls = self.desk.pulls(ended=True)
        for pull in self.desk.pulls():
            self.desk.comment(pull.number, "/bot resume")
        if pulls:
            self.desk.comment(pulls[0].number, "/bot start")
        return "a person: release"

    def comment(self) -> str:
        """Say or command something on a pull request, open or not."""
        pulls = self.desk.pulls(ended=self.chance.random() < 0.3)
        if not pulls:
            return "nothing to comment"
        self.said += 1
        pull, words = self.chance.choice(pulls), self.chance.choice(WORDS).format(self.said)
        self.desk.comment(pull.number, words)
        return f"#{pull.number} {words}"

    def close(self) -> str:
        """Close an experiment."""
        pull = self._open()
        if pull is None:
            return "nothing to close"
        self.desk.close(pull.number)
        return f"#{pull.number}"

    def edit_main(self) -> str:
        """Commit something to the base branch that is measured by nobody."""
        path = self.chance.choice(["README.md", "scratchpad.md", "program.md"])
        old = self.desk.repository.read_file(BASE, path) or b""
        return self._commit_to_main({path: b"A person was here.\n" + old}, f"Edit {path}")

    def mend(self) -> str:
        """Repair a base branch whose own file crashes, for example after a merge by hand."""
        self._commit_to_main({"train.py": TRAIN.encode()}, "Mend train.py")
        return "a person: mend"

    def edit_constant_on_main(self) -> str:
        """Commit another value of a constant straight to the base branch."""
        old = self.desk.repository.read_file(BASE, "train.py") or b""
        name = self.chance.choice(["RATE", "WIDTH"])
        new = with_constant(old, name, constant(old, name) + self.chance.choice([-0.25, 0.25]))
        return self._commit_to_main({"train.py": new}, f"Set {name} by hand")

    def push(self) -> str:
        """Add a commit to the branch of an experiment."""
        return self._push({"train.py": self._changed}, "Push to the experiment")

    def push_what_is_forbidden(self) -> str:
        """Add one that changes what no experiment may change."""
        return self._push({"README.md": lambda old: old + b"Smuggled in.\n"}, "Push to README")

    def rewrite(self) -> str:
        """Force-push something else to the branch of an experiment."""
        pull = self._open()
        if pull is None:
            return "nothing to rewrite"
        ref, repository = f"refs/heads/{pull.branch}", self.desk.repository
        at = repository.ref(ref)
        base = self._base()
        source = repository.read_file(base, "train.py") or b""
        commit = self._commit(base, {"train.py": self._changed(source)}, "Rewrite")
        self._move([Update(ref, commit, at) if at else Create(ref, commit)])
        return f"#{pull.number}"

    def delete_branch(self) -> str:
        """Delete the branch of an experiment: that ends it."""
        pull = self._open()
        at = self.desk.repository.ref(f"refs/heads/{pull.branch}") if pull else None
        if pull is None or at is None:
            return "nothing to delete"
        self._move([Delete(f"refs/heads/{pull.branch}", at)])
        return f"#{pull.number}"

    def merge(self) -> str:
        """Merge the branch of an experiment into the base branch by hand."""
        return self._merge(squash=False)

    def squash(self) -> str:
        """The same as one commit without its branch."""
        return self._merge(squash=True)

    def open_idea(self) -> str:
        """Open an own edit as an experiment."""
        repository, base = self.desk.repository, self._base()
        self.ideas += 1
        branch = f"idea-{self.ideas}"
        source = repository.read_file(base, "train.py") or b""
        commit = self._commit(base, {"train.py": self._changed(source)}, f"Idea {self.ideas}")
        self._move([Create(f"refs/heads/{branch}", commit)])
        return f"#{self.desk.open(branch, f'Idea {self.ideas}')}"

    def _changed(self, source: bytes) -> bytes:
        name = self.chance.choice(["RATE", "WIDTH"])
        return with_constant(source, name, self.chance.choice([0.5, 1.5, 2.0, 2.5, 3.0, 9.0]))

    def _base(self) -> str:
        return self.desk.repository.ref(BASE) or ""

    def _open(self) -> Listed | None:
        pulls = self.desk.pulls()
        return self.chance.choice(pulls) if pulls else None

    def _push(self, changes: dict[str, Callable[[bytes], bytes]], message: str) -> str:
        pull = self._open()
        ref = f"refs/heads/{pull.branch}" if pull else ""
        at = self.desk.repository.ref(ref) if pull else None
        if pull is None or at is None:
            return "nowhere to push"
        files = {p: f(self.desk.repository.read_file(at, p) or b"") for p, f in changes.items()}
        self._move([Update(ref, self._commit(at, files, message), at)])
        return f"#{pull.number}"

    def _merge(self, *, squash: bool) -> str:
        pull = self._open()
        repository = self.desk.repository
        at = repository.ref(f"refs/heads/{pull.branch}") if pull else None
        if pull is None or at is None:
            return "nothing to merge"
        base = self._base()
        tree = repository.merge_tree(base, at)
        if not isinstance(tree, str):
            return "but it conflicts"
        parents = [base] if squash else [base, at]
        commit = repository.commit_tree(tree, parents, "Merged by hand", PERSON, self.now())
        self._move([Update(BASE, commit, base)])
        return f"#{pull.number}"

    def _commit_to_main(self, files: dict[str, bytes], message: str) -> str:
        base = self._base()
        self._move([Update(BASE, self._commit(base, files, message), base)])
        return message

    def _commit(self, parent: str, files: dict[str, bytes], message: str) -> str:
        tree = self.desk.repository.tree_with(parent, dict(files))
        return self.desk.repository.commit_tree(tree, [parent], message, PERSON, self.now())

    def _move(self, changes: list[RefChange]) -> None:
        self.desk.repository.update_refs(changes, "a person")
