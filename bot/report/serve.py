"""Serves the page on this machine while a night runs: the page asks now and then for a newer one.

Bound to the loop-back address, and answers only to requests that name it: a web page elsewhere
that a browser is made to think lives here gets nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bot.errors import BotError
from bot.forge.base import ForgeError
from bot.git import GitError
from bot.proposing.place import Place
from bot.report.build import content_of
from bot.report.page import render

HOST = "127.0.0.1"


class Pages:
    """The page of now, made when the repository has changed since the last one."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._version = ""
        self._page = b""

    def version(self) -> str:
        """A name for the present state of the repository: it changes with every event."""
        refs = self._place.repository.git.text(
            "for-each-ref", "--format=%(objectname)", "refs/forge", "refs/heads"
        )
        import hashlib

        return hashlib.sha256(refs.encode()).hexdigest()[:16]

    def page(self) -> bytes:
        """The page, made anew only where something has happened."""
        with self._lock:
            version = self.version()
            if version != self._version:
                self._page = render(content_of(self._place), version=version).encode()
                self._version = version
            return self._page


def serve(place: Place, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted. `ready` gets the address.

    Raises:
        BotError: the port is taken.
    """
    with make_server(place, port) as server:
        ready(f"http://{HOST}:{server.server_port}/")
        server.serve_forever()


def make_server(place: Place, port: int) -> ThreadingHTTPServer:
    """The server, bound but not yet serving. Raises BotError when the port is taken."""
    pages = Pages(place)

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            """Answer; a browser that hangs up meanwhile is nobody's trouble."""
            with contextlib.suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            """The page, or the name of its present version."""
            names = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}  # type: ignore[attr-defined]
            if self.headers.get("Host") not in names:
                self.send_error(403)
            elif self.path == "/":
                self._answer("text/html; charset=utf-8", pages.page)
            elif self.path == "/version":
                self._answer("text/plain", lambda: pages.version().encode())
            else:
                self.send_error(404)

        def _answer(self, kind: str, make: Callable[[], bytes]) -> None:
            try:
                body = make()
            except (BotError, ForgeError, GitError) as error:
                self.send_error(503, explain=str(error))
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the terminal is for people."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise BotError(
            f"Port {port} cannot be used ({error.strerror}). Choose another one with --port."
        ) from None
