"""Serves the page on this machine while a night runs: the page asks now and then for a newer one.

What happens in this clone is seen at once. What happens elsewhere, where the pull requests are
shared with others, is looked for once a minute (`bot.report.lookout`).

The page holds scores that no proposer may learn, and a proposer with network can reach this
machine's ports. So its address has a secret in it, another one each time, that only the terminal
tells. Bound to the loop-back address, and answers only to requests that name it: a web page
elsewhere that a browser is made to think lives here gets nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bot.errors import BotError
from bot.forge.base import ForgeError
from bot.git import GitError
from bot.proposing.place import Place
from bot.report.build import content_of
from bot.report.lookout import Lookout, look_at, shared_at
from bot.report.page import render

HOST = "127.0.0.1"


class Pages:
    """The page of now, made when something has happened since the last one."""

    def __init__(self, place: Place, lookout: Lookout | None = None) -> None:
        self._place = place
        self._lookout = lookout
        self._lock = lookout.lock if lookout else threading.Lock()
        self._version = ""
        self._page = b""

    def version(self) -> str:
        """A name for the present state of the project: it changes with every event."""
        refs = self._place.repository.git.text(
            "for-each-ref", "--format=%(objectname)", "refs/forge", "refs/heads"
        )
        seen = self._lookout.mark if self._lookout else ""
        return hashlib.sha256(f"{refs}{seen}".encode()).hexdigest()[:16]

    def news(self) -> bytes:
        """What the page asks for now and then: the version, and when it was last looked around."""
        told = self._lookout.told if self._lookout else ""
        at_hand = self._version if self._held() else ""
        return json.dumps({"version": at_hand or self.version(), "looked": told}).encode()

    def page(self) -> bytes:
        """The page, made anew only where something has happened.

        While that is looked for, which may take long, and while looking fails, the page of before
        is at hand.
        """
        if self._page and self._held():
            return self._page
        with self._lock:
            version = self.version()
            if version != self._version:
                self._page = render(content_of(self._place), version=version).encode()
                self._version = version
            return self._page

    def _held(self) -> bool:
        """Whether no page is made now: that looks elsewhere, too, and the lookout has patience."""
        failing = self._lookout is not None and self._lookout.failing
        return failing or self._lock.locked()


def serve(place: Place, port: int, tell: Callable[[str], None]) -> None:
    """Serve until interrupted. `tell` gets the address, and what goes wrong elsewhere.

    Raises:
        BotError: the port is taken.
    """
    lookout = lookout_for(place, tell)
    with make_server(place, port, lookout) as server:
        tell(f"{server.address}   (Ctrl-C ends it)")
        if lookout is not None:
            tell(f"{lookout.where} is looked at once a minute; the page says when.")
            threading.Thread(target=lookout.run, name="looking", daemon=True).start()
        server.serve_forever()


def lookout_for(place: Place, tell: Callable[[str], None]) -> Lookout | None:
    """Who looks where the pull requests are shared; None where there is no such place."""
    where = shared_at(place)
    return Lookout(where, lambda: look_at(place), tell) if where else None


class PageServer(ThreadingHTTPServer):
    """A server that is bound; `secret` is the folder in which the page lies."""

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], secret: str) -> None:
        super().__init__((HOST, port), handler)
        self.secret = secret

    @property
    def address(self) -> str:
        """Of the page, to be told to whoever may see it."""
        return f"http://{HOST}:{self.server_port}{self.secret}"


def make_server(place: Place, port: int, lookout: Lookout | None = None) -> PageServer:
    """The server, bound but not yet serving. Raises BotError when the port is taken."""
    pages = Pages(place, lookout)
    secret = f"/{secrets.token_urlsafe(16)}/"

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            """Answer; a browser that hangs up meanwhile is nobody's trouble."""
            with contextlib.suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            """The page, or the name of its present version."""
            names = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}  # type: ignore[attr-defined]
            folder, name = self.path[: len(secret)], self.path[len(secret) :]
            if self.headers.get("Host") not in names:
                self.send_error(403)
            elif not secrets.compare_digest(folder.encode(), secret.encode()):
                self.send_error(404, explain="The address that the terminal shows leads here")
            elif name == "":
                self._answer("text/html; charset=utf-8", pages.page)
            elif name == "version":
                self._answer("application/json", pages.news)
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
        return PageServer(port, Handler, secret)
    except OSError as error:
        raise BotError(
            f"Port {port} cannot be used ({error.strerror}). Choose another one with --port."
        ) from None
