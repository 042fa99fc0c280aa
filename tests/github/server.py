"""The model over HTTP: the REST API, git's own transport, and a door for whoever plays GitHub.

Behind the door (`/_model/...`, no credential; it listens on localhost only) another process
adds people and tokens, ends runs, uploads artifacts and injects faults.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.github import door
from tests.github.application import Application, Failure, Response, failed
from tests.github.state import GitHub, Refused


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    github: GitHub
    application: Application

    def __init__(self, github: GitHub, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.github = github
        self.application = Application(github)

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
            stored = self.server.application.stored(path)
            self._send(200, stored, {"content-type": "application/zip"})
        elif path.startswith("/_model/"):
            self._door(path, data)
        else:
            self._api(data)

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

    def _api(self, data: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        root = f"http://{self.headers.get('host')}"
        application = self.server.application
        self._respond(application.answer(self.command, self.path, headers, data, root))

    def _respond(self, made: Response | Failure) -> None:
        if isinstance(made, Failure):
            self._fail(made)
        else:
            self._send(made.status, made.body, dict(made.headers))

    # What goes wrong

    def _fail(self, failure: Failure) -> None:
        if failure.fault.kind == "hang":
            time.sleep(failure.fault.seconds)
        if failure.fault.kind == "cut":
            data = failure.body or b""
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
            token = self.server.application.token(self.headers.get("authorization", ""))
            allowed = token.allows("contents", "write" if writes else "read")
        except Refused:
            allowed = not writes and not github.private
            if not allowed:
                self._send(401, b"", {"www-authenticate": 'Basic realm="GitHub"'})
                return
        if not allowed:
            self._send(403, b"Permission denied", {})
            return
        fault = self.server.application.fault(self.command, path)
        if fault and not fault.after:
            self._respond(failed(fault))
            return
        output = _http_backend(github, self, path, query, data)
        head, _, body = output.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split(" ")[0])
        if fault:
            self._respond(failed(fault, body))
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
