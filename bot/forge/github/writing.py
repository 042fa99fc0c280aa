"""Writing comments that can be found again: the one way in which the record grows.

The answer to a write can be lost. Every comment carries a key, so that what arrived is found by
reading, and only what did not arrive is sent again. What GitHub answers is the comment itself: it
is told to `noted` and not read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bot.forge.base import NoSuchPull
from bot.forge.events import Event, Opened
from bot.forge.github import records
from bot.forge.github.answers import IssueComment, parse, parse_all
from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import NotFound, Uncertain

_TRIES = 3


def _nobody(number: int, comment: IssueComment) -> None:
    """Nobody wants to know."""


class Comments:
    """The comments of the pull requests of one repository."""

    def __init__(
        self,
        client: GitHubClient,
        own: int,
        noted: Callable[[int, IssueComment], None] = _nobody,
    ) -> None:
        self._client = client
        self._own = own
        self._noted = noted

    def of(self, number: int) -> list[IssueComment]:
        """All comments on one pull request. Raises NoSuchPull."""
        try:
            return parse_all(IssueComment, self._client.list(f"issues/{number}/comments"))
        except NotFound:
            raise NoSuchPull(f"There is no pull request #{number} on GitHub.") from None

    def all(self, since: int | None = None) -> dict[int, list[IssueComment]]:
        """All comments by pull request: for many, this takes far fewer calls than one by one.

        With `since` (seconds since 1970) only those that were written or changed from then on.
        """
        moment = None if since is None else datetime.fromtimestamp(since, UTC)
        query = {"since": f"{moment:%Y-%m-%dT%H:%M:%SZ}"} if moment else {}
        found: dict[int, list[IssueComment]] = {}
        for comment in parse_all(IssueComment, self._client.list("issues/comments", **query)):
            found.setdefault(comment.issue, []).append(comment)
        return found

    def opened_at(self, head: str, since: int) -> int | None:
        """The pull request that was opened at this head and recorded from `since` on, if any."""
        for number, comments in self.all(since).items():
            opened = self._events(comments, Opened)
            if any(isinstance(event, Opened) and event.head == head for event in opened):
                return number
        return None

    def say(self, number: int, text: str, *, relay: bool = False) -> None:
        """Write a comment for people; `relay` for words that are not the bot's own."""
        key = records.new_key()
        kind = records.Kind.RELAY if relay else records.Kind.COMMENT
        self._write(number, key, [records.said_body(kind, key, text)])

    def keep(self, number: int, text: str, *events: Event) -> tuple[str, int]:
        """Write events into the record, with words for people.

        Returns their key, and how many comments they took.
        """
        key = records.new_key()
        bodies = records.record_bodies(key, text, events)
        self._write(number, key, bodies)
        return key, len(bodies)

    def has(self, number: int, *kinds: type[Event]) -> bool:
        """Whether the record of a pull request has an event of one of these kinds."""
        return bool(self._events(self.of(number), *kinds))

    def opening(self, number: int) -> Opened | None:
        """What the record of a pull request begins with; None where it has not begun."""
        events = self._events(self.of(number), Opened)
        return next((event for event in events if isinstance(event, Opened)), None)

    def _events(self, comments: Sequence[IssueComment], *kinds: type[Event]) -> list[Event]:
        entries = records.read(comments, self._own)
        events = (entry.event for entry in entries if isinstance(entry, records.Recorded))
        return [event for event in events if isinstance(event, kinds)]

    def _write(self, number: int, key: str, bodies: Sequence[str]) -> None:
        for place, body in enumerate(bodies, 1):
            self._noted(number, self._send(number, key, place, body))

    def _send(self, number: int, key: str, place: int, body: str) -> IssueComment:
        for attempt in range(_TRIES):
            try:
                answer = self._client.post(f"issues/{number}/comments", {"body": body})
                return parse(IssueComment, answer)
            except NotFound:
                raise NoSuchPull(f"There is no pull request #{number} on GitHub.") from None
            except Uncertain:
                there = records.part(self.of(number), self._own, key, place)
                if there is not None:
                    return there
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")
