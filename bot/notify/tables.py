"""`[notify]` of bot.toml."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from runner.tables import Table

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Event(StrEnum):
    """What is worth a notice."""

    MERGED = "merged"
    PAUSED = "paused"
    CAP_REACHED = "cap-reached"
    RUNNER_BROKEN = "runner-broken"


class NotifyTable(Table):
    """Notices to people elsewhere: on a merge, a pause, a cap, a broken runner. See
    docs/notifications.md. A notice that cannot be delivered stops nothing."""

    webhook: str | None = None
    """An address that gets each notice as JSON, by POST. One that is secret belongs into the
    environment variable `MERGELAB_WEBHOOK` instead, which goes before it."""
    command: Annotated[tuple[str, ...], Field(min_length=1, max_length=50)] | None = None
    """A program with its arguments that gets each notice as JSON on its standard input."""
    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=len(Event))] = tuple(Event)
    """Which events are told."""

    @field_validator("webhook")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and (fault := fault_of(value)):
            raise ValueError(fault)
        return value


def fault_of(address: str) -> str:
    """Why notices cannot go to an address; empty if they can."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "is no address of the form https://host/path"
    if not host or not address.isprintable() or " " in address:
        return "is no address of the form https://host/path"
    if parts.username or parts.password:
        return "must not contain a password; use MERGELAB_WEBHOOK for a secret address"
    if parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK):
        return ""
    return "must begin with https:// (http:// only for this machine itself)"
