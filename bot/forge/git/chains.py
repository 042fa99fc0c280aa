"""Writing to a chain while others do: append, move refs in one transaction, or try again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from bot.forge.base import Author, Conflict, NoSuchPull, PullRequest
from bot.forge.events import Event
from bot.forge.expected import refusals
from bot.forge.git import store
from bot.git import Create, Delete, Identity, RefChange, RefMoved, Repository, Update

TRIES = 200  # each time somebody else has made progress

Written: TypeAlias = tuple[Event, Author]


class Chains:
    """The chains of events of one repository."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def read(self, number: int) -> tuple[str, PullRequest]:
        """The tip of a chain and what it folds to. Raises NoSuchPull and BrokenChain."""
        found = store.tips(self.repository, number) if number > 0 else []
        if not found:
            raise NoSuchPull(f"There is no pull request #{number}. `bot pulls` lists them.")
        return found[0].commit, next(store.read(self.repository, found))

    def extend(
        self, tip: str | None, pull: PullRequest | None, events: Iterable[Written]
    ) -> tuple[str, PullRequest]:
        """Write events as objects after `tip`; no ref moves. Raises ForgeError."""
        named = [(event, Identity(author.name, author.id)) for event, author in events]
        with refusals():
            return store.append(self.repository, tip, pull, named)

    def write(
        self,
        number: int,
        events: Callable[[PullRequest], Sequence[Written]],
        guards: Sequence[RefChange] = (),
        *,
        place: Repository | None = None,
        journal: str | None = None,
    ) -> None:
        """Append events to a chain and change the refs of `guards`, all or nothing.

        When only the chain itself has grown, `events` are asked for again on its newer state.
        `journal` names a ref that holds the new tip from before the transaction to its end.
        Raises Conflict when one of the other refs is not where it was expected.
        """
        meta = store.meta_ref(number)
        target = place or self.repository
        reason = f"forge: #{number}"
        for _ in range(TRIES):
            tip, pull = self.read(number)
            with refusals():
                more = events(pull)
            new, _ = self.extend(tip, pull, more)
            changes = [*guards, Update(meta, new, tip)]
            try:
                if journal is not None:
                    target.update_refs([Create(journal, new)], reason)
                    changes.append(Delete(journal, new))
                target.update_refs(changes, reason)
            except RefMoved as error:
                if journal is not None and target.ref(journal) == new:
                    target.update_refs([Delete(journal, new)], reason)
                if error.ref != meta:
                    raise Conflict(str(error)) from error
                if self.repository.shared is not None:
                    self.repository.shared.catch_up()
                continue
            return
        raise Conflict(f"Too many others write to #{number} at this moment. Try again.")
