"""What people are told while the scheduler works; implemented in `bot.views`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bot.actions import Action
from bot.run.base import Concluded, Order
from bot.run.state import State
from runner.events import Event


class Teller(Protocol):
    """Hears everything in the order in which it happens, from the scheduler's own thread."""

    def say(self, text: str) -> None:
        """A fact that stays on the screen."""
        ...

    def thinking(self, count: int) -> None:
        """So many hypotheses are being thought of now."""
        ...

    def started(self, slot: str, order: Order, action: Action) -> None:
        """Runs begin on a slot."""
        ...

    def seen(self, slot: str, order: Order, event: Event) -> None:
        """Something happened in a run: a stage began, a line was printed."""
        ...

    def measured(self, slot: str, order: Order, index: int, result: Mapping[str, Any]) -> None:
        """A run is finished, and its result kept."""
        ...

    def ended(self, slot: str, order: Order) -> None:
        """The slot is free again."""
        ...

    def concluded(self, done: Concluded) -> None:
        """An experiment has its verdict."""
        ...

    def beat(self, state: State) -> None:
        """How everything stands; comes often, whenever something has changed."""
        ...
