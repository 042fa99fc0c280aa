"""What goes wrong: drawn from the history's own random numbers, and counted by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random


class Killed(BaseException):
    """The process is gone at this instant: nothing after it is carried out, nothing cleaned up."""


RATES = {
    "killed at a git command": 0.004,
    "killed at a write to the forge": 0.02,
    "killed while measuring": 0.02,
    "killed while proposing": 0.03,
    "disk full": 0.002,
    "refused before effect": 0.01,
    "failed after effect": 0.01,
    "runner vanished": 0.02,
    "answered twice": 0.02,
    "proposal failed": 0.05,
    "workflow lost": 0.1,
    "killed at a call of GitHub": 0.01,
    "GitHub out of order before effect": 0.003,
    "GitHub out of order after effect": 0.01,
    "connection to GitHub lost": 0.003,
    "GitHub's rate limit": 0.002,
    "GitHub's list is stale": 0.003,
    "GitHub refuses": 0.003,
    "wake-up lost": 0.1,
    "wake-up doubled": 0.1,
    "another bot in between": 0.05,
    "a person in between": 0.03,
}
"""How often each strikes, for each moment at which it could."""


@dataclass
class Faults:
    """Decides at each moment whether a fault strikes. Silent unless `armed`."""

    chance: Random
    armed: bool = True
    intensity: float = 1.0
    struck: Counter[str] = field(default_factory=Counter)

    def strikes(self, name: str) -> bool:
        """Whether this fault strikes now."""
        if not self.armed or self.chance.random() >= RATES[name] * self.intensity:
            return False
        self.struck[name] += 1
        return True

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """No faults in here."""
        before, self.armed = self.armed, False
        try:
            yield
        finally:
            self.armed = before
