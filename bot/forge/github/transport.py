"""One call to GitHub: sent by PyGithub, counted, and made when GitHub's limits allow it.

PyGithub itself would wait for limits without an end, and repeat a POST after a 5xx.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bot.forge.github.errors import RateLimited, Rejected, broken, refused
from bot.forge.github.limits import WriteBudget, is_limit, wait_s

if TYPE_CHECKING:
    from github.Requester import Requester

API_VERSION = "2022-11-28"
_LIMIT_TRIES = 4
_NAMES = re.compile(r"\b(?:[0-9a-f]{40}|\d+)\b|(?<=users/)[^/]+|(?<=collaborators/)[^/]+")


@dataclass
class Calls:
    """What was asked of GitHub so far. `unchanged` answers (304) cost nothing of the limit.

    `counted_by_route` has those that cost, by method and path, for example "GET pulls/*".
    """

    made: Counter[str] = field(default_factory=Counter)
    counted_by_route: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    writes: int = 0

    @property
    def counted(self) -> int:
        """Calls that count against the primary limit."""
        return self.total - self.unchanged

    @property
    def total(self) -> int:
        """All calls, whatever they cost."""
        return sum(self.made.values())


@dataclass(frozen=True)
class Answer:
    """What GitHub said, whatever its status; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def readable(self) -> bool:
        """Whether it is JSON, or nothing."""
        try:
            self.json()
        except ValueError:
            return False
        return True

    def json(self) -> Any:
        """Its JSON, None where it is empty. Raises ValueError."""
        return json.loads(self.text) if self.text.strip() else None


class Transport:
    """Calls about one repository, each sent once but for refusals by a limit."""

    def __init__(
        self,
        repository: str,
        requester: Requester,
        *,
        longest_wait_s: float,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        """Waiting longer than `longest_wait_s` is RateLimited."""
        self.calls = Calls()
        self.requester = requester
        self._repository = repository
        self._longest_wait_s = longest_wait_s
        self._sleep = sleep
        self._clock = clock
        self._budget = WriteBudget()

    def send(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Answer:
        """One call; again only after a refusal by a limit, which has changed nothing.

        Raises RateLimited; Unreachable for a GET whose connection broke, else Uncertain.
        """
        for tries in range(_LIMIT_TRIES):
            answer = self._once(method, url, body, headers)
            if not is_limit(answer.status, answer.headers, answer.text):
                return answer
            wait = wait_s(answer.headers, self._clock(), tries)
            self._wait(wait, "its rate limit")
        raise RateLimited(f"GitHub's rate limit refused {method} {url} again and again.", wait)

    def write(self, method: str, url: str, body: Mapping[str, Any] | None) -> Answer:
        """A call that changes something, once our own budget of writes has room.

        Raises what `send` raises.
        """
        self._wait(self._budget.wait_s(self._clock()), "our own budget of writes")
        self._budget.spend(self._clock())
        self.calls.writes += 1
        return self.send(method, url, body, {})

    def ask(self, body: Mapping[str, Any]) -> Answer:
        """A question to GitHub's other API, GraphQL. Raises what `send` raises."""
        return self.send("POST", self.requester.graphql_url, body, {})

    def download(self, url: str, largest: int) -> bytes:
        """The bytes of an archive. Raises Rejected when there are more than `largest`."""
        self.calls.made["GET"] += 1
        self.calls.counted_by_route[self._route("GET", url)] += 1
        try:
            status, _, stream = self.requester.getStream(url, chunk_size=1 << 16)
            if status >= 400:
                raise refused(status, "GET", url, "")
            data = bytearray()
            for chunk in stream:
                data += chunk
                if len(data) > largest:
                    raise Rejected(f"{url} has more than {largest:,} bytes.", 413)
        except Exception as error:
            raise broken(error, "GET", url) from None
        return bytes(data)

    def _once(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Answer:
        self.calls.made[method] += 1
        sent = {"X-GitHub-Api-Version": API_VERSION, **headers}
        content = None if body is None else dict(body)
        try:
            status, got, text = self.requester.requestJson(method, url, headers=sent, input=content)
        except Exception as error:
            raise broken(error, method, url) from None
        if status != 304:
            self.calls.counted_by_route[self._route(method, url)] += 1
        return Answer(status, {str(k).lower(): str(v) for k, v in got.items()}, str(text))

    def _route(self, method: str, url: str) -> str:
        """A call as the table of costs names it: numbers, commits and names are left out."""
        path = urlsplit(url).path.partition(f"/repos/{self._repository}/")
        return f"{method} {_NAMES.sub('*', path[2] or path[0].lstrip('/'))}"

    def _wait(self, seconds: float, why: str) -> None:
        if seconds > self._longest_wait_s:
            raise RateLimited(
                f"GitHub wants {seconds:.0f} s of patience ({why}); at most "
                f"{self._longest_wait_s:.0f} s are waited. Run this again later.",
                seconds,
            )
        if seconds > 0:
            self._sleep(seconds)
