"""What all proposals in flight may still spend together: no cap is passed, however many think.

Before each call its worst case is reserved; afterwards the call settles with what it cost. So
what is settled, plus what all others have reserved, plus the worst case of the next call never
is more than what was left. Where a call does not fit only because of what others have reserved,
it waits until they settle. For threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bot import interrupts
from bot.history.cost import Cost

_Choice = TypeVar("_Choice")


@dataclass(frozen=True)
class Left:
    """What may still be spent under the caps of bot.toml; None where there is no cap."""

    usd: float | None = None
    tokens: int | None = None


class Accounts:
    """The accounts of one process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._settled = Cost()
        self._reserved: dict[Account, Left] = {}

    def open(self, left: Callable[[], Left]) -> Account:
        """An account for one proposal. `left` looks up what is left: nothing is settled between.

        Raises what `left` raises (CapReached).
        """
        with self._changed:
            return Account(self, left(), self._settled)


class Account:
    """What one proposal may spend. `settled` is what it has spent, each part written down.

    `keep` writes such a part down; until there is one, nothing is. `share` comes after it, and
    may take long: nobody waits for it but the proposal itself. `give_up` writes the last part down
    where nobody waits for the proposal any more.
    """

    def __init__(self, accounts: Accounts, left: Left, before: Cost) -> None:
        self._all = accounts
        self._left = left
        self._before = before
        self.settled = Cost()
        self.closed = False
        self.keep: Callable[[Cost], None] = _nowhere
        self.share: Callable[[], None] = _with_nobody
        self.give_up: Callable[[Cost], None] = _nowhere

    def go_on(self, cost: Cost) -> None:
        """Go on for a process before this one, which has settled and written down so much."""
        with self._all._changed:
            self.settled = cost

    @property
    def left(self) -> Left:
        """What it could reserve now."""
        with self._all._changed:
            spent = self._all._settled.beyond(self._before)
            others = [one for account, one in self._all._reserved.items() if account is not self]
            usd, tokens = self._left.usd, self._left.tokens
            if usd is not None:
                usd -= spent.usd + sum(one.usd or 0.0 for one in others)
            if tokens is not None:
                tokens -= spent.tokens + sum(one.tokens or 0 for one in others)
            return Left(usd, tokens)

    def reserve(self, choose: Callable[[Left], tuple[_Choice, Left] | None]) -> _Choice | None:
        """Reserve what `choose` makes of what is left: its choice and the choice's worst case.

        While it chooses None, waits for others to settle; None when there are none to wait for,
        and once the account is closed: then no call is to be made any more.
        """
        with self._all._changed:
            while not self.closed:
                chosen = choose(self.left)
                if chosen is not None:
                    self._all._reserved[self] = chosen[1]
                    return chosen[0]
                if not any(account is not self for account in self._all._reserved):
                    return None
                self._all._changed.wait()
            return None

    def settle(self, cost: Cost) -> None:
        """The call is over and cost so much: that is written down, and nothing is reserved.

        Raises what `keep` raises; `conclude` writes it down then.
        """
        # Interrupted between the two, what is written down would be settled once more.
        with interrupts.held(), self._all._changed:
            try:
                if self.closed:
                    return
                self._write(cost, self.keep)
            finally:
                self._release()
        if cost:
            self.share()

    def conclude(self, total: Cost, write: Callable[[Cost], None]) -> None:
        """Settle what is not settled yet of a proposal's `total`, written down by `write`; close.

        Nothing happens where it is closed already. Raises what `write` raises; it may be tried
        again.
        """
        with self._all._changed:
            try:
                if not self.closed:
                    self._write(total.beyond(self.settled), write)
                    self.closed = True
            finally:
                self._release()

    def close(self) -> None:
        """Nothing more is reserved or settled by this account."""
        with self._all._changed:
            self.closed = True
            self._release()

    def _write(self, cost: Cost, write: Callable[[Cost], None]) -> None:
        write(cost)  # first: what cannot be written down is not settled
        self.settled += cost
        self._all._settled += cost

    def _release(self) -> None:
        self._all._reserved.pop(self, None)
        self._all._changed.notify_all()


def _nowhere(cost: Cost) -> None:
    del cost


def _with_nobody() -> None:
    """Nothing is shared."""
