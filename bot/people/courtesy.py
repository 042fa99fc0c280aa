"""How often people who may give no orders are answered: bounds for one process.

Whoever may write is always heard, and first. Anybody else gets one answer on a pull request, to
all that was said there, and no further one for a while; and so many of them at most, so that a
flood of comments costs little and stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.people.plan import Answer, Request

MOST_OTHERS = 10
"""So many answers to people without permission within `WHILE_S`."""
WHILE_S = 20 * 60.0
"""Seconds before somebody without permission is answered again on the same pull request."""


@dataclass
class Courtesy:
    """Remembers whom this process has answered lately."""

    _answered: dict[tuple[int, str], float] = field(default_factory=dict)
    _offered: dict[tuple[int, str], str] = field(default_factory=dict)  # who wrote a comment

    def due(self, requests: Iterable[Request], now: float) -> tuple[Request, ...]:
        """Those that are answered now, in their order; `now` in seconds."""
        lately = {who: when for who, when in self._answered.items() if now - when < WHILE_S}
        self._answered = lately
        room = MOST_OTHERS - len(lately)
        chosen = []
        for request in requests:
            if not request.may_write:
                if (request.number, request.author) in lately or room <= 0:
                    continue
                room -= 1
                self._offered[request.number, request.comment] = request.author
            chosen.append(request)
        return tuple(chosen)

    def answered(self, action: Answer, now: float) -> None:
        """One was answered; of those who may write nothing is remembered."""
        author = self._offered.pop((action.number, action.comment), None)
        if author is not None:
            self._answered[action.number, author] = now
