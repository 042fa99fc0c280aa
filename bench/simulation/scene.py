"""Where a history takes place: the interface of `embedded` and `on_github`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from bench.simulation.books import Books
from bench.simulation.people import People
from bot.proposing.place import Place
from bot.run.scheduler import Outcome
from bot.run.terms import Terms


class Scene(Protocol):
    """A project, its bots by name, and its people."""

    @property
    def place(self) -> Place:
        """A sure view of it all, without faults."""
        ...

    @property
    def people(self) -> People:
        """Everybody else."""
        ...

    @property
    def bots(self) -> Mapping[str, Any]:
        """By name, in a fixed order."""
        ...

    def quickly(self) -> AbstractContextManager[None]:
        """What has to be in force while the history is played."""
        ...

    def run(self, name: str, terms: Terms, slots: int) -> Outcome:
        """Let a bot run once, to its own end. Raises Killed, and what else ends it."""
        ...

    def base(self) -> str:
        """Where the base branch is."""
        ...

    def state(self) -> str:
        """Everything that a bot could change, to see when all is quiet."""
        ...

    def check(self, books: Books) -> None:
        """What has to hold here beside everything else. Raises Broken."""
        ...

    def pass_time(self) -> None:
        """What happens by itself until now, for example at GitHub's runners."""
        ...
