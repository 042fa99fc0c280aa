"""People who work in the same repository, with git, while the bots do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from bench.simulation.project import TRAIN, constant, with_constant
from bot.forge.base import Author, ForgeError, PullRequest, State
from bot.git import Create, Delete, Identity, RefChange, RefMoved, Update
from bot.open import CannotOpen, open_branch
from bot.proposing.place import Place

PERSON = Identity("Person", "person@example.org")
AUTHOR = Author(PERSON.name, PERSON.email)
BASE = "refs/heads/main"


@dataclass
class People:
    """Each call of `act` is one thing that somebody does. Their git always works."""

    place: Place
    chance: Random
    now: Callable[[], int]
    ideas: int = 0

    def act(self) -> str:
        """Do something; what it was."""
        everything = [
            self.comment,
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

    def comment(self) -> str:
        """Say something on a pull request, open or not."""
        pulls = self.place.forge.pulls()
        if not pulls:
            return "nothing to comment"
        pull = self.chance.choice(pulls)
        self.place.forge.comment(pull.number, AUTHOR, "Interesting.")
        return f"#{pull.number}"

    def edit_main(self) -> str:
        """Commit something to the base branch that is measured by nobody."""
        path = self.chance.choice(["README.md", "scratchpad.md", "program.md"])
        old = self.place.repository.read_file(BASE, path) or b""
        return self._commit_to_main({path: b"A person was here.\n" + old}, f"Edit {path}")

    def mend(self) -> str:
        """Repair a base branch whose own file crashes, for example after a merge by hand."""
        self._commit_to_main({"train.py": TRAIN.encode()}, "Mend train.py")
        return "a person: mend"

    def edit_constant_on_main(self) -> str:
        """Commit another value of a constant straight to the base branch."""
        old = self.place.repository.read_file(BASE, "train.py") or b""
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
        ref, repository = f"refs/heads/{pull.branch}", self.place.repository
        at = repository.ref(ref)
        base = self.place.forge.base()
        source = repository.read_file(base, "train.py") or b""
        commit = self._commit(base, {"train.py": self._changed(source)}, "Rewrite")
        self._move([Update(ref, commit, at) if at else Create(ref, commit)])
        return f"#{pull.number}"

    def delete_branch(self) -> str:
        """Delete the branch of an experiment: that ends it."""
        pull = self._open()
        at = self.place.repository.ref(f"refs/heads/{pull.branch}") if pull else None
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
        repository, base = self.place.repository, self.place.forge.base()
        self.ideas += 1
        branch = f"idea-{self.ideas}"
        source = repository.read_file(base, "train.py") or b""
        commit = self._commit(base, {"train.py": self._changed(source)}, f"Idea {self.ideas}")
        self._move([Create(f"refs/heads/{branch}", commit)])
        return f"#{open_branch(self.place, branch, None, '').number}"

    def _changed(self, source: bytes) -> bytes:
        name = self.chance.choice(["RATE", "WIDTH"])
        return with_constant(source, name, self.chance.choice([0.5, 1.5, 2.0, 2.5, 3.0, 9.0]))

    def _open(self) -> PullRequest | None:
        pulls = self.place.forge.pulls(State.OPEN)
        return self.chance.choice(pulls) if pulls else None

    def _push(self, changes: dict[str, Callable[[bytes], bytes]], message: str) -> str:
        pull = self._open()
        ref = f"refs/heads/{pull.branch}" if pull else ""
        at = self.place.repository.ref(ref) if pull else None
        if pull is None or at is None:
            return "nowhere to push"
        files = {p: f(self.place.repository.read_file(at, p) or b"") for p, f in changes.items()}
        self._move([Update(ref, self._commit(at, files, message), at)])
        return f"#{pull.number}"

    def _merge(self, *, squash: bool) -> str:
        pull = self._open()
        repository = self.place.repository
        at = repository.ref(f"refs/heads/{pull.branch}") if pull else None
        if pull is None or at is None:
            return "nothing to merge"
        base = self.place.forge.base()
        tree = repository.merge_tree(base, at)
        if not isinstance(tree, str):
            return "but it conflicts"
        parents = [base] if squash else [base, at]
        commit = repository.commit_tree(tree, parents, "Merged by hand", PERSON, self.now())
        self._move([Update(BASE, commit, base)])
        return f"#{pull.number}"

    def _commit_to_main(self, files: dict[str, bytes], message: str) -> str:
        base = self.place.forge.base()
        self._move([Update(BASE, self._commit(base, files, message), base)])
        return message

    def _commit(self, parent: str, files: dict[str, bytes], message: str) -> str:
        tree = self.place.repository.tree_with(parent, dict(files))
        return self.place.repository.commit_tree(tree, [parent], message, PERSON, self.now())

    def _move(self, changes: list[RefChange]) -> None:
        self.place.repository.update_refs(changes, "a person")
