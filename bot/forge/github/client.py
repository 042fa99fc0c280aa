"""GitHub's REST API by PyGithub, with the manners that its defaults lack.

PyGithub repeats a POST after a 5xx by default, waits for rate limits without an end, and leaves
out `If-None-Match`. Here: what creates something is sent once, and an unclear outcome is
`Uncertain`; a read, and what can be said twice, is tried again a few times; limits are waited
for up to a bound; a list is complete or an error; what GitHub says has not changed costs nothing
of the primary limit. Every call is counted.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from bot.forge.github.auth import Credential
from bot.forge.github.errors import (
    Forbidden,
    GitHubError,
    NotFound,
    RateLimited,
    Rejected,
    Unauthorized,
    Uncertain,
    Unreachable,
)
from bot.forge.github.limits import WriteBudget, is_limit, wait_s
from bot.text.plain import one_line

API_VERSION = "2022-11-28"
_TRIES = 4
_LIMIT_TRIES = 4
_MOST_PAGES = 1_000
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="next"')
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
class Page:
    """A part of a list; `last` when nothing follows."""

    entries: list[Any]
    last: bool


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    text: str


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
        self.calls = Calls()
        self._requester = Github(
            base_url=self.api_url,
            auth=credential.auth(),
            timeout=timeout_s,
            retry=0,
            per_page=100,
            seconds_between_requests=0,
            seconds_between_writes=between_writes_s,
            user_agent="mergelab",
        ).requester
        self._longest_wait_s = longest_wait_s
        self._sleep = sleep
        self._clock = clock
        self._budget = WriteBudget()
        self._known: dict[str, tuple[str, _Answer]] = {}

    # Reading

    def get(self, path: str, **parameters: str | int) -> Any:
        """What GitHub has there. Raises NotFound, Forbidden, Unreachable ..."""
        return _json(self._read(self._url(path, parameters)))

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
            body = _json(answer)
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
            answer = self._limited("POST", self._requester.graphql_url, body, {})
        except Uncertain as error:  # a question changes nothing
            raise Unreachable(str(error)) from None
        if answer.status >= 500 or not _readable(answer):
            raise Unreachable(f"GitHub is out of order ({answer.status}) at its GraphQL API.")
        if answer.status >= 400:
            raise _error(answer.status, "POST", "/graphql", answer.text)
        found = _json(answer)
        data = found.get("data") if isinstance(found, dict) else None
        if not isinstance(data, dict):
            raise Rejected(f"GitHub refuses a question ({_message(answer.text)}).", answer.status)
        return data

    def download(self, path: str, largest: int) -> bytes:
        """The bytes of an archive. Raises Rejected when there are more than `largest`."""
        url = self._url(path, {})
        self.calls.made["GET"] += 1
        self.calls.counted_by_route[self._route("GET", url)] += 1
        try:
            status, _, stream = self._requester.getStream(url, chunk_size=1 << 16)
            if status >= 400:
                raise _error(status, "GET", path, "")
            data = bytearray()
            for chunk in stream:
                data += chunk
                if len(data) > largest:
                    raise Rejected(f"{path} has more than {largest:,} bytes.", 413)
        except Exception as error:
            raise _broken(error, "GET", path) from None
        return bytes(data)

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

    def _read(self, url: str) -> _Answer:
        problem: GitHubError | None = None
        for attempt in range(_TRIES):
            if attempt:
                self._sleep(float(2**attempt))
            tag, known = self._known.get(url, ("", None))
            headers = {"If-None-Match": tag} if known else {}
            try:
                answer = self._limited("GET", url, None, headers)
            except Unreachable as error:
                problem = error
                continue
            if answer.status == 304 and known:
                self.calls.unchanged += 1
                return known
            if answer.status >= 500 or not _readable(answer):
                problem = Unreachable(f"GitHub is out of order ({answer.status}) at {url}.")
                continue
            if answer.status >= 400:
                raise _error(answer.status, "GET", url, answer.text)
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
        self._wait(self._budget.wait_s(self._clock()), "our own budget of writes")
        self._budget.spend(self._clock())
        self.calls.writes += 1
        answer = self._limited(method, url, body, {})
        if answer.status >= 500:
            raise Uncertain(f"GitHub is out of order ({answer.status}) at {method} {url}.")
        if answer.status >= 400:
            raise _error(answer.status, method, url, answer.text)
        if not _readable(answer):
            raise Uncertain(f"GitHub's answer to {method} {url} cannot be read.")
        return _json(answer)

    def _limited(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> _Answer:
        """One call; again only after a refusal by a limit, which has changed nothing."""
        for tries in range(_LIMIT_TRIES):
            answer = self._once(method, url, body, headers)
            if not is_limit(answer.status, answer.headers, answer.text):
                return answer
            wait = wait_s(answer.headers, self._clock(), tries)
            self._wait(wait, "its rate limit")
        raise RateLimited(f"GitHub's rate limit refused {method} {url} again and again.", wait)

    def _once(
        self, method: str, url: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> _Answer:
        self.calls.made[method] += 1
        sent = {"X-GitHub-Api-Version": API_VERSION, **headers}
        content = None if body is None else dict(body)
        try:
            status, got, text = self._requester.requestJson(
                method, url, headers=sent, input=content
            )
        except Exception as error:
            raise _broken(error, method, url) from None
        if status != 304:
            self.calls.counted_by_route[self._route(method, url)] += 1
        return _Answer(status, {str(k).lower(): str(v) for k, v in got.items()}, str(text))

    def _route(self, method: str, url: str) -> str:
        """A call as the table of costs names it: numbers, commits and names are left out."""
        path = urlsplit(url).path.partition(f"/repos/{self.repository}/")
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


def _readable(answer: _Answer) -> bool:
    try:
        _json(answer)
    except ValueError:
        return False
    return True


def _json(answer: _Answer) -> Any:
    return json.loads(answer.text) if answer.text.strip() else None


def _broken(error: Exception, method: str, url: str) -> Exception:
    """What a connection that broke means: a write may have arrived. No text of the request."""
    from github import GithubException
    from requests.exceptions import HTTPError, RequestException

    if isinstance(error, HTTPError) and error.response is not None:
        return _error(error.response.status_code, method, url, "")
    if isinstance(error, GithubException):  # an App could not make its token: nothing was sent
        return _error(error.status, method, url, str(error.message))
    if not isinstance(error, RequestException | OSError):
        return error
    kind = type(error).__name__
    if method == "GET":
        return Unreachable(f"GitHub could not be reached for {url} ({kind}). Try again later.")
    return Uncertain(f"The connection broke during {method} {url} ({kind}).")


def _error(status: int, method: str, url: str, text: str) -> GitHubError:
    said = _message(text)
    call = f"{method} {url.partition('?')[0]}"
    match status:
        case 401:
            return Unauthorized(
                f"GitHub does not accept the credential ({said}). Set GITHUB_TOKEN, or the App's"
                " key, anew; see docs/github.md.",
                status,
            )
        case 403:
            return Forbidden(
                f"The credential lacks a permission for {call} ({said}). `python -m bot doctor"
                " --github` says which it has.",
                status,
            )
        case 404 | 410:
            return NotFound(f"GitHub finds nothing for {call} ({said}).", status)
    return Rejected(f"GitHub refuses {call} ({status}: {said}).", status)


def _message(text: str) -> str:
    """GitHub's own words, which are data: one bounded line."""
    try:
        body = json.loads(text)
    except ValueError:
        return one_line(text, 200) or "no message"
    if not isinstance(body, dict):
        return "no message"
    errors = body.get("errors")
    more = [
        str(error.get("message") or error.get("code")) if isinstance(error, dict) else str(error)
        for error in (errors if isinstance(errors, list) else [])
    ]
    return one_line("; ".join([str(body.get("message", "no message")), *more]), 300)
