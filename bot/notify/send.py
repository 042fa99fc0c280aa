"""Delivers notices: bounded in time, and never a reason to stop."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any

from bot.errors import BaselineFails, BotError, RunnerChanged, RunnerFailed, Stopped
from bot.history.spending import CapReached
from bot.notify.notice import Notice
from bot.notify.tables import Event, NotifyTable, fault_of
from bot.settings import Settings

WEBHOOK = "MERGELAB_WEBHOOK"
LIMIT_S = 10.0
# What a program that shows a notice may need; above all no key and no token.
_PASSED = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"),
)

_EVENTS: tuple[tuple[tuple[type[BotError], ...], Event], ...] = (
    ((CapReached,), Event.CAP_REACHED),
    ((Stopped,), Event.PAUSED),
    ((RunnerFailed, RunnerChanged, BaselineFails), Event.RUNNER_BROKEN),
)
_LASTING = {Event.CAP_REACHED, Event.PAUSED}  # true of every step until a person acts

Say = Callable[[str], None]


def to_people(text: str) -> None:
    """Say why a notice was not delivered, where people read."""
    print(text, file=sys.stderr)


def name_of(settings: Settings, folder: Path) -> str:
    """What a notice calls the repository."""
    return settings.forge.repository if settings.forge.kind == "github" else folder.name


@contextmanager
def watching(settings: Settings, folder: Path, say: Say = to_people) -> Iterator[None]:
    """Tell of what ends the work within, see `tell_of`."""
    try:
        yield
    except BotError as error:
        tell_of(error, settings, folder, say)
        raise


def tell_of(error: Exception, settings: Settings, folder: Path, say: Say = to_people) -> None:
    """A notice of what keeps the bot from going on, where that is worth one.

    A cap that is reached, a pause or the end of the programme, a runner that is broken. A step
    that only GitHub's clock woke tells of no cap and no pause: the one that what happened woke
    has told of it, and the clock strikes all night.
    """
    event = next((event for kinds, event in _EVENTS if isinstance(error, kinds)), None)
    if event is None:
        return
    if event in _LASTING and os.environ.get("GITHUB_EVENT_NAME") == "schedule":
        return
    name = name_of(settings, folder)
    notice = Notice(event, f"{name}: {error}", name, settings.metric_shown, int(time()))
    send(notice, settings.notify, say)


def send(
    notice: Notice,
    table: NotifyTable,
    say: Say = to_people,
    environment: Mapping[str, str] = os.environ,
    limit_s: float = LIMIT_S,
) -> None:
    """Deliver a notice wherever bot.toml wants it. Raises nothing; what failed is said.

    It is over after `limit_s`, whatever the other side does.
    """
    if notice.event not in table.events:
        return
    secret = environment.get(WEBHOOK, "").strip()
    address = secret or table.webhook
    ways: list[tuple[str, Callable[[], None]]] = []
    body = notice.json(environment)
    if address:
        where = WEBHOOK if secret else "notify.webhook"
        ways.append((where, lambda: _post(str(address), body, limit_s)))
    if table.command:
        argv = list(table.command)
        ways.append(("notify.command", lambda: _run(argv, body, environment, limit_s)))
    workers = [threading.Thread(target=_try, args=(*way, say), daemon=True) for way in ways]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(limit_s)


def _try(where: str, deliver: Callable[[], None], say: Say) -> None:
    try:
        deliver()
    except Exception as error:  # whatever it is: nobody's work may end for it
        say(f"A notice was not delivered ({where}): {_words(error)}")


def _words(error: Exception) -> str:
    """Why, without the address: it may be the secret itself."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the other side answered {error.code}"
    if isinstance(error, subprocess.CalledProcessError):
        return f"the command ended with {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired | TimeoutError):
        return "it took too long"
    if isinstance(error, ValueError):
        return str(error)
    return type(error).__name__


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An answer that sends us elsewhere is an answer, not an order."""

    def redirect_request(self, *_: Any) -> None:
        """None: it is raised as the error that it is."""


def _post(address: str, body: bytes, limit_s: float) -> None:
    if fault := fault_of(address):
        raise ValueError(f"the address {fault}")
    headers = {"Content-Type": "application/json", "User-Agent": "mergelab"}
    request = urllib.request.Request(address, body, headers, method="POST")  # noqa: S310 (checked)
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(request, timeout=limit_s / 2):
        pass


def _run(argv: list[str], body: bytes, environment: Mapping[str, str], limit_s: float) -> None:
    passed = {name: environment[name] for name in _PASSED if name in environment}
    subprocess.run(
        argv,
        input=body,
        env=passed,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=limit_s / 2,
        check=True,
        start_new_session=True,
    )
