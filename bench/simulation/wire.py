"""GitHub's API without a network: PyGithub's requester, answered by the model in this process.

Everything above it is the bot's own: limits, retries, pages, what an error means. Each call of a
bot can be killed, lost, refused, answered with an error before or after its effect, or with an
older list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.exceptions import ConnectionError as Broken

from bench.simulation.faults import Faults, Killed

if TYPE_CHECKING:
    from tests.github.application import Application, Response
    from tests.github.faults import Fault

ROOT = "http://github.invalid"
_EVERY = ".*"
_REFUSALS = (409, 422)
_LISTS = ("/comments", "/pulls", "/check-runs", "/reviews", "/runs", "/artifacts")


class Wire:
    """The requester of one process, which sends with `token`. Without `faults` all goes well.

    `misled` is called when a list is answered as it was before.
    """

    def __init__(
        self,
        application: Application,
        token: str,
        faults: Faults | None = None,
        misled: Callable[[], None] = lambda: None,
    ) -> None:
        self._application = application
        self._token = token
        self._faults = faults
        self._misled = misled

    def requestJson(  # noqa: N802 (PyGithub's name)
        self, verb: str, url: str, headers: Mapping[str, str] | None = None, input: Any = None
    ) -> tuple[int, dict[str, str], str]:
        """One call: status, headers and text. Raises what a broken connection raises."""
        data = b"" if input is None else json.dumps(input).encode()
        kill = self._faults if verb != "GET" else None
        if kill and kill.strikes("killed at a call of GitHub"):
            raise Killed(f"before {verb} {url}")
        made = self._answer(verb, url, headers or {}, data)
        if kill and kill.strikes("killed at a call of GitHub"):
            raise Killed(f"after {verb} {url}")
        return made.status, dict(made.headers), made.body.decode()

    def getStream(  # noqa: N802 (PyGithub's name)
        self,
        url: str,
        chunk_size: int,  # noqa: ARG002 (PyGithub's argument)
    ) -> tuple[int, dict[str, str], Iterator[bytes]]:
        """The bytes of an archive, which are somewhere else."""
        made = self._answer("GET", url, {}, b"")
        where = urlsplit(made.headers.get("location", "")).path
        data = self._application.stored(where) if where else b""
        return (200 if where else made.status), {}, iter([data])

    def _answer(self, verb: str, url: str, headers: Mapping[str, str], data: bytes) -> Response:
        from tests.github.application import Response

        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        sent = {name.lower(): value for name, value in headers.items()}
        sent["authorization"] = f"token {self._token}"
        fault = self._fault(verb, parts.path) if self._faults else None
        self._application.github.faults = [fault] if fault else []
        made = self._application.answer(verb, target, sent, data, ROOT)
        self._application.github.faults = []
        if not isinstance(made, Response):
            raise Broken(f"the connection was lost during {verb} {url}")
        return made

    def _fault(self, verb: str, path: str) -> Fault | None:
        """What goes wrong with a call, if anything does."""
        from tests.github.faults import Fault, primary_limit, secondary_limit

        faults, github = self._faults, self._application.github
        assert faults
        chance = faults.chance
        if faults.strikes("GitHub out of order before effect"):
            return Fault(_EVERY, status=chance.choice([500, 502, 503]))
        if faults.strikes("connection to GitHub lost"):
            return Fault(_EVERY, "drop", after=chance.random() < 0.5)
        if faults.strikes("GitHub's rate limit"):
            wait = chance.choice([5, 60, 1200, 4000])
            if chance.random() < 0.5:
                return primary_limit(_EVERY, github.now + wait)
            return secondary_limit(_EVERY, chance.choice([None, wait]))
        return self._read_fault(path) if verb == "GET" else self._write_fault()

    def _read_fault(self, path: str) -> Fault | None:
        from tests.github.faults import Fault

        assert self._faults
        if not (path.endswith(_LISTS) and self._faults.strikes("GitHub's list is stale")):
            return None
        self._misled()
        return Fault(_EVERY, "stale")

    def _write_fault(self) -> Fault | None:
        from tests.github.faults import Fault

        assert self._faults
        if self._faults.strikes("GitHub out of order after effect"):
            return Fault(_EVERY, status=502, after=True)
        if self._faults.strikes("GitHub refuses"):
            status = self._faults.chance.choice(_REFUSALS)
            return Fault(_EVERY, status=status, message="Refused on purpose")
        return None
