"""What everybody in a history shares: the clock, chance, the faults, the books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from bench.simulation.books import Books
from bench.simulation.faults import Faults

START = 1_800_000_000


@dataclass
class Clock:
    """Seconds since 1970. It moves by `tick` at every look, so that no two commits are equal."""

    seconds: float = START
    tick: int = 1

    def now(self) -> int:
        """The time now."""
        self.seconds += self.tick
        return int(self.seconds)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


@dataclass
class World:
    """`between` lets others act while the named bot does something."""

    clock: Clock
    chance: Random
    faults: Faults
    books: Books = field(default_factory=Books)
    between: Callable[[str], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
