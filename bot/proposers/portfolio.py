"""Several proposers that take turns, as one: whose turn it is follows from the history alone.

Of any so many experiments in a row as the shares add up to, each proposer makes its share. The
first in the order of the shares begins. One that has run out of ideas is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bot.history.cost import Cost
from bot.model import Proposal
from bot.proposers.base import Context, NothingToPropose, Proposer

PORTFOLIO = "portfolio"
"""The name under which all of them together are asked for a new experiment."""
REVISING = ("claude", "command")
"""Proposers that can revise. `search` cannot: another value is another experiment."""


def turns(shares: Mapping[str, int], before: Iterable[str]) -> tuple[str, ...]:
    """The proposers in the order in which they are to be asked now.

    `before` names the proposer of every earlier experiment, oldest first; others than those of
    `shares` do not count.
    """
    known = [name for name in before if shares.get(name)]
    window = known[max(0, len(known) - (sum(shares.values()) - 1)) :]
    missing = {name: share - window.count(name) for name, share in shares.items() if share}
    return tuple(sorted(missing, key=lambda name: -missing[name]))


class Portfolio:
    """A proposer that asks the one whose turn it is (`bot.proposers.base.Proposer`)."""

    name = PORTFOLIO

    def __init__(self, make: Callable[[str], Proposer], shares: Mapping[str, int]) -> None:
        self._make = make
        self._shares = shares
        self._made: dict[str, Proposer] = {}
        self._asked: Proposer | None = None

    @property
    def asked(self) -> str:
        """The name of the proposer that was asked last; empty before any was."""
        return self._asked.name if self._asked else ""

    @property
    def spent(self) -> Cost:
        """What the proposer that was asked last has cost since it was asked."""
        spent = getattr(self._asked, "spent", Cost())
        return spent if isinstance(spent, Cost) else Cost()

    def propose(self, context: Context) -> Proposal:
        """One new proposal, by the first that has one. Raises what that raises."""
        out_of_ideas: list[str] = []
        for name in self.order(context):
            self._asked = self._member(name)
            try:
                return self._asked.propose(context)
            except NothingToPropose as nothing:
                out_of_ideas.append(str(nothing))
        raise NothingToPropose("; ".join(out_of_ideas))

    def order(self, context: Context) -> tuple[str, ...]:
        """The names of the proposers in the order in which they are asked.

        An unfinished conversation goes on with whoever began it.
        """
        begun = context.conversation.proposer if context.conversation else ""
        before = [past.proposer for past in context.history]
        for _ in range(context.ahead):
            before.append(turns(self._shares, before)[0])
        order = turns(self._shares, before)
        return tuple(sorted(order, key=lambda name: name != begun))

    def _member(self, name: str) -> Proposer:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]


def reviser(shares: Mapping[str, int], author: str) -> str:
    """Who revises an experiment of `author`: itself if it can, else the first that can."""
    able = [name for name in shares if name in REVISING]
    if author in able:
        return author
    return able[0] if able else next(iter(shares))
