"""GitHub's REST API by PyGithub, with the manners that its defaults lack.

PyGithub repeats a POST after a 5xx by default, waits for rate limits without an end, and leaves
out `If-None-Match`. Here: what creates something is sent once, and an unclear outcome is
`Uncertain`; a read, and what can be said twice, is tried again a few times; limits are waited
for up to a bound; a list is complete or an error; what GitHub says has not changed costs nothing
of the primary limit. Every call is counted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bot.forge.github.auth import Credential
from bot.forge.github.errors import (
    GitHubError,
    Rejected,
    Uncertain,
    Unreachable,
    message_of,
    refused,
)
from bot.forge.github.transport import Answer, Calls, Transport

_TRIES = 4
_MOST_PAGES = 1_000
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="next"')


@dataclass(frozen=True)
class Page:
    """A part of a list; `last` when nothing follows."""

    entries: list[Any]
    last: bool


class GitHubClient:
    """Calls about one repository. Paths are relative to it unless they begin with `/`."""

    def __init__(
        self,
        repository: str,
        credential: Credential,
        api_url: str = "https://api.github.com",
        *,
        timeout_s: int = 30,
        longest_wait_s: float = 900.0,
        between_writes_s: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`repository` is "owner/name". Waiting longer than `longest_wait_s` is RateLimited."""
        from github import Github

        self.repository = repository
        self.api_url = api_url.rstrip("/")
        self.credential = credential
        self._sleep = sleep
        self._known: dict[str, tuple[str, Answer]] = {}
        requester = Github(
            base_url=self.api_url,
            auth=credential.auth(),
            timeout=timeout_s,
            retry=0,
            per_page=100,
            seconds_between_requests=0,
            seconds_between_writes=between_writes_s,
            user_agent="mergelab",
        ).requester
        self._transport = Transport(
            repository, requester, longest_wait_s=longest_wait_s, sleep=sleep, clock=clock
        )

    @property
    def calls(self) -> Calls:
        """What was asked of GitHub so far."""
        return self._transport.calls

    # Reading

    def get(self, path: str, **parameters: str | int) -> Any:
        """What GitHub has there. Raises NotFound, Forbidden, Unreachable ..."""
        return self._read(self._url(path, parameters)).json()

    def list(self, path: str, key: str | None = None, **parameters: str | int) -> list[Any]:
        """All entries of a list, over all its pages; `key` names where an answer wraps them.

        A page that cannot be had is an error: half a list is never taken for the whole.
        """
        found: dict[Any, Any] = {}
        for page in self.pages(path, key, **parameters):
            for entry in page.entries:  # what moves to the next page meanwhile comes twice
                mark = entry.get("id") if isinstance(entry, dict) else None
                found[mark if mark is not None else len(found)] = entry
        return list(found.values())

    def pages(self, path: str, key: str | None = None, **parameters: str | int) -> Iterator[Page]:
        """The pages of a list, each read when it is asked for. Raises what `list` raises."""
        url: str | None = self._url(path, {"per_page": 100, **parameters})
        for _ in range(_MOST_PAGES):
            if url is None:
                return
            answer = self._read(url)
            body = answer.json()
            entries = body.get(key) if key is not None and isinstance(body, dict) else body
            if not isinstance(entries, list):
                raise Unreachable(f"GitHub answered something else than a list to {path}.")
            link = _NEXT.search(answer.headers.get("link", ""))
            url = link[1] if link else None
            yield Page(entries, last=url is None)
        raise Unreachable(f"GitHub's list {path} has no end.")

    def graphql(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What GitHub's other API answers to a question, for what this one does not tell.

        Raises Rejected when it does not understand, Unreachable.
        """
        body = {"query": query, "variables": dict(variables)}
        try:
            answer = self._transport.ask(body)
        except Uncertain as error:  # a question changes nothing
            raise Unreachable(str(error)) from None
        if answer.status >= 500 or not answer.readable:
            raise Unreachable(f"GitHub is out of order ({answer.status}) at its GraphQL API.")
        if answer.status >= 400:
            raise refused(answer.status, "POST", "/graphql", answer.text)
        found = answer.json()
        data = found.get("data") if isinstance(found, dict) else None
        if not isinstance(data, dict):
            raise Rejected(f"GitHub refuses a question ({message_of(answer.text)}).", answer.status)
        return data

    def download(self, path: str, largest: int) -> bytes:
        """The bytes of an archive. Raises Rejected when there are more than `largest`."""
        return self._transport.download(self._url(path, {}), largest)

    # Writing: sent once, unless saying it twice is saying it once

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, repeatable: bool = False
    ) -> Any:
        """Create something. Raises Uncertain when it may have happened all the same.

        `repeatable` is for what changes nothing the second time: it is tried again.
        """
        return self._write("POST", path, body, repeatable)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Set fields to these values, whatever they were; tried again. Raises Uncertain."""
        return self._write("PATCH", path, body, True)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Replace something by this, whatever it was; tried again. Raises Uncertain."""
        return self._write("PUT", path, body, True)

    def delete(self, path: str) -> Any:
        """Remove something. Raises Uncertain when it may have happened all the same."""
        return self._write("DELETE", path, None, False)

    # How

    def _url(self, path: str, parameters: Mapping[str, str | int]) -> str:
        place = path if path.startswith("/") else f"/repos/{self.repository}/{path}".rstrip("/")
        if not parameters:
            return place
        pairs = (f"{key}={quote(str(value), safe='')}" for key, value in parameters.items())
        return f"{place}?{'&'.join(pairs)}"

    def _read(self, url: str) -> Answer:
        problem: GitHubError | None = None
        for attempt in range(_TRIES):
            if attempt:
                self._sleep(float(2**attempt))
            tag, known = self._known.get(url, ("", None))
            headers = {"If-None-Match": tag} if known else {}
            try:
                answer = self._transport.send("GET", url, None, headers)
            except Unreachable as error:
                problem = error
                continue
            if answer.status == 304 and known:
                self.calls.unchanged += 1
                return known
            if answer.status >= 500 or not answer.readable:
                problem = Unreachable(f"GitHub is out of order ({answer.status}) at {url}.")
                continue
            if answer.status >= 400:
                raise refused(answer.status, "GET", url, answer.text)
            if "etag" in answer.headers:
                self._known[url] = (answer.headers["etag"], answer)
            return answer
        raise problem or Unreachable(f"GitHub does not answer to {url}. Try again later.")

    def _write(
        self, method: str, path: str, body: Mapping[str, Any] | None, repeatable: bool
    ) -> Any:
        tries = _TRIES if repeatable else 1
        for attempt in range(1, tries + 1):
            try:
                return self._write_once(method, self._url(path, {}), body)
            except Uncertain:
                if attempt == tries:
                    raise
                self._sleep(float(2**attempt))
        raise AssertionError("unreachable")

    def _write_once(self, method: str, url: str, body: Mapping[str, Any] | None) -> Any:
        answer = self._transport.write(method, url, body)
        if answer.status >= 500:
            raise Uncertain(f"GitHub is out of order ({answer.status}) at {method} {url}.")
        if answer.status >= 400:
            raise refused(answer.status, method, url, answer.text)
        if not answer.readable:
            raise Uncertain(f"GitHub's answer to {method} {url} cannot be read.")
        return answer.json()
