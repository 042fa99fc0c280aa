"""The heads of pull requests: moved with their branches, and taken over from who pushed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from bot.forge.base import Author, Conflict, PullRequest, State, Stray
from bot.forge.events import Event, Person, Pushed
from bot.forge.expected import require_head, require_open
from bot.forge.git import store
from bot.forge.git.chains import Chains
from bot.git import RefChange, Update, Verify

_log = logging.getLogger(__name__)


class Heads:
    """Branches and heads of the pull requests of one repository."""

    def __init__(self, chains: Chains, now: Callable[[], int]) -> None:
        self._chains = chains
        self._now = now
        self._repository = chains.repository

    def push(self, number: int, old: str, new: str, author: Author, branch: RefChange) -> None:
        """Move the head from `old` to `new`, and `branch` with it. Raises Conflict."""

        def event(pull: PullRequest) -> Event:
            require_open(pull)
            require_head(pull, old)
            return Pushed(at=self._now(), head=new, author=Person.of(author))

        self._chains.write(
            number,
            lambda pull: [(event(pull), author)],
            [Update(store.head_ref(number), new, old), branch],
        )

    def take_over(self) -> tuple[Stray, ...]:
        """Make what people pushed to the branches of open pull requests their heads.

        Branches that were deleted or rewritten are told, and left alone.
        """
        strays: list[Stray] = []
        pulls = store.pulls(self._repository, State.OPEN)
        at = self._branches(pull.branch for pull in pulls)
        for pull in pulls:
            branch = at.get(pull.branch)
            if branch == pull.head:
                continue
            if branch is None or not self._repository.is_ancestor(pull.head, branch):
                strays.append(Stray(pull.number, pull.head, branch))
                continue
            author = self._author_of(branch)
            unchanged = Verify(f"refs/heads/{pull.branch}", branch)
            try:
                self.push(pull.number, pull.head, branch, author, unchanged)
            except Conflict:  # another bot was first, or the person pushed again: next time
                _log.debug("head of #%d moved while it was taken over", pull.number)
        return tuple(strays)

    def _branches(self, names: Iterable[str]) -> dict[str, str]:
        refs = [f"refs/heads/{name}" for name in names]
        if not refs:
            return {}
        listing = self._repository.git.text(
            "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", *refs
        )
        pairs = (line.split(" ", 1) for line in listing.split("\n") if line)
        return {name: commit for commit, name in pairs}

    def _author_of(self, commit: str) -> Author:
        answer = self._repository.git.text("log", "-1", "--format=%an%x00%ae", commit)
        name, _, address = answer.partition("\0")
        return Author(name, address)
