"""The model as an application: a request in, an answer out, whatever carries the two.

`server` speaks HTTP around it; `bench.simulation` calls it within its own process.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tests.github import actions, administration, checks, gitdata, issues, people, pulls
from tests.github.faults import Fault
from tests.github.http import ROUTES, Answer, Request
from tests.github.repository import GitRefused
from tests.github.state import Call, GitHub, Refused, Token

_ = (actions, administration, checks, gitdata, issues, people, pulls)  # they register their routes
_WRAPPED = ("check_runs", "workflow_runs", "artifacts", "workflows", "jobs")


@dataclass(frozen=True)
class Response:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """What goes back instead: the connection ends, before the answer or within it (`body`)."""

    fault: Fault
    body: bytes | None = None


class Application:
    """The REST API of one repository."""

    def __init__(self, github: GitHub) -> None:
        self.github = github
        self._seen: dict[str, list[bytes]] = {}  # what each list answered, for stale answers

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], data: bytes, root: str
    ) -> Response | Failure:
        """Answer one call. `target` is path and query, `root` the address of the API.

        The names in `headers` are in lower case.
        """
        call = _Call(self, method, target, headers, data, root)
        fault = self.fault(method, call.path)
        if fault and not fault.after and fault.kind in {"status", "drop", "hang"}:
            call.log(fault.status if fault.kind == "status" else 0)
            return failed(fault)
        with self.github.lock:
            answer = call.answer()
            body, sent = call.encoded(answer, fault)
            call.log(answer.status if body is not None else 304)
        if fault and (fault.after or fault.kind == "cut"):
            return failed(fault, body)
        return Response(answer.status if body is not None else 304, body or b"", sent)

    def fault(self, method: str, path: str) -> Fault | None:
        """What goes wrong with a call."""
        faults = self.github.faults
        return next((fault for fault in faults if fault.strikes(method, path)), None)

    def token(self, authorization: str) -> Token:
        """Whose credential it is. Raises Refused."""
        kind, _, secret = authorization.partition(" ")
        if kind.lower() == "basic":
            secret = base64.b64decode(secret).decode("utf-8", "replace").partition(":")[2]
        token = self.github.tokens.get(secret)
        if token is None:
            raise Refused(401, "Bad credentials")
        return token

    def stored(self, path: str) -> bytes:
        """The bytes of an artifact, from where its archive's address leads."""
        found = self.github.artifacts.get(int(path.rsplit("/", 1)[-1]))
        return found.data if found else b""

    def perhaps_stale(self, name: str, data: bytes, fault: Fault | None) -> bytes:
        """What a list answered before, where that is the fault; else what it answers now."""
        known = self._seen.setdefault(name, [])
        if fault and fault.kind == "stale":
            older = [answer for answer in known if answer != data]
            return older[-1] if older else b"[]"
        if not known or known[-1] != data:
            known.append(data)
        return data


def failed(fault: Fault, body: bytes | None = None) -> Response | Failure:
    """What a fault makes of a call; `body` is its answer, where it had its effect."""
    if fault.kind != "status":
        return Failure(fault, body)
    return Response(
        fault.status, json.dumps({"message": fault.message}).encode(), dict(fault.headers)
    )


@dataclass(frozen=True)
class _Call:
    """One call, as it came."""

    application: Application
    method: str
    target: str
    headers: Mapping[str, str]
    data: bytes
    root: str

    @property
    def path(self) -> str:
        return urlsplit(self.target).path.removeprefix("/api/v3")

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def answer(self) -> Answer:
        github = self.application.github
        try:
            token = self.application.token(self.headers.get("authorization", ""))
            handler, parts = _find(self.method, self.path, github)
            body = json.loads(self.data) if self.data else {}
            if not isinstance(body, dict):
                raise Refused(400, "Problems parsing JSON")
            request = Request(
                github, token, self.root, self.method, self.path, parts, self.query, body
            )
            github.observe()
            made = handler(request)
            github.observe()
            return made if isinstance(made, Answer) else Answer(200, made)
        except Refused as refusal:
            return Answer(refusal.status, refusal.body)
        except ValueError:
            return Answer(400, {"message": "Problems parsing JSON"})
        except GitRefused as error:
            return Answer(422, {"message": str(error)})

    def encoded(self, answer: Answer, fault: Fault | None) -> tuple[bytes | None, dict[str, str]]:
        """The bytes of the answer; None when the client has them already."""
        headers = {**self._limits(), **answer.headers}
        if answer.body is None:
            return b"", headers
        body, links = self._page(answer.body)
        if links:
            headers["link"] = links
        data = json.dumps(body).encode()
        if self.method == "GET":
            name = f"{self.path}?{urlsplit(self.target).query}"
            data = self.application.perhaps_stale(name, data, fault)
            tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            headers["etag"] = tag
            if answer.status == 200 and self.headers.get("if-none-match") == tag:
                self.application.github.used -= 1
                return None, headers
        return data, headers

    def _page(self, body: Any) -> tuple[Any, str]:
        key = next((name for name in _WRAPPED if isinstance(body, dict) and name in body), None)
        if self.method != "GET" or not (isinstance(body, list) or key):
            return body, ""
        query = self.query
        entries = body[key] if key else body
        size = min(int(query.get("per_page", 30)), self.application.github.page_limit, 100)
        page = int(query.get("page", 1))
        start = (page - 1) * size
        shown = entries[start : start + size]
        links = ""
        if start + size < len(entries):
            again = urlencode({**query, "page": page + 1})
            last = urlencode({**query, "page": -(-len(entries) // size)})
            at = f"{self.root}{self.path}"
            links = f'<{at}?{again}>; rel="next", <{at}?{last}>; rel="last"'
        return ({**body, key: shown} if key else shown), links

    def _limits(self) -> dict[str, str]:
        github = self.application.github
        github.used += 1
        return {
            "x-ratelimit-limit": str(github.limit),
            "x-ratelimit-remaining": str(max(0, github.limit - github.used)),
            "x-ratelimit-reset": str(github.reset),
            "x-ratelimit-used": str(github.used),
            "x-ratelimit-resource": "core",
        }

    def log(self, status: int) -> None:
        secret = self.headers.get("authorization", "").partition(" ")[2]
        query = urlsplit(self.target).query
        self.application.github.calls.append(Call(self.method, self.path, query, status, secret))


def _find(method: str, path: str, github: GitHub) -> tuple[Any, dict[str, str]]:
    allowed = False
    for verb, pattern, handler in ROUTES:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        if verb == method:
            parts = {name: unquote(value) for name, value in match.groupdict().items()}
            if "owner" in parts and f"{parts['owner']}/{parts['name']}" != github.full_name:
                raise Refused(404, "Not Found")
            return handler, parts
        allowed = True
    raise Refused(405 if allowed else 404, "Not Found")
