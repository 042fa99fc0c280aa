"""What passes by itself, and how long to wait for that."""

from __future__ import annotations

from dataclasses import dataclass

from bot.forge.base import Unreachable, WorktreeDirty
from bot.git import GitLocked

_FIRST_S = 5.0
LONGEST_S = 600.0
"""The longest wait before something is tried again."""
_MOST_FAILURES = 5


def passes(error: Exception) -> bool:
    """Whether waiting may help: the network, a server, another git, a person's open edit."""
    return isinstance(error, Unreachable | GitLocked | WorktreeDirty)


@dataclass
class Patience:
    """Waits longer each time, until something succeeds."""

    failures: int = 0

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0

    @property
    def at_an_end(self) -> bool:
        """Whether it failed so often in a row that waiting hardly helps."""
        return self.failures >= _MOST_FAILURES

    def delay_s(self, error: Exception) -> float:
        """How long to wait after `error`, which is one more in a row."""
        delay = self.next_delay_s()
        asked = error.retry_after_s if isinstance(error, Unreachable) else None
        return max(asked or 0.0, delay)

    def next_delay_s(self) -> float:
        """The delay after one more failure."""
        self.failures += 1
        return min(_FIRST_S * 2.0 ** min(self.failures - 1, 20), LONGEST_S)
