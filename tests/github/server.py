"""The model over HTTP: the REST API, git's own transport, and a door for whoever plays GitHub.

Behind the door (`/_model/...`, no credential; it listens on localhost only) another process
adds people and tokens, ends runs, uploads artifacts and injects faults.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tests.github import actions, administration, checks, door, gitdata, issues, people, pulls
from tests.github.faults import Fault
from tests.github.http import ROUTES, Answer, Request
from tests.github.repository import GitRefused
from tests.github.state import Call, GitHub, Refused, Token

_ = (actions, administration, checks, gitdata, issues, people, pulls)  # they register their routes
_WRAPPED = ("check_runs", "workflow_runs", "artifacts", "workflows", "jobs")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    github: GitHub

    def __init__(self, github: GitHub, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.github = github
        self.seen: dict[str, list[bytes]] = {}  # what each list answered, for stale answers

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextlib.contextmanager
def running(github: GitHub, port: int = 0) -> Iterator[str]:
    """Serve it; gives the base address of the API, for example http://127.0.0.1:40001."""
    server = _Server(github, port)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is printed; `GitHub.calls` is the log."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    def _serve(self) -> None:
        target = urlsplit(self.path)
        self.query = dict(parse_qsl(target.query, keep_blank_values=True))
        path = target.path.removeprefix("/api/v3")
        data = self._read()
        name = f"/{self.server.github.full_name}.git/"
        if path.startswith(name):
            self._git(path, target.query, data)
        elif path.startswith("/_storage/"):
            self._send(200, self._stored(path), {"content-type": "application/zip"})
        elif path.startswith("/_model/"):
            self._door(path, data)
        else:
            self._api(path, target.query, data)

    def _read(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            import gzip

            data = gzip.decompress(data)
        return data

    # The API

    def _api(self, path: str, query: str, data: bytes) -> None:
        github = self.server.github
        fault = self._fault(path)
        if fault and not fault.after and fault.kind in {"status", "drop", "hang"}:
            self._log(path, query, fault.status if fault.kind == "status" else 0)
            self._fail(fault)
            return
        with github.lock:
            answer = self._answer(path, query, data)
            body, headers = self._encoded(answer, path, query, fault)
            self._log(path, query, answer.status if body is not None else 304)
        if fault and (fault.after or fault.kind == "cut"):
            self._fail(fault, body)
            return
        self._send(answer.status if body is not None else 304, body or b"", headers)

    def _answer(self, path: str, query: str, data: bytes) -> Answer:
        github = self.server.github
        try:
            token = self._token()
            handler, parts = _find(self.command, path, github)
            body = json.loads(data) if data else {}
            if not isinstance(body, dict):
                raise Refused(400, "Problems parsing JSON")
            root = f"http://{self.headers.get('host')}"
            request = Request(
                github, token, root, self.command, path, parts, dict(self.query), body
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

    def _encoded(
        self, answer: Answer, path: str, query: str, fault: Fault | None
    ) -> tuple[bytes | None, dict[str, str]]:
        """The bytes of the answer; None when the client has them already."""
        headers = {**self._limits(), **answer.headers}
        if answer.body is None:
            return b"", headers
        body, links = self._page(answer.body, path)
        if links:
            headers["link"] = links
        data = json.dumps(body).encode()
        if self.command == "GET":
            data = self._perhaps_stale(f"{path}?{query}", data, fault)
            tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            headers["etag"] = tag
            if answer.status == 200 and self.headers.get("if-none-match") == tag:
                self.server.github.used -= 1
                return None, headers
        return data, headers

    def _page(self, body: Any, path: str) -> tuple[Any, str]:
        key = next((name for name in _WRAPPED if isinstance(body, dict) and name in body), None)
        if self.command != "GET" or not (isinstance(body, list) or key):
            return body, ""
        entries = body[key] if key else body
        size = min(int(self.query.get("per_page", 30)), self.server.github.page_limit, 100)
        page = int(self.query.get("page", 1))
        start = (page - 1) * size
        shown = entries[start : start + size]
        links = ""
        if start + size < len(entries):
            again = urlencode({**self.query, "page": page + 1})
            last = urlencode({**self.query, "page": -(-len(entries) // size)})
            at = f"http://{self.headers.get('host')}{path}"
            links = f'<{at}?{again}>; rel="next", <{at}?{last}>; rel="last"'
        return ({**body, key: shown} if key else shown), links

    def _perhaps_stale(self, name: str, data: bytes, fault: Fault | None) -> bytes:
        known = self.server.seen.setdefault(name, [])
        if fault and fault.kind == "stale":
            older = [answer for answer in known if answer != data]
            return older[-1] if older else b"[]"
        if not known or known[-1] != data:
            known.append(data)
        return data

    def _limits(self) -> dict[str, str]:
        github = self.server.github
        github.used += 1
        return {
            "x-ratelimit-limit": str(github.limit),
            "x-ratelimit-remaining": str(max(0, github.limit - github.used)),
            "x-ratelimit-reset": str(github.reset),
            "x-ratelimit-used": str(github.used),
            "x-ratelimit-resource": "core",
        }

    def _token(self) -> Token:
        kind, _, secret = self.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            secret = base64.b64decode(secret).decode("utf-8", "replace").partition(":")[2]
        token = self.server.github.tokens.get(secret)
        if token is None:
            raise Refused(401, "Bad credentials")
        return token

    # What goes wrong

    def _fault(self, path: str) -> Fault | None:
        faults = self.server.github.faults
        return next((fault for fault in faults if fault.strikes(self.command, path)), None)

    def _fail(self, fault: Fault, body: bytes | None = None) -> None:
        if fault.kind == "status":
            text = json.dumps({"message": fault.message}).encode()
            self._send(fault.status, text, dict(fault.headers))
            return
        if fault.kind == "hang":
            time.sleep(fault.seconds)
        if fault.kind == "cut":
            data = body or b""
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    # Beside the API

    def _stored(self, path: str) -> bytes:
        found = self.server.github.artifacts.get(int(path.rsplit("/", 1)[-1]))
        return found.data if found else b""

    def _door(self, path: str, data: bytes) -> None:
        with self.server.github.lock:
            try:
                answer = door.open_door(
                    self.server.github,
                    self.command,
                    path.removeprefix("/_model/"),
                    self.query,
                    data,
                )
                status, body = 200, answer
            except (KeyError, ValueError, TypeError, Refused) as error:
                status, body = 400, {"message": repr(error)}
        self._send(status, json.dumps(body).encode(), {})

    def _git(self, path: str, query: str, data: bytes) -> None:
        """Git's smart HTTP transport, by git's own program."""
        github = self.server.github
        writes = "git-receive-pack" in path or "git-receive-pack" in query
        try:
            token = self._token()
            allowed = token.allows("contents", "write" if writes else "read")
        except Refused:
            allowed = not writes and not github.private
            if not allowed:
                self._send(401, b"", {"www-authenticate": 'Basic realm="GitHub"'})
                return
        if not allowed:
            self._send(403, b"Permission denied", {})
            return
        fault = self._fault(path)
        if fault and not fault.after:
            self._fail(fault)
            return
        output = _http_backend(github, self, path, query, data)
        head, _, body = output.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split(" ")[0])
        if fault:
            self._fail(fault, body)
            return
        self._send(status, body, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        names = {name.lower() for name in headers}
        if "content-type" not in names:
            self.send_header("content-type", "application/json; charset=utf-8")
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if status not in {204, 304} and self.command != "HEAD":
            self.wfile.write(body)

    def _log(self, path: str, query: str, status: int) -> None:
        github = self.server.github
        secret = self.headers.get("authorization", "").partition(" ")[2]
        github.calls.append(Call(self.command, path, query, status, secret))


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


def _http_backend(
    github: GitHub, handler: BaseHTTPRequestHandler, path: str, query: str, data: bytes
) -> bytes:
    repository = github.repository.path
    environment = {
        **os.environ,
        "GIT_PROJECT_ROOT": str(repository),
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": handler.command,
        "PATH_INFO": path.removeprefix(f"/{github.full_name}.git"),
        "QUERY_STRING": query,
        "CONTENT_TYPE": handler.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(data)),
        "REMOTE_USER": "somebody",
        "GIT_PROTOCOL": handler.headers.get("git-protocol", ""),
    }
    done = subprocess.run(
        ["git", "http-backend"], input=data, capture_output=True, env=environment, check=False
    )
    return done.stdout
